import { expect, test } from 'vitest';
import type { ClusterHandle } from '../clusters/cluster.ts';
import { Fault, siteMs, type ClusterNode, type Job, type Site, type Trust } from '../model/index.ts';
import type { FleetMachine } from './fleet.ts';
import { createNodePower } from './node-power.ts';

/** One idle node of eight GPUs that draws 900 W, as a test wants it to be. */
function bench(
  options: {
    trust?: Trust;
    before?: string;
    node?: Partial<ClusterNode>;
    handle?: Partial<ClusterHandle>;
    jobs?: object[];
  } = {},
) {
  let now = siteMs(1_000_000);
  let kept: string | undefined;
  const sent: string[] = [];
  const faults = new Map<string, Fault>();
  const say = (what: string) => async (name: string) => {
    sent.push(`${what} ${name}`);
    const fault = faults.get(what);
    if (fault !== undefined) throw fault;
  };
  const node: ClusterNode = {
    name: 'n1',
    address: 'address of n1',
    state: 'idle',
    isOff: false,
    gpuModel: 'h100',
    gpus: 8,
    gpusUsed: 0,
    partitions: [],
    reason: undefined,
    ...options.node,
  };
  const member = {
    machine: { id: 'n1', groupId: 'g', address: 'address of n1', driver: 'redfish' },
    reading: { at: now, powerW: 900 },
  } as unknown as FleetMachine & { reading: { at: number; powerW: number | undefined } };
  const site = { machines: [{ id: 'g' }] as { id: string; managedBy?: string }[] };
  const cluster = {
    id: 'hpc',
    handle: options.handle ?? { powerDown: say('off'), powerUp: say('on') },
    failure: undefined as string | undefined,
    movingTo: new Map<string, string>(),
    reading: { at: now, nodes: [node], jobs: (options.jobs ?? []) as Job[] },
  };
  const learned: unknown[] = [];
  const acts: string[] = [];
  const power = createNodePower({
    site: () => site as unknown as Site,
    fleet: { machines: [member] },
    clusters: () => [cluster as never],
    gpus: { effects: { learn: (...all: unknown[]) => learned.push(all) } } as never,
    journal: { act: ({ who, what }) => acts.push(`${who}: ${what}`) },
    trust: () => options.trust ?? 'auto',
    siteNow: () => now,
    before: options.before,
    keep: (text) => (kept = text),
  });
  const asked = { clusterId: 'hpc', node: 'n1', who: 'ann', why: 'nobody needs it' };
  return {
    sent,
    faults,
    acts,
    learned,
    site,
    cluster,
    kept: () => kept,
    off: () => power.off(asked),
    on: () => power.on({ ...asked, why: 'needed' }),
    of: () => power.of('hpc', 'n1'),
    stages: () => power.drainChanged().map(({ action, stage }) => `${action} ${stage}`),
    read(over: Partial<ClusterNode>, powerW: number | undefined, afterS = 10) {
      now = siteMs(now + afterS * 1000);
      Object.assign(member.reading, powerW === undefined ? {} : { at: now, powerW });
      cluster.reading = { ...cluster.reading, at: now, nodes: [{ ...node, ...over }] };
      power.look();
    },
  };
}

test('an idle node is switched off, seen in power by what its controller tells, learned from, and switched on', async () => {
  const b = bench();
  await b.off();
  expect(b.sent).toEqual(['off n1']);
  expect(b.acts).toEqual(['ann: switch node hpc/n1 off']);
  expect(b.stages()).toEqual(['power-off-node acknowledged']);
  b.read({ isOff: false }, 900);
  expect(b.of()).toMatchObject({ stage: 'asked', who: 'ann' });
  b.read({ isOff: true }, 900);
  b.read({ isOff: true }, 20);
  expect(b.of()).toMatchObject({ stage: 'off', seen: { releasedW: 880 } });
  expect(b.learned).toEqual([['power-off', 'h100', 110, 30]]);
  expect(b.stages()).toEqual(['power-off-node seen-in-power']);
  await expect(b.off()).rejects.toThrow(/off already/);

  await b.on();
  expect(b.sent).toEqual(['off n1', 'on n1']);
  b.read({ isOff: false, state: 'down' }, 20);
  expect(b.of()!.stage).toBe('coming');
  b.read({ isOff: false }, 900);
  expect(b.of()).toBeUndefined();
  expect(b.stages()).toEqual(['power-on-node seen-in-power']);
});

