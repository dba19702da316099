import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HOUR, MINUTE, siteMs } from '../model/index.ts';
import { savingOf, type SavingNode, type SavingPart, type SavingStep, type SavingTerms } from './power-saving.ts';

const NOW = siteMs(1_000 * HOUR);
const TERMS: SavingTerms = { bootMinutes: 10, wakeCostUsd: 0.2, spareNodes: 0, dwellMinutes: 60 };
const node = (name: string, over: Partial<SavingNode> = {}): SavingNode => ({
  name,
  gpus: 8,
  floorW: 1_000,
  state: 'idle',
  since: undefined,
  ...over,
});
const hours = (gpus: readonly number[], priceUsdPerMwh = 60): SavingStep[] =>
  gpus.map((wanted, i) => ({ start: siteMs(NOW + i * HOUR), durationMs: HOUR, priceUsdPerMwh, gpus: wanted }));
const part = (nodes: SavingNode[], usedGpus = 0, waitingGpus = 0): SavingPart => ({ nodes, usedGpus, waitingGpus });
const DAY = Array.from({ length: 24 }, () => 8);

test('nodes beyond what the plan needs are switched off where their floor costs more than their return', () => {
  const nodes = ['a', 'b', 'c'].map((name) => node(name));
  // 1 kW for 24 h at $60 are $1.44.
  expect(savingOf(part(nodes), hours(DAY), TERMS, NOW)).toEqual({ on: [], off: ['a', 'b'] });
  expect(savingOf(part(nodes), hours(DAY), { ...TERMS, wakeCostUsd: 1.5 }, NOW).off).toEqual([]);
  expect(savingOf(part(nodes), hours(DAY, -20), TERMS, NOW).off).toEqual([]);
  expect(savingOf(part(nodes), hours(DAY), { ...TERMS, spareNodes: 1 }, NOW).off).toEqual(['a']);
  expect(savingOf(part(nodes, 0, 16), hours(DAY), TERMS, NOW).off).toEqual(['a']);
  expect(savingOf(part(nodes), [], TERMS, NOW)).toEqual({ on: [], off: [] });
});

test('the rest must be long enough, and the saving is of the time until the plan needs the node', () => {
  const nodes = [node('a'), node('b')];
  expect(savingOf(part(nodes), hours([8, 16, 8, 8]), TERMS, NOW).off).toEqual([]);
  expect(savingOf(part(nodes), hours([8, 8, 8, 8, 16]), TERMS, NOW).off).toEqual(['a']);
  expect(savingOf(part(nodes), hours([8, 8, 8, 16]), TERMS, NOW).off).toEqual([]);
});

test('a node of unknown draw stays on, as does one that was switched on lately', () => {
  expect(savingOf(part([node('a', { floorW: undefined }), node('b')]), hours(DAY), TERMS, NOW).off).toEqual(['b']);
  const lately = node('a', { since: siteMs(NOW - 30 * MINUTE) });
  expect(savingOf(part([lately, node('b')]), hours(DAY), TERMS, NOW).off).toEqual(['b']);
});

test('a node comes back ahead of the plan needing it, and at once for jobs that wait', () => {
  const off = node('b', { state: 'off', since: siteMs(NOW - 2 * HOUR) });
  const soon = [
    { ...hours([8])[0]!, durationMs: 15 * MINUTE },
    { ...hours([16])[0]!, start: siteMs(NOW + 15 * MINUTE) },
  ];
  expect(savingOf(part([node('a'), off]), soon, TERMS, NOW)).toEqual({ on: ['b'], off: [] });
  expect(savingOf(part([node('a'), off]), hours([8, 16]), TERMS, NOW).on).toEqual([]);
  const lately = node('b', { state: 'off', since: siteMs(NOW - MINUTE) });
  expect(savingOf(part([node('a'), lately]), soon, TERMS, NOW).on).toEqual([]);
  expect(savingOf(part([node('a'), lately], 0, 16), hours(DAY), TERMS, NOW).on).toEqual(['b']);
});

const anyNode = fc.record({
  gpus: fc.constantFrom(4, 8),
  floorW: fc.option(fc.integer({ min: 0, max: 3_000 }), { nil: undefined }),
  state: fc.constantFrom('idle' as const, 'off' as const, 'other' as const),
  since: fc.option(
    fc.integer({ min: 0, max: 300 }).map((minutes) => siteMs(NOW - minutes * MINUTE)),
    { nil: undefined },
  ),
});
const anyCase = fc.record({
  nodes: fc.array(anyNode, { maxLength: 8 }).map((all) => all.map((one, i): SavingNode => ({ ...one, name: `n${i}` }))),
  used: fc.nat(64),
  waiting: fc.nat(32),
  gpus: fc.array(fc.nat(64), { maxLength: 30 }),
  price: fc.integer({ min: -100, max: 2_000 }),
  terms: fc.record({
    bootMinutes: fc.nat(30),
    wakeCostUsd: fc.float({ min: 0, max: 5, noNaN: true }),
    spareNodes: fc.nat(2),
    dwellMinutes: fc.nat(240),
  }),
});

test('whatever comes: what is needed stays on, nothing at work is touched, and no node is switched both ways', () => {
  fc.assert(
    fc.property(anyCase, ({ nodes, used, waiting, gpus, price, terms }) => {
      const steps = hours(gpus, price);
      const { on, off } = savingOf(part(nodes, used, waiting), steps, terms, NOW);
      const named = (names: readonly string[]) => nodes.filter(({ name }) => names.includes(name));
      const sum = (all: readonly SavingNode[]) => all.reduce((total, one) => total + one.gpus, 0);
      expect(named(off).every(({ state, floorW }) => state === 'idle' && floorW !== undefined)).toBe(true);
      expect(named(on).every(({ state }) => state === 'off')).toBe(true);
      if (on.length > 0) expect(off).toEqual([]);
      const idleGpus = sum(nodes.filter(({ state }) => state === 'idle'));
      const stays = used + idleGpus - sum(named(off));
      if (off.length > 0) {
        // Jobs that run and wait, and the plan of the next hours, fit on what stays on.
        expect(stays).toBeGreaterThanOrEqual(used + waiting);
        const rest = (terms.dwellMinutes + terms.bootMinutes) * MINUTE;
        for (const step of steps.filter(({ start }) => start - NOW < rest))
          expect(stays).toBeGreaterThanOrEqual(step.gpus);
        for (const { since } of named(off))
          expect(since === undefined || NOW - since >= terms.dwellMinutes * MINUTE).toBe(true);
        expect(price).toBeGreaterThan(0);
      }
      // Jobs that wait for GPUs that are off get as many as there are.
      const short = used + waiting - (used + idleGpus);
      const offGpus = sum(nodes.filter(({ state }) => state === 'off'));
      expect(sum(named(on))).toBeGreaterThanOrEqual(Math.min(short, offGpus));
    }),
    { numRuns: 2_000 },
  );
});
