import { defineConstraint } from '../constraint.ts';
import { wakesAllowed } from '../problem.ts';

export const wakeRate = defineConstraint({
  name: 'wake-rate',
  about: 'A hall wakes only so many machines a minute, so that its load ramps and its pool logins do not stampede.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [h, hall] of problem.halls.entries()) {
        const terms = problem.cohorts.flatMap((cohort, g) =>
          cohort.hall === h ? [[columns.wakes[t]![g]!, 1] as const] : [],
        );
        if (terms.length === 0) continue;
        model.row(['wake-rate', hall.id, step.facts.start], -Infinity, wakesAllowed(hall, step), terms);
      }
    }
  },
});
