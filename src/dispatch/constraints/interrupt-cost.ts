import { defineConstraint } from '../constraint.ts';
import type { Name } from '../model-builder.ts';
import { endedGpus } from '../problem.ts';

export const interruptCost = defineConstraint({
  name: 'interrupt-cost',
  about: 'Taking GPUs from running work costs: what was not checkpointed is lost, and the restore takes time.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [i, work] of problem.work.entries()) {
        const { facts } = work;
        if (facts.interruptUsdPerGpu === 0) continue;
        const name: Name = ['interrupt-cost', facts.id, step.facts.start];
        const interrupted = model.column(name, -facts.interruptUsdPerGpu, 0, Infinity);
        const gpus = columns.gpus[t]![i]!;
        const before = columns.gpus[t - 1]?.[i];
        if (before === undefined)
          model.row(name, facts.runningGpus, Infinity, [
            [interrupted, 1],
            [gpus, 1],
          ]);
        else
          model.row(name, 0 - endedGpus(work, t), Infinity, [
            [interrupted, 1],
            [gpus, 1],
            [before, -1],
          ]);
      }
    }
  },
});
