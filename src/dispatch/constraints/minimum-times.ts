import { defineConstraint } from '../constraint.ts';
import type { Problem } from '../problem.ts';

export const minimumTimes = defineConstraint({
  name: 'minimum-times',
  about:
    'A miner that was woken runs for a while, and one that was put to sleep stays so: of those that run, at least as many as were woken lately.',
  add(model, { problem, columns }) {
    const { minimumOnMs = 0, minimumOffMs = 0 } = problem.snapshot.mining;
    const onFrom = firstWithin(problem, minimumOnMs);
    const offFrom = firstWithin(problem, minimumOffMs);
    for (const [g, { facts, now }] of problem.cohorts.entries()) {
      // A person holds these: what they do is not the plan's.
      if (facts.held) continue;
      const asleep = (t: number): number => columns.machines[t]![g]![0]!;
      const slept = problem.steps.map(({ facts: { start } }, t) => {
        if (lately(offFrom, t) === undefined && lately(offFrom, t + 1) === undefined) return -1;
        const column = model.column(['minimum-times:slept', facts.id, start], 0, 0, Infinity);
        model.row(['minimum-times:slept', facts.id, start], t === 0 ? -now[0]! : 0, Infinity);
        model.term(column, 1);
        model.term(asleep(t), -1);
        if (t > 0) model.term(asleep(t - 1), 1);
        return column;
      });
      for (const [t, { facts: step }] of problem.steps.entries()) {
        const on = lately(onFrom, t);
        if (on !== undefined) {
          model.row(['minimum-times:on', facts.id, step.start], -Infinity, facts.machines);
          for (let s = on; s <= t; s += 1) model.term(columns.wakes[s]![g]!, 1);
          model.term(asleep(t), 1);
        }
        const off = lately(offFrom, t);
        if (off === undefined) continue;
        model.row(['minimum-times:off', facts.id, step.start], -Infinity, 0);
        for (let s = off; s <= t; s += 1) model.term(slept[s]!, 1);
        model.term(asleep(t), -1);
      }
    }
  },
});

/** The first step that began less than `ms` before each. */
function firstWithin({ steps }: Problem, ms: number): number[] {
  return steps.map(({ facts: { start } }, t) => {
    let first = t;
    while (first > 0 && steps[first - 1]!.facts.start > start - ms) first -= 1;
    return first;
  });
}

/** Where the steps that count at `t` begin; none where it is the only one: alone, it says nothing that its own balance does not. */
function lately(first: readonly number[], t: number): number | undefined {
  const from = first[t];
  return from === undefined || from === t ? undefined : from;
}
