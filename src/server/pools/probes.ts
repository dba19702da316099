import { isDeepStrictEqual } from 'node:util';
import { openStratum, type StratumProbe, type StratumTiming } from '../../drivers/wire/stratum.ts';
import { asFault, type Fault, type Pool, type WallMs } from '../../model/index.ts';

/** What the site knows of a pool by asking it itself, beside its miners. */
export interface PoolHealth {
  readonly pool: Pool;
  /** Undefined: not known yet. */
  readonly alive: boolean | undefined;
  readonly fault: Fault | undefined;
  readonly timing: StratumTiming | undefined;
  /** The last answer to a question on the open connection. */
  readonly latencyMs: number | undefined;
  /** Wall time of the last job; undefined before the first one. */
  readonly jobAt: WallMs | undefined;
  readonly connectedAt: WallMs | undefined;
  readonly checkedAt: WallMs | undefined;
}

export interface PoolProbes {
  list(): readonly PoolHealth[];
  /** Follows a changed list; a pool whose entry is as before keeps its connection. */
  follow(pools: readonly Pool[]): void;
  close(): void;
}

export interface ProbeWorld {
  wallNow(): WallMs;
  passwordOf(pool: Pool): string;
  portOffset: number;
}

const TIMEOUT_MS = 10_000;
/** The pause before a pool that went away is tried again doubles up to this. */
const LONGEST_PAUSE_MS = 60_000;
const FIRST_PAUSE_MS = 2_000;

export function openPoolProbes(world: ProbeWorld): PoolProbes {
  let probes: Probe[] = [];
  return {
    list: () => probes.map((probe) => probe.health()),
    follow(pools) {
      const before = probes;
      probes = pools.map(
        (pool) => before.find((probe) => isDeepStrictEqual(probe.pool, pool)) ?? openProbe(pool, world),
      );
      for (const gone of before) if (!probes.includes(gone)) gone.close();
    },
    close: () => probes.forEach((probe) => probe.close()),
  };
}

interface Probe {
  readonly pool: Pool;
  health(): PoolHealth;
  close(): void;
}

function openProbe(pool: Pool, world: ProbeWorld): Probe {
  let health: PoolHealth = {
    pool,
    alive: undefined,
    fault: undefined,
    timing: undefined,
    latencyMs: undefined,
    jobAt: undefined,
    connectedAt: undefined,
    checkedAt: undefined,
  };
  let connection: StratumProbe | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  let closed = false;
  const worker = pool.probe.worker ?? pool.worker.replaceAll('{machine}', 'probe').replaceAll('{address}', 'probe');
  const set = (next: Partial<PoolHealth>): void => void (health = { ...health, ...next });

  function later(ms: number, act: () => void): void {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(act, ms);
  }

  function lost(fault: Fault): void {
    connection = undefined;
    set({ alive: false, fault, connectedAt: undefined, latencyMs: undefined, checkedAt: world.wallNow() });
    later(pauseMs, begin);
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }

  async function check(): Promise<void> {
    try {
      const latencyMs = await connection?.check();
      set({ latencyMs, checkedAt: world.wallNow() });
    } catch (error) {
      // Where the connection itself ended, `lost` has spoken already.
      if (connection === undefined) return;
      connection.close();
      lost(asFault(error));
      return;
    }
    later(pool.probe.everySeconds * 1000, () => void check());
  }

  function begin(): void {
    try {
      connection = openStratum(
        {
          url: shifted(pool.url, world.portOffset),
          worker,
          password: world.passwordOf(pool),
          timeoutMs: TIMEOUT_MS,
          now: () => world.wallNow(),
        },
        {
          onReady(timing) {
            pauseMs = FIRST_PAUSE_MS;
            const now = world.wallNow();
            set({
              alive: true,
              fault: undefined,
              timing,
              latencyMs: timing.authoriseMs,
              connectedAt: now,
              checkedAt: now,
            });
            later(pool.probe.everySeconds * 1000, () => void check());
          },
          onJob: () => set({ jobAt: world.wallNow() }),
          onDifficulty() {},
          onEnd: lost,
        },
      );
    } catch (error) {
      // What cannot be spoken to is not tried again: it is neither alive nor dead.
      set({ fault: asFault(error), checkedAt: world.wallNow() });
    }
  }

  begin();
  return {
    pool,
    health: () => health,
    close() {
      closed = true;
      clearTimeout(timer);
      connection?.close();
    },
  };
}

const shifted = (url: string, offset: number): string =>
  offset === 0 ? url : url.replace(/:(\d+)(?=\/|$)/, (_, port: string) => `:${Number(port) + offset}`);

/** Milliseconds since the pool gave work; since the connection was made where it has given none. */
export function jobAgeMs({ jobAt, connectedAt }: PoolHealth, now: WallMs): number | undefined {
  if (connectedAt === undefined) return undefined;
  return now - Math.max(jobAt ?? connectedAt, connectedAt);
}
