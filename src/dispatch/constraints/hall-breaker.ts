import { defineConstraint } from '../constraint.ts';

export const hallBreaker = defineConstraint({
  name: 'hall-breaker',
  about: 'What a hall draws, silent machines and cooling included, stays within its breaker less margin.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [h, hall] of problem.halls.entries()) {
        model.row(['hall-breaker', hall.id, step.facts.start], -Infinity, step.limits.hallW[h]! / 1e6, [
          [columns.itMw[t]![h]!, 1],
          [columns.coolingMw[t]![h]!, 1],
        ]);
      }
    }
  },
});