test('a machine that is silent once it is off leaves its watts unknown', async () => {
  const b = bench();
  await b.off();
  b.read({ isOff: true }, undefined);
  b.read({ isOff: true }, undefined, 21 * 60);
  expect(b.of()!.seen).toEqual({});
  expect(b.learned).toEqual([]);
  const draws = bench();
  await draws.off();
  draws.read({ isOff: true }, 900);
  draws.read({ isOff: true }, 900, 21 * 60);
  expect(draws.stages()).toEqual(['power-off-node failed']);
  expect(draws.learned).toEqual([]);
});

test('nothing is switched off that has work, is not idle, moves, is a tenant machine or is off', async () => {
  for (const state of ['running', 'paused', 'ending'])
    await expect(bench({ jobs: [{ id: '7', state, nodes: ['n1'] }] }).off()).rejects.toThrow(/n1 runs 7/);
  const elsewhere = bench({ jobs: [{ id: '7', state: 'running', nodes: ['n2'] }] });
  await elsewhere.off();
  for (const node of [{ state: 'mixed' }, { state: 'allocated' }, { gpusUsed: 1 }] as const)
    await expect(bench({ node }).off()).rejects.toThrow(/has work/);
  for (const state of ['drained', 'down', 'unknown'] as const)
    await expect(bench({ node: { state } }).off()).rejects.toThrow(/only an idle node/);
  await expect(bench({ node: { isOff: true } }).off()).rejects.toThrow(/off already/);
  const moving = bench();
  moving.cluster.movingTo.set('n1', 'infer');
  await expect(moving.off()).rejects.toThrow(/another role/);
  const tenants = bench();
  tenants.site.machines[0]!.managedBy = 'tenant';
  await expect(tenants.off()).rejects.toThrow(/the tenant's/);
  const silent = bench();
  silent.cluster.failure = 'no answer';
  await expect(silent.off()).rejects.toThrow(/does not answer/);
  await expect(bench({ handle: {} }).off()).rejects.toMatchObject({ kind: 'unsupported' });
  await expect(bench({ trust: 'shadow' }).off()).rejects.toMatchObject({ kind: 'refused' });
  for (const { sent, acts } of [moving, tenants, silent]) expect([...sent, ...acts]).toEqual([]);
});

test('only what was switched off from here is switched on, also by the next life of the process', async () => {
  await expect(bench({ node: { isOff: true } }).on()).rejects.toThrow(/did not switch n1 off/);
  const first = bench();
  await first.off();
  first.read({ isOff: true }, 20);
  const second = bench({ before: first.kept()!, node: { isOff: true } });
  await second.on();
  expect(second.sent).toEqual(['on n1']);
  await expect(bench({ before: first.kept()!, node: { isOff: true }, trust: 'shadow' }).on()).rejects.toMatchObject({
    kind: 'refused',
  });
});

test('a node that its scheduler switched on for a job is no longer known as off', async () => {
  const b = bench();
  await b.off();
  b.read({ isOff: true }, 20);
  b.read({ isOff: true }, 20);
  b.read({ isOff: false, state: 'mixed' }, 900);
  expect(b.of()).toBeUndefined();
  expect(b.acts.at(-1)).toBe('busbar: node hpc/n1 is on');
});

test('refusals are believed, what was not answered is looked at, and what is not carried out may be asked again', async () => {
  const refused = bench();
  refused.faults.set('off', new Fault('refused', 'Slurm took it and did nothing'));
  await expect(refused.off()).rejects.toMatchObject({ kind: 'refused' });
  expect(refused.of()).toBeUndefined();
  const silent = bench();
  silent.faults.set('off', new Fault('timeout', 'no answer'));
  await expect(silent.off()).rejects.toMatchObject({ kind: 'timeout' });
  silent.read({ isOff: true }, 900);
  expect(silent.of()!.stage).toBe('off');
  silent.faults.set('on', new Fault('refused', 'not now'));
  await expect(silent.on()).rejects.toMatchObject({ kind: 'refused' });
  expect(silent.of()).toMatchObject({ stage: 'off', back: null });
  silent.faults.clear();
  await silent.on();
  silent.read({ isOff: true }, 20, 21 * 60);
  expect(silent.of()).toMatchObject({ stage: 'off', back: null });
  expect(silent.stages()).toContain('power-on-node failed');
});
