import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Weather {
  /** Dry bulb and wet bulb in C at a site time; linear between the hours, held flat outside. */
  at(siteMs: number): { temperatureC: number; wetBulbC: number };
}

interface Hourly {
  readonly times: number[];
  readonly values: number[];
}

/** @param folder holds `temperature.csv` and `dew-point.csv` (`start_utc,value`, comments with #); undefined: constant. */
export function loadWeather(folder: string | undefined): Weather {
  if (folder === undefined) return { at: () => ({ temperatureC: 20, wetBulbC: wetBulbC(20, 12) }) };
  const temperature = readCsv(join(folder, 'temperature.csv'));
  const dewPoint = readCsv(join(folder, 'dew-point.csv'));
  return {
    at(siteMs) {
      const temperatureC = interpolate(temperature, siteMs);
      return { temperatureC, wetBulbC: wetBulbC(temperatureC, interpolate(dewPoint, siteMs)) };
    },
  };
}

/** Relative humidity in % from temperature and dew point in C, by Magnus with the coefficients of Alduchov and Eskridge 1996. */
export function relativeHumidityPct(temperatureC: number, dewPointC: number): number {
  const pressure = (c: number): number => Math.exp((17.625 * c) / (243.04 + c));
  return Math.min(100, (100 * pressure(dewPointC)) / pressure(temperatureC));
}

/** Wet bulb in C at sea level. Stull 2011, doi:10.1175/JAMC-D-11-0143.1, equation 1. */
function wetBulbC(temperatureC: number, dewPointC: number): number {
  return stullC(temperatureC, relativeHumidityPct(temperatureC, dewPointC));
}

/** @param rh relative humidity in % */
export function stullC(t: number, rh: number): number {
  return (
    t * Math.atan(0.151977 * Math.sqrt(rh + 8.313659)) +
    Math.atan(t + rh) -
    Math.atan(rh - 1.676331) +
    0.00391838 * rh ** 1.5 * Math.atan(0.023101 * rh) -
    4.686035
  );
}

function readCsv(path: string): Hourly {
  const times: number[] = [];
  const values: number[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [start = '', value = ''] = line.split(',');
    const time = Date.parse(start);
    if (line.startsWith('#') || Number.isNaN(time)) continue;
    times.push(time);
    values.push(Number(value));
  }
  if (times.length === 0) throw new Error(`${path} holds no rows`);
  return { times, values };
}

function interpolate({ times, values }: Hourly, t: number): number {
  const last = times.length - 1;
  if (t <= times[0]!) return values[0]!;
  if (t >= times[last]!) return values[last]!;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (times[middle]! <= t) low = middle;
    else high = middle;
  }
  const share = (t - times[low]!) / (times[high]! - times[low]!);
  return values[low]! + share * (values[high]! - values[low]!);
}
