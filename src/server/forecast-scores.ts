import { scoreForecasts } from '../dispatch/score.ts';
import { scoreWanted } from '../dispatch/wanted.ts';
import type { ForecastScoresView } from '../model/api.ts';
import { DAY, HOUR, isoUtc, siteMs } from '../model/index.ts';
import type { Runtime } from './runtime.ts';
import { wantedClasses } from './wanted.ts';

const SCORED_MS = 7 * DAY;

/** Of each site that runs: what an hour told is told again until the next, as a week of forecasts is worked out anew. */
const told = new WeakMap<Runtime, { readonly hour: number; readonly view: ForecastScoresView }>();

/** How far the forecasts of the last week were off, by how far ahead they looked. */
export function scoresNow(runtime: Runtime): ForecastScoresView {
  const at = runtime.clock.now();
  const hour = Math.floor(at / HOUR);
  const known = told.get(runtime);
  if (known?.hour === hour) return known.view;
  const from = siteMs(at - SCORED_MS);
  const { site, markets, wanted } = runtime;
  const scores = [
    ...scoreForecasts([...markets.series.values()], from, at),
    ...scoreWanted(site.timezone, wantedClasses(site, wanted), from, at),
  ];
  const view = { from: isoUtc(from), at: isoUtc(at), scores };
  told.set(runtime, { hour, view });
  return view;
}
