import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { heatBreaker, tripTimeS } from './breaker.ts';
import { coolingW } from './halls.ts';
import { PHASE } from './miners.ts';
import { calmConfig, smallSite } from './small-site.ts';
import { truthOf } from './truth.ts';
import { loadWeather, relativeHumidityPct, stullC } from './weather.ts';
import { advance, applyCommand, createWorld, type World } from './world.ts';

const START = Date.parse('2026-03-24T12:00:00Z');

function world(seed = 5, more: object = {}): World {
  const options = { seed, stepMs: 1000, weather: loadWeather(undefined), start: START };
  return createWorld(smallSite(), calmConfig(more), options);
}
const pass = (w: World, seconds: number): void => advance(w, w.state.t + seconds * 1000);

test('wet bulb by Stull, humidity by Magnus', () => {
  expect(stullC(20, 50)).toBeCloseTo(13.7, 1);
  expect(stullC(30, 50)).toBeCloseTo(22.3, 1);
  expect(relativeHumidityPct(20, 20)).toBe(100);
  expect(relativeHumidityPct(20, 9.27)).toBeCloseTo(50, 0);
});

test('hall power is machines and cooling, the feeder is the halls and the losses', () => {
  const w = world();
  pass(w, 60);
  const truth = truthOf(w);
  const machinesW = w.miners.state.powerW.reduce((sum, watts) => sum + watts, 0);
  expect(truth.halls['m']!.itW).toBeCloseTo(machinesW, 3);
  expect(truth.halls['m']!.totalW).toBe(truth.halls['m']!.itW + truth.halls['m']!.coolingW);
  expect(truth.feederW).toBeCloseTo((truth.halls['m']!.totalW + truth.halls['g']!.totalW) * 1.01, 3);
});

test('machines of one model differ, and stay within a few percent of their nameplate', () => {
  const w = world();
  const watts = [...w.miners.state.powerW.subarray(0, 6)];
  expect(new Set(watts).size).toBe(6);
  for (const watt of watts) expect(Math.abs(watt / 3500 - 1)).toBeLessThan(0.06);
});

test('a waking miner runs fans before boards, and takes 60 to 240 s', () => {
  const w = world();
  applyCommand(w, { op: 'sleep', i: 0 }, w.state.t);
  pass(w, 20);
  expect(w.miners.state.powerW[0]).toBeLessThan(40);
  applyCommand(w, { op: 'wake', i: 0 }, w.state.t);
  pass(w, 20);
  expect(w.miners.state.powerW[0]).toBeLessThan(200);
  expect(w.miners.state.hashThs[0]).toBe(0);
  pass(w, 220);
  expect(w.miners.state.hashThs[0]).toBeGreaterThan(190);
});

test('cooling grows with load and with wet bulb, and is near the site file without being it', () => {
  const hall = world().halls[0]!;
  const load = hall.designW;
  expect(coolingW(hall, load, 20)).toBeGreaterThan(coolingW(hall, load / 2, 20));
  expect(coolingW(hall, load, 26)).toBeGreaterThan(coolingW(hall, load, 12));
  const named = 1000 * hall.config.cooling.baseKw + 0.85 * load * 0.094;
  expect(Math.abs(coolingW(hall, 0.85 * load, 20) / named - 1)).toBeLessThan(0.15);
});

test('the breaker curve: very inverse, nothing below pickup, and it forgets', () => {
  const curve = { pickup: 1.05, timeMultiplier: 1 };
  expect(tripTimeS(1.04, curve)).toBe(Infinity);
  expect(tripTimeS(2.1, curve)).toBeCloseTo(13.5);
  expect(tripTimeS(1.155, curve)).toBeCloseTo(135);
  const state = { heat: 0, closesAt: undefined };
  for (let s = 0; s < 13; s += 1) expect(heatBreaker(state, 2.1, 1, curve)).toBe(false);
  expect(heatBreaker(state, 2.1, 1, curve)).toBe(true);
  state.heat = 0.5;
  heatBreaker(state, 1, 30, curve);
  expect(state.heat).toBeCloseTo(0);
});

test('an overloaded hall trips, draws nothing and recloses after its time; the other halls go on', () => {
  const site = smallSite();
  const [hall, other] = [site.halls[0]!, site.halls[1]!];
  const options = { seed: 5, stepMs: 1000, weather: loadWeather(undefined), start: START };
  const w = createWorld({ ...site, halls: [{ ...hall, breakerMw: 0.04 }, other] }, calmConfig(), options);
  expect(truthOf(w).halls['m']!.breakerOpen).toBe(false);
  pass(w, 120);
  expect(truthOf(w).halls['m']).toMatchObject({ breakerOpen: true, totalW: 0 });
  expect(truthOf(w).halls['g']!.breakerOpen).toBe(false);
  pass(w, 600);
  expect(truthOf(w).halls['m']!.breakerOpen).toBe(false);
});

