import { defineConstraint } from '../constraint.ts';
import { callsAt } from '../calls.ts';

export const programCall = defineConstraint({
  name: 'program-call',
  about: 'While a curtailment program is called, import above its firm level costs what was agreed, by the MWh.',
  add(model, { problem, columns }) {
    for (const [t, { facts: step }] of problem.steps.entries()) {
      for (const { facts, hours } of callsAt(problem, t)) {
        const above = model.column(
          ['program-call', facts.id, step.start],
          -hours * facts.penaltyUsdPerMwh,
          0,
          Infinity,
        );
        model.row(['program-call', facts.id, step.start], -Infinity, facts.firmW / 1e6, [
          [columns.importMw[t]!, 1],
          [above, -1],
        ]);
      }
    }
  },
});
