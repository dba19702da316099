import { describe, expect, test } from 'vitest';
import { HOUR, type LeaseFacts, siteMs, type Snapshot, type WorkFacts } from '../model/index.ts';
import { AT, bareHall, bareSnapshot, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp } from './lp.ts';
import { planByMeritOrder } from './merit-order.ts';
import { planWith } from './plan.ts';
import { pose } from './problem.ts';

const highs = await loadHighs();

const chat: WorkFacts = {
  id: 'chat',
  hallId: 'a',
  className: 'on-demand',
  line: 'ai',
  gpuModel: 'x',
  runningGpus: 100,
  queuedGpus: 100,
  heldGpus: 0,
  partGpus: 100,
  committedGpus: 0,
  marginalWPerGpu: 500,
  usdPerGpuHour: 2,
  penaltyUsdPerGpuHour: 0,
  interruptUsdPerGpu: 0,
};
const MORE = { chips: 20, costUsdPerChipHour: 12, minimumMs: HOUR, rentedChips: 0, keptUntil: undefined };
/** Five chips of 8 GPUs each at $8, and up to 20 more at $12. */
const pod: LeaseFacts = {
  id: 'pod',
  chips: 5,
  costUsdPerChipHour: 8,
  soldUsdPerChipHour: 0,
  endsAt: undefined,
  serves: { work: 'chat', gpusPerChip: 8 },
  more: MORE,
};
const site = (lease: Partial<LeaseFacts> = {}, work: Partial<WorkFacts> = {}): Snapshot =>
  bareSnapshot({
    halls: [{ ...bareHall('a'), usableW: 1e6 }],
    work: [{ ...chat, ...work }],
    leases: [{ ...pod, ...lease }],
  });
const HOURS = shortForecast([40, 40, 40, 40], 60);
const more = (snapshot: Snapshot, forecast = HOURS): number[] =>
  planWith(highs, snapshot, forecast).steps.map(({ leases }) => Math.round(leases!['pod']!.moreChips * 100) / 100);

describe('chips beyond the lease', () => {
  test('are proposed where what they serve pays for them, for as many GPUs as wait, and never for the step that runs', () => {
    // 200 are wanted, 100 run here and 40 on the lease: 60 wait, which are 7.5 chips.
    expect(more(site())).toEqual([0, 7.5, 7.5, 7.5]);
    expect(planWith(highs, site(), HOURS).proposals).toEqual([
      'rent 8 more chips of pod from 2026-03-23T13:00:00Z to 2026-03-23T16:00:00Z for $270.00: they serve 180 GPU-hours of chat, which earn $360.00',
    ]);
    // 8 GPUs at $2 are worth $16 an hour.
    expect(more(site({ more: { ...MORE, costUsdPerChipHour: 16.5 } }))).toEqual([0, 0, 0, 0]);
    expect(planWith(highs, site({ more: { ...MORE, costUsdPerChipHour: 16.5 } }), HOURS).proposals).toEqual([]);
    // What waits would have to be paid for beside: a contract.
    const owed = { committedGpus: 200, penaltyUsdPerGpuHour: 1 };
    const plan = planWith(highs, site({ more: { ...MORE, costUsdPerChipHour: 16.5 } }, owed), HOURS);
    expect(plan.proposals).toEqual([
      'rent 8 more chips of pod from 2026-03-23T13:00:00Z to 2026-03-23T16:00:00Z for $371.25: they serve 180 GPU-hours of chat, which earn $360.00 and spare $180.00 of penalties',
    ]);
  });

  test('are kept for their minimum time, and have to pay for what of it lies beyond the horizon', () => {
    const wanted = {
      ...HOURS,
      steps: HOURS.steps.map((step, t) => ({ ...step, wantedGpus: { chat: t === 1 ? 220 : 140 } })),
    };
    const kept = (minimumMs: number) => more(site({ more: { ...MORE, minimumMs } }, { queuedGpus: 40 }), wanted);
    expect(kept(HOUR)).toEqual([0, 10, 0, 0]);
    // Two hours at $12 cost more than one at $16 earns.
    expect(kept(2 * HOUR)).toEqual([0, 0, 0, 0]);
    const dear = { queuedGpus: 40, usdPerGpuHour: 4 };
    expect(more(site({ more: { ...MORE, minimumMs: 2 * HOUR } }, dear), wanted)).toEqual([0, 10, 10, 0]);
    // A month for three good hours: 3 hours at $16 do not pay for 720 at $12.
    expect(more(site({ more: { ...MORE, minimumMs: 720 * HOUR } }))).toEqual([0, 0, 0, 0]);
  });

  test('that are held now are given back once they may be, where they are not needed', () => {
    const held = { ...MORE, rentedChips: 10 };
    const plan = planWith(highs, site({ more: held }, { queuedGpus: 0 }), HOURS);
    expect(plan.steps.map(({ leases }) => leases!['pod']!.moreChips)).toEqual([10, 0, 0, 0]);
    expect(plan.proposals).toEqual([
      'give back 10 of the 10 chips rented of pod beyond its lease at 2026-03-23T13:00:00Z: they would cost $360.00 until 2026-03-23T16:00:00Z, more than they earn',
    ]);
    const kept = { ...held, keptUntil: siteMs(AT + 2 * HOUR) };
    expect(more(site({ more: kept }, { queuedGpus: 0 }))).toEqual([10, 10, 0, 0]);
  });
});

