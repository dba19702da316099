import { defineConstraint } from '../constraint.ts';
import { curtailmentMonths } from '../curtailment.ts';
import type { Name } from '../model-builder.ts';

export const curtailmentBudget = defineConstraint({
  name: 'curtailment-budget',
  about:
    'Reserved GPU-hours that a contract lets the site curtail in a month cost no penalty, as far as they are left.',
  add(model, { problem, columns }) {
    for (const [i, { facts, reservedGpus }] of problem.work.entries()) {
      for (const { start, leftGpuHours, steps } of curtailmentMonths(problem, i)) {
        const short = steps.filter((t) => reservedGpus[t] !== 0);
        if (leftGpuHours === 0 || short.length === 0) continue;
        const name: Name = ['curtailment-budget', facts.id, start];
        // The penalty stands on every unserved hour: what the budget covers is given back.
        const covered = model.column(name, facts.penaltyUsdPerGpuHour, 0, Infinity);
        const unserved = short.map((t) => [columns.unserved[t]![i]!, -problem.steps[t]!.hours] as const);
        model.row(['curtailment-budget:unserved', facts.id, start], -Infinity, 0, [[covered, 1], ...unserved]);
        model.row(name, -Infinity, leftGpuHours, [[covered, 1]]);
      }
    }
  },
});
