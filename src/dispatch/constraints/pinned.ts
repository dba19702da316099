import { defineConstraint } from '../constraint.ts';
import type { Name } from '../model-builder.ts';

export const pinned = defineConstraint({
  name: 'pinned',
  about: 'Machines within their minimum on or off time keep their mode in the first five minutes.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      if (!step.pinned) continue;
      for (const [g, cohort] of problem.cohorts.entries()) {
        for (const [m, of] of cohort.modeNames.entries()) {
          const kept = cohort.pinned[m]!;
          if (kept === 0) continue;
          const name: Name = ['pinned', of, step.facts.start];
          model.row(name, kept, Infinity, [[columns.machines[t]![g]![m]!, 1]]);
        }
      }
    }
  },
});
