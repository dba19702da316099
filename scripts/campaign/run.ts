import { setTimeout as pause } from 'node:timers/promises';
import type { z } from 'zod';
import { RAMP_DOWN_S, RELOAD_S } from '../../sim/miner-commands.ts';
import { unitAt } from '../../sim/random.ts';
import { intervalPage, machinePage, overview } from '../../src/model/api.ts';
import { ordersPage } from '../../src/model/orders-api.ts';
import { localToken, runBusbar } from '../../test/support/site/cli.ts';
import { storeFile } from '../../test/support/site/processes.ts';
import { DISK_IS_FULL, FAULTS, type CampaignFault } from './faults.ts';
import { commandsOnDisk, watchIntervals, watchLoads } from './invariants.ts';
import { CHEAP_USD_PER_MWH, openWorld, type CampaignWorld } from './world.ts';

export interface CampaignOptions {
  /** Emulated hours for which things go wrong. */
  readonly hours: number;
  readonly seed: number;
  /** Site seconds to one of the wall. */
  readonly speed: number;
  /** How many faults are begun in that time. */
  readonly faults: number;
  readonly offset: number;
  say(text: string): void;
}

export interface CampaignReport {
  readonly seed: number;
  readonly hours: number;
  readonly speed: number;
  readonly faults: number;
  readonly byFault: Readonly<Record<string, number>>;
  /** Kinds that could not be tried on this host. */
  readonly leftOut: readonly string[];
  readonly holds: number;
  readonly stops: number;
  /** Of both, how many were watched to their end: nobody can look where the server or its disk is away. */
  readonly watched: number;
  readonly looks: number;
  readonly intervals: number;
  /** Site seconds for which each breaker's load stood above its rating at the longest, and how many it may. */
  readonly longestOverS: Readonly<Record<string, number>>;
  readonly mostOverS: number;
  readonly settledAfterS: number | null;
  /** What must be so and was not; none where the site kept it all. */
  readonly broken: readonly string[];
}

const LOOK_MS = 200;
const RETRY_MS = 200;
/** The guard looks once a second, at meters that are read once a second, and tells machines within another. */
const GUARD_S = 3;
const SETTLE_MS = 300_000;
const ON_RECORD_MS = 2_000;
const HELD = 'a-s21';
const MINERS = [HELD, 'd-s21xp'];

function draw(from: readonly CampaignFault[], random: () => number): CampaignFault {
  const all = from.reduce((sum, { weight }) => sum + weight, 0);
  let at = random() * all;
  return from.find(({ weight }) => (at -= weight) < 0) ?? from[0]!;
}

/** Of each fault, and of the people, numbers of its own: what one draws changes nothing of the next. */
function numbersOf(seed: number, n: number): () => number {
  let drawn = 0;
  return () => unitAt(seed, n, (drawn += 1));
}

