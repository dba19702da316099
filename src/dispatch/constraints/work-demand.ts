import { defineConstraint } from '../constraint.ts';
import { leasedTerms } from '../leases.ts';

export const workDemand = defineConstraint({
  name: 'work-demand',
  about: 'A class works on no more GPUs than its jobs want, and the classes of a part on no more than the part has.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      const gpus = columns.gpus[t]!;
      for (const [i, work] of problem.work.entries()) {
        model.row(['work-demand', work.facts.id, step.facts.start], -Infinity, work.demandGpus[t]!, [
          [gpus[i]!, 1],
          ...leasedTerms(problem, columns.leases[t]!, i),
        ]);
      }
      for (const [p, part] of problem.parts.entries()) {
        const terms = part.work.map((i) => [gpus[i]!, 1] as const);
        model.row(['work-demand', `part-${p}`, step.facts.start], -Infinity, part.gpus, terms);
      }
    }
  },
});
