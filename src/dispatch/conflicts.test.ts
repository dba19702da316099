import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { anySite, forecastOfSite, snapshotOf } from '../../test/support/random-site.ts';
import type { Snapshot } from '../model/index.ts';
import { conflictsOf, conflictsText, type Relaxation } from './conflicts.ts';
import { type Constraint, defineConstraint } from './constraint.ts';
import { constraints } from './constraints/index.ts';
import { bareHall, bareSnapshot, cohort, S19K, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp, type LinearProgram } from './lp.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';

const highs = await loadHighs();

/** A contract that wants so much import in every step, whatever else. */
const mustDraw = (mw: number): Constraint =>
  defineConstraint({
    name: 'take-or-pay',
    about: 'made for this test',
    add(model, { problem, columns }) {
      for (const [t, { facts }] of problem.steps.entries())
        model.row(['take-or-pay', '', facts.start], mw, Infinity, [[columns.importMw[t]!, 1]]);
    },
  });

const programOf = (snapshot: Snapshot, mw: number, prices = [30, 30]): LinearProgram =>
  buildLp(pose(snapshot, shortForecast(prices)), [...constraints, mustDraw(mw)]);
const miners = (change: object = {}) => ({ ...cohort('a-1', 'antminer-s19k-pro', 100, S19K), ...change });

/** Whether the rows have a solution: that of a contract to draw power could be cooling that nobody runs. */
const isFeasible = ({ model, offsetUsd }: LinearProgram): boolean => {
  try {
    solve(highs, { model, offsetUsd }, {});
    return true;
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('no plan keeps all limits')) throw error;
    return false;
  }
};

/** The same program with each named limit relaxed by the named amount, at every step. */
function relaxed({ model, ...rest }: LinearProgram, relax: readonly Relaxation[]): LinearProgram {
  const { series, seriesOf } = model.rows();
  const by = (row: number): number => {
    const { kind, of } = series[seriesOf[row]!]!;
    return (relax.find((one) => one.kind === kind && one.of === of)?.amount ?? 0) + 1e-7;
  };
  const data: typeof model.data = (solver, offsetUsd) => {
    const all = model.data(solver, offsetUsd);
    return {
      ...all,
      rowLower: all.rowLower.map((bound, row) => bound - by(row)),
      rowUpper: all.rowUpper.map((bound, row) => bound + by(row)),
    };
  };
  return { ...rest, model: { ...model, data } };
}

test('a hold goes before a contract, and a contract before a breaker', () => {
  const snapshot = bareSnapshot({
    cohorts: [miners({ now: { sleep: 100 }, held: true })],
    halls: [{ ...bareHall('a'), usableW: 300_000 }],
  });
  const conflicts = conflictsOf(highs, programOf(snapshot, 0.2).model)!;
  expect(new Set(conflicts.relax.map(({ kind }) => kind))).toEqual(new Set(['held']));
  expect(conflictsText(conflicts)).toMatch(
    /^the hold of a person on a-1 and take or pay cannot all be kept; the cheapest way out is to relax the hold of a person on a-1 by 48 machines \(at 2026-03-23T12:00:00Z\)/,
  );
  // More than the breaker lets through: the contract gives way by what is over.
  const more = conflictsOf(highs, programOf(snapshot, 0.35).model)!;
  const contract = more.relax.find(({ kind }) => kind === 'take-or-pay')!;
  expect(contract.amount).toBeCloseTo(0.05, 6);
  expect(more.relax.some(({ kind }) => kind === 'hall-breaker')).toBe(false);
  expect(more.between).toContain('the breaker of hall a');
});

test('too few wakes are named as what they are', () => {
  const snapshot = bareSnapshot({
    cohorts: [miners({ now: { sleep: 100 } })],
    halls: [{ ...bareHall('a'), wakesPerMinute: 2 }],
  });
  const { relax } = conflictsOf(highs, programOf(snapshot, 0.4).model)!;
  expect(relax.map(({ kind, of }) => `${kind} ${of}`)).toEqual(['wake-rate a']);
  // 100 machines at 4,195 W and 25 W asleep: 96 awake make 0.4 MW, and a quarter-hour wakes 30.
  expect(relax[0]!.amount).toBeCloseTo((400_000 - 2_500) / 4_170 - 30, 3);
});

test('a plan that fits has no conflicts, and what a failed solve says names those of one that does not', () => {
  const none = bareSnapshot({ cohorts: [miners()] });
  expect(conflictsOf(highs, programOf(none, 0.1).model)).toBeUndefined();
  const program = programOf(none, 0.9);
  expect(() => solve(highs, program, {})).toThrow(
    /^no plan keeps all limits: take or pay cannot be kept; .* by 0\.\d{3}/,
  );
});

test('a limit that is exceeded says what holds the load up and what to release', () => {
  const snapshot = bareSnapshot({
    cohorts: [miners({ held: true })],
    halls: [{ ...bareHall('a'), usableW: 200_000, fixedW: 20_000, silent: { machines: 3, powerW: 10_000 } }],
  });
  const { notes } = planWith(highs, snapshot, shortForecast([30]));
  expect(notes.join('\n')).toContain(
    ': 0.277 MW is a-1, held by a person, 0.020 MW is fixed load of hall a, 0.010 MW is 3 silent machines of hall a; releasing a-1 frees 0.277 MW of IT power',
  );
});

test('relaxing the named limits by the named amounts leaves a plan, whatever the site', () => {
  let conflicting = 0;
  fc.assert(
    fc.property(anySite, fc.double({ min: 0.1, max: 8, noNaN: true }), (site, mw) => {
      const snapshot = snapshotOf(site);
      const program = buildLp(pose(snapshot, forecastOfSite(site)), [...constraints, mustDraw(mw)]);
      const conflicts = conflictsOf(highs, program.model);
      expect(conflicts === undefined).toBe(isFeasible(program));
      if (conflicts === undefined) return;
      conflicting += 1;
      expect(isFeasible(relaxed(program, conflicts.relax))).toBe(true);
    }),
    { numRuns: 100 },
  );
  expect(conflicting).toBeGreaterThan(20);
});
