import { MINUTE } from '../../model/index.ts';
import { defineConstraint } from '../constraint.ts';
import { peakChargesUsdPerMw } from '../demand.ts';

/**
 * Above what the energy of a horizon is worth, and below what would hide the other terms from the solver. What a MW costs
 * in charges on peaks, in awards and in calls comes on top.
 */
const USD_PER_MW_OVER = 5_000;

export const ramp = defineConstraint({
  name: 'ramp',
  about:
    'What the site draws, less what it feeds in, changes no faster than the contract with the grid allows, unless a breaker or the cooling leaves no other way.',
  add(model, { problem, columns }) {
    const { rampWPerMinute, importW } = problem.snapshot.connection;
    if (rampWPerMinute === undefined) return;
    const usdPerMwOver = USD_PER_MW_OVER + peakChargesUsdPerMw(problem);
    for (const [t, { facts }] of problem.steps.entries()) {
      const before = columns.importMw[t - 1];
      if (before === undefined && importW === undefined) continue;
      const mostMw = ((rampWPerMinute / 1e6) * facts.durationMs) / MINUTE;
      const fromMw = before === undefined ? importW! / 1e6 : 0;
      const over = model.column(['ramp:over', '', facts.start], -usdPerMwOver, 0, Infinity);
      // The meter sees one less the other: import that is fed in again would slow nothing down.
      const fedIn = columns.exportMw?.[t];
      const fedInBefore = columns.exportMw?.[t - 1];
      const change = [
        [columns.importMw[t]!, 1] as const,
        ...(before === undefined ? [] : [[before, -1] as const]),
        ...(fedIn === undefined ? [] : [[fedIn, -1] as const]),
        ...(fedInBefore === undefined ? [] : [[fedInBefore, 1] as const]),
      ];
      model.row(['ramp:up', '', facts.start], -Infinity, fromMw + mostMw, [...change, [over, -1]]);
      model.row(['ramp:down', '', facts.start], fromMw - mostMw, Infinity, [...change, [over, 1]]);
    }
  },
});
