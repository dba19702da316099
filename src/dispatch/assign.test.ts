import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { HOUR, siteMs } from '../model/index.ts';
import { type Assignable, assign } from './assign.ts';

const MODES = ['sleep', 'low', 'high'];
const machine = (id: string, mode: string, change: Partial<Assignable> = {}): Assignable => ({
  id,
  mode,
  pinned: false,
  degraded: false,
  ...change,
});

const anyMachine = fc.record({
  mode: fc.constantFrom(...MODES, undefined),
  pinned: fc.boolean(),
  degraded: fc.boolean(),
  changedAt: fc.option(
    fc.integer({ min: 0, max: 100 }).map((h) => siteMs(h * HOUR)),
    { nil: undefined },
  ),
  temperatureC: fc.option(fc.integer({ min: 20, max: 95 }), { nil: undefined }),
  joulePerTh: fc.option(fc.integer({ min: 12, max: 40 }), { nil: undefined }),
});
const anyCase = fc
  .array(anyMachine, { minLength: 1, maxLength: 40 })
  .chain((raw) =>
    fc.record({
      machines: fc.constant(
        raw.map((m, i): Assignable => ({ ...m, id: `m${i}`, pinned: m.pinned && m.mode !== undefined })),
      ),
      modes: fc.array(fc.constantFrom(...MODES), { minLength: raw.length, maxLength: raw.length }),
    }),
  )
  .map(({ machines, modes }) => {
    const wanted: Record<string, number> = {};
    for (const mode of modes) wanted[mode] = (wanted[mode] ?? 0) + 1;
    return { machines, wanted };
  });

const tally = (modes: Iterable<string | undefined>): Map<string | undefined, number> => {
  const counts = new Map<string | undefined, number>();
  for (const mode of modes) counts.set(mode, (counts.get(mode) ?? 0) + 1);
  return counts;
};

test('pinned machines stay, free ones make up the wanted counts with the fewest changes', () => {
  fc.assert(
    fc.property(anyCase, ({ machines, wanted }) => {
      const assigned = assign(machines, wanted);
      const pinned = machines.filter((m) => m.pinned);
      for (const m of pinned) expect(assigned.get(m.id)).toBe(m.mode);
      const pinnedIn = tally(pinned.map((m) => m.mode));
      const got = tally(assigned.values());
      // Pinned machines beyond what is wanted of their mode leave places elsewhere empty.
      const surplus = (mode: string): number => Math.max(0, (pinnedIn.get(mode) ?? 0) - (wanted[mode] ?? 0));
      const missing = MODES.reduce((sum, mode) => sum + Math.max(0, (wanted[mode] ?? 0) - (got.get(mode) ?? 0)), 0);
      expect(missing).toBe(MODES.reduce((sum, mode) => sum + surplus(mode), 0));
      // At least as many must change as the modes hold beyond what is wanted or pinned in them.
      const now = tally(machines.map((m) => m.mode));
      let least = 0;
      for (const [mode, count] of now) {
        const may = mode === undefined ? 0 : Math.max(wanted[mode] ?? 0, pinnedIn.get(mode) ?? 0);
        least += Math.max(0, count - may);
      }
      expect(machines.filter((m) => assigned.get(m.id) !== m.mode).length).toBe(least);
    }),
  );
});

test('running it again changes nothing', () => {
  fc.assert(
    fc.property(anyCase, ({ machines, wanted }) => {
      const once = assign(machines, wanted);
      const after = machines.map((m): Assignable => ({ ...m, mode: once.get(m.id), changedAt: siteMs(200 * HOUR) }));
      expect(new Map(assign(after, wanted))).toEqual(new Map(once));
    }),
  );
});

test('the order of the machines does not matter', () => {
  fc.assert(
    fc.property(anyCase, ({ machines, wanted }) => {
      expect(new Map(assign(machines.toReversed(), wanted))).toEqual(new Map(assign(machines, wanted)));
    }),
  );
});

test('the degraded sleep first, then those awake longest, hottest, least efficient', () => {
  const at = (hour: number) => ({ changedAt: siteMs(hour * HOUR) });
  const machines = [
    machine('fresh', 'high', { ...at(9), temperatureC: 90, joulePerTh: 40 }),
    machine('old', 'high', at(2)),
    machine('hot', 'high', { ...at(5), temperatureC: 80 }),
    machine('warm', 'high', { ...at(5), temperatureC: 70 }),
    machine('hungry', 'high', { ...at(5), temperatureC: 70, joulePerTh: 30 }),
    machine('broken', 'high', { ...at(9), degraded: true }),
  ];
  const asleep = (n: number): string[] =>
    [...assign(machines, { sleep: n, high: machines.length - n })].flatMap(([id, mode]) =>
      mode === 'sleep' ? [id] : [],
    );
  const order = machines.map((_, n) => asleep(n + 1).filter((id) => !asleep(n).includes(id))[0]);
  expect(order).toEqual(['broken', 'old', 'hot', 'hungry', 'warm', 'fresh']);
});

