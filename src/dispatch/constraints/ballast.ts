import { basePointAt, offUsdPerMw } from '../base-points.ts';
import { defineConstraint } from '../constraint.ts';
import { peakChargesUsdPerMw } from '../demand.ts';
import type { ProblemCohort } from '../problem.ts';
import { gpuTerms } from '../work-points.ts';

/** Above what a MW of AI earns in an hour: the band of the feeder goes before it. What a MW costs in charges on peaks comes on top. */
const USD_PER_MWH_SHORT = 20_000;

export const ballast = defineConstraint({
  name: 'ballast',
  about:
    'Miners that move fast can shed, and take up, what AI and HPC load may swing within a minute beyond the band of the feeder, unless a physical limit leaves no other way.',
  add(model, { problem, columns }) {
    const { ballast: facts } = problem.snapshot;
    if (facts === undefined || problem.work.length === 0) return;
    const fast = [...problem.cohorts.entries()].filter(
      ([, { facts: cohort }]) => facts.cohorts.includes(cohort.id) && !cohort.held,
    );
    const halls = new Set(fast.map(([, { hall }]) => hall));
    const charges = peakChargesUsdPerMw(problem);
    for (const [t, { facts: step, hours, pinned, cooling, limits }] of problem.steps.entries()) {
      const basePointUsd = basePointAt(problem, t) === undefined ? 0 : offUsdPerMw(problem, t);
      const short = model.column(
        ['ballast:short', '', step.start],
        -(USD_PER_MWH_SHORT * hours + charges + basePointUsd),
        0,
        Infinity,
      );
      // Cooling does not follow within a minute: swings and moves are of IT power.
      const swing = problem.work.flatMap((work, i) =>
        gpuTerms(work, columns, t, i, ({ marginalW }) => (-facts.swingFraction * marginalW) / 1e6),
      );
      const moves = (by: (cohort: ProblemCohort, m: number) => number, of: typeof fast) =>
        of.flatMap(([g, cohort]) =>
          cohort.modes.map((_, m) => [columns.machines[t]![g]![m]!, by(cohort, m) / 1e6] as const),
        );
      const kept = (by: (cohort: ProblemCohort, m: number) => number, of: typeof fast): number =>
        pinned
          ? of.reduce((sum, [, one]) => one.pinned.reduce((all, n, m) => all + (n * by(one, m)) / 1e6, sum), 0)
          : 0;
      model.row(['ballast:shed', '', step.start], kept(shedW, fast) - facts.bandW / 1e6, Infinity, [
        ...moves(shedW, fast),
        ...swing,
        [short, 1],
      ]);
      const takes = [...halls].map((h) => {
        const id = problem.halls[h]!.id;
        const taken = model.column(['ballast:taken', id, step.start], 0, 0, Infinity);
        const inHall = fast.filter(([, { hall }]) => hall === h);
        const negative = moves(riseW, inHall).map(([column, by]) => [column, -by] as const);
        model.row(['ballast:asleep', id, step.start], -Infinity, -kept(riseW, inHall), [[taken, 1], ...negative]);
        // What is taken up in a hall goes through its breaker, even where the swing is in another.
        model.row(['ballast:breaker', id, step.start], -Infinity, limits.hallW[h]! / 1e6, [
          // Wherever on the curve the hall is, what is taken up is cooled by its dearest segment at the most.
          [taken, 1 + cooling[h]!.at(-1)!.perW],
          [columns.itMw[t]![h]!, 1],
          [columns.coolingMw[t]![h]!, 1],
        ]);
        if (limits.heatW[h]! < Infinity)
          model.row(['ballast:heat', id, step.start], -Infinity, limits.heatW[h]! / 1e6, [
            [taken, 1],
            [columns.itMw[t]![h]!, 1],
          ]);
        return [taken, 1] as const;
      });
      model.row(['ballast:take', '', step.start], -facts.bandW / 1e6, Infinity, [...takes, ...swing, [short, 1]]);
    }
  },
});

/** What a machine in a mode sheds when it goes to sleep. */
const shedW = ({ modes }: ProblemCohort, m: number): number => modes[m]!.powerW - modes[0]!.powerW;

/** What a machine in a mode takes up when it goes to the highest one it is offered. */
const riseW = ({ modes }: ProblemCohort, m: number): number =>
  Math.max(0, Math.max(...modes.map((mode) => (mode.offered ? mode.powerW : 0))) - modes[m]!.powerW);
