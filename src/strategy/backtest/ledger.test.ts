import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, QUARTER, siteMs, type SiteMs } from '../../model/index.ts';
import { siteCase, wantedAt, type Running, type SiteCase } from './facts.ts';
import { coupledSite, JUNE, madeUpHistory, MAY, uncoupledSite } from './fixture.ts';
import { createLedger, loadOf, sharesWithin, type Ledger } from './ledger.ts';
import { truthOf } from './truth.ts';

const running = (machines: number): Running => ({
  cohorts: { new: { default: machines, sleep: 200 - machines }, old: { sleep: 100 } },
  gpus: {},
});
const conditions = { priceUsdPerMwh: 40, wetBulbC: 20, hashpriceUsdPerPhDay: 50 };
const site = (charges: object, tariff?: object) =>
  siteCase(uncoupledSite({ charges, ...(tariff === undefined ? {} : { tariff }) }));

function book(ledger: Ledger, start: SiteMs, counts: readonly number[]): void {
  for (const [i, machines] of counts.entries()) {
    ledger.book({
      start: siteMs(start + i * QUARTER),
      durationMs: QUARTER,
      before: running(counts[i - 1] ?? machines),
      running: running(machines),
      conditions,
      wanted: [],
      usdPerGpuHour: [],
      curtailedHours: 0,
    });
  }
}

/** W at the meter: the hall's base, sleepers at 25 and 20 W, and 3,475 W more for each that runs. */
const importW = (machines: number): number => 5_000 + 200 * 25 + 100 * 20 + machines * 3_475;
const NO_PEAKS = { peaks: [], coincidentUsdPerMw: 0, shareOf: () => 1 };

describe('energy and hash', () => {
  test('are booked at the price and hash there was', () => {
    const facts = site({});
    const ledger = createLedger(facts, NO_PEAKS);
    book(ledger, JUNE, [100, 100, 0, 100]);
    const outcome = ledger.outcome();
    const mwh = (3 * importW(100) + importW(0)) / 4e6;
    expect(outcome.energyMwh).toBeCloseTo(mwh, 9);
    expect(outcome.energyUsd).toBeCloseTo(40 * mwh, 6);
    expect(outcome.hashPhHours).toBeCloseTo(100 * 0.2 * 0.75, 9);
    expect(outcome.miningUsd).toBeCloseTo(((100 * 0.2 * 0.75) / 24) * 50 * 0.99 * 0.998, 6);
    expect(outcome.wakes).toBe(100);
    expect(outcome.profitUsd).toBeCloseTo(outcome.miningUsd - outcome.energyUsd, 6);
  });

  test('a block is paid whatever is used of it, and what is not used is sold', () => {
    const facts = site({}, { kind: 'block-and-real-time', blockMw: 1, blockUsdPerMwh: 30 });
    const ledger = createLedger(facts, NO_PEAKS);
    book(ledger, JUNE, [0]);
    expect(ledger.outcome().energyUsd).toBeCloseTo(0.25 * (30 - 40 * (1 - importW(0) / 1e6)), 9);
  });
});

describe('the demand charge', () => {
  test('of a month that the period holds in part is paid for that part', () => {
    const { demand, end } = { demand: { usdPerKwMonth: 5 }, end: siteMs(JUNE + 3 * DAY) };
    const ledger = createLedger(site({ demand }), { ...NO_PEAKS, shareOf: sharesWithin(JUNE, end) });
    book(ledger, JUNE, [100]);
    expect(ledger.outcome().demandUsd).toBeCloseTo(((importW(100) / 1000) * 5 * 3) / 30, 6);
  });

  test('is that of the highest interval of each calendar month of the site', () => {
    const ledger = createLedger(site({ demand: { usdPerKwMonth: 5 } }), NO_PEAKS);
    // Two quarter-hours of May where the site stands, though UTC is in June already.
    book(ledger, siteMs(JUNE - 2 * QUARTER), [150, 200, 10, 50]);
    expect(ledger.outcome().demandUsd).toBeCloseTo((5 * (importW(200) + importW(50))) / 1000, 6);
    expect(ledger.billedW(JUNE)).toBeCloseTo(importW(50), 3);
    expect([...ledger.monthsUsd().keys()]).toEqual([MAY, JUNE]);
  });

  test('averages over the interval of the tariff, and no less than the ratchet is billed', () => {
    const demand = { usdPerKwMonth: 5, intervalMinutes: 30 };
    const ledger = createLedger(site({ demand }), NO_PEAKS);
    book(ledger, JUNE, [200, 0, 80]);
    expect(ledger.outcome().demandUsd).toBeCloseTo((5 * (importW(200) + importW(0))) / 2000, 6);
    expect(ledger.runningWh(siteMs(JUNE + 45 * MINUTE))).toBeCloseTo(importW(80) / 4, 6);
    const billed = createLedger(site({ demand: { ...demand, ratchetMw: 2 } }), NO_PEAKS);
    book(billed, JUNE, [200, 0, 80]);
    expect(billed.outcome().demandUsd).toBeCloseTo(5 * 2000, 6);
  });
});

