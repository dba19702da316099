import { createPeakForecast, hourlyLoad, type PeakOutlook, withOutlook } from '../dispatch/coincident.ts';
import { type Forecast, HOUR, type Series, type Site, type SiteMs } from '../model/index.ts';

/** Older than this, the load of the power system says too little about the hour that begins. */
const OLDEST_MS = 24 * HOUR;

/**
 * The forecast with the probability of coincident peaks in its steps, from the load of the power system as the feeds tell it, and what
 * had to be assumed. Where that load is not known no peak is planned for, and the note says so.
 */
export function createPeakWatch(): (
  site: Pick<Site, 'charges' | 'timezone'>,
  load: Series | undefined,
  forecast: Forecast,
) => { readonly forecast: Forecast; readonly notes: readonly string[] } {
  let told: { readonly hour: number; readonly load: Series; readonly outlook: PeakOutlook } | undefined;
  return ({ charges: { coincidentPeak }, timezone }, load, forecast) => {
    if (coincidentPeak === undefined || !nearMonths(coincidentPeak.months, timezone, forecast.madeAt))
      return { forecast, notes: [] };
    const unknown = (why: string) => ({
      forecast,
      notes: [`coincident peaks are unknown, and none is planned for: ${why}`],
    });
    const newest = load?.points.at(-1);
    if (load === undefined || newest === undefined) return unknown('no feed tells systemLoadMw');
    if (forecast.madeAt - newest.start > OLDEST_MS + load.intervalMs)
      return unknown('systemLoadMw is more than a day old');
    const hour = Math.floor(forecast.madeAt / HOUR);
    // Figures of an hour may come late: another series is another outlook.
    if (told?.hour !== hour || told.load.points.length !== load.points.length) {
      const history = hourlyLoad(load.points, load.intervalMs, forecast.madeAt);
      const outlook = createPeakForecast(history, { months: coincidentPeak.months, timezone })(forecast.madeAt);
      told = { hour, load, outlook };
    }
    if (told.outlook.size === 0) return unknown('less than five days of systemLoadMw are known');
    return { forecast: withOutlook(forecast, told.outlook), notes: [] };
  };
}

/** Whether the next day touches a month with a peak. */
function nearMonths(months: readonly number[], timezone: string, at: SiteMs): boolean {
  const month = new Intl.DateTimeFormat('en-US', { timeZone: timezone, month: 'numeric' });
  return [at, at + 24 * HOUR].some((t) => months.includes(Number(month.format(t))));
}
