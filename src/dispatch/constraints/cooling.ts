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
        if (heat.length > 0)
          model.row(['cooling:heat', hall.id, step.facts.start], 0, 0, [
            [columns.itMw[t]![h]!, 1],
            ...heat.map((column) => [column, -1] as const),
          ]);
        const carried = heat.length > 0 ? heat : [columns.itMw[t]![h]!];
        model.row(['cooling', hall.id, step.facts.start], baseMw, baseMw, [
          [columns.coolingMw[t]![h]!, 1],
          ...carried.map((column, k) => [column, -curve[k]!.perW] as const),
        ]);
      }
    }
  },
});
