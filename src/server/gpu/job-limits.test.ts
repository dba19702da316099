import { expect, test } from 'vitest';
import { Fault, siteMs, type Job, type Site, type Trust } from '../../model/index.ts';
import type { FleetMachine } from '../fleet.ts';
import { createJobLimits, LADDER_CAP_PCT, type Limit } from './job-limits.ts';

const CAP: Limit = { kind: 'cap-power', pct: LADDER_CAP_PCT };
const LOCK: Limit = { kind: 'lock-clocks', mhz: 1_200 };

/** One job on two servers of 10 kW, as a test wants them to be. */
function bench(options: { trust?: Trust; className?: Job['className']; terms?: object; before?: string } = {}) {
  let now = siteMs(1_000_000);
  let powerW: number | undefined = 8_000;
  let isWhole = true;
  let kept: string | undefined;
  const sent: string[] = [];
  const faults = new Map<string, Fault>();
  const say = (what: string) => async (value?: number) => {
    const fault = faults.get(what);
    if (fault !== undefined) throw fault;
    sent.push(`${what} ${value ?? 'free'}`);
  };
  const job = {
    id: '7',
    state: 'running',
    className: options.className ?? 'batch',
    gpuModel: 'h100',
    gpus: 16,
    nodes: ['n1', 'n2'],
  } as unknown as Job & { state: string };
  const members = ['n1', 'n2'].map(
    (id) =>
      ({
        machine: { id, groupId: 'g', address: `address of ${id}`, driver: 'gpu-server' },
        device: { setPowerLimit: say(`${id} watts`), setClockLimit: say(`${id} clock`) },
        reading: { at: now, powerLimitW: 10_000 },
      }) as unknown as FleetMachine & { reading: { at: number } },
  );
  const learned: unknown[] = [];
  const acts: string[] = [];
  const site = {
    clusters: [{ id: 'hpc', classes: [{ id: 'w', class: job.className, gpu: 'h100', ...options.terms }] }],
    machines: [{ id: 'g' }] as { id: string; managedBy?: string }[],
  };
  const cluster = {
    id: 'hpc',
    failure: undefined as string | undefined,
    reading: {
      at: now,
      nodes: ['n1', 'n2'].map((name) => ({ name, address: `address of ${name}` })),
      jobs: [job],
    },
  };
  const limits = createJobLimits({
    site: () => site as unknown as Site,
    fleet: { machines: members, byId: (id: string) => members.find(({ machine }) => machine.id === id), readSoon() {} },
    clusters: () => [cluster as never],
    gpus: {
      truth: { job: () => ({ powerW }), isWhole: () => isWhole },
      effects: { learn: (...all: unknown[]) => learned.push(all) },
    } as never,
    journal: { act: ({ who, what }) => acts.push(`${who}: ${what}`) },
    trust: () => options.trust ?? 'auto',
    siteNow: () => now,
    before: options.before,
    keep: (text) => (kept = text),
  });
  return {
    limits,
    sent,
    faults,
    acts,
    learned,
    job,
    site,
    cluster,
    kept: () => kept,
    share: () => (isWhole = false),
    async read(watts: number | undefined, afterS = 10) {
      now = siteMs(now + afterS * 1000);
      powerW = watts;
      for (const member of members) member.reading.at = now;
      await limits.look();
    },
    limit: (limit: Limit = CAP) => limits.limit({ clusterId: 'hpc', jobId: '7', limit, who: 'ann', why: 'heat' }),
  };
}

test('all servers of a job are limited, seen in power, learned from, and set back when it has ended', async () => {
  const b = bench();
  await b.limit();
  expect(b.sent.sort()).toEqual(['n1 watts 7000', 'n2 watts 7000']);
  expect(b.acts).toEqual(['ann: limit power to 70 % of job hpc/7']);
  await b.read(7_900);
  expect(b.limits.of('hpc', '7')!.seen).toBeNull();
  await b.read(6_400);
  expect(b.limits.of('hpc', '7')!.seen).toMatchObject({ releasedW: 1_600 });
  expect(b.learned).toEqual([['cap-power', 'h100', 100, 20]]);
  expect(b.limits.drainChanged()).toMatchObject([{ action: 'set-power-limit', stage: 'seen-in-power', who: 'ann' }]);
  b.job.state = 'done';
  await b.read(0);
  expect(b.sent.slice(2).sort()).toEqual(['n1 watts 10000', 'n2 watts 10000']);
  expect(b.limits.of('hpc', '7')).toBeUndefined();
  await b.read(0);
  expect(b.sent).toHaveLength(4);
});