/** Lets everything go wrong for a while, at once and one after the other, and holds the site against what must be so. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { hours, seed, speed, say } = options;
  const world = await openWorld(speed, options.offset);
  const mostOverS = GUARD_S * speed + Math.max(most(RAMP_DOWN_S), most(RELOAD_S));
  const loads = watchLoads(mostOverS);
  const intervals = watchIntervals();
  const people = actOn(world, say);
  const byFault: Record<string, number> = {};
  let looks = 0;
  const over = new AbortController();
  const brokenSoFar = () => [...world.ended, ...loads.broken, ...people.broken, ...intervals.broken];
  const told = new Set<string>();
  const watch = (async () => {
    while (!over.signal.aborted) {
      loads.look(await world.sim.truth(), world.tripped);
      looks += 1;
      for (const rule of brokenSoFar()) {
        if (told.has(rule)) continue;
        told.add(rule);
        say(`${new Date().toISOString()} broken: ${rule}`);
      }
      await pause(LOOK_MS);
    }
  })();
  const reads = (async () => {
    while (!over.signal.aborted) {
      await ask(world, '/api/v1/intervals?limit=500', intervalPage)
        .then((page) => intervals.told(page.intervals))
        .catch(() => undefined);
      await pause(2_000);
    }
  })();
  try {
    await settled(world, SETTLE_MS);
    say(`the site is as planned; ${options.faults} faults in ${hours} site hours begin`);
    const endAt = performance.now() + (hours * 3_600_000) / speed;
    const acts = people.act(() => performance.now() < endAt, numbersOf(seed, -1));
    const faults = FAULTS.filter(({ name }) => world.fillDisk !== undefined || name !== DISK_IS_FULL);
    const undoing: Promise<void>[] = [];
    const begun = performance.now();
    for (let n = 0; n < options.faults; n += 1) {
      const dueAt = begun + ((endAt - begun) * n) / options.faults;
      if (performance.now() < dueAt) await pause(dueAt - performance.now());
      const random = numbersOf(seed, n);
      const fault = draw(faults, random);
      const lastsMs = 1_000 * (fault.lastsS[0] + random() * (fault.lastsS[1] - fault.lastsS[0]));
      let end = await fault.begin(world, random);
      // The server is just starting: what is to befall it waits until it is there.
      for (; end === undefined; end = await fault.begin(world, random)) await pause(RETRY_MS);
      byFault[fault.name] = (byFault[fault.name] ?? 0) + 1;
      undoing.push(pause(lastsMs).then(end));
      if ((n + 1) % 50 === 0) say(`${n + 1} faults, ${brokenSoFar().length} broken rules`);
    }
    await Promise.all([acts, ...undoing]);
    say('all faults are over: waiting until the site is as planned');
    world.prices.usdPerMwh = CHEAP_USD_PER_MWH;
    const settledAfterMs = await settled(world, SETTLE_MS);
    over.abort();
    await Promise.all([watch, reads]);
    const audit = await verified(world);
    return {
      seed,
      hours,
      speed,
      faults: Object.values(byFault).reduce((sum, count) => sum + count, 0),
      byFault,
      leftOut: world.fillDisk === undefined ? [DISK_IS_FULL] : [],
      holds: people.holds(),
      stops: people.stops(),
      watched: people.watched(),
      looks,
      intervals: intervals.count(),
      longestOverS: Object.fromEntries([...loads.longestOverS].map(([id, s]) => [id, Math.round(s)])),
      mostOverS,
      settledAfterS: settledAfterMs === undefined ? null : Math.round(settledAfterMs / 1_000),
      broken: [
        ...brokenSoFar(),
        ...intervals.onDisk(storeFile(world.settings)),
        ...audit,
        ...(settledAfterMs === undefined ? [`not every machine came back: ${await whatIsLeft(world)}`] : []),
      ],
    };
  } finally {
    over.abort();
    await Promise.allSettled([watch, reads]);
    await world.close();
  }
}

const most = ({ least, more }: { readonly least: number; readonly more: number }): number => least + more;

async function ask<S extends z.ZodType>(world: CampaignWorld, path: string, shape: S): Promise<z.output<S>> {
  const { url } = await world.serverUp();
  const reply = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(5_000) });
  return shape.parse(await reply.json());
}

const miners = async (world: CampaignWorld) =>
  (await ask(world, '/api/v1/machines?limit=500', machinePage)).machines.filter(({ kind }) => kind === 'asic');

/** @returns after how long every miner was seen as it is wanted, some of them at work; undefined: not in that time */
async function settled(world: CampaignWorld, withinMs: number): Promise<number | undefined> {
  const began = performance.now();
  while (performance.now() - began < withinMs) {
    const rows = await miners(world).catch(() => []);
    const isThere = rows.every(({ mode, wanted, skipped }) => mode !== null && mode === wanted && skipped === null);
    if (rows.length > 0 && isThere && rows.some(({ mode }) => mode !== 'sleep')) return performance.now() - began;
    await pause(1_000);
  }
  return undefined;
}

async function whatIsLeft(world: CampaignWorld): Promise<string> {
  const rows = await miners(world).catch(() => []);
  return rows
    .filter(({ mode, wanted, skipped }) => mode !== wanted || skipped !== null)
    .slice(0, 5)
    .map(({ id, mode, wanted, skipped }) => `${id} is ${mode} and not ${wanted} (${JSON.stringify(skipped)})`)
    .join('; ');
}

