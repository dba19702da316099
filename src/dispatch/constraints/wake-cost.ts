import { defineConstraint } from '../constraint.ts';
import { wakeUsd } from '../problem.ts';

export const wakeCost = defineConstraint({
  name: 'wake-cost',
  about: 'A drop in sleepers is so many wakes, and each wake costs: boot without hash, thermal wear.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [g, cohort] of problem.cohorts.entries()) {
        const woken = columns.wakes[t]![g]!;
        const asleep = columns.machines[t]![g]![0]!;
        const before = columns.machines[t - 1]?.[g]?.[0];
        model.price(woken, -wakeUsd(problem, cohort, t));
        model.row(
          ['wake-cost', cohort.facts.id, step.facts.start],
          before === undefined ? cohort.now[0]! : 0,
          Infinity,
        );
        model.term(woken, 1);
        model.term(asleep, 1);
        if (before !== undefined) model.term(before, -1);
      }
    }
  },
});
