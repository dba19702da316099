import { defineConstraint } from '../constraint.ts';
import { stepsWithin } from '../problem.ts';

export const minimumTimes = defineConstraint({
  name: 'minimum-times',
  about:
    'A miner that was woken runs for a while, and one that was put to sleep stays so: of those that run, at least as many as were woken lately.',
  add(model, { problem, columns }) {
    // A step alone says nothing that its own balance does not.
    const { minimumOnMs = 0, minimumOffMs = 0 } = problem.snapshot.mining;
    for (const [g, { facts, now }] of problem.cohorts.entries()) {
      // A person holds these: what they do is not the plan's.
      if (facts.held) continue;
      const asleep = (t: number): number => columns.machines[t]![g]![0]!;
      const slept = problem.steps.map(({ facts: { start } }, t) => {
        if (stepsWithin(problem, minimumOffMs, t).length < 2 && stepsWithin(problem, minimumOffMs, t + 1).length < 2)
          return -1;
        const column = model.column(['minimum-times:slept', facts.id, start], 0, 0, Infinity);
        const terms = [[column, 1], [asleep(t), -1], ...(t === 0 ? [] : [[asleep(t - 1), 1] as const])] as const;
        model.row(['minimum-times:slept', facts.id, start], t === 0 ? -now[0]! : 0, Infinity, terms);
        return column;
      });
      for (const [t, { facts: step }] of problem.steps.entries()) {
        const on = stepsWithin(problem, minimumOnMs, t);
        if (on.length > 1)
          model.row(['minimum-times:on', facts.id, step.start], -Infinity, facts.machines, [
            ...on.map((s) => [columns.wakes[s]![g]!, 1] as const),
            [asleep(t), 1],
          ]);
        const off = stepsWithin(problem, minimumOffMs, t);
        if (off.length > 1)
          model.row(['minimum-times:off', facts.id, step.start], -Infinity, 0, [
            ...off.map((s) => [slept[s]!, 1] as const),
            [asleep(t), -1],
          ]);
      }
    }
  },
});
