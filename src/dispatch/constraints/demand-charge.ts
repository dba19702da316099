import { defineConstraint } from '../constraint.ts';
import { demandOf } from '../demand.ts';

export const demandCharge = defineConstraint({
  name: 'demand-charge',
  about:
    "The highest interval average of a billing month costs by the MW: what rises above the peak already billed pays the horizon's part of it.",
  add(model, { problem, columns }) {
    const demand = demandOf(problem);
    if (demand === undefined) return;
    const above = demand.months.map(({ usdPerMw }, month) =>
      model.column(['demand-charge', `above-${month}`, 0], -usdPerMw, 0, Infinity),
    );
    for (const { month, start, meteredWh, hours, steps } of demand.intervals) {
      const terms = steps.map((t) => [columns.importMw[t]!, problem.steps[t]!.hours / hours] as const);
      const roomMw = (demand.months[month]!.billedW - meteredWh / hours) / 1e6;
      model.row(['demand-charge', '', start], -Infinity, roomMw, [...terms, [above[month]!, -1]]);
    }
  },
});
