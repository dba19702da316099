/** What is waiting for the thread of the store, and what becomes of it when the disk takes nothing. */

export interface Op {
  /** A method of the ledger, or `accounts.` and one of theirs. */
  readonly name: string;
  readonly args: readonly unknown[];
}
export type Kind = 'read' | 'asked' | 'kept' | 'posted';

/** What one call gave; `bug` is our own mistake, `failure` what the world did to a question. */
export type Answer = { readonly value: unknown } | { readonly bug: Error } | { readonly failure: string };
/** Of several: answers in order, or why none was carried out. */
export type Outcome = { readonly answers: readonly Answer[] } | { readonly failure: string };

/** The disk did not take or give it. Nothing was changed. */
export class StoreFailure extends Error {}

export interface Queue {
  /** Done in order. @returns what the call answers; `posted` answers at once */
  add(kind: Kind, op: Op): Promise<unknown>;
  problem(): string | undefined;
  /** Writes everything. @throws StoreFailure where the disk does not take it, with how much is lost */
  drain(): Promise<void>;
}

export interface QueueOptions {
  /** Rejects where the thread died: nobody knows what it did of them. */
  readonly send: (ops: readonly Op[], kind: 'read' | 'write') => Promise<Outcome>;
  readonly retryMs?: number;
  /** Rows kept at the most; beyond it plans and commands are given up, oldest first. Acts and intervals never are. */
  readonly mostRows?: number;
  /** A bug in a write nobody waits for. */
  readonly onBug?: (bug: Error) => void;
}

interface Item extends Op {
  readonly kind: Kind;
  readonly rows: number;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Rows in one transaction, so that no message holds up whoever sends it. */
const ROWS_AT_ONCE = 500;
/** A plan weighs as much as so many rows. */
const PLAN_ROWS = 100;

const rowsIn = ({ name, args }: Op): number => {
  if (name === 'savePlan') return PLAN_ROWS;
  return name === 'saveCommands' ? (args[0] as readonly unknown[]).length : 1;
};
const sideOf = ({ kind }: Item): 'read' | 'write' => (kind === 'read' ? 'read' : 'write');
const crash = (bug: Error): void => {
  process.nextTick(() => {
    throw bug;
  });
};
const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export function createQueue({ send, retryMs = 1_000, mostRows = 200_000, onBug = crash }: QueueOptions): Queue {
  let waiting: Item[] = [];
  let rows = 0;
  let givenUp = 0;
  let problem: string | undefined;
  let retry: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  /** The first ones of a side, as many as one message takes; while writing fails, questions go before it. */
  function take(): Item[] {
    const first = retry === undefined ? waiting[0] : waiting.find(({ kind }) => kind === 'read');
    if (first === undefined) return [];
    const side = sideOf(first);
    const taken = new Set<Item>();
    let sum = 0;
    for (const item of waiting) {
      if (sideOf(item) !== side) {
        if (retry === undefined) break;
        continue;
      }
      if (sum > 0 && sum + item.rows > ROWS_AT_ONCE) break;
      taken.add(item);
      sum += item.rows;
    }
    // Nearly always the head of the queue.
    if (retry === undefined) waiting.splice(0, taken.size);
    else waiting = waiting.filter((item) => !taken.has(item));
    rows -= sum;
    return [...taken];
  }

  function pump(): void {
    if (running !== undefined) return;
    const items = take();
    const [first] = items;
    if (first === undefined) return;
    const ops = items.map(({ name, args }) => ({ name, args }));
    running = send(ops, sideOf(first))
      .catch((error: unknown): Outcome => {
        // What cannot be handed to the thread at all would be tried for ever.
        if (error instanceof Error && error.name === 'DataCloneError') onBug(error);
        return { failure: wordsOf(error) };
      })
      .then((outcome) => {
        running = undefined;
        if ('answers' in outcome) succeed(items, outcome.answers);
        else fail(items, outcome.failure);
        pump();
      });
  }

  function succeed(items: readonly Item[], answers: readonly Answer[]): void {
    if (sideOf(items[0]!) === 'write') {
      problem = undefined;
      givenUp = 0;
    }
    for (const [i, item] of items.entries()) {
      const answer = answers[i]!;
      if ('value' in answer) item.resolve(answer.value);
      else if ('failure' in answer) item.reject(new StoreFailure(answer.failure));
      else if (item.kind === 'posted') onBug(answer.bug);
      else item.reject(answer.bug);
    }
  }

  /** What must be kept goes back to the head of the queue, in order; who waits is told. */
  function fail(items: readonly Item[], why: string): void {
    if (sideOf(items[0]!) === 'read') {
      for (const item of items) item.reject(new StoreFailure(why));
      return;
    }
    problem = why;
    const all = [...items, ...waiting];
    waiting = all.filter(({ kind }) => kind !== 'asked');
    rows = waiting.reduce((sum, item) => sum + item.rows, 0);
    retry ??= setTimeout(again, retryMs);
    for (const item of all) if (item.kind === 'asked') item.reject(new StoreFailure(why));
  }

  function again(): void {
    clearTimeout(retry);
    retry = undefined;
    pump();
  }

  /** Of all that is kept only plans and commands can be missed: the ledger rests on intervals and acts. */
  function keepBound(): void {
    for (const name of ['savePlan', 'saveCommands'])
      while (rows > mostRows) {
        const i = waiting.findIndex((item) => item.name === name);
        if (i < 0) break;
        rows -= waiting[i]!.rows;
        givenUp += 1;
        waiting.splice(i, 1);
      }
  }

  return {
    add(kind, op) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      // Nobody waits for what is posted.
      if (kind === 'posted') promise.catch(() => {});
      if (op.name === 'setMeta' && problem !== undefined) dropOlderMeta(op);
      waiting.push({ ...op, kind, rows: rowsIn(op), resolve, reject });
      rows += rowsIn(op);
      keepBound();
      pump();
      return kind === 'posted' ? Promise.resolve() : promise;
    },
    problem: () =>
      problem === undefined || givenUp === 0
        ? problem
        : `${problem}; ${givenUp} plans and groups of commands were given up`,
    async drain() {
      if (retry !== undefined) again();
      // oxlint-disable-next-line eslint/no-unmodified-loop-condition -- it changes while this waits
      while (waiting.length > 0 || running !== undefined) {
        await running;
        if (problem === undefined || retry === undefined) continue;
        clearTimeout(retry);
        const lost = waiting.filter(({ kind }) => kind !== 'read');
        waiting = [];
        const error = new StoreFailure(`${lost.length} writes are not on disk: ${problem}`);
        for (const item of lost) item.reject(error);
        throw error;
      }
    },
  };

  /** A checkpoint that a later one replaces need not be kept while the disk takes nothing. */
  function dropOlderMeta(op: Op): void {
    const i = waiting.findIndex(({ name, args }) => name === 'setMeta' && args[0] === op.args[0]);
    if (i < 0) return;
    waiting.splice(i, 1);
    rows -= 1;
  }
}
