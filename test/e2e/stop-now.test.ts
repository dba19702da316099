import { afterEach, expect, test } from 'vitest';
import { until } from '../support/site/until.ts';
import { live, modesOf, stopAll } from '../support/site/watched.ts';

/** A safe stop given while a plan is being solved that knows nothing of it. */

afterEach(stopAll);

test('no plan that was under way wakes what a safe stop has just told to sleep', { timeout: 240_000 }, async () => {
  const site = await live({ offset: 11_700, from: '2026-03-23T20:01:00Z', speed: 20 });
  const { runtime } = site;
  await until('miners that run', () => (modesOf(site, 'a-s21')['sleep'] ?? 0) < 30);
  const { id } = await until('a preview', () => runtime.orders.preview({ kind: 'stop' }, 'sam').catch(() => undefined));
  // Asks for a plan, which is solved while the order is written.
  await runtime.people.hold('d-s21xp', 'owner', 'fans are being changed');
  await runtime.orders.apply(id, { who: 'sam', name: 'sam', via: 'session' }, 'smoke');
  const miners = runtime.fleet.machines.filter(({ machine, device }) => machine.kind === 'asic' && device.sleep);
  const awake = () => miners.filter(({ machine }) => runtime.reconciler.desired(machine.id)?.mode !== 'sleep').length;
  const seen = [awake()];
  runtime.events.on('plan', () => seen.push(awake()));
  await until('two more plans', () => seen.length >= 3);
  expect(miners.length).toBe(60);
  expect(seen.every((count) => count === 0)).toBe(true);
});

test(
  'a safe stop needs no plan: where no price was ever told it is previewed and carried out',
  { timeout: 240_000 },
  async () => {
    const site = await live({
      offset: 11_740,
      from: '2026-03-23T20:01:00Z',
      speed: 20,
      adjust: (raw) => {
        raw.feeds = [];
      },
    });
    const { runtime, sim } = site;
    await until(
      'every machine was read',
      () => (modesOf(site, 'a-s21')['sleep'] ?? 0) > 0 && runtime.picture().importW,
    );
    await expect(runtime.orders.preview({ kind: 'curtail', mw: 0.05, minutes: 10 }, 'sam')).rejects.toThrow(
      /nothing can be planned yet/,
    );
    const preview = await runtime.orders.preview({ kind: 'stop' }, 'sam');
    expect(preview).toMatchObject({ thenW: null, usdPerHour: null, needsSecondPerson: false, gpus: [] });
    expect(preview.machines.map(({ group, to }) => `${group} ${to}`)).toEqual(['a-s21 sleep', 'd-s21xp sleep']);
    for (const { count } of preview.machines) expect(count).toBeGreaterThan(20);
    await runtime.orders.apply(preview.id, { who: 'sam', name: 'sam', via: 'session' }, 'smoke');
    await until(
      'no miner draws',
      () => sim.truth().halls['a']!.totalW < 10_000 && sim.truth().halls['d']!.totalW < 10_000,
    );
    expect(site.plans).toEqual([]);
  },
);

test(
  'from a hold on nothing more is wanted of its cohort: no plan has to be made first',
  { timeout: 240_000 },
  async () => {
    const site = await live({
      offset: 11_880,
      from: '2026-03-23T20:01:00Z',
      speed: 20,
      awakePct: { 'a-s21': 10, 'd-s21xp': 10 },
      adjust: (raw) => {
        for (const hall of raw.halls) hall.wakesPerMinute = 3;
      },
    });
    const { runtime } = site;
    const miners = runtime.fleet.machines
      .filter(({ machine }) => machine.groupId === 'a-s21')
      .map(({ machine }) => machine.id);
    const wanted = () => miners.filter((id) => runtime.reconciler.desired(id) !== undefined);
    const asleep = () => miners.filter((id) => runtime.reconciler.isThere(id) === false);
    await until('miners that wait for their wake', () => asleep().length > 10);
    const plans = site.plans.length;
    await runtime.people.hold('a-s21', 'owner', 'fans are being changed');
    expect([wanted(), site.plans.length]).toEqual([[], plans]);
    await until('a plan with the hold', () => site.plans.length > plans);
    expect(wanted()).toEqual([]);
  },
);

test(
  'what a safe stop put to sleep and its release has not woken yet sleeps on once it is held, and wakes when it is given back',
  { timeout: 240_000 },
  async () => {
    const site = await live({
      offset: 11_920,
      from: '2026-03-23T20:01:00Z',
      speed: 20,
      adjust: (raw) => {
        for (const hall of raw.halls) hall.wakesPerMinute = 3;
      },
    });
    const { runtime } = site;
    const miners = runtime.fleet.machines
      .filter(({ machine }) => machine.groupId === 'a-s21')
      .map(({ machine }) => machine.id);
    const asleep = () => modesOf(site, 'a-s21')['sleep'] ?? 0;
    const wakes = () => miners.filter((id) => (runtime.reconciler.desired(id)?.mode ?? 'sleep') !== 'sleep');
    await until('most miners run', () => asleep() < 10);
    const { id } = await runtime.orders.preview({ kind: 'stop' }, 'sam');
    await runtime.orders.apply(id, { who: 'sam', name: 'sam', via: 'session' }, 'smoke');
    await until('all are asleep', () => asleep() === miners.length);
    await runtime.orders.release(id, 'sam', 'no smoke');
    await until('they are to be woken', () => wakes().length > 10);
    await runtime.people.hold('a-s21', 'owner', 'fans are being changed');
    const plans = site.plans.length;
    await until('two plans with the hold', () => site.plans.length > plans + 1);
    expect(wakes()).toEqual([]);
    await runtime.people.unhold('a-s21', 'owner', 'fans run');
    await until('they are to be woken again', () => wakes().length > 10);
  },
);
