import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { guardState, type GuardState, type ToGuard } from '../../model/index.ts';

/** A line to the guard's socket: opened when there is somebody to talk to, and again when it breaks. */
export interface GuardConnection {
  /** Tries to open it, unless it is open. */
  open(): void;
  isOpen(): boolean;
  /** False where nobody is there to hear it, or it does not read what it is told. */
  tell(message: ToGuard): boolean;
  close(): void;
}

/** A guard that has not read so much of what it was told is stuck. */
const MOST_UNREAD = 16e6;

export function openConnection(
  path: string,
  handlers: { onOpen(): void; onState(state: GuardState): void; onClose(): void },
): GuardConnection {
  let socket: Socket | undefined;
  let isOpen = false;

  function lose(gone: Socket): void {
    gone.destroy();
    if (socket !== gone) return;
    socket = undefined;
    if (!isOpen) return;
    isOpen = false;
    handlers.onClose();
  }

  return {
    open() {
      if (socket !== undefined) return;
      const mine = connect(path);
      socket = mine;
      mine.on('connect', () => {
        isOpen = true;
        handlers.onOpen();
      });
      mine.on('error', () => lose(mine));
      mine.on('close', () => lose(mine));
      createInterface({ input: mine, crlfDelay: Infinity })
        .on('error', () => {})
        .on('line', (line) => {
          const state = stateOf(line);
          if (state !== undefined) handlers.onState(state);
        });
    },
    isOpen: () => isOpen,
    tell(message) {
      if (socket === undefined || !isOpen || socket.writableLength > MOST_UNREAD) return false;
      socket.write(`${JSON.stringify(message)}\n`);
      return true;
    },
    close() {
      socket?.end();
      socket = undefined;
      isOpen = false;
    },
  };
}

/** Undefined of a guard of another version that says it otherwise: it is then not heard, and replaced. */
function stateOf(line: string): GuardState | undefined {
  try {
    return guardState.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
