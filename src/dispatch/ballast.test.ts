import { describe, expect, test } from 'vitest';
import type { BallastFacts, Plan, Snapshot, WorkFacts } from '../model/index.ts';
import { bareHall, bareSnapshot, cohort, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { planWith } from './plan.ts';

const highs = await loadHighs();

/** Cut to whole ones, machines and GPUs may miss the swing by one. 1,000 machines of 3 kW that earn $50/MWh, and 2,000 GPUs that draw 1 kW beyond idle ones and earn $1,000/MWh. */
const POINTS = [{ profile: 'default', powerW: 3_000, hashrateThs: 90 }];
const miners = (change: object = {}) => ({
  ...cohort('a-x', 'x', 1_000, POINTS),
  sleepW: 0,
  now: { default: 500, sleep: 500 },
  ...change,
});
const GPUS: WorkFacts = {
  id: 'w',
  hallId: 'b',
  className: 'on-demand',
  line: 'ai',
  gpuModel: 'h100',
  runningGpus: 2_000,
  queuedGpus: 0,
  heldGpus: 0,
  partGpus: 2_000,
  committedGpus: 0,
  marginalWPerGpu: 1_000,
  usdPerGpuHour: 1,
  penaltyUsdPerGpuHour: 0,
  interruptUsdPerGpu: 0,
};
const ballast = (change: Partial<BallastFacts> = {}): BallastFacts => ({
  bandW: 0.5e6,
  swingFraction: 0.75,
  cohorts: ['a-x'],
  ...change,
});
const site = (change: Partial<Snapshot> = {}): Snapshot =>
  bareSnapshot({
    halls: [bareHall('a'), bareHall('b')],
    cohorts: [miners()],
    work: [GPUS],
    ballast: ballast(),
    ...change,
  });
const first = ({ steps: [step] }: Plan) => ({ awake: step!.cohorts['a-x']!['default'] ?? 0, gpus: step!.work['w'] });
const at = (price: number, snapshot: Snapshot, minutes = 15) =>
  first(planWith(highs, snapshot, shortForecast([price, price], minutes)));

describe('ballast', () => {
  test('some miners run where power is dear, and some sleep where it is cheap', () => {
    expect(at(200, site({ ballast: undefined }))).toEqual({ awake: 0, gpus: 2_000 });
    expect(at(20, site({ ballast: undefined }))).toEqual({ awake: 1_000, gpus: 2_000 });
    // The swing is 1.5 MW, and the feeder bears 0.5 MW of it.
    expect(at(200, site()).awake).toBeGreaterThanOrEqual(333);
    expect(at(200, site()).awake).toBeLessThanOrEqual(334);
    expect(at(20, site()).awake).toBe(667);
  });

  test('a band as wide as the swing asks for nobody', () => {
    expect(at(200, site({ ballast: ballast({ bandW: 1.5e6 }) }))).toEqual({ awake: 0, gpus: 2_000 });
  });

  test('where miners are too few, the work keeps within what they can balance', () => {
    const few = [miners({ machines: 400, now: { default: 200, sleep: 200 } })];
    // 200 awake and 200 asleep move 0.6 MW either way: with the band, 1.1 MW of swing.
    const { awake, gpus } = at(20, site({ cohorts: few }));
    expect(awake).toBe(200);
    expect(gpus).toBe(1_467);
  });

  test('work that may not be interrupted goes before the band', () => {
    const none = site({ cohorts: [], work: [{ ...GPUS, preemptible: false }] });
    expect(planWith(highs, none, shortForecast([20])).steps[0]!.work).toEqual({ w: 2_000 });
    const other = site({ cohorts: [], work: [GPUS] });
    expect(planWith(highs, other, shortForecast([20])).steps[0]!.work['w']).toBe(667);
  });

  test('held and pinned miners do not count, and neither do others than those named', () => {
    expect(at(20, site({ cohorts: [miners({ held: true })] })).gpus).toBe(667);
    expect(at(20, site({ ballast: ballast({ cohorts: ['z'] }) })).gpus).toBe(667);
    const pinned = [miners({ pinned: { default: 100, sleep: 0 } })];
    expect(at(200, site({ cohorts: pinned }), 5).awake).toBeGreaterThanOrEqual(433);
  });

  test('load that is to be taken up fits through the breaker of its hall', () => {
    const halls = [{ ...bareHall('a'), usableW: 2.4e6 }, bareHall('b')];
    // 1 MW of room must stay: 1.4 MW of miners, where 2 MW would do without the breaker.
    expect(at(20, site({ halls })).awake).toBe(467);
  });

  test('what it is worth is told', () => {
    const { why } = planWith(highs, site(), shortForecast([200], 60));
    // A MW at $200/MWh that hashes for $50.
    expect(why!.limits[0]).toMatchObject({ key: 'ballast:shed', unit: 'MW' });
    expect(why!.limits[0]!.usdPerHour).toBeCloseTo(150, 0);
  });
});