test('where one server refuses none stays limited', async () => {
  const b = bench();
  b.faults.set('n2 clock', new Fault('refused', 'no such clock'));
  await expect(b.limit(LOCK)).rejects.toMatchObject({ kind: 'refused', message: expect.stringContaining('n2') });
  expect(b.sent).toEqual(['n1 clock 1200', 'n1 clock free']);
  expect(b.limits.of('hpc', '7')).toBeUndefined();
});

test('a server that did not answer is set back as soon as it does', async () => {
  const b = bench();
  b.faults.set('n2 watts', new Fault('timeout', 'silent'));
  await expect(b.limit()).rejects.toMatchObject({ kind: 'timeout' });
  expect(b.sent).toEqual(['n1 watts 7000', 'n1 watts 10000']);
  b.faults.clear();
  await b.read(8_000);
  expect(b.sent.slice(2)).toEqual(['n2 watts 10000']);
});

test('it outlives a restart', async () => {
  const b = bench();
  await b.limit(LOCK);
  const next = bench({ before: b.kept()! });
  expect(next.limits.of('hpc', '7')).toMatchObject({ kind: 'lock-clocks', value: 1_200, who: 'ann' });
  await next.limits.release('hpc', '7', 'ben', 'cool again');
  expect(next.sent.sort()).toEqual(['n1 clock free', 'n2 clock free']);
  await expect(next.limits.release('hpc', '7', 'ben', 'again')).rejects.toThrow(/nothing limits/);
});

test.each<[string, Parameters<typeof bench>[0], (b: ReturnType<typeof bench>) => void, RegExp]>([
  ['in shadow', { trust: 'shadow' }, () => {}, /in shadow nothing is written/],
  [
    'reserved work without terms for it',
    { className: 'reserved' },
    () => {},
    /what is signed lets nobody slow it down/,
  ],
  ['a server shared with other jobs', {}, (b) => void b.share(), /shared with other jobs/],
  ['a job that waits', {}, (b) => void (b.job.state = 'pending'), /does not run/],
  [
    'an operating system that is the tenant’s',
    {},
    (b) => void Object.assign(b.site.machines[0]!, { managedBy: 'tenant' }),
    /its operating system is the tenant's/,
  ],
])('refused: %s', async (_, options, change, words) => {
  const b = bench(options);
  change(b);
  await expect(b.limit()).rejects.toThrow(words);
  expect(b.sent).toEqual([]);
});

const CURVE = [
  { powerLimitW: 300, throughputPct: 70 },
  { powerLimitW: 400, throughputPct: 85 },
  { powerLimitW: 600, throughputPct: 100 },
];
const signed = { throttle: { minThroughputPct: 80 }, powerCurve: CURVE };

test('reserved work is slowed down no further than its terms and its curve allow', async () => {
  const b = bench({ className: 'reserved', terms: signed });
  await expect(b.limit({ kind: 'cap-power', pct: 60 })).rejects.toThrow(/want 80 %, which takes 67 % of its power/);
  await expect(b.limit(LOCK)).rejects.toThrow(/nobody measured what it does then/);
  const bare = bench({ className: 'reserved', terms: { throttle: signed.throttle } });
  await expect(bare.limit()).rejects.toThrow(/nobody measured/);
  expect([...b.sent, ...bare.sent]).toEqual([]);
  await b.limit();
  expect(b.sent).toHaveLength(2);
});

test('it is known before it is sent; what is never seen stays unknown, and is no zero', async () => {
  const b = bench();
  b.faults.set('n1 watts', new Fault('timeout', 'silent'));
  b.faults.set('n2 watts', new Fault('timeout', 'silent'));
  await expect(b.limit()).rejects.toMatchObject({ kind: 'timeout' });
  expect(JSON.parse(b.kept()!)).toMatchObject([{ jobId: '7', isOver: true, servers: [{}, {}] }]);
  const c = bench();
  await c.limit();
  await c.read(undefined, 700);
  expect(c.limits.of('hpc', '7')!.seen).toEqual({});
  expect(c.limits.drainChanged()).toMatchObject([{ stage: 'failed', fault: 'timeout' }]);
});

test('a cluster that is silent ends nothing', async () => {
  const b = bench();
  await b.limit();
  b.cluster.failure = 'silent';
  b.job.state = 'done';
  await b.read(8_000);
  expect(b.limits.of('hpc', '7')).toBeDefined();
});
