import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadHighs } from '../../src/dispatch/highs.ts';
import { buildLp } from '../../src/dispatch/lp.ts';
import { planWith, solve } from '../../src/dispatch/plan.ts';
import { pose } from '../../src/dispatch/problem.ts';
import { type ForecastStep, MINUTE, siteMs, type Snapshot } from '../../src/model/index.ts';

/**
 * Odd situations, one a file of test/cases: a snapshot, a forecast, and what must come out, computed by hand. Times in
 * them are milliseconds since 1970, steps follow each other from `snapshot.at`.
 */
interface Case {
  readonly about: string;
  /** The arithmetic behind `expected`, for who reads it. */
  readonly because: readonly string[];
  readonly snapshot: Snapshot;
  readonly steps: readonly (Omit<ForecastStep, 'start' | 'durationMs' | 'known'> & { readonly minutes: number })[];
  readonly expected: {
    readonly status: string;
    readonly objectiveUsd: number;
    /** By step; null where several are equally good. */
    readonly importMw: readonly (number | null)[];
    /** Machines of the first step by cohort and mode, where they are the point. */
    readonly cohorts?: Readonly<Record<string, Readonly<Record<string, number>>>>;
    readonly notes?: readonly string[];
  };
}

const highs = await loadHighs();
const folder = new URL('../cases/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

test('there are cases', () => expect(files.length).toBeGreaterThanOrEqual(6));

test.each(files)('%s', (file) => {
  const { snapshot, steps, expected } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Case;
  let start: number = snapshot.at;
  const forecast = {
    madeAt: snapshot.at,
    steps: steps.map(({ minutes, ...facts }): ForecastStep => {
      const step = { ...facts, known: true, start: siteMs(start), durationMs: minutes * MINUTE };
      start += step.durationMs;
      return step;
    }),
  };
  const plan = planWith(highs, snapshot, forecast);
  expect(plan.status).toBe(expected.status);
  expect(Math.abs(plan.objectiveUsd - expected.objectiveUsd), `$${plan.objectiveUsd}`).toBeLessThan(1e-6);
  expect(plan.steps.map(({ importW }) => importW / 1e6)).toEqual(
    expected.importMw.map((mw) => (mw === null ? expect.any(Number) : expect.closeTo(mw, 6))),
  );
  if (expected.cohorts !== undefined) expect(plan.steps[0]!.cohorts).toEqual(expected.cohorts);
  if (expected.notes !== undefined) expect(plan.notes).toEqual(expected.notes);
  // Whole machines are best here, so that the program must come to the same money.
  const { objectiveUsd } = solve(highs, buildLp(pose(snapshot, forecast)), {});
  expect(objectiveUsd).toBeCloseTo(expected.objectiveUsd, 5);
});
