import { defineConstraint } from '../constraint.ts';
import type { Name } from '../model-builder.ts';

/** Above what a GPU could earn, or its power cost, in any step, and below what would hide the other terms from the solver. */
const USD_PER_GPU_TAKEN = 1_000;

export const nonPreemptible = defineConstraint({
  name: 'non-preemptible',
  about: 'Work that may not be interrupted keeps the GPUs it runs on, unless a physical limit leaves no other way.',
  add(model, { problem, columns }) {
    for (const [i, { facts, demandGpus }] of problem.work.entries()) {
      if (facts.preemptible !== false || facts.runningGpus === 0) continue;
      for (const [t, step] of problem.steps.entries()) {
        const name: Name = ['non-preemptible', facts.id, step.facts.start];
        const taken = model.column(name, -USD_PER_GPU_TAKEN, 0, Infinity);
        // What is wanted no more ends by itself.
        model.row(name, Math.min(facts.runningGpus, demandGpus[t]!), Infinity, [
          [columns.gpus[t]![i]!, 1],
          [taken, 1],
        ]);
      }
    }
  },
});
