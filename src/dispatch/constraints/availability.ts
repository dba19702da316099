import { creditsAtStake } from '../availability.ts';
import { defineConstraint } from '../constraint.ts';
import type { Name } from '../model-builder.ts';

export const availability = defineConstraint({
  name: 'availability',
  about:
    'A month in which more reserved GPU-hours go unserved than a contract allows costs its credit, once and whole: below the minimum availability nothing more is lost by it.',
  add(model, { problem, columns }) {
    for (const [i, { facts, reservedGpus }] of problem.work.entries()) {
      for (const { k, start, steps, usd, leftGpuHours, mostGpuHours } of creditsAtStake(problem, i)) {
        const name: Name = ['availability', `${facts.id}/${k}`, start];
        const isLost = model.binary(name, -usd);
        const unserved = steps.filter((t) => reservedGpus[t] !== 0);
        model.row(name, -Infinity, leftGpuHours, [
          // As many as can go unserved beyond it at all: any more would blur where it begins.
          [isLost, leftGpuHours - mostGpuHours],
          ...unserved.map((t) => [columns.unserved[t]![i]!, problem.steps[t]!.hours] as const),
        ]);
      }
    }
  },
});
