import { expect, test } from 'vitest';
import type { ClusterHandle } from '../../clusters/cluster.ts';
import { Fault, siteMs, type Job, type Site, type Trust } from '../../model/index.ts';
import type { FleetMachine } from '../fleet.ts';
import { createJobPauses } from './job-pauses.ts';

const MINUTE_S = 60;

/** One job on one server of eight GPUs, as a test wants them to be. */
function bench(
  options: {
    trust?: Trust;
    className?: Job['className'];
    leftGpuHours?: number;
    before?: string;
    state?: Job['state'];
    handle?: Partial<ClusterHandle>;
  } = {},
) {
  let now = siteMs(1_000_000);
  let powerW: number | undefined = 4_000;
  let isLimited = false;
  let kept: string | undefined;
  const sent: string[] = [];
  const faults = new Map<string, Fault>();
  const say = (what: string) => async (id: string) => {
    sent.push(`${what} ${id}`);
    const fault = faults.get(what);
    if (fault !== undefined) throw fault;
  };
  const job = {
    id: '7',
    state: options.state ?? 'running',
    className: options.className ?? 'batch',
    gpuModel: 'h100',
    gpus: 8,
    nodes: ['n1'],
  } as unknown as Job & { state: Job['state'] };
  const member = {
    machine: { id: 'n1', groupId: 'g', address: 'address of n1', driver: 'gpu-server' },
    reading: { at: now },
  } as unknown as FleetMachine & { reading: { at: number } };
  const site = {
    clusters: [{ id: 'hpc', classes: [{ id: 'w', class: job.className, gpu: 'h100' }] }],
    machines: [{ id: 'g' }] as { id: string; managedBy?: string }[],
    contracts: [],
  };
  const cluster = {
    id: 'hpc',
    handle: options.handle ?? { pause: say('pause'), unpause: say('unpause') },
    failure: undefined as string | undefined,
    reading: { at: now, nodes: [{ name: 'n1', address: 'address of n1' }], jobs: [job] as Job[] },
  };
  const learned: unknown[] = [];
  const acts: string[] = [];
  const pauses = createJobPauses({
    site: () => site as unknown as Site,
    fleet: { machines: [member], byId: () => member, readSoon() {} },
    clusters: () => [cluster as never],
    gpus: {
      truth: { gpusOf: () => (powerW === undefined ? undefined : [{ machineId: 'n1', of: [0], powerW }]) },
      effects: { learn: (...all: unknown[]) => learned.push(all) },
    } as never,
    journal: { act: ({ who, what }) => acts.push(`${who}: ${what}`) },
    curtailment: () =>
      options.leftGpuHours === undefined ? undefined : ({ leftGpuHours: options.leftGpuHours } as never),
    isLimited: () => isLimited,
    trust: () => options.trust ?? 'auto',
    siteNow: () => now,
    before: options.before,
    keep: (text) => (kept = text),
  });
  const asked = { clusterId: 'hpc', jobId: '7', who: 'ann', why: 'the hall is hot' };
  return {
    pauses,
    sent,
    faults,
    acts,
    learned,
    site,
    cluster,
    kept: () => kept,
    limit: () => (isLimited = true),
    unmeasured: () => (powerW = undefined),
    pause: () => pauses.pause(asked),
    goOn: () => pauses.goOn({ ...asked, why: 'cool again' }),
    of: () => pauses.of('hpc', '7'),
    stages: () => pauses.drainChanged().map(({ action, stage }) => `${action} ${stage}`),
    read(state: Job['state'] | undefined, watts: number | undefined = powerW, afterS = 10) {
      now = siteMs(now + afterS * 1000);
      powerW = watts;
      member.reading.at = now;
      cluster.reading = { ...cluster.reading, at: now, jobs: state === undefined ? [] : [{ ...job, state }] };
      pauses.look();
    },
  };
}

test('a job is paused, read back, seen in power, learned from, and let go on', async () => {
  const b = bench();
  await b.pause();
  expect(b.sent).toEqual(['pause 7']);
  expect(b.acts).toEqual(['ann: pause job hpc/7']);
  expect(b.stages()).toEqual(['pause-job acknowledged']);
  b.read('running');
  expect(b.of()).toMatchObject({ stage: 'asked', who: 'ann', why: 'the hall is hot' });
  b.read('paused');
  b.read('paused', 3_900);
  expect(b.learned).toEqual([]);
  b.read('paused', 800);
  expect(b.of()!.seen).toEqual({ releasedW: 3_200 });
  expect(b.learned).toEqual([['pause', 'h100', 400, 40]]);
  expect(b.stages()).toEqual(['pause-job seen-in-power']);
  await expect(b.pause()).rejects.toMatchObject({ kind: 'refused', message: expect.stringContaining('already') });

  await b.goOn();
  expect(b.sent).toEqual(['pause 7', 'unpause 7']);
  expect(b.acts.at(-1)).toBe('ann: let job hpc/7 go on');
  b.read('paused');
  expect(b.of()!.stage).toBe('going-on');
  b.read('running', 4_000);
  expect(b.of()).toBeUndefined();
  expect(b.stages()).toEqual(['continue-job seen-in-power']);
  expect(b.acts).toHaveLength(2);
});

