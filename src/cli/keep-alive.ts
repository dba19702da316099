import { fork, type ChildProcess } from 'node:child_process';
import { START_AGAIN } from '../server/offline/start-again.ts';
import { CliError } from './output.ts';

const RESTART_MS = 1_000;
const STOP_MS = 8_000;

/**
 * Where processors guard code pages by keys, V8 aborts now and then while threads load WASM (nodejs/node#64500): the solver is WASM in a
 * thread.
 */
const NODE = ['--no-memory-protection-keys'];

/** A process that is started again when it dies: what it had booked is on disk, and the machines are read anew. */
export interface Kept {
  /** Its first message of type `ready`. Rejects when it ends before. */
  readonly ready: Promise<unknown>;
  /** Passes a signal on. */
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** @param onBack called with the `ready` message of each later start */
export function keepAlive(name: string, file: string, args: readonly string[], onBack: (ready: object) => void): Kept {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  let child: ChildProcess;
  let stopping = false;
  let everReady = false;

  function start(): void {
    child = fork(file, args, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, ...NODE],
    });
    child.on('message', (message: { type?: unknown }) => {
      if (message.type !== 'ready') return;
      if (everReady) onBack(message);
      everReady = true;
      resolve(message);
    });
    child.on('exit', (code, signal) => {
      if (stopping) return;
      const how = signal ?? `status ${code}`;
      if (!everReady) return reject(new CliError(`${name} did not start (${how})`, 'its own words are above'));
      if (code === START_AGAIN) {
        process.stderr.write(`${name} starts again, as it was told to\n`);
        return start();
      }
      // A Ctrl-C reaches all processes at once: one that ends with it is not missed.
      setTimeout(() => {
        if (stopping) return;
        process.stderr.write(`${name} ended (${how}); it is started again\n`);
        start();
      }, RESTART_MS);
    });
  }
  start();

  return {
    ready: promise,
    signal: (name) => void child.kill(name),
    stop() {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      return new Promise((done) => {
        const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
        child.once('exit', () => {
          clearTimeout(force);
          done();
        });
        child.kill('SIGTERM');
      });
    },
  };
}
