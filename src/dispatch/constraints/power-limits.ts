import { defineConstraint } from '../constraint.ts';

export const powerLimits = defineConstraint({
  name: 'power-limits',
  about: 'A GPU that works does so at one of the power limits that were measured on its work.',
  add(model, { problem, columns }) {
    for (const [i, { facts, points }] of problem.work.entries()) {
      if (points.length === 0) continue;
      for (const [t, step] of problem.steps.entries()) {
        const at = columns.gpusAt[t]![i]!.map((column) => [column, -1] as const);
        model.row(['power-limits', facts.id, step.facts.start], 0, 0, [[columns.gpus[t]![i]!, 1], ...at]);
      }
    }
  },
});
