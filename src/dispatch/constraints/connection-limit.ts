import { defineConstraint } from '../constraint.ts';

export const connectionLimit = defineConstraint({
  name: 'connection-limit',
  about: 'All halls with losses stay within what the grid connection may carry, less margin.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      const limitMw = step.limits.connectionW / 1e6;
      model.row(['connection-limit', '', step.facts.start], -Infinity, limitMw, [[columns.importMw[t]!, 1]]);
    }
  },
});
