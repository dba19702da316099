import { defineConstraint } from '../constraint.ts';
import { leastMore, restUsdPerChip } from '../leases.ts';
import { stepsWithin } from '../problem.ts';

export const lease = defineConstraint({
  name: 'lease',
  about:
    'Leased chips serve no more than they can; chips rented beyond the lease are kept for their minimum time, and those that lapsed stay so.',
  add(model, { problem, columns }) {
    for (const [l, { facts }] of problem.leases.entries()) {
      const { id, endsAt, serves, more } = facts;
      const at = (t: number) => columns.leases[t]![l]!;
      // What is rented in the first step is what is held: nobody can rent before the plan is read.
      const taken = problem.steps.map(({ facts: { start } }, t) => {
        if (more === undefined || t === 0) return -1;
        const column = model.column(['lease:taken', id, start], -restUsdPerChip(facts, problem, t), 0, Infinity);
        model.row(['lease:taken', id, start], 0, Infinity, [
          [column, 1],
          [at(t).more!, -1],
          [at(t - 1).more!, 1],
        ]);
        return column;
      });
      for (const [t, { facts: step }] of problem.steps.entries()) {
        const { kept, gpus } = at(t);
        if (gpus !== undefined) {
          const { gpusPerChip } = serves!;
          model.row(['lease:capacity', id, step.start], -Infinity, 0, [
            [gpus, 1],
            [kept, -gpusPerChip],
            ...(more === undefined ? [] : [[at(t).more!, -gpusPerChip] as const]),
          ]);
        }
        if (endsAt !== undefined && step.start >= endsAt && t > 0)
          model.row(['lease:lapse', id, step.start], -Infinity, 0, [
            [kept, 1],
            [at(t - 1).kept, -1],
          ]);
        if (more === undefined || t === 0) continue;
        const lately = stepsWithin(problem, more.minimumMs, t).filter((s) => s > 0);
        if (lately.length > 1)
          model.row(['lease:minimum', id, step.start], -Infinity, -leastMore(facts, problem, t), [
            ...lately.map((s) => [taken[s]!, 1] as const),
            [at(t).more!, -1],
          ]);
      }
    }
  },
});
