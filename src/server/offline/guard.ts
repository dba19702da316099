import { join, resolve } from 'node:path';
import type { GuardState, ToGuard } from '../../model/index.ts';
import { openConnection } from '../guard/connection.ts';
import { guardSocket } from '../guard/socket.ts';

const PATIENCE_MS = 5_000;
/** What is told sooner after a message may have been made before it was read. */
const READ_MS = 900;

/**
 * Speaks to the guard of a data folder itself, whether or not a server runs: says something, if there is something to say, and resolves with
 * what the guard tells next.
 * @throws Error with the remedy where no guard is there
 */
export function askGuard(dataFolder: string, message?: ToGuard): Promise<GuardState> {
  const path = guardSocket(dataFolder);
  return new Promise((done, fail) => {
    let toldAt = -Infinity;
    const finish = (act: () => void) => {
      clearTimeout(patience);
      connection.close();
      act();
    };
    const patience = setTimeout(
      () => finish(() => fail(new Error(`no guard answers on ${path}: is busbar running with this data folder?`))),
      PATIENCE_MS,
    );
    const connection = openConnection(path, {
      onOpen() {
        if (message === undefined) return;
        connection.tell(message);
        toldAt = performance.now();
      },
      onState(state) {
        if (performance.now() - toldAt > READ_MS) finish(() => done(state));
      },
      onClose: () => finish(() => fail(new Error('the guard closed the connection'))),
    });
    connection.open();
  });
}

/** What starts the guard as a service of its own: file, and arguments. */
export function guardCommand(siteFolder: string, dataFolder: string, version: string): [file: string, args: string[]] {
  const main = join(import.meta.dirname, '..', '..', 'guard', 'main.ts');
  const places = ['--data', resolve(dataFolder), '--socket', guardSocket(dataFolder), '--folder', resolve(siteFolder)];
  return [main, [...places, '--version', version, '--service']];
}
