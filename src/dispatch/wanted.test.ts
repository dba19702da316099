import { describe, expect, test } from 'vitest';
import { DAY, HOUR, QUARTER, siteMs, type WantedPoint } from '../model/index.ts';
import { bareHall, bareSnapshot, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { planWith } from './plan.ts';
import { planByMeritOrder } from './merit-order.ts';
import { createWantedForecaster, scoreWanted, type WantedClass } from './wanted.ts';

/** Monday, 12:00 UTC, 06:00 in Chicago. */
const NOW = siteMs(Date.UTC(2026, 0, 26, 12));
const CHICAGO = 'America/Chicago';

/** Wants 300 by local day (9 to 17 h), 100 by night, and 100 on Sunday. */
const wanted = (t: number): number => {
  const local = new Date(t - 6 * HOUR);
  return local.getUTCDay() !== 0 && local.getUTCHours() >= 9 && local.getUTCHours() < 17 ? 300 : 100;
};
const history = (days: number, of: (t: number) => number = wanted): WantedPoint[] =>
  Array.from({ length: (days * DAY) / QUARTER }, (_, i) => {
    const start = siteMs(NOW - days * DAY + i * QUARTER);
    return { start, gpus: of(start), coverage: 1 };
  });
const chat = (change: Partial<WantedClass> = {}): WantedClass => ({
  id: 'chat',
  className: 'on-demand',
  hasDeadline: false,
  nowGpus: 100,
  history: history(28),
  ...change,
});
const ahead = (one: WantedClass, hours: number): number | undefined =>
  createWantedForecaster(CHICAGO).expected(one, NOW)?.(siteMs(NOW + hours * HOUR));

describe('GPUs that will be wanted', () => {
  test('begin with what is wanted now and go over to the usual of the local hour of the week', () => {
    expect(ahead(chat({ nowGpus: 160 }), 0)).toBeCloseTo(160, 9);
    // 10:00 in Chicago, where the day is busy: a forecast by UTC hours would say night.
    expect(ahead(chat(), 4)).toBeGreaterThan(250);
    expect(ahead(chat(), 4)).toBeLessThanOrEqual(300);
    expect(ahead(chat(), 20)).toBeCloseTo(100, 0);
    // Sunday is not as the other days.
    expect(ahead(chat(), 6 * 24 + 6)!).toBeLessThan(ahead(chat(), 5 * 24 + 6)! - 50);
    const beyond = ahead(chat({ nowGpus: 160 }), 20)! - ahead(chat(), 20)!;
    expect(beyond).toBeCloseTo(60 * Math.exp(-5), 6);
  });

  test('are held as now where less than a week was seen, and a note says whose', () => {
    const forecaster = createWantedForecaster(CHICAGO);
    const forecast = { ...shortForecast([40, 40]), madeAt: NOW };
    const held = forecaster.add(forecast, [chat({ history: history(6) })]);
    expect(held.forecast).toEqual(forecast);
    expect(held.notes).toEqual([
      'GPUs wanted of chat are planned as now: less than 7 of the last 28 days of them were seen',
    ]);
    // Half-seen quarter-hours count half.
    const half = history(10).map((point) => ({ ...point, coverage: 0.5 }));
    expect(ahead(chat({ history: half }), 4)).toBeUndefined();
    expect(ahead(chat({ history: history(8) }), 4)).toBeDefined();
    // A month ago is too long ago.
    expect(
      ahead(chat({ history: history(28).map((one) => ({ ...one, start: siteMs(one.start - 28 * DAY) })) }), 4),
    ).toBeUndefined();
  });

  test('of a queue stay until it is served, and nobody needs a note', () => {
    const forecaster = createWantedForecaster(CHICAGO);
    const queues = [chat({ className: 'batch' }), chat({ className: 'preemptible' }), chat({ hasDeadline: true })];
    for (const queue of queues) {
      const forecast = { ...shortForecast([40, 40]), madeAt: NOW };
      expect(forecaster.add(forecast, [queue])).toEqual({ forecast, notes: [] });
    }
  });

  test('nothing that comes later changes them, and they never go below none', () => {
    const later = [
      ...history(28),
      ...[0, 1, 2].map((i) => ({ start: siteMs(NOW + i * QUARTER), gpus: 9_000, coverage: 1 })),
    ];
    expect(ahead(chat({ history: later }), 4)).toBe(ahead(chat(), 4));
    expect(ahead(chat({ nowGpus: 0, history: history(28, () => 5) }), 1)).toBeGreaterThanOrEqual(0);
    // What is far below the usual now may not make it negative where the usual is little.
    const rise = (t: number): number => (new Date(t).getUTCHours() === 12 ? 500 : 10);
    expect(ahead(chat({ nowGpus: 0, history: history(28, rise) }), 1)).toBe(0);
  });

  test('are scored in GPUs beside what no change would have said', () => {
    const scores = scoreWanted(CHICAGO, [chat({ history: history(34) })], siteMs(NOW - 6 * DAY), NOW);
    expect(scores.map(({ what, workClass, leadHours }) => [what, workClass, leadHours])).toEqual(
      [1, 4, 12, 23].map((lead) => ['wantedGpus', 'chat', lead]),
    );
    const twelve = scores[2]!;
    expect(twelve.persistenceError).toBeGreaterThan(80);
    expect(twelve.meanAbsoluteError).toBeLessThan(0.3 * twelve.persistenceError);
    const queue = scoreWanted(
      CHICAGO,
      [chat({ className: 'batch', history: history(34) })],
      siteMs(NOW - 6 * DAY),
      NOW,
    );
    expect(queue[2]!.meanAbsoluteError).toBe(queue[2]!.persistenceError);
    // Quarter-hours that nobody saw are compared with nothing.
    const holes = history(34).filter(({ start }) => start < NOW - 3 * DAY);
    expect(scoreWanted(CHICAGO, [chat({ history: holes })], siteMs(NOW - 2 * DAY), NOW)).toEqual([]);
  });
});

describe('a plan', async () => {
  const highs = await loadHighs();
  const snapshot = bareSnapshot({
    halls: [{ ...bareHall('a'), usableW: 1e6 }],
    work: [
      {
        id: 'chat',
        hallId: 'a',
        className: 'reserved',
        line: 'ai',
        gpuModel: 'x',
        runningGpus: 100,
        queuedGpus: 0,
        heldGpus: 0,
        partGpus: 1000,
        committedGpus: 200,
        marginalWPerGpu: 500,
        usdPerGpuHour: 2,
        penaltyUsdPerGpuHour: 5,
        interruptUsdPerGpu: 4,
      },
    ],
  });
  const plain = shortForecast([40, 40, 5_000, 40], 60);
  const steps = plain.steps.map((step, t) => ({ ...step, wantedGpus: { chat: [7, 300, 300, 60][t]! } }));

  test.each([
    ['the solver', () => planWith(highs, snapshot, { ...plain, steps })],
    ['the merit order', () => planByMeritOrder(snapshot, { ...plain, steps })],
  ])('of %s serves what is wanted in each step, and no more', (_name, make) => {
    const plan = make();
    // Now is what is known, whatever a forecast says of it.
    expect(plan.steps[0]!.work['chat']).toBe(100);
    expect(plan.steps[1]!.work['chat']).toBeCloseTo(300, 4);
    expect(plan.steps[3]!.work['chat']).toBeCloseTo(60, 4);
    // 200 are reserved; of the 300 of the third hour and its price, those beyond would cost more than they earn but for the interruption.
    const work = plan.steps.map((step) => step.work['chat']!);
    const hourly = work.map((gpus, t) => gpus * (2 - (500 * plain.steps[t]!.priceUsdPerMwh) / 1e6));
    const interrupted = 4 * Math.max(0, work[1]! - work[2]!) + 4 * Math.max(0, work[2]! - 240 - work[3]!);
    const unserved = 5 * [100, 200, 200, 60].reduce((sum, gpus, t) => sum + Math.max(0, gpus - work[t]!), 0);
    expect(plan.objectiveUsd).toBeCloseTo(hourly.reduce((a, b) => a + b) - interrupted - unserved, 4);
  });
});
