import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SimCommand } from './command.ts';
import { GPUS } from './servers.ts';
import { calmConfig, smallSite } from './small-site.ts';
import { loadWeather } from './weather.ts';
import { advance, applyCommand, createWorld, type World } from './world.ts';

const START = Date.parse('2026-03-24T12:00:00Z');
const world = (): World =>
  createWorld(smallSite(), calmConfig(), { seed: 5, stepMs: 1000, weather: loadWeather(undefined), start: START });

/** What is wrong with the placement: every GPU belongs to the one job that lists it, and a running job has what it asked for. */
function misplaced(w: World): string[] {
  const wrong: string[] = [];
  const owner = new Map<number, number>();
  for (const job of w.jobs.state.list.values()) {
    if (job.state !== 'RUNNING') continue;
    const servers = Math.ceil(job.gpus / GPUS);
    const nodes = new Set(job.slots.map((slot) => Math.floor(slot / GPUS)));
    if (job.slots.length !== (job.gpus >= GPUS ? servers * GPUS : job.gpus)) wrong.push(`${job.id}: GPUs`);
    if (nodes.size !== servers) wrong.push(`${job.id}: servers`);
    for (const n of nodes) if (!w.jobs.partitions.get(job.partition)!.includes(n)) wrong.push(`${job.id}: partition`);
    for (const slot of job.slots) {
      if (owner.has(slot)) wrong.push(`${slot}: two jobs`);
      owner.set(slot, job.id);
    }
  }
  w.servers.job.forEach((id, slot) => id === (owner.get(slot) ?? 0) || wrong.push(`${slot}: stray`));
  return wrong;
}

test('placement stays sound whatever is submitted, held, requeued, cancelled or tripped', () => {
  const id = fc.integer({ min: 1000, max: 1030 });
  const job = fc.record({
    name: fc.constant('j'),
    user: fc.constant('u'),
    account: fc.constant('a'),
    partition: fc.constantFrom('h100', 'rtx4090'),
    qos: fc.constantFrom('reserved', 'on-demand', 'preemptible', 'batch'),
    gpus: fc.constantFrom(1, 3, 8, 12, 16, 400),
    timeLimitMinutes: fc.integer({ min: 1, max: 90 }),
    held: fc.boolean(),
  });
  const command: fc.Arbitrary<SimCommand> = fc.oneof(
    fc.record({ op: fc.constant('job-submit' as const), job }),
    fc.record({ op: fc.constant('job-hold' as const), id, held: fc.boolean() }),
    fc.record({ op: fc.constantFrom('job-requeue' as const, 'job-cancel' as const), id }),
    fc.record({ op: fc.constant('trip' as const), hall: fc.constantFrom(-1, 1) }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(command, fc.integer({ min: 1, max: 900 })), { maxLength: 10 }), (steps) => {
      const w = world();
      for (const [action, seconds] of steps) {
        applyCommand(w, action, w.state.t);
        const atOnce = misplaced(w);
        advance(w, w.state.t + seconds * 1000);
        expect([...atOnce, ...misplaced(w)]).toEqual([]);
      }
    }),
    { numRuns: 30 },
  );
});

test('a held job never starts; nothing passes it in being released', () => {
  const w = world();
  for (const job of w.jobs.state.list.values()) {
    applyCommand(w, { op: 'job-hold', id: job.id, held: true }, w.state.t);
    applyCommand(w, { op: 'job-requeue', id: job.id }, w.state.t);
  }
  const held = [...w.jobs.state.list.values()];
  advance(w, w.state.t + 3_600_000);
  expect(held.every((job) => job.state === 'PENDING' && job.reason === 'JobHeldUser')).toBe(true);
  applyCommand(w, { op: 'job-hold', id: held[0]!.id, held: false }, w.state.t);
  advance(w, w.state.t + 10_000);
  expect(held[0]!.state).toBe('RUNNING');
  expect(held[0]!.doneS).toBeLessThan(11);
});

test('arrivals keep demand near what the sim file states', () => {
  const w = createWorld(
    smallSite(),
    calmConfig({ work: { 'rtx-batch': { gpus: 5, sizes: [1], medianHours: 0.2, sigma: 0.5, queueJobs: 50 } } }),
    { seed: 5, stepMs: 5000, weather: loadWeather(undefined), start: START },
  );
  let sum = 0;
  const hours = 48;
  for (let k = 0; k < hours * 4; k += 1) {
    advance(w, w.state.t + 900_000);
    for (const job of w.jobs.state.list.values()) if (job.partition === 'rtx4090' && job.endedAt === 0) sum += job.gpus;
  }
  expect(sum / (hours * 4)).toBeGreaterThan(3.5);
  expect(sum / (hours * 4)).toBeLessThan(6.5);
});
