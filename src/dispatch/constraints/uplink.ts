import { defineConstraint } from '../constraint.ts';

export const uplink = defineConstraint({
  name: 'uplink',
  about: 'What the work of a hall moves over its uplink stays within what the lines that are up can carry.',
  add(model, { problem, columns }) {
    for (const [h, { id, uplinkMbps }] of problem.halls.entries()) {
      if (uplinkMbps === undefined) continue;
      const uses = problem.work.flatMap(({ facts, hall }, i) =>
        hall === h && (facts.uplinkMbpsPerGpu ?? 0) > 0 ? [[i, facts.uplinkMbpsPerGpu!] as const] : [],
      );
      if (uses.length === 0) continue;
      for (const [t, step] of problem.steps.entries()) {
        const terms = uses.map(([i, mbps]) => [columns.gpus[t]![i]!, mbps / 1000] as const);
        model.row(['uplink', id, step.facts.start], -Infinity, uplinkMbps / 1000, terms);
      }
    }
  },
});
