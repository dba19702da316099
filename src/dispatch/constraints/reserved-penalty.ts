import { defineConstraint } from '../constraint.ts';
import { leasedTerms } from '../leases.ts';
import type { Name } from '../model-builder.ts';
import { gpuTerms } from '../work-points.ts';

export const reservedPenalty = defineConstraint({
  name: 'reserved-penalty',
  about:
    'GPUs that a contract reserves and a customer asks for cost a penalty for every hour they do not work, or work slower than it allows.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [i, work] of problem.work.entries()) {
        const unserved = columns.unserved[t]![i];
        if (unserved === undefined) continue;
        const name: Name = ['reserved-penalty', work.facts.id, step.facts.start];
        model.price(unserved, -step.hours * work.facts.penaltyUsdPerGpuHour);
        model.row(name, work.reservedGpus[t]!, Infinity, [
          [unserved, 1],
          ...gpuTerms(work, columns, t, i, ({ serves }) => Number(serves)),
          ...leasedTerms(problem, columns.leases[t]!, i),
        ]);
      }
    }
  },
});
