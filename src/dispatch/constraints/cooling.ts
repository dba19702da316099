import { defineConstraint } from '../constraint.ts';

export const cooling = defineConstraint({
  name: 'cooling',
  about:
    'Cooling of a hall is its base and so many watts per watt of IT at that wet bulb. An equality: with "at least", a price below zero would buy cooling that nobody runs.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [h, hall] of problem.halls.entries()) {
        const baseMw = hall.cooling.baseW / 1e6;
        model.row(['cooling', hall.id, step.facts.start], baseMw, baseMw, [
          [columns.coolingMw[t]![h]!, 1],
          [columns.itMw[t]![h]!, -step.coolingPerW[h]!],
        ]);
      }
    }
  },
});