async function verified(world: CampaignWorld): Promise<string[]> {
  const data = `${world.settings.files.folder}/data`;
  const server = await world.serverUp();
  const { out, err } = await runBusbar(['audit', 'verify', '--data', data, '--json'], {
    url: server.url,
    token: localToken(world.settings),
  });
  if (out === '') return [`the audit log could not be verified: ${err}`];
  const { whole, broken } = JSON.parse(out) as { whole: boolean; broken: string[] };
  return whole ? [] : broken.map((sentence) => `audit: ${sentence}`);
}

/** What people do meanwhile: a cohort is held and let go, everything is stopped and released. */
function actOn(world: CampaignWorld, say: CampaignOptions['say']) {
  const broken: string[] = [];
  let holds = 0;
  let stops = 0;
  let watched = 0;
  const busbar = async (...args: readonly string[]) => {
    const server = await world.serverUp();
    return runBusbar(args, { url: server.url, token: localToken(world.settings) });
  };
  const disk = commandsOnDisk(storeFile(world.settings));
  /** What people have asked for and not taken back, as the server tells it: orders and held cohorts, and since when by its clock. */
  async function standing(): Promise<ReadonlyMap<string, number>> {
    const [{ orders }, { cohorts }] = await Promise.all([
      ask(world, '/api/v1/orders', ordersPage),
      ask(world, '/api/v1/overview', overview),
    ]);
    return new Map([
      ...orders.flatMap(({ id, state, from }) => (state === 'over' ? [] : [[id, Date.parse(from)] as const])),
      ...cohorts.flatMap(({ id, held }) => (held === null ? [] : [[id, Date.parse(held.since)] as const])),
    ]);
  }

  /** Whatever stands in the way, what was asked for is taken back in the end; what was asked and not answered may be in force, too. */
  async function letGo(): Promise<void> {
    for (;;) {
      const subjects = await standing().catch(() => undefined);
      if (subjects?.size === 0) return;
      for (const subject of subjects?.keys() ?? [])
        await busbar('release', subject, '--why', 'the campaign goes on').catch(() => undefined);
      await pause(1_000);
    }
  }

  /** Sees that nobody of these groups is woken for a while. */
  async function watchSleepers(lastsMs: number, groups: readonly string[]): Promise<void> {
    // What was told before is on the disk by then.
    await pause(ON_RECORD_MS);
    let since: number | undefined;
    // The server may just be starting again: all the more is it watched then.
    for (let tries = 0; since === undefined && tries < 10; tries += 1) {
      const known = await standing().catch(() => pause(1_000));
      if (known !== undefined) since = Math.max(...known.values());
    }
    if (since === undefined) return;
    const from = disk.newest();
    await pause(lastsMs);
    const to = disk.newest();
    if (from === undefined || to === undefined) return;
    watched += 1;
    for (const group of groups) broken.push(...disk.wakesAfter(from, to, since, group));
  }

  /** Whether the site took what somebody asked for; in the midst of faults it may not be there to. */
  async function isTaken(...args: readonly string[]): Promise<boolean> {
    const { status, err } = await busbar(...args, '--why', 'the campaign looks');
    if (status !== 0) say(`busbar ${args[0]} was not taken: ${err.trim().split('\n')[0]}`);
    return status === 0;
  }

  async function holdAwhile(lastsMs: number): Promise<void> {
    if (!(await isTaken('hold', HELD))) return;
    holds += 1;
    await watchSleepers(lastsMs, [HELD]);
  }

  async function stopAwhile(lastsMs: number): Promise<void> {
    if (!(await isTaken('stop', '--yes', '--no-wait'))) return;
    stops += 1;
    await watchSleepers(lastsMs, MINERS);
  }

  return {
    broken,
    holds: () => holds,
    stops: () => stops,
    watched: () => watched,
    async act(goesOn: () => boolean, random: () => number): Promise<void> {
      while (goesOn()) {
        await pause(5_000 + 10_000 * random());
        const lastsMs = 6_000 + 12_000 * random();
        await (random() < 0.6 ? holdAwhile(lastsMs) : stopAwhile(lastsMs)).catch(() => undefined);
        await letGo();
      }
    },
  };
}
