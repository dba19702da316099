import { defineConstraint } from '../constraint.ts';
import type { Name } from '../model-builder.ts';

export const wakeCost = defineConstraint({
  name: 'wake-cost',
  about: 'A drop in sleepers is so many wakes, and each wake costs: boot without hash, thermal wear.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [g, cohort] of problem.cohorts.entries()) {
        const woken = columns.wakes[t]![g]!;
        const asleep = columns.machines[t]![g]![0]!;
        const before = columns.machines[t - 1]?.[g]?.[0];
        model.price(woken, -problem.snapshot.mining.wakeUsdPerMachine);
        const name: Name = ['wake-cost', cohort.facts.id, step.facts.start];
        if (before === undefined)
          model.row(name, cohort.now[0]!, Infinity, [
            [woken, 1],
            [asleep, 1],
          ]);
        else
          model.row(name, 0, Infinity, [
            [woken, 1],
            [asleep, 1],
            [before, -1],
          ]);
      }
    }
  },
});
