import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { nameplateW } from '../../src/model/index.ts';
import { wallNow } from '../../src/server/io.ts';
import type { PictureSources } from '../../src/server/picture.ts';
import { takeSnapshot } from '../../src/server/snapshot.ts';
import { machineRow } from '../../src/server/view.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** One small site in a cheap afternoon, and what goes wrong on it. Its own word and its meters are all Busbar has. */

const LIMIT_MS = 240_000;
const NEVER_SEEN = 'a-s21-0005';
let site: Small;
beforeAll(async () => {
  site = await startSmall({
    offset: 11_200,
    from: '2026-03-23T20:00:00Z',
    speed: 60,
    awakePct: { 'a-s21': 50, 'd-s21xp': 50 },
    recloseMinutes: 20,
    before(sim) {
      sim.inject({ target: 'meter-d', fault: 'silent' });
      sim.inject({ target: NEVER_SEEN, fault: 'silent' });
    },
  });
});
afterEach(() => ['a', 'd', 'e', 'meter-d', 'slurm'].forEach((target) => site?.sim.inject({ target, fault: 'clear' })));
afterAll(() => site?.close());

const alarm = (code: string, subject: string) =>
  site.runtime.alarms().find((one) => one.code === code && one.subject === subject);
const state = (id: string) => site.runtime.picture().states.get(id)?.state;
const group = (id: string) => site.runtime.picture().groups.get(id)!;
const membersOf = (id: string) => site.runtime.fleet.machines.filter(({ machine }) => machine.groupId === id);
const asleep = (id: string) => group(id).modes['sleep'] ?? 0;

function snapshot() {
  const { site: config, clock, fleet, plant, markets, clusters, uplinks, reconciler } = site.runtime;
  const sources: PictureSources = {
    site: config,
    clock,
    fleet,
    plant,
    markets,
    clusters: clusters.byId,
    uplinks,
    reconciler,
    wallNow,
    staleMs: 36_000,
    unexplainedW: () => 0,
  };
  return takeSnapshot(sources, site.runtime.picture(), new Set(), {
    demand: undefined,
    curtailment: () => undefined,
    availability: () => undefined,
    deadline: () => undefined,
  });
}

let looked = -Infinity;
/** Looks at machines again, at most once a second, so that a test need not wait for whole sweeps. */
function lookAt(ids: readonly string[]): void {
  if (wallNow() - looked < 1_000) return;
  looked = wallNow();
  for (const id of ids) site.runtime.fleet.readSoon(id);
}

test(
  'behind a silent hall meter nothing is woken, and behind one that answers it is',
  { timeout: LIMIT_MS },
  async () => {
    const { runtime, sim } = site;
    await until('a plan that wakes all', () => {
      const wanted = membersOf('d-s21xp').filter(
        ({ machine }) => runtime.reconciler.desired(machine.id)?.mode === 'normal',
      );
      return wanted.length > 25;
    });
    await until('the alarm', () => alarm('meter-silent', 'meter-d'));
    await until('the other hall awake', () => asleep('a-s21') < 3);
    expect(state(NEVER_SEEN)).toBe('unreachable');
    expect(machineRow(runtime, runtime.fleet.byId(NEVER_SEEN)!)).toMatchObject({
      powerW: null,
      hashrateThs: null,
      ageMs: null,
    });
    expect(snapshot().halls.find(({ id }) => id === 'a')!.silent).toEqual({
      machines: 1,
      powerW: nameplateW('antminer-s21'),
    });

    expect(asleep('d-s21xp')).toBeGreaterThan(10);
    const commands = membersOf('d-s21xp').map(({ machine }) => runtime.reconciler.commandOf(machine.id));
    expect(commands.filter((command) => command?.action === 'wake')).toEqual([]);
    expect(runtime.picture().halls.find(({ hall }) => hall.id === 'd')!.meterW).toBeUndefined();

    sim.inject({ target: 'meter-d', fault: 'clear' });
    await until('hall d awake', () => asleep('d-s21xp') === 0);
    await until('no alarm of the meter', () => alarm('meter-silent', 'meter-d') === undefined);
  },
);