test('after a trip machines boot by themselves, staggered and awake; LuxOS stays curtailed', () => {
  const w = world();
  applyCommand(w, { op: 'sleep', i: 0 }, w.state.t);
  applyCommand(w, { op: 'work-mode', i: 10, mode: 1 }, w.state.t);
  pass(w, 30);
  applyCommand(w, { op: 'trip', hall: 0 }, w.state.t);
  pass(w, 600);
  const { state } = w.miners;
  expect(state.powerW.every((watt) => watt === 0)).toBe(true);
  pass(w, 90);
  const booting = state.phase.filter((phase) => phase === PHASE.boot).length;
  expect(booting).toBeGreaterThan(0);
  expect(booting).toBeLessThan(state.phase.length);
  pass(w, 400);
  expect(state.curtailed[0]).toBe(1);
  expect(state.powerW[0]).toBeLessThan(40);
  expect(state.curtailed[10]).toBe(0);
  expect(state.powerW[10]).toBeGreaterThan(2500);
});

test('a tripped hall stops its jobs, which start over when the servers are back', () => {
  const w = world();
  const job = [...w.jobs.state.list.values()].find((candidate) => candidate.state === 'RUNNING')!;
  applyCommand(w, { op: 'trip', hall: 1 }, w.state.t);
  pass(w, 5);
  expect(job).toMatchObject({ state: 'PENDING', restarts: 1 });
  expect(truthOf(w).jobs.running).toBe(0);
  pass(w, 600 + 500);
  expect(truthOf(w).jobs.running).toBeGreaterThan(0);
});

test('capped GPUs finish their work later', () => {
  const w = world();
  const slow = world();
  for (const n of [0, 1, 2, 3]) {
    applyCommand(slow, { op: 'gpu-limit', n, gpus: [0, 1, 2, 3, 4, 5, 6, 7], watts: 420 }, slow.state.t);
  }
  pass(w, 600);
  pass(slow, 600);
  const hard = [...w.jobs.state.list.values()].find((job) => job.state === 'RUNNING' && job.partition === 'h100')!;
  expect(slow.jobs.state.list.get(hard.id)!.doneS).toBeLessThan(hard.doneS - 60);
});

test('one seed and the same commands are the same run, whatever the ticks', () => {
  const run = (chunkS: number): unknown => {
    const w = world(9, { failures: { deadPct: 5, darkPct: 5, boardPct: 5, hotPct: 5, repairHours: 0.2 } });
    const until = START + 3_600_000;
    for (let s = 0; s < 3600; s += chunkS) {
      pass(w, chunkS);
      if (s + chunkS === 600) applyCommand(w, { op: 'sleep', i: 3 }, w.state.t);
    }
    expect(w.state.t).toBe(until);
    return truthOf(w);
  };
  expect(run(600)).toEqual(run(7.5 * 8));
  expect(truthOf(world(9))).not.toEqual(truthOf(world(10)));
});

test('energy counters never go back, whatever is done to the machines', () => {
  const command = fc.oneof(
    fc.record({ op: fc.constantFrom('sleep' as const, 'wake' as const, 'reboot' as const), i: fc.nat(9) }),
    fc.record({ op: fc.constant('point' as const), i: fc.nat(9), point: fc.nat(24) }),
    fc.record({
      op: fc.constant('work-mode' as const),
      i: fc.integer({ min: 10, max: 15 }),
      mode: fc.constantFrom(0, 1, 3),
    }),
    fc.record({ op: fc.constant('trip' as const), hall: fc.integer({ min: -1, max: 1 }) }),
    fc.record({ op: fc.constant('gpu-limit' as const), n: fc.nat(4), gpus: fc.constant([0, 1]), watts: fc.nat(800) }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(command, fc.integer({ min: 1, max: 400 })), { maxLength: 12 }), (steps) => {
      const w = world();
      const counters = (): number[] => [
        w.state.feeder.energyWh,
        ...w.halls.map((hall) => hall.state.energyWh),
        ...w.servers.state.gpuEnergyMj,
      ];
      let before = counters();
      for (const [action, seconds] of steps) {
        applyCommand(w, action, w.state.t);
        pass(w, seconds);
        const after = counters();
        expect(after.every((value, k) => value >= before[k]!)).toBe(true);
        before = after;
      }
    }),
    { numRuns: 25 },
  );
});

test('failures come at about the stated rate', () => {
  const w = world(3, { failures: { deadPct: 10, darkPct: 10, boardPct: 0, hotPct: 0, repairHours: 0.05 } });
  let failing = 0;
  let seen = 0;
  for (let k = 0; k < 200; k += 1) {
    pass(w, 180);
    failing += w.miners.state.failure.filter((failure) => failure !== 0).length;
    seen += w.miners.count;
  }
  expect(failing / seen).toBeGreaterThan(0.16);
  expect(failing / seen).toBeLessThan(0.24);
});
