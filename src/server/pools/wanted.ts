import type { PoolSetting } from '../../drivers/driver.ts';
import { workerOf, type Machine, type Pool, type Reading, type Site } from '../../model/index.ts';

/** The pools a machine is to work for, in order: those its group names, or the whole list. */
export function wantedPools(
  pools: readonly Pool[],
  group: Site['machines'][number] | undefined,
  machine: Machine,
  passwordOf: (pool: Pool) => string,
): PoolSetting[] {
  const chosen =
    group?.pools === undefined ? pools : group.pools.flatMap((id) => pools.filter((pool) => pool.id === id));
  return chosen.map((pool) => ({ url: pool.url, worker: workerOf(pool.worker, machine), password: passwordOf(pool) }));
}

/** What a change would do to the pools of one machine. Passwords are written and never shown; no machine tells its own. */
export interface PoolDiff {
  readonly current: readonly { readonly url: string; readonly worker: string }[] | undefined;
  readonly wanted: readonly { readonly url: string; readonly worker: string }[];
  /** Undefined where the machine has not told its pools: it would be written. */
  readonly same: boolean | undefined;
}

export function poolDiff(reading: Reading | undefined, wanted: readonly PoolSetting[]): PoolDiff {
  const current = reading?.pools?.filter(({ url }) => url !== '').map(({ url, worker }) => ({ url, worker }));
  const next = wanted.map(({ url, worker }) => ({ url, worker }));
  const same =
    current?.length === next.length &&
    next.every(({ url, worker }, i) => samePool(url, current[i]!.url) && worker === current[i]!.worker);
  return { current, wanted: next, same: current === undefined ? undefined : same };
}

/** Machines tell a pool with or without its scheme, in any case, with a slash behind. */
export function samePool(one: string, other: string): boolean {
  const [a, b] = [partsOf(one), partsOf(other)];
  return a.place === b.place && (a.scheme === b.scheme || a.scheme === '' || b.scheme === '');
}

function partsOf(url: string): { readonly scheme: string; readonly place: string } {
  const [, scheme = '', place = ''] = /^(?:([a-z0-9+]+):\/\/)?(.*?)\/*$/.exec(url.trim().toLowerCase()) ?? [];
  const plain = scheme.replace(/^stratum$|^tcp$/, 'stratum+tcp').replace(/^(stratum\+tls|ssl|tls)$/, 'stratum+ssl');
  return { scheme: plain, place };
}

/** A pool or worker that is not on the list, in words; undefined where all are. Nothing told is nothing found. */
export function strangerOf(reading: Reading | undefined, pools: readonly Pool[], machine: Machine): string | undefined {
  const seen = [...(reading?.pool === undefined ? [] : [reading.pool]), ...(reading?.pools ?? [])];
  for (const { url, worker } of seen) {
    if (url === '') continue;
    const listed = pools.filter((pool) => samePool(pool.url, url));
    if (listed.length === 0) return `pool ${url} as ${worker === '' ? 'nobody' : worker}`;
    if (!listed.some((pool) => workerOf(pool.worker, machine) === worker)) return `worker ${worker} at ${url}`;
  }
  return undefined;
}
