import { defineConstraint } from '../constraint.ts';

export const cohortConservation = defineConstraint({
  name: 'cohort-conservation',
  about: 'Every machine that answers is in exactly one mode, sleep included.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [g, cohort] of problem.cohorts.entries()) {
        const { id, machines } = cohort.facts;
        model.row(['cohort-conservation', id, step.facts.start], machines, machines);
        for (const column of columns.machines[t]![g]!) model.term(column, 1);
      }
    }
  },
});
