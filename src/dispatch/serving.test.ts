import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Serves, WorkFacts } from '../model/index.ts';
import { bareSnapshot, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { planWith } from './plan.ts';
import { createSizing, gpusFor, withServing } from './serving.ts';

const chat = (change: Partial<Serves> = {}): Serves => ({
  requestsPerSecondPerGpu: 2,
  serviceMs: 4_000,
  latencyTargetMs: 5_000,
  withinPct: 95,
  headroomPct: 0,
  minGpus: 1,
  gpusPerReplica: 1,
  kbPerRequest: 0,
  ...change,
});

test('one place: the wait of an M/M/1, P(W > t) = rho e^(-(mu - lambda) t)', () => {
  // 0.5 e^(-0.5 t) is 0.05 at t = 4.605 s.
  const one = chat({ requestsPerSecondPerGpu: 1, serviceMs: 1_000 });
  expect(gpusFor(0.5, { ...one, latencyTargetMs: 1_000 + 4_606 })).toBe(1);
  expect(gpusFor(0.5, { ...one, latencyTargetMs: 1_000 + 4_604 })).toBe(2);
});

test("many places: Erlang's table", () => {
  // C(10, 7) = 0.2217: with no time to wait beside the service, 22 % do not keep to it.
  const places = chat({ requestsPerSecondPerGpu: 10, serviceMs: 1_000, latencyTargetMs: 1_000.001 });
  expect(gpusFor(7, { ...places, withinPct: 77.8 })).toBe(1);
  expect(gpusFor(7, { ...places, withinPct: 77.9 })).toBe(2);
});

test('replicas are whole, some are kept for the first request, and headroom counts', () => {
  expect(gpusFor(0, chat({ minGpus: 3, gpusPerReplica: 4 }))).toBe(4);
  expect(gpusFor(9, chat({ gpusPerReplica: 4 })) % 4).toBe(0);
  expect(gpusFor(100, chat({ headroomPct: 50 }))).toBe(gpusFor(150, chat()));
});

test('more requests, a tighter target or more of them within it never take fewer GPUs, and the queue never grows for ever', () => {
  const rate = fc.double({ min: 0.01, max: 500, noNaN: true });
  fc.assert(
    fc.property(
      rate,
      rate,
      fc.integer({ min: 4_100, max: 20_000 }),
      fc.integer({ min: 50, max: 98 }),
      (few, more, target, pct) => {
        const serves = chat({ latencyTargetMs: target, withinPct: pct });
        const gpus = gpusFor(few, serves);
        expect(gpus * serves.requestsPerSecondPerGpu).toBeGreaterThan(few);
        expect(gpusFor(few + more, serves)).toBeGreaterThanOrEqual(gpus);
        expect(gpusFor(few, { ...serves, latencyTargetMs: target + 500 })).toBeLessThanOrEqual(gpus);
        expect(gpusFor(few, { ...serves, withinPct: pct + 1 })).toBeGreaterThanOrEqual(gpus);
        // Rounded up, and never down.
        const sized = createSizing(serves)(few);
        expect(sized).toBeGreaterThanOrEqual(gpus);
        expect(sized).toBeLessThanOrEqual(gpusFor(few * 1.011, serves));
      },
    ),
    { numRuns: 60 },
  );
});

/** Numbers in [0, 1) that are the same each time (mulberry32). */
function drawn(): () => number {
  let state = 12_345;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test('requests that come and are served at random keep to the target with so many GPUs, and not with one fewer', () => {
  const serves = chat();
  const rate = 40;
  const late = (gpus: number): number => {
    const next = drawn();
    const free = Array.from({ length: gpus * 8 }, () => 0);
    let t = 0;
    let waited = 0;
    const n = 60_000;
    for (let i = 0; i < n; i += 1) {
      t += -Math.log(1 - next()) / rate;
      const place = free.indexOf(Math.min(...free));
      const start = Math.max(t, free[place]!);
      if (start - t > 1) waited += 1;
      free[place] = start + -Math.log(1 - next()) * 4;
    }
    return waited / n;
  };
  const gpus = gpusFor(rate, serves);
  expect(late(gpus)).toBeLessThan(0.05);
  expect(late(gpus - 1)).toBeGreaterThan(0.05);
});

const highs = await loadHighs();
const facts = (change: Partial<WorkFacts>): WorkFacts => ({
  id: 'chat',
  hallId: 'a',
  className: 'on-demand',
  line: 'ai',
  gpuModel: 'h100',
  runningGpus: 0,
  queuedGpus: 0,
  heldGpus: 0,
  partGpus: 100,
  committedGpus: 0,
  marginalWPerGpu: 1_000,
  usdPerGpuHour: 2,
  penaltyUsdPerGpuHour: 10,
  interruptUsdPerGpu: 0,
  ...change,
});

test('over a day the GPUs of inference follow its requests, never below the target, and training has the rest', () => {
  const serves = chat({ kbPerRequest: 500 });
  const training = facts({
    id: 'training',
    className: 'batch',
    queuedGpus: 100,
    usdPerGpuHour: 2.5,
    penaltyUsdPerGpuHour: 0,
  });
  const planned: number[] = [];
  let running = 0;
  for (let hour = 0; hour < 24; hour += 1) {
    // Few at night, a busy noon: from 10 to 130 requests a second.
    const rate = 70 - 60 * Math.cos((2 * Math.PI * (hour - 1)) / 24);
    const need = gpusFor(rate, serves);
    const forecast = shortForecast([40, 40, 40]);
    const steps = forecast.steps.map((step) => ({ ...step, wantedGpus: { chat: need } }));
    // Its jobs are those of the hour before; what no longer serves ends by itself.
    const now = facts({ runningGpus: Math.min(running, need) });
    const work = withServing([now, training], new Map([['chat', { gpus: need, serves }]]), { steps });
    expect(work[0]!.uplinkMbpsPerGpu).toBe(8);
    const [step] = planWith(highs, bareSnapshot({ work }), { ...forecast, steps }).steps;
    // Training earns more an hour: without what a missed target costs it would have them all.
    expect(step!.work['chat']).toBeCloseTo(need, 6);
    expect(step!.work['training']).toBeCloseTo(100 - need, 6);
    planned.push(need);
    running = need;
  }
  expect(Math.max(...planned)).toBeGreaterThan(5 * Math.min(...planned));
});