test('the next life of the process knows what is paused, and only that it lets go on', async () => {
  const first = bench();
  await first.pause();
  first.read('paused');
  const second = bench({ before: first.kept()!, state: 'paused' });
  expect(second.of()).toMatchObject({ stage: 'paused', who: 'ann' });
  await second.goOn();
  expect(second.sent).toEqual(['unpause 7']);
  await expect(bench({ state: 'paused' }).goOn()).rejects.toThrow(/did not pause/);
});

test('in shadow nothing is paused and nothing let go on', async () => {
  const b = bench({ trust: 'shadow' });
  await expect(b.pause()).rejects.toMatchObject({ kind: 'refused', message: expect.stringContaining('shadow') });
  expect(b.sent).toEqual([]);
  expect(b.of()).toBeUndefined();
  const paused = bench();
  await paused.pause();
  const shadow = bench({ trust: 'shadow', before: paused.kept()!, state: 'paused' });
  await expect(shadow.goOn()).rejects.toMatchObject({ kind: 'refused' });
  expect(shadow.sent).toEqual([]);
  expect(shadow.of()).toBeDefined();
});

test('what is signed is stopped only within the hours its contract lets be curtailed', async () => {
  for (const className of ['reserved', 'on-demand'] as const) {
    await expect(bench({ className }).pause()).rejects.toThrow(/what is signed lets nobody stop it/);
    await expect(bench({ className, leftGpuHours: 0 }).pause()).rejects.toThrow(/what is signed/);
    const allowed = bench({ className, leftGpuHours: 12 });
    await allowed.pause();
    expect(allowed.sent).toEqual(['pause 7']);
  }
});

test('what does not run, cannot be paused, or is a tenant machine is refused before anything is sent', async () => {
  await expect(bench({ state: 'pending' }).pause()).rejects.toThrow(/does not run/);
  await expect(bench({ state: 'paused' }).pause()).rejects.toThrow(/paused already/);
  await expect(bench({ handle: {} }).pause()).rejects.toMatchObject({ kind: 'unsupported' });
  const b = bench();
  b.site.machines[0]!.managedBy = 'tenant';
  await expect(b.pause()).rejects.toThrow(/the tenant's/);
  expect(b.sent).toEqual([]);
  expect(b.acts).toEqual([]);
});

test('a scheduler that refuses is believed; one that did not answer is looked at', async () => {
  const refused = bench();
  refused.faults.set('pause', new Fault('refused', 'no such job'));
  await expect(refused.pause()).rejects.toMatchObject({ kind: 'refused' });
  expect(refused.of()).toBeUndefined();
  expect(refused.stages()).toEqual(['pause-job failed']);

  const silent = bench();
  silent.faults.set('pause', new Fault('timeout', 'no answer'));
  await expect(silent.pause()).rejects.toMatchObject({ kind: 'timeout' });
  silent.read('paused');
  expect(silent.of()!.stage).toBe('paused');

  const lost = bench();
  lost.faults.set('pause', new Fault('timeout', 'no answer'));
  await expect(lost.pause()).rejects.toMatchObject({ kind: 'timeout' });
  lost.cluster.failure = 'it does not answer';
  lost.read('running', 4_000, 11 * MINUTE_S);
  expect(lost.of()).toBeDefined();
  lost.cluster.failure = undefined;
  lost.read('running');
  expect(lost.of()).toBeUndefined();
  expect(lost.stages()).toEqual(['pause-job failed']);
});

test('a continue that is not carried out leaves the job paused, to be asked again', async () => {
  const b = bench();
  await b.pause();
  b.read('paused');
  b.faults.set('unpause', new Fault('refused', 'not yours'));
  await expect(b.goOn()).rejects.toMatchObject({ kind: 'refused' });
  expect(b.of()).toMatchObject({ stage: 'paused', back: null });
  b.faults.clear();
  await b.goOn();
  b.read('paused', undefined, 11 * MINUTE_S);
  expect(b.of()).toMatchObject({ stage: 'paused', back: null });
  expect(b.stages()).toContain('continue-job failed');
  await b.goOn();
  b.read('running');
  expect(b.of()).toBeUndefined();
});

test('one that ended or that somebody else let go on is no longer known as paused', async () => {
  const ended = bench();
  await ended.pause();
  ended.read('paused');
  ended.read('done');
  expect(ended.of()).toBeUndefined();
  const other = bench();
  await other.pause();
  other.read('paused', 800);
  other.read('running', 4_000);
  expect(other.of()).toBeUndefined();
  expect(other.acts.at(-1)).toBe('busbar: job hpc/7 goes on');
});

test('nothing is learned where the draw is not known, does not fall, or is lowered by a limit as well', async () => {
  const dark = bench();
  dark.unmeasured();
  await dark.pause();
  dark.read('paused');
  expect(dark.of()!.seen).toEqual({});
  expect(dark.stages()).toEqual(['pause-job seen-in-power']);
  const draws = bench();
  await draws.pause();
  draws.read('paused');
  draws.read('paused', 3_900, 11 * MINUTE_S);
  expect(draws.stages()).toEqual(['pause-job failed']);
  const limited = bench();
  limited.limit();
  await limited.pause();
  limited.read('paused');
  limited.read('paused', 700);
  expect(limited.of()!.seen).toEqual({ releasedW: 3_300 });
  for (const { learned } of [dark, draws, limited]) expect(learned).toEqual([]);
});
