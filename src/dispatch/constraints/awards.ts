import { awardsAt, deadlinesOf, floorW, meets, shedW } from '../awards.ts';
import { defineConstraint } from '../constraint.ts';

export const awards = defineConstraint({
  name: 'awards',
  about:
    'What an award holds in reserve is load that was measured to shed within its deadline, each MW once; it pays, and what is missing of it costs.',
  add(model, { problem, columns }) {
    for (const [t, { facts: step }] of problem.steps.entries()) {
      const held = awardsAt(problem, t);
      if (held.length === 0) continue;
      const reserves = held.map(({ facts, hours }) => {
        const awardedMw = facts.awardedW / 1e6;
        const reserve = model.column(
          ['awards:reserve', facts.id, step.start],
          hours * facts.usdPerMwHour,
          0,
          awardedMw,
        );
        const missing = model.column(
          ['awards:missing', facts.id, step.start],
          -hours * facts.shortfallUsdPerMwh,
          0,
          Infinity,
        );
        model.row(['awards:award', facts.id, step.start], awardedMw, Infinity, [
          [reserve, 1],
          [missing, 1],
        ]);
        return reserve;
      });
      // Who meets a deadline meets every longer one: these sums say the same as a column for each award and cohort.
      for (const deadline of deadlinesOf(held)) {
        const terms: [number, number][] = held.flatMap(({ facts }, k) =>
          facts.responseSeconds <= deadline ? [[reserves[k]!, 1]] : [],
        );
        let floorMw = 0;
        for (const [g, cohort] of problem.cohorts.entries()) {
          if (!meets(cohort, deadline)) continue;
          floorMw += floorW(problem, cohort, t) / 1e6;
          for (const m of cohort.modes.keys()) terms.push([columns.machines[t]![g]![m]!, -shedW(cohort, m) / 1e6]);
        }
        model.row(['awards:held', String(deadline), step.start], -Infinity, -floorMw, terms);
      }
    }
  },
});
