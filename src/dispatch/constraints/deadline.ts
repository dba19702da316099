import { defineConstraint } from '../constraint.ts';
import { deadlinePart } from '../deadline.ts';
import { leasedTerms } from '../leases.ts';
import type { Name } from '../model-builder.ts';
import { gpuTerms } from '../work-points.ts';

export const deadline = defineConstraint({
  name: 'deadline',
  about: 'Work that may wait is done by its deadline, at whatever time is cheapest; what is late costs its penalty.',
  add(model, { problem, columns }) {
    for (const [i, work] of problem.work.entries()) {
      const part = deadlinePart(problem, i);
      if (part === undefined) continue;
      const name: Name = ['deadline', work.facts.id, problem.steps[0]!.facts.start];
      const late = model.column(name, -part.usdPerGpuHour, 0, Infinity);
      const done = part.hours.flatMap((hours, t) => [
        ...gpuTerms(work, columns, t, i, ({ throughput }) => hours * throughput),
        ...leasedTerms(problem, columns.leases[t]!, i).map(([column]) => [column, hours] as const),
      ]);
      model.row(name, part.gpuHours, Infinity, [[late, 1], ...done]);
    }
  },
});
