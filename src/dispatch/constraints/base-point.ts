import { basePointAt, offUsdPerMw } from '../base-points.ts';
import { defineConstraint } from '../constraint.ts';

export const basePoint = defineConstraint({
  name: 'base-point',
  about: 'Import follows a base point of the grid, both ways, unless a physical limit leaves no other way.',
  add(model, { problem, columns }) {
    for (const [t, { facts: step }] of problem.steps.entries()) {
      const point = basePointAt(problem, t);
      if (point === undefined) continue;
      const usd = -offUsdPerMw(problem, t);
      const above = model.column(['base-point:above', '', step.start], usd, 0, Infinity);
      const below = model.column(['base-point:below', '', step.start], usd, 0, Infinity);
      model.row(['base-point:band', '', step.start], point.leastW / 1e6, point.mostW / 1e6, [
        [columns.importMw[t]!, 1],
        [above, -1],
        [below, 1],
      ]);
    }
  },
});
