import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseRungs, RUNGS, type Rung, type RungKind } from './ladder.ts';

const rung = (subject: string, kind: RungKind, watts?: number, usd?: number, isReserved = false): Rung => ({
  kind,
  subject,
  isReserved,
  watts,
  usd,
});
const told = (rungs: readonly Rung[]) => rungs.map(({ kind, subject }) => `${kind} ${subject}`);

test('the cheapest watts go first, and a job climbs when the milder rung is not enough', () => {
  const rungs = [
    rung('a', 'cap-power', 300, 1),
    rung('a', 'requeue', 1000, 20),
    rung('b', 'requeue', 1000, 8),
    rung('r', 'cap-power', 5000, 0, true),
  ];
  expect(told(chooseRungs(rungs, 200))).toEqual(['cap-power a']);
  expect(told(chooseRungs(rungs, 1200))).toEqual(['cap-power a', 'requeue b']);
  expect(told(chooseRungs(rungs, 1900))).toEqual(['requeue b', 'requeue a']);
  // Reserved work is the last to give way, however cheap.
  expect(told(chooseRungs(rungs, 3000)).at(-1)).toBe('cap-power r');
});

test('what nobody measured or priced is counted on for nothing', () => {
  const rungs = [rung('a', 'lock-clocks', undefined, 1), rung('b', 'requeue', 500, undefined), rung('c', 'kill', 0, 0)];
  expect(chooseRungs(rungs, 100)).toEqual([]);
});

const anyRungs = fc.array(
  fc.record({
    kind: fc.constantFrom(...RUNGS),
    subject: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    watts: fc.option(fc.integer({ min: 0, max: 2000 }), { nil: undefined }),
    usd: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
  }),
  { maxLength: 20 },
);
/** Whether a job is reserved is a fact of the job. */
const withReserved = (rows: readonly Omit<Rung, 'isReserved'>[]): Rung[] =>
  rows.map((row) => ({ ...row, isReserved: row.subject >= 'e' }));
const wattsOf = (rungs: readonly Rung[]) => rungs.reduce((sum, { watts }) => sum + watts!, 0);
/** The most that can be released, each job by its hardest rung. */
const mostW = (rungs: readonly Rung[]): number => {
  const most = new Map<string, number>();
  for (const { subject, watts, usd } of rungs)
    if (watts !== undefined && usd !== undefined) most.set(subject, Math.max(most.get(subject) ?? 0, watts));
  return [...most.values()].reduce((sum, w) => sum + w, 0);
};

test('property: enough where there is enough, one rung a job, reserved last, and never a dearer one while a cheaper one would do', () => {
  fc.assert(
    fc.property(anyRungs, fc.integer({ min: 1, max: 6000 }), (rows, wantedW) => {
      const rungs = withReserved(rows);
      const chosen = chooseRungs(rungs, wantedW);
      const subjects = new Set(chosen.map(({ subject }) => subject));
      expect(subjects.size).toBe(chosen.length);
      expect(wattsOf(chosen)).toBeGreaterThanOrEqual(Math.min(wantedW, mostW(rungs)));
      if (chosen.some(({ isReserved }) => isReserved))
        expect(mostW(rungs.filter(({ isReserved }) => !isReserved))).toBeLessThan(wantedW);
      const totalW = wattsOf(chosen);
      if (totalW < wantedW) return;
      for (const one of chosen) {
        expect(totalW - one.watts).toBeLessThan(wantedW);
        const cheaper = rungs.filter(
          ({ subject, watts, usd, isReserved }) =>
            usd !== undefined &&
            usd < one.usd &&
            watts !== undefined &&
            totalW - one.watts + watts >= wantedW &&
            (!isReserved || one.isReserved) &&
            (subject === one.subject || !subjects.has(subject)),
        );
        expect(cheaper).toEqual([]);
      }
    }),
    { numRuns: 500 },
  );
});
