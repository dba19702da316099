import { defineConstraint } from '../constraint.ts';
import type { Name } from '../model-builder.ts';

export const held = defineConstraint({
  name: 'held',
  about: 'A cohort that a person holds out of the plan keeps its present modes over the whole horizon.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [g, cohort] of problem.cohorts.entries()) {
        if (!cohort.facts.held) continue;
        for (const [m, of] of cohort.modeNames.entries()) {
          const now = cohort.now[m]!;
          const name: Name = ['held', of, step.facts.start];
          model.row(name, now, now, [[columns.machines[t]![g]![m]!, 1]]);
        }
      }
    }
  },
});