test(
  'garbled, late, refusing and silent machines keep nobody else from going on, and count at nameplate',
  {
    timeout: LIMIT_MS,
  },
  async () => {
    const { runtime, sim } = site;
    const faulty = {
      'a-s21-0001': 'garbled',
      'a-s21-0002': 'late',
      'a-s21-0003': 'refused',
      'a-s21-0004': 'silent',
    } as const;
    const ids = [...Object.keys(faulty), ...membersOf('e-a6000').map(({ machine }) => machine.id)];
    for (const [target, fault] of Object.entries(faulty)) expect(sim.inject({ target, fault })).toBe(1);
    expect(sim.inject({ target: 'e-a6000', fault: 'silent' })).toBe(2);
    // A late answer may still be in time, and some damage can be mended: these two come and go.
    const lost = ids.filter((id) => id !== 'a-s21-0001' && id !== 'a-s21-0002');
    await until('the faulty ones known as unreachable', () => {
      lookAt(lost);
      return lost.every((id) => state(id) === 'unreachable');
    });
    const kinds = Object.keys(faulty).map((id) => runtime.fleet.byId(id)!.fault?.kind);
    await until('damage that cannot be mended', () => {
      lookAt(['a-s21-0001']);
      return runtime.fleet.byId('a-s21-0001')!.fault?.kind === 'garbled';
    });
    expect(['unreachable', 'refused']).toContain(kinds[2]);
    expect(kinds[3]).toBe('timeout');
    expect(alarm('machines-silent', 'a')?.message).toMatch(/of 30 machines/);
    expect(alarm('machines-silent', 'e')?.message).toMatch(/2 of 12 machines/);

    const facts = snapshot();
    const silentOf = (hall: string) => facts.halls.find(({ id }) => id === hall)!.silent;
    const unreachable = (hall: string) =>
      runtime.fleet.machines.filter(
        ({ machine }) =>
          machine.hallId === hall &&
          !['running', 'starting', 'curtailed', 'idle', 'degraded'].includes(state(machine.id)!),
      );
    for (const hall of ['a', 'e']) {
      const silent = unreachable(hall);
      expect(silentOf(hall).machines).toBe(silent.length);
      const leastW = silent.reduce((sum, { machine }) => sum + nameplateW(machine.modelId)!, 0);
      expect(silentOf(hall).powerW).toBeGreaterThanOrEqual(leastW);
    }
    expect(facts.cohorts.find(({ id }) => id === 'a-s21')!.machines).toBe(30 - unreachable('a').length);
    for (const id of lost) {
      const row = machineRow(runtime, runtime.fleet.byId(id)!);
      expect(row).toMatchObject({ state: 'unreachable', why: expect.stringMatching(/./) });
      // The last word with its age, or nothing; never a zero that nobody said.
      expect(row.powerW).not.toBe(0);
      expect(row.hashrateThs).not.toBe(0);
      expect(row.ageMs).toBeGreaterThan(0);
    }
    // The others are read on, and the plan is made of them.
    const since = runtime.clock.now();
    const plan = await until('a plan without them', () =>
      runtime.plan()!.madeAt > since ? runtime.plan() : undefined,
    );
    expect(plan).toMatchObject({ solver: 'highs', status: 'optimal' });
    const others = runtime.fleet.machines.filter(({ machine }) => ![...ids, NEVER_SEEN].includes(machine.id));
    await until('fresh readings of all others', () => {
      lookAt(others.map(({ machine }) => machine.id));
      return others.every(({ reading }) => reading !== undefined && reading.at > since);
    });

    for (const id of ids) sim.inject({ target: id, fault: 'clear' });
    await until('all back', () => {
      lookAt(ids);
      return ids.every((id) => state(id) !== 'unreachable' && state(id) !== 'stale');
    });
    await until('no alarm of silent machines', () => alarm('machines-silent', 'a') === undefined);
  },
);

test(
  'the scheduler falls silent: its work is taken as last seen, and nothing is told it',
  { timeout: LIMIT_MS },
  async () => {
    const { runtime, sim } = site;
    const before = runtime.picture().work.map(({ runningGpus }) => runningGpus);
    sim.inject({ target: 'slurm', fault: 'silent' });
    await until('the alarm', () => alarm('cluster-silent', 'slurm'));
    expect(runtime.picture().work.reduce((sum, { runningGpus }) => sum + runningGpus, 0)).toBeGreaterThan(0);
    expect(runtime.picture().work).toHaveLength(before.length);
    sim.inject({ target: 'slurm', fault: 'clear' });
    await until('no alarm', () => alarm('cluster-silent', 'slurm') === undefined);
  },
);

test(
  'a hall whose breaker trips is known as dark, the others run on, and it comes back',
  { timeout: LIMIT_MS },
  async () => {
    const { runtime, sim } = site;
    const ids = membersOf('d-s21xp').map(({ machine }) => machine.id);
    sim.trip('d');
    await until('the alarm', () => {
      lookAt(ids);
      return alarm('hall-dark', 'd');
    });
    expect(runtime.picture().halls.find(({ hall }) => hall.id === 'd')!.meterW).toBeLessThan(1_000);
    expect(site.sim.truth().halls['a']!.itW).toBeGreaterThan(50_000);
    expect(group('a-s21').answering.length).toBe(30);
    await until('its machines known as silent', () => {
      lookAt(ids);
      return snapshot().halls.find(({ id }) => id === 'd')!.silent.machines >= 27;
    });
    await until('the breaker closed again', () => !sim.truth().halls['d']!.breakerOpen);
    await until('hall d at work again', () => {
      lookAt(ids.filter((id) => state(id) !== 'running'));
      return alarm('hall-dark', 'd') === undefined && ids.filter((id) => state(id) === 'running').length >= 27;
    });
    expect(sim.truth().halls['d']!.itW).toBeGreaterThan(100_000);
  },
);
