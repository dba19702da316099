import { defineConstraint } from '../constraint.ts';

export const feederLimit = defineConstraint({
  name: 'feeder-limit',
  about: 'What all halls below an electrical node draw, losses included, stays within its rating less margin.',
  add(model, { problem, columns }) {
    const withLosses = 1 + problem.snapshot.connection.lossFraction;
    for (const [f, { facts, halls }] of problem.feeders.entries()) {
      for (const [t, step] of problem.steps.entries()) {
        const terms = halls.flatMap((h) => [
          [columns.itMw[t]![h]!, withLosses] as const,
          [columns.coolingMw[t]![h]!, withLosses] as const,
        ]);
        model.row(['feeder-limit', facts.id, step.facts.start], -Infinity, step.limits.feederW[f]! / 1e6, terms);
      }
    }
  },
});
