import { defineConstraint } from '../constraint.ts';
import { wakesAllowed } from '../problem.ts';

export const wakeRate = defineConstraint({
  name: 'wake-rate',
  about: 'A hall wakes only so many machines a minute, so that its load ramps and its pool logins do not stampede.',
  add(model, { problem, columns }) {
    const inHall = Map.groupBy(problem.cohorts.keys(), (g) => problem.cohorts[g]!.hall);
    for (const [t, step] of problem.steps.entries()) {
      for (const [h, hall] of problem.halls.entries()) {
        const cohorts = inHall.get(h);
        if (cohorts === undefined) continue;
        model.row(['wake-rate', hall.id, step.facts.start], -Infinity, wakesAllowed(hall, step));
        for (const g of cohorts) model.term(columns.wakes[t]![g]!, 1);
      }
    }
  },
});