test('those asleep longest wake first, the degraded last', () => {
  const machines = [
    machine('late', 'sleep', { changedAt: siteMs(9 * HOUR) }),
    machine('early', 'sleep', { changedAt: siteMs(1 * HOUR) }),
    machine('broken', 'sleep', { changedAt: siteMs(0), degraded: true }),
  ];
  expect(assign(machines, { sleep: 2, low: 1 }).get('early')).toBe('low');
  expect(assign(machines, { sleep: 1, low: 2 }).get('broken')).toBe('sleep');
});

test('machines beyond a plan some seconds old keep their mode; missing ones leave run places empty', () => {
  expect(assign([machine('a', 'high'), machine('b', 'high')], { high: 1 }).get('b')).toBe('high');
  expect(assign([machine('a', 'high')], { sleep: 1, low: 1 }).get('a')).toBe('sleep');
});

test('of equals those woken least go to sleep, and wake, first', () => {
  const awake = [machine('a', 'high', { wakes: 3 }), machine('b', 'high', { wakes: 1 }), machine('c', 'high')];
  expect(assign(awake, { sleep: 1, high: 2 }).get('c')).toBe('sleep');
  expect(assign(awake, { sleep: 2, high: 1 }).get('a')).toBe('high');
  const asleep = awake.map((one) => ({ ...one, mode: 'sleep' }));
  expect(assign(asleep, { sleep: 2, high: 1 }).get('c')).toBe('high');
});

/** Twelve machines through a long run of plans, each carried out; what is true of each is asked by `look`. */
function carriedOut(
  wishes: readonly (readonly [sleep: number, low: number])[],
  look: (before: readonly Assignable[], after: readonly Assignable[]) => void,
): readonly Assignable[] {
  let machines: readonly Assignable[] = Array.from({ length: 12 }, (_, i) => machine(`m${i}`, 'high'));
  for (const [step, [sleep, low]] of wishes.entries()) {
    const running = machines.length - sleep;
    const wanted = { sleep, low: Math.min(low, running), high: running - Math.min(low, running) };
    const assigned = assign(machines, wanted);
    const before = machines;
    machines = machines.map((one): Assignable => {
      const mode = assigned.get(one.id)!;
      if (mode === one.mode) return one;
      const wakes = (one.wakes ?? 0) + Number(one.mode === 'sleep');
      return { ...one, mode, wakes, changedAt: siteMs(step * HOUR) };
    });
    const again = assign(machines, wanted);
    for (const one of machines) expect(again.get(one.id)).toBe(one.mode);
    look(before, machines);
  }
  return machines;
}
const long = { minLength: 200, maxLength: 400 };
const upTo12 = fc.integer({ min: 0, max: 12 });

test('where miners only sleep or run, wakes spread evenly over any long run of plans', () => {
  fc.assert(
    fc.property(fc.array(upTo12, long), (sleeps) => {
      const machines = carriedOut(
        sleeps.map((sleep) => [sleep, 0] as const),
        () => {},
      );
      const wakes = machines.map((one) => one.wakes ?? 0);
      expect(Math.max(...wakes) - Math.min(...wakes)).toBeLessThanOrEqual(2);
    }),
    { numRuns: 100 },
  );
});

test('with several points, too, the least woken move: of those asleep to wake, of a point to sleep', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(upTo12, upTo12), long), (wishes) => {
      carriedOut(wishes, (before, after) => {
        const pairs = before.map((one, i) => ({ was: one, is: after[i]! }));
        const moved = pairs.filter(({ was, is }) => (was.mode === 'sleep') !== (is.mode === 'sleep'));
        // Nobody goes to sleep while another wakes.
        expect(new Set(moved.map(({ is }) => is.mode === 'sleep')).size).toBeLessThan(2);
        for (const { was } of moved)
          for (const other of pairs)
            if (other.was.mode === was.mode && other.is.mode === was.mode)
              expect(was.wakes ?? 0).toBeLessThanOrEqual(other.was.wakes ?? 0);
      });
    }),
    { numRuns: 100 },
  );
});
