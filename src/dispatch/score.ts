import { HOUR, type Series, type SiteMs, siteMs, valueAt } from '../model/index.ts';
import { hashpriceUsdPerPhDay, wetBulbC } from './economics.ts';
import { buildForecast } from './forecast.ts';

const SCORED = ['priceUsdPerMwh', 'wetBulbC', 'hashpriceUsdPerPhDay'] as const;

/** How far a forecast was off, so many hours ahead. */
export interface ForecastScore {
  readonly what: (typeof SCORED)[number] | 'wantedGpus';
  /** Of `wantedGpus`: which class of work. */
  readonly workClass?: string;
  readonly leadHours: number;
  /** Forecasts compared with what came. */
  readonly samples: number;
  /** Mean of the absolute errors, in the unit of the series. */
  readonly meanAbsoluteError: number;
  /** Mean of forecast less what came: above zero, it says too much. */
  readonly bias: number;
  /** The same error had it said that nothing changes: a forecast that does no better is worth nothing. */
  readonly persistenceError: number;
}

export const LEADS_HOURS = [1, 4, 12, 23];
/** Forecasts are made again at every so many hours of the past. */
const EVERY_MS = HOUR;

/**
 * Forecasts made again as they would have been made, each from what was known at its moment, and held against what came since. Nothing
 * needs to have been kept: the same series and the same forecast give the same errors.
 * @param from first moment forecast from; `at` is now
 * @returns one score for each lead that had at least one comparison
 */
export function scoreForecasts(series: readonly Series[], from: SiteMs, at: SiteMs): ForecastScore[] {
  const named = new Map(series.map((one) => [one.name, one]));
  const actual = {
    priceUsdPerMwh: (t: SiteMs) => freshAt(named.get('priceUsdPerMwh'), t),
    wetBulbC: (t: SiteMs) => {
      const [dry, dew] = [freshAt(named.get('temperatureC'), t), freshAt(named.get('dewPointC'), t)];
      return dry === undefined || dew === undefined ? undefined : wetBulbC(dry, dew);
    },
    hashpriceUsdPerPhDay: (t: SiteMs) => {
      const [difficulty, btcUsd] = [freshAt(named.get('difficulty'), t), freshAt(named.get('btcUsd'), t)];
      const fees = named.get('feesBtcPerBlock');
      const feesBtcPerBlock = fees === undefined ? 0 : freshAt(fees, t);
      return difficulty === undefined || btcUsd === undefined || feesBtcPerBlock === undefined
        ? undefined
        : hashpriceUsdPerPhDay({ difficulty, btcUsd, feesBtcPerBlock });
    },
  };
  const sums = new Map<string, { count: number; absolute: number; signed: number; persistence: number }>();
  for (let made = Math.ceil(from / EVERY_MS) * EVERY_MS; made < at; made += EVERY_MS) {
    const { forecast } = buildForecast(series, siteMs(made));
    if (forecast === undefined) continue;
    for (const leadHours of LEADS_HOURS) {
      const t = siteMs(made + leadHours * HOUR);
      const step = forecast.steps.find(({ start, durationMs }) => start <= t && t < start + durationMs);
      if (t >= at || step === undefined) continue;
      for (const what of SCORED) {
        const [came, was] = [actual[what](t), actual[what](siteMs(made))];
        if (came === undefined || was === undefined) continue;
        const key = `${what} ${leadHours}`;
        const sum = sums.get(key) ?? { count: 0, absolute: 0, signed: 0, persistence: 0 };
        sums.set(key, sum);
        sum.count += 1;
        sum.absolute += Math.abs(step[what] - came);
        sum.signed += step[what] - came;
        sum.persistence += Math.abs(was - came);
      }
    }
  }
  return SCORED.flatMap((what) =>
    LEADS_HOURS.flatMap((leadHours): ForecastScore[] => {
      const sum = sums.get(`${what} ${leadHours}`);
      if (sum === undefined) return [];
      const { count } = sum;
      return [
        {
          what,
          leadHours,
          samples: count,
          meanAbsoluteError: sum.absolute / count,
          bias: sum.signed / count,
          persistenceError: sum.persistence / count,
        },
      ];
    }),
  );
}

function freshAt(series: Series | undefined, t: SiteMs): number | undefined {
  const now = series && valueAt(series, t);
  return now === undefined || now.stale ? undefined : now.value;
}
