import { expect, test } from 'vitest';
import { marginOf } from '../books/book.ts';
import { MINUTE, QUARTER, siteMs, type Plan, type Site, type Snapshot } from '../model/index.ts';
import { createShadowBook, plannedFlow, shadowOf } from './shadow.ts';

const AT = Date.UTC(2026, 4, 1, 12);
const site = {
  tariff: { kind: 'block-and-real-time', blockMw: 2, blockUsdPerMwh: 40 },
  mining: { poolFeePct: 0, stalePct: 0 },
  leases: [],
} as unknown as Site;
const snapshot = {
  cohorts: [{ id: 'a', points: [{ profile: 'normal', powerW: 3000, hashrateThs: 200 }] }],
  work: [
    {
      id: 'w',
      line: 'ai',
      usdPerGpuHour: 2,
      penaltyUsdPerGpuHour: 1,
      committedGpus: 100,
      runningGpus: 0,
      queuedGpus: 60,
      heldGpus: 0,
    },
  ],
} as unknown as Snapshot;
const plan = {
  steps: [
    {
      start: AT,
      durationMs: QUARTER,
      importW: 1e6,
      linePowerW: { mining: 9e5, ai: 1e5, hpc: 0, grid: 0 },
      cohorts: { a: { normal: 250, sleep: 50 } },
      work: { w: 50 },
    },
  ],
} as unknown as Plan;

test('the plan is valued by its own counts: hash by machines and points, work by GPUs, penalties for what it leaves', () => {
  const flow = plannedFlow(site, snapshot, plan, siteMs(AT + MINUTE), 48)!;
  expect(flow.lines.mining).toMatchObject({ quantity: 50, revenueUsdPerHour: 100 });
  expect(flow.lines.ai).toMatchObject({ quantity: 50, revenueUsdPerHour: 100, penaltyUsdPerHour: 10 });
  expect(plannedFlow(site, snapshot, plan, siteMs(AT + QUARTER), 48)).toBeUndefined();
  expect(plannedFlow(site, snapshot, plan, siteMs(AT), undefined)!.lines.mining.revenueUsdPerHour).toBeUndefined();
});

test('what is owed is less by what leased chips serve; what is booked is what the site file says is held', () => {
  const lease = {
    id: 'pod',
    line: 'ai',
    chips: 4,
    costUsdPerChipHour: 3,
    revenueUsdPerChipHour: 0,
    until: '2026-05-01',
  };
  const more = { chips: 8, costUsdPerChipHour: 5, minimumHours: 1, rented: 2 };
  const leasing = {
    ...site,
    timezone: 'UTC',
    leases: [{ ...lease, serves: 'w', gpusPerChip: 1, more }],
  } as unknown as Site;
  const held = { ...snapshot, leases: [{ id: 'pod', serves: { work: 'w', gpusPerChip: 1 } }] } as unknown as Snapshot;
  const step = { ...plan.steps[0]!, leases: { pod: { chips: 4, moreChips: 2, gpus: 6 } } };
  const flow = plannedFlow(leasing, held, { ...plan, steps: [step] }, siteMs(AT), 48)!;
  expect(flow.lines.ai).toMatchObject({ quantity: 50, revenueUsdPerHour: 100, penaltyUsdPerHour: 4 });
  expect(flow.leaseCostUsdPerHour).toBe(4 * 3 + 2 * 5);
});

test('a quarter-hour in shadow settles as the real books would: block at its price, the rest sold', () => {
  const book = createShadowBook(site);
  for (let t = AT; t <= AT + QUARTER; t += 10_000)
    book.look(siteMs(t), { ...plannedFlow(site, snapshot, plan, siteMs(Math.min(t, AT + QUARTER - 1)), 48)! });
  const [interval] = book.close(siteMs(AT + QUARTER + MINUTE), () => 60);
  const shadow = shadowOf(interval!);
  expect(shadow.wouldImportWh).toBeCloseTo(250_000, -2);
  // 25 + 25 - 2.5 of penalty, 0.5 MWh of block at 40, 0.25 MWh of it sold at 60.
  expect(marginOf(interval!)! / 1e6).toBeCloseTo(25 + 25 - 2.5 - 20 + 15, 0);
});

test('time nobody planned for is not earned in', () => {
  const book = createShadowBook(site);
  const flow = plannedFlow(site, snapshot, plan, siteMs(AT), 48)!;
  book.look(siteMs(AT), flow);
  book.look(siteMs(AT + 5 * MINUTE), undefined);
  book.look(siteMs(AT + QUARTER + 1000), flow);
  const [interval] = book.close(siteMs(AT + QUARTER + 10 * MINUTE), () => 60);
  expect(interval?.lines.find(({ line }) => line === 'mining')?.quantity ?? 0).toBeLessThan(12.6);
});
