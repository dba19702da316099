import { defineConstraint } from '../constraint.ts';

export const cooling = defineConstraint({
  name: 'cooling',
  about:
    'Cooling of a hall is its base and so many watts per watt of IT at that wet bulb, by the segment that carries it. An equality: with "at least", a price below zero would buy cooling that nobody runs.',
  add(model, { problem, columns }) {
    for (const [t, step] of problem.steps.entries()) {
      for (const [h, hall] of problem.halls.entries()) {
        const baseMw = hall.cooling.baseW / 1e6;
        const curve = step.cooling[h]!;
        const heat = columns.heatMw[t]![h]!;
        model.row(['cooling', hall.id, step.facts.start], baseMw, baseMw);
        model.term(columns.coolingMw[t]![h]!, 1);
        if (heat.length === 0) {
          model.term(columns.itMw[t]![h]!, -curve[0]!.perW);
          continue;
        }
        for (const [k, column] of heat.entries()) model.term(column, -curve[k]!.perW);
        model.row(['cooling:heat', hall.id, step.facts.start], 0, 0);
        model.term(columns.itMw[t]![h]!, 1);
        for (const column of heat) model.term(column, -1);
      }
    }
  },
});
