import { defineConstraint } from '../constraint.ts';

export const heatLimit = defineConstraint({
  name: 'heat-limit',
  about:
    'IT power of a hall, silent machines included, stays within the heat that all stages of its cooling can carry.',
  add(model, { problem, columns }) {
    for (const [t, { facts, limits }] of problem.steps.entries()) {
      for (const [h, { id }] of problem.halls.entries()) {
        const limitW = limits.heatW[h]!;
        if (limitW === Infinity) continue;
        model.row(['heat-limit', id, facts.start], -Infinity, limitW / 1e6, [[columns.itMw[t]![h]!, 1]]);
      }
    }
  },
});
