import { QUARTER } from '../../model/index.ts';
import { defineConstraint } from '../constraint.ts';
import { coincidentQuarters } from '../demand.ts';

export const coincidentPeak = defineConstraint({
  name: 'coincident-peak',
  about:
    "What is drawn in the quarter-hour of the system's peak is charged for the whole year: each quarter-hour costs that times its probability.",
  add(model, { problem, columns }) {
    for (const { start, usdPerMw, steps } of coincidentQuarters(problem)) {
      const average = model.column(['coincident-peak', '', start], -usdPerMw, 0, Infinity);
      const parts = steps.map((t) => [columns.importMw[t]!, problem.steps[t]!.facts.durationMs / QUARTER] as const);
      model.row(['coincident-peak', '', start], 0, 0, [...parts, [average, -1]]);
    }
  },
});