test('committed chips take the place of GPUs whose power costs more than they earn, and are paid for either way', () => {
  const dear = shortForecast([40, 6_000], 60);
  const snapshot = site({ more: undefined }, { queuedGpus: 0 });
  const plan = planWith(highs, snapshot, dear);
  expect(plan.steps.map(({ work }) => work['chat'])).toEqual([60, 0]);
  expect(plan.steps.map(({ leases }) => leases!['pod']!.gpus)).toEqual([40, 40]);
  // Of the dear hour 60 stay unserved at 6,000 x 0.5 kW; 5 chips cost $40 an hour.
  expect(plan.objectiveUsd).toBeCloseTo(2 * (40 * 2 - 40) + 60 * (2 - 0.02), 4);
});

test('a limit that binds is worth what a chip more would serve', () => {
  const { why } = planWith(highs, site({ more: undefined }), HOURS);
  expect(why!.limits).toContainEqual({
    key: 'lease:pod',
    unit: 'chip',
    usdPerHour: expect.closeTo(16, 4),
    sentence: '1 chip more of lease pod is worth $16.00 an hour now',
  });
});

describe('a lease that ends within the day', () => {
  const sold = { serves: undefined, more: undefined, endsAt: siteMs(AT + 2 * HOUR) };
  test('lapses where it costs more than it earns, and a person is told what', () => {
    const plan = planWith(highs, site({ ...sold, soldUsdPerChipHour: 6 }), HOURS);
    expect(plan.steps.map(({ leases }) => leases!['pod']!.chips)).toEqual([5, 5, 0, 0]);
    expect(plan.proposals).toEqual([
      'let 5 chips of pod lapse at 2026-03-23T14:00:00Z: until 2026-03-23T16:00:00Z they would cost $20.00 more than they earn',
    ]);
  });
  test('goes on where it earns more, and once lapsed it is gone', () => {
    const plan = planWith(highs, site({ ...sold, soldUsdPerChipHour: 9 }), HOURS);
    expect(plan.steps.map(({ leases }) => leases!['pod']!.chips)).toEqual([5, 5, 5, 5]);
    expect(plan.proposals).toEqual([
      'keep all 5 chips of pod beyond 2026-03-23T14:00:00Z: they earn more than they cost',
    ]);
    // Wanted again only in the last hour: two hours of it cost $80, one earns $80 and no more.
    const late = {
      ...HOURS,
      steps: HOURS.steps.map((step, t) => ({ ...step, wantedGpus: { chat: t === 2 ? 0 : 200 } })),
    };
    const gone = planWith(
      highs,
      site({ endsAt: siteMs(AT + 2 * HOUR), more: undefined, costUsdPerChipHour: 8.5 }),
      late,
    );
    expect(gone.steps.map(({ leases }) => leases!['pod']!.chips)).toEqual([5, 5, 0, 0]);
  });
});

test('the merit order has what is held and rents nothing', () => {
  const plan = planByMeritOrder(site({ more: { ...MORE, rentedChips: 3 } }), HOURS);
  expect(plan.steps.map(({ leases }) => leases!['pod'])).toEqual([
    { chips: 5, moreChips: 3, gpus: 64 },
    ...[1, 2, 3].map(() => ({ chips: 5, moreChips: 0, gpus: 40 })),
  ]);
});

test('a site without leases has no column and no row for them', () => {
  const kinds = (snapshot: Snapshot): string[] => {
    const { model } = buildLp(pose(snapshot, HOURS));
    const named = [...model.columns().series, ...model.rows().series].map(({ kind }) => kind);
    return named.filter((kind) => kind.startsWith('lease'));
  };
  expect(kinds(site()).length).toBeGreaterThan(0);
  expect(kinds({ ...site(), leases: [] })).toEqual([]);
});

test('what leased chips serve now is the same in every scenario', () => {
  const low = { ...HOURS, steps: HOURS.steps.map((step) => ({ ...step, priceUsdPerMwh: 8_000 })) };
  const now = { ...low, steps: low.steps.map((step, t) => (t === 0 ? HOURS.steps[0]! : step)) };
  const plan = planWith(highs, site(), HOURS, { scenarios: [{ probability: 0.4, forecast: now }] });
  const [alone, dear] = [HOURS, now].map((forecast) => planWith(highs, site(), forecast));
  // The first hour is alike in both, and what is decided later depends on which it is: their mean is reached.
  expect(plan.steps[0]!.leases).toEqual(alone!.steps[0]!.leases);
  expect(plan.objectiveUsd).toBeCloseTo(0.6 * alone!.objectiveUsd + 0.4 * dear!.objectiveUsd, 4);
});
