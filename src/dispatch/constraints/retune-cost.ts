import { defineConstraint } from '../constraint.ts';
import type { Name } from '../model-builder.ts';

export const retuneCost = defineConstraint({
  name: 'retune-cost',
  about: 'A miner that changes its operating point ramps for minutes; small gains are not worth moving machines for.',
  add(model, { problem, columns }) {
    const { retuneUsdPerMachine } = problem.snapshot.mining;
    if (retuneUsdPerMachine <= 0) return;
    for (const [t, step] of problem.steps.entries()) {
      for (const [g, cohort] of problem.cohorts.entries()) {
        for (const [m, mode] of cohort.modes.entries()) {
          // Going to sleep is free, and waking has a price of its own.
          if (mode.key === 'sleep') continue;
          const name: Name = ['retune-cost', cohort.modeNames[m]!, step.facts.start];
          const into = model.column(name, -retuneUsdPerMachine, 0, Infinity);
          const here = columns.machines[t]![g]![m]!;
          const before = columns.machines[t - 1]?.[g]?.[m];
          model.row(name, before === undefined ? -cohort.now[m]! : 0, Infinity);
          model.term(into, 1);
          model.term(here, -1);
          if (before !== undefined) model.term(before, 1);
        }
      }
    }
  },
});