describe('the coincident charge', () => {
  test('is on the mean import of the hour of the peak', () => {
    const peaks = [{ month: JUNE, start: siteMs(JUNE + HOUR), loadMw: 80_000 }];
    const ledger = createLedger(site({}), { ...NO_PEAKS, peaks, coincidentUsdPerMw: 16_000 });
    book(ledger, JUNE, [200, 200, 200, 200, 0, 100, 0, 100, 200, 200, 200, 200]);
    const meanMw = (importW(0) + importW(100)) / 2e6;
    expect(ledger.importMw(peaks[0]!.start)).toBeCloseTo(meanMw, 9);
    expect(ledger.outcome().coincidentUsd).toBeCloseTo(16_000 * meanMw, 6);
  });

  test('falls due for whole months only, an equal part of the year for each', () => {
    const facts = siteCase(uncoupledSite({ charges: { coincidentPeak: { usdPerKwYear: 60, months: [6, 7, 8, 9] } } }));
    const history = madeUpHistory();
    const whole = truthOf(facts, history, MAY, siteMs(JUNE + 30 * 24 * HOUR));
    expect(whole.coincidentUsdPerMw).toBe(15_000);
    const june = history.load!.points.filter(({ start }) => start >= JUNE && start < JUNE + 30 * 24 * HOUR);
    const loadMw = Math.max(...june.map(({ mw }) => mw));
    expect(whole.peaks).toEqual([{ month: JUNE, start: june.find(({ mw }) => mw === loadMw)!.start, loadMw }]);
    const part = truthOf(facts, history, MAY, siteMs(JUNE + 29 * 24 * HOUR));
    expect(part.peaks).toEqual([]);
    expect(part.notes.join('\n')).toMatch(/2025-06 lies only in part within the period/);
  });
});

test('work earns, what a contract wanted and did not get is owed for, and interruptions cost', () => {
  const facts = siteCase(coupledSite());
  const wanted = wantedAt(facts, JUNE);
  expect(wanted.map(({ demandGpus }) => demandGpus)).toEqual([48, 32]);
  const ledger = createLedger(facts, NO_PEAKS);
  const machines = { new: { default: 200 }, old: { sleep: 100 } };
  ledger.book({
    start: JUNE,
    durationMs: QUARTER,
    before: { cohorts: machines, gpus: { reserved: 48, batch: 32 } },
    running: { cohorts: machines, gpus: { reserved: 40, batch: 32 } },
    conditions,
    wanted,
    usdPerGpuHour: [1.2, 0.5],
    curtailedHours: 0,
  });
  const outcome = ledger.outcome();
  expect(outcome.workUsd).toBeCloseTo((40 * 1.2 + 32 * 0.5) / 4, 9);
  expect(outcome.penaltyUsd).toBeCloseTo((8 * 3) / 4, 9);
  expect(outcome.interruptUsd).toBe(8);
});

/** GPUs of batch with a limit at which they do 80 % with half the power. */
const limited = (): SiteCase => {
  const plain = siteCase(coupledSite());
  const at = (powerLimitW: number, marginalW: number, throughput: number) => {
    return { powerLimitW, marginalW, throughput, paid: throughput, serves: throughput === 1 };
  };
  const work = plain.work.map((one) => {
    return { ...one, points: [at(150, one.marginalWPerGpu / 2, 0.8), at(400, one.marginalWPerGpu, 1)] };
  });
  return { ...plain, work };
};

test('GPUs at a power limit draw less, earn by what they do, and those too slow serve no contract', () => {
  const facts = limited();
  const ledger = createLedger(facts, NO_PEAKS);
  const cohorts = { new: { default: 200 }, old: { sleep: 100 } };
  const full: Running = { cohorts, gpus: { reserved: 48, batch: 32 } };
  const slowed: Running = { ...full, gpusAtLimitW: { reserved: { 150: 8, 400: 40 }, batch: { 150: 32 } } };
  const step = { durationMs: QUARTER, before: full, conditions, wanted: wantedAt(facts, JUNE), curtailedHours: 0 };
  const usdPerGpuHour = [1.2, 0.5];
  const fast = ledger.book({ ...step, start: JUNE, running: full, usdPerGpuHour });
  const before = ledger.outcome();
  const slow = ledger.book({ ...step, start: siteMs(JUNE + QUARTER), running: slowed, usdPerGpuHour });
  const after = ledger.outcome();
  expect(before.penaltyUsd).toBe(0);
  expect(after.penaltyUsd).toBeCloseTo((8 * 3) / 4, 9);
  expect(before.workUsd).toBeCloseTo((48 * 1.2 + 32 * 0.5) / 4, 9);
  expect(after.workUsd - before.workUsd).toBeCloseTo(((40 + 8 * 0.8) * 1.2 + 32 * 0.8 * 0.5) / 4, 9);
  expect(after.gpuHours).toBeCloseTo(2 * before.gpuHours, 9);
  // 40 GPUs at half of what they draw, with their cooling.
  const lessW = 20 * facts.work[0]!.marginalWPerGpu;
  expect(fast.importW - slow.importW).toBeGreaterThanOrEqual(lessW - 1e-6);
  expect(fast.importW - slow.importW).toBeLessThan(1.3 * lessW);
});

