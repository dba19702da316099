import { afterEach, expect, test } from 'vitest';
import type { Truth } from '../../sim/truth.ts';
import { MINUTE, QUARTER } from '../../src/model/index.ts';
import { until } from '../support/site/until.ts';
import { expectNoLookAhead, live, modesOf, price, stopAll } from '../support/site/watched.ts';

/** A day of the recorded week as the small site lives through it: prices rise, machines obey, the books follow. */

const LIMIT_MS = 240_000;
afterEach(stopAll);

/** The emulated site's own import counter at a moment, between the two truths around it. */
function counterWh(truths: readonly Truth[], t: number): number {
  const after = truths.findIndex((truth) => truth.at >= t);
  const right = truths[after];
  const left = truths[after - 1];
  if (right === undefined || left === undefined) throw new Error(`no truth around ${new Date(t).toISOString()}`);
  const span = right.at - left.at;
  return span === 0 ? left.feederWh : left.feederWh + ((t - left.at) / span) * (right.feederWh - left.feederWh);
}

test(
  'a price that rises puts the miners to sleep, the meters prove it, and the books hold what the meter counted',
  {
    timeout: LIMIT_MS,
  },
  async () => {
    const site = await live({ offset: 11_040, from: '2026-03-23T23:06:00Z', speed: 45 });
    const { runtime, sim } = site;
    const first = await until('a first plan', () => site.plans[0]);
    expect(first).toMatchObject({ solver: 'highs', status: 'optimal' });
    expect(price(site)).toBe(38.21);
    await until('the miners at the modes of a cheap quarter', () => runtime.reconciler.inFlight() === 0);
    const before = sim.truth();
    expect(before.feederW).toBeGreaterThan(320_000);

    await until(
      'all miners asleep',
      () => modesOf(site, 'a-s21')['sleep'] === 30 && modesOf(site, 'd-s21xp')['sleep'] === 30,
    );
    expect(price(site)!).toBeGreaterThan(90);
    const after = await until('the meters saw it', () => {
      const stages = runtime.fleet.machines
        .filter(({ machine }) => machine.groupId === 'd-s21xp')
        .map(({ machine }) => runtime.reconciler.commandOf(machine.id)?.stage);
      return stages.every((stage) => stage === 'seen-at-meter') && sim.truth();
    });
    expect(after.feederW).toBeLessThan(before.feederW - 220_000);
    expect(after.machines.sleeping).toBe(60);
    const seenW = await until('a fresh meter', () => runtime.picture().importW);
    expect(Math.abs(seenW / sim.truth().feederW - 1)).toBeLessThan(0.03);
    // What the plan expected for now is what the site draws now.
    const step = site.plans.at(-1)!.steps[0]!;
    expect(Math.abs(step.importW - sim.truth().feederW)).toBeLessThan(0.1 * before.feederW);

    const sleeping = await until('an act whose commands the meters proved', async () =>
      (await runtime.store.acts(100)).find(
        ({ what, byStage }) => what.includes('d-s21xp to sleep') && (byStage['seen-at-meter'] ?? 0) > 0,
      ),
    );
    expect(sleeping.who).toBe('planner');
    expect(sleeping.why).toMatch(/price \$\d/);

    // Three whole quarters: the first one began before the site did.
    await until('three more intervals', () => site.booked.length >= 4);
    await until('the truth of that moment', () => site.truths.at(-1)!.at > site.booked.at(-1)!.start + QUARTER);
    for (const interval of site.booked.slice(1)) {
      const counted = counterWh(site.truths, interval.start + QUARTER) - counterWh(site.truths, interval.start);
      // The counter is read every 45 s of site time here and cut at the quarter by interpolation.
      expect(Math.abs(interval.importWh! / counted - 1)).toBeLessThan(0.03);
      expect(interval.coverage).toBeGreaterThan(0.9);
      expect(interval.priceUsdPerMwh).toBe(runtime.markets.value('priceUsdPerMwh', interval.start));
      const lines = new Map(interval.lines.map((line) => [line.line, line]));
      expect([...lines.keys()]).toEqual(['mining', 'ai', 'hpc', 'grid']);
      const attributed = ['mining', 'ai', 'hpc'] as const;
      const sum = attributed.reduce((wh, line) => wh + lines.get(line)!.energyWh!, 0) + interval.unattributedWh!;
      expect(Math.abs(sum - interval.importWh!)).toBeLessThan(1);
      // The block is taken or sold, and nothing else: 300 kW for a quarter of an hour.
      const soldWh = lines.get('grid')!.energyWh!;
      expect(soldWh).toBeCloseTo(Math.max(0, 75_000 - interval.importWh!), 0);
    }
    // What one quarter has too much the next has too little: nothing is lost between them.
    const whole = site.booked.slice(1);
    const end = whole.at(-1)!.start + QUARTER;
    const total = whole.reduce((wh, { importWh }) => wh + importWh!, 0);
    expect(Math.abs(total / (counterWh(site.truths, end) - counterWh(site.truths, whole[0]!.start)) - 1)).toBeLessThan(
      0.01,
    );
    const starts = site.booked.map(({ start }) => start);
    expect(starts).toEqual(starts.map((_, i) => starts[0]! + i * QUARTER));
    const stored = await runtime.store.intervals(100);
    expect(stored.map(({ start }) => start)).toEqual(starts);
    expectNoLookAhead(site);
  },
);

test('in shadow everything is planned and nothing is done', { timeout: LIMIT_MS }, async () => {
  const site = await live({ offset: 11_080, from: '2026-03-24T01:48:00Z', speed: 60, trust: 'shadow' });
  const awake = site.sim.truth().machines.running;
  await until('two plans that would sleep all miners', () => {
    const asleep = site.plans.filter((plan) => plan.steps[0]?.cohorts['d-s21xp']?.['sleep'] === 30);
    return asleep.length >= 2;
  });
  const { machines, jobs, at } = site.sim.truth();
  expect(at - Date.parse('2026-03-24T01:48:00Z')).toBeGreaterThan(5 * MINUTE);
  expect(machines.running).toBe(awake);
  expect(Object.values(jobs.gpus).every(({ held }) => held === 0)).toBe(true);
  for (const { machine } of site.runtime.fleet.machines)
    expect(site.runtime.reconciler.commandOf(machine.id)).toBeUndefined();
});
