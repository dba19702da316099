import { Fault, isTransient, modeKey, type Reading, type WallMs } from '../model/index.ts';
import { mustAct, type Trust } from './trust.ts';

/** What is needed of a machine to put it to sleep and to see that it is. */
export interface ShedHandle {
  sleep?(signal?: AbortSignal): Promise<void>;
  read(signal?: AbortSignal): Promise<Reading>;
}

export interface Shedder {
  /** Puts machines to sleep, in this order and at once; one that is under way is not told twice. */
  shed(ids: readonly string[], why: string): void;
  /** Asks a machine how it is, beside what is shed; resolves when it has answered or not. */
  look(id: string): Promise<void>;
  /** Machines that did not obey, with the kind of fault, until they are seen asleep. */
  failed(): ReadonlyMap<string, string>;
  /** Commands and questions on their way. */
  inFlight(): number;
}

/** How a batch of one decision ended. */
export interface ShedResult {
  readonly why: string;
  readonly told: number;
  readonly asleep: number;
  readonly failed: ReadonlyMap<string, string>;
  readonly tookMs: number;
}

export interface ShedOptions {
  handle(id: string): ShedHandle | undefined;
  trust(id: string): Trust;
  /** A machine answered: it sleeps, or it does not. */
  onSeen(id: string, asleep: boolean): void;
  /** Every machine of a batch is seen asleep, or was given up. */
  onResult(result: ShedResult): void;
  wallNow(): WallMs;
  /** Waits; a test stands for it. */
  pause(ms: number): Promise<void>;
  readonly maxInFlight?: number;
}

/** Pauses before another try; what was refused is not tried again in the same batch. */
const RETRY_MS = [500, 2_000, 5_000];
/** When a machine that acknowledged is looked at; the last one is past what stock firmware takes to reload. */
const LOOKS_MS = [1_000, 1_500, 2_500, 4_000, 6_000, 10_000];

/** Puts machines to sleep whatever else is wanted of them, and looks until they are. The guard's only write. */
export function createShedder(options: ShedOptions): Shedder {
  const { maxInFlight = 512, pause } = options;
  const underway = new Set<string>();
  const failed = new Map<string, string>();
  const waiting: (() => void)[] = [];
  let inFlight = 0;

  async function within<T>(work: () => Promise<T>): Promise<T> {
    if (inFlight >= maxInFlight) await new Promise<void>((go) => waiting.push(go));
    inFlight += 1;
    try {
      return await work();
    } finally {
      inFlight -= 1;
      waiting.shift()?.();
    }
  }

  async function tell(id: string): Promise<Fault | undefined> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        await within(async () => {
          mustAct(options.trust(id), 'sleep');
          const handle = options.handle(id);
          if (handle?.sleep === undefined) throw new Fault('unsupported', 'this machine cannot sleep');
          await handle.sleep();
        });
        return undefined;
      } catch (error) {
        const fault = faultOf(error);
        const wait = RETRY_MS[attempt];
        if (wait === undefined || !isTransient(fault.kind)) return fault;
        await pause(wait);
      }
    }
  }

  async function isAsleep(id: string): Promise<boolean | undefined> {
    try {
      const reading = await within(async () => options.handle(id)?.read());
      if (reading?.mode === undefined) return undefined;
      const asleep = modeKey(reading.mode) === 'sleep';
      options.onSeen(id, asleep);
      if (asleep) failed.delete(id);
      return asleep;
    } catch {
      return undefined;
    }
  }

  /** Why it is not asleep after all; undefined: it is. */
  async function putToSleep(id: string): Promise<string | undefined> {
    const fault = await tell(id);
    if (fault !== undefined) return fault.kind;
    for (const wait of LOOKS_MS) {
      await pause(wait);
      if ((await isAsleep(id)) === true) return undefined;
    }
    return 'acknowledged, but no reading shows it';
  }

  async function batch(ids: readonly string[], why: string): Promise<void> {
    const started = options.wallNow();
    const wrong = new Map<string, string>();
    await Promise.all(
      ids.map(async (id) => {
        const reason = await putToSleep(id);
        underway.delete(id);
        if (reason === undefined) return;
        wrong.set(id, reason);
        failed.set(id, reason);
      }),
    );
    const asleep = ids.length - wrong.size;
    options.onResult({ why, told: ids.length, asleep, failed: wrong, tookMs: options.wallNow() - started });
  }

  return {
    shed(ids, why) {
      const mine = ids.filter((id) => !underway.has(id));
      for (const id of mine) underway.add(id);
      if (mine.length > 0) void batch(mine, why);
    },
    look: async (id) => void (await isAsleep(id)),
    failed: () => failed,
    inFlight: () => inFlight,
  };
}

/** A bug met at one machine must not keep the guard from the others: here alone it is told as a fault, and not thrown on. */
const faultOf = (error: unknown): Fault =>
  error instanceof Fault ? error : new Fault('garbled', `a bug: ${String(error)}`, { cause: error });