test('hours that a contract lets the site curtail are owed for only once the month has used them up', () => {
  const facts = siteCase(coupledSite());
  const wanted = wantedAt(facts, JUNE).map((one, i) => (i === 0 ? { ...one, curtailableGpuHoursPerMonth: 3 } : one));
  const ledger = createLedger(facts, NO_PEAKS);
  const cohorts = { new: { default: 200 }, old: { sleep: 100 } };
  const curtail = (start: SiteMs): void => {
    const gpus = { reserved: 40, batch: 32 };
    ledger.book({
      start,
      durationMs: QUARTER,
      before: { cohorts, gpus },
      running: { cohorts, gpus },
      conditions,
      wanted,
      usdPerGpuHour: [1.2, 0.5],
      curtailedHours: 0,
    });
  };
  // Eight GPUs for a quarter-hour: two GPU-hours each time.
  curtail(siteMs(JUNE - QUARTER));
  curtail(JUNE);
  expect(ledger.unservedGpuHours(JUNE)).toEqual([2, 0]);
  expect(ledger.outcome().penaltyUsd).toBe(0);
  curtail(siteMs(JUNE + QUARTER));
  expect(ledger.outcome().penaltyUsd).toBeCloseTo(3, 9);
  curtail(siteMs(JUNE + 2 * QUARTER));
  expect(ledger.outcome().penaltyUsd).toBeCloseTo(9, 9);
});

test('a month below its minimum availability owes its credit once', () => {
  const facts = siteCase(coupledSite());
  const contract = {
    id: 'x',
    customer: 'X',
    work: 'reserved',
    committedGpus: 48,
    penaltyUsdPerGpuHour: 0,
    // Of two days: three GPU-hours.
    availability: [{ belowPct: 100 * (1 - 3 / (48 * 48)), creditUsd: 700 }],
    until: '2025-06-02',
  };
  const wanted = wantedAt(facts, JUNE).map((one, i) =>
    i === 0 ? { ...one, penaltyUsdPerGpuHour: 0, availability: contract } : one,
  );
  const ledger = createLedger(facts, NO_PEAKS);
  const cohorts = { new: { default: 200 }, old: { sleep: 100 } };
  const gpus = { reserved: 40, batch: 32 };
  const running = { cohorts, gpus };
  const owed = [0, 1, 2, 3].map((n) => {
    const step = { durationMs: QUARTER, before: running, running, conditions, wanted, usdPerGpuHour: [1.2, 0.5] };
    ledger.book({ ...step, start: siteMs(JUNE + n * QUARTER), curtailedHours: 0 });
    return ledger.outcome().penaltyUsd;
  });
  // Two GPU-hours each time.
  expect(owed).toEqual([0, 700, 700, 700]);
});

test('work that is late at its deadline is owed for; a term that began before the first step is left out', () => {
  const plain = siteCase(coupledSite());
  const iso = (t: number): string => new Date(t).toISOString();
  const deadline = {
    gpuHours: 20,
    from: iso(JUNE - QUARTER),
    by: iso(JUNE + QUARTER),
    everyHours: 1,
    penaltyUsdPerGpuHour: 2,
  };
  const work = plain.work.map((one, i) => (i === 1 ? { ...one, config: { ...one.config, deadline } } : one));
  const facts = { ...plain, work };
  const ledger = createLedger(facts, NO_PEAKS);
  const wanted = wantedAt(facts, JUNE);
  const cohorts = { new: { default: 200 }, old: { sleep: 100 } };
  const left = [0, 1, 2, 3, 4, 5].map((n) => {
    const start = siteMs(JUNE + n * QUARTER);
    const open = ledger.deadlines(start)[1]?.gpuHours;
    const running = { cohorts, gpus: { reserved: 48, batch: 32 } };
    ledger.book({
      start,
      durationMs: QUARTER,
      before: running,
      running,
      conditions,
      wanted,
      usdPerGpuHour: [1.2, 0.5],
      curtailedHours: 0,
    });
    return open;
  });
  // Terms of half an hour in every hour, 8 GPU-hours done in each quarter of them.
  expect(left).toEqual([undefined, undefined, undefined, 20, 12, undefined]);
  expect(ledger.outcome().penaltyUsd).toBeCloseTo(2 * (20 - 16), 9);
});

test('a mode that no point describes is a mistake, not a machine that draws nothing', () => {
  const facts = site({});
  const lost: Running = { cohorts: { new: { turbo: 200 }, old: { sleep: 100 } }, gpus: {} };
  expect(() => loadOf(facts, lost, 20)).toThrow('new has no operating point turbo');
});
