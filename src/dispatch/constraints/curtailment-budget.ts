import { defineConstraint } from '../constraint.ts';
import { curtailmentMonths } from '../curtailment.ts';
import type { Name } from '../model-builder.ts';

export const curtailmentBudget = defineConstraint({
  name: 'curtailment-budget',
  about:
    'Reserved GPU-hours that a contract lets the site curtail in a month cost no penalty, as far as they are left.',
  add(model, { problem, columns }) {
    for (const [i, { facts, reservedGpus }] of problem.work.entries()) {
      if (reservedGpus === 0) continue;
      for (const { start, leftGpuHours, steps } of curtailmentMonths(problem, i)) {
        if (leftGpuHours === 0) continue;
        const name: Name = ['curtailment-budget', facts.id, start];
        // The penalty stands on every unserved hour: what the budget covers is given back.
        const covered = model.column(name, facts.penaltyUsdPerGpuHour, 0, Infinity);
        const unserved = steps.map((t) => [columns.unserved[t]![i]!, -problem.steps[t]!.hours] as const);
        model.row(['curtailment-budget:unserved', facts.id, start], -Infinity, 0, [[covered, 1], ...unserved]);
        model.row(name, -Infinity, leftGpuHours, [[covered, 1]]);
      }
    }
  },
});
