// A small site and a made-up history for the tests of this folder.
import { DAY, HOUR, QUARTER, siteMs, siteSchema, type Series, type SeriesName, type Site } from '../../model/index.ts';
import type { History, WantedSeries } from './types.ts';

export const MAY = siteMs(Date.UTC(2025, 4, 1, 5));
export const JUNE = siteMs(Date.UTC(2025, 5, 1, 5));
export const JULY = siteMs(Date.UTC(2025, 6, 1, 5));

type SiteInput = Parameters<typeof siteSchema.parse>[0];

/** 200 S21 (0.7 MW) and 100 S19 (0.325 MW) in one hall, to which nothing is near any limit and moving costs nothing. */
export function uncoupledSite(change: Record<string, unknown> = {}): Site {
  const input: SiteInput = {
    name: 'Small',
    timezone: 'America/Chicago',
    connection: { limitMw: 10, marginPct: 0, lossPct: 0 },
    tariff: { kind: 'real-time', adderUsdPerMwh: 2 },
    mining: { wakeUsdPerMachine: 0, retuneUsdPerMachine: 0, minimumOnMinutes: 0, minimumOffMinutes: 0 },
    halls: [hallOf(10, 0)],
    meters: [],
    machines: [
      group('new', 'asic', 'antminer-s21', '10.0.0.1-10.0.0.200'),
      group('old', 'asic', 'antminer-s19', '10.0.1.1-10.0.1.100'),
    ],
    feeds: [],
    ...change,
  };
  return siteSchema.parse(input);
}

const hallOf = (breakerMw: number, marginalW: number) => ({
  id: 'a',
  name: 'Hall A',
  breakerMw,
  marginPct: 0,
  wakesPerMinute: 10_000,
  cooling: { kind: 'air', baseKw: 5, marginal: [5, 30].map((t) => ({ wetBulbC: t, marginalW: (marginalW * t) / 30 })) },
});

const group = (id: string, kind: string, model: string, addresses: string) => ({
  id,
  kind,
  model,
  driver: 'luxos',
  hall: 'a',
  addresses,
});

/** The same with operating points, a breaker that binds in the heat, wakes that cost, charges and GPUs under contract. */
export const coupledSite = (): Site =>
  uncoupledSite({
    charges: { demand: { usdPerKwMonth: 3 }, coincidentPeak: { usdPerKwYear: 60, months: [6] } },
    mining: { wakeUsdPerMachine: 0.05, retuneUsdPerMachine: 0.01, minimumOnMinutes: 30, minimumOffMinutes: 15 },
    halls: [hallOf(0.9, 0.2)],
    machines: [
      {
        ...group('new', 'asic', 'antminer-s21', '10.0.0.1-10.0.0.200'),
        points: [
          { profile: 'low', powerW: 2100, hashrateThs: 132 },
          { profile: 'default', powerW: 3500, hashrateThs: 200 },
          { profile: 'high', powerW: 4300, hashrateThs: 233 },
        ],
      },
      group('old', 'asic', 'antminer-s19', '10.0.1.1-10.0.1.100'),
      group('gpus', 'gpu-server', 'gpu-8x-a100', '10.0.2.1-10.0.2.10'),
    ],
    clusters: [
      {
        id: 'slurm',
        driver: 'slurm',
        hall: 'a',
        classes: [
          workClass('reserved', { committedGpus: 48, penaltyUsdPerGpuHour: 3 }),
          workClass('batch', { usdPerGpuHour: { quote: 'a100', factor: 0.5 } }),
        ],
      },
    ],
  });

const workClass = (name: string, change: object) => ({
  id: name,
  class: name,
  line: 'ai',
  gpu: 'a100',
  match: { partition: 'a100', qos: name },
  usdPerGpuHour: 1.2,
  interruptUsdPerGpu: 1,
  ...change,
});

const series = (name: SeriesName, stepMs: number, days: number, value: (start: number) => number): Series => ({
  name,
  provenance: 'measured',
  source: 'made up',
  intervalMs: stepMs,
  holdsMs: 3 * stepMs,
  points: Array.from({ length: (days * DAY) / stepMs }, (_, i) => {
    const start = siteMs(MAY + i * stepMs);
    return { start, value: value(start) };
  }),
});

/** Hours since local midnight, in summer. */
const hourOf = (t: number): number => ((t - MAY) % DAY) / HOUR;

/** What customers of `reserved` want over the same days: half of it at night. */
export const madeUpDemand = (after = Number.POSITIVE_INFINITY): WantedSeries => ({
  workClass: 'reserved',
  intervalMs: HOUR,
  points: Array.from({ length: 62 * 24 }, (_, i) => {
    const start = siteMs(MAY + i * HOUR);
    const gpus = hourOf(start) >= 8 && hourOf(start) < 20 ? 60 : 30;
    return { start, gpus: start >= after ? 80 - gpus : gpus };
  }),
});

/**
 * 62 days from the first of May: prices with a dear evening that now and then climbs past what hash is worth (about $60/MWh for an
 * S21), load that peaks at 17 h.
 * @param after from when on everything is other than it was: a future nobody could know
 */
export function madeUpHistory(after = Number.POSITIVE_INFINITY): History {
  const other = (t: number): number => (t >= after ? 1.7 + 0.4 * Math.sin(t / QUARTER) : 1);
  const wobble = (t: number): number => Math.sin(t / 4.1e6) + Math.sin(t / 1.9e7);
  return {
    series: [
      series('priceUsdPerMwh', QUARTER, 62, (t) => {
        const evening = hourOf(t) >= 17 && hourOf(t) < 21 ? 30 : 0;
        return (35 + 14 * wobble(t) + evening) * other(t);
      }),
      series('temperatureC', HOUR, 62, (t) => (24 + 8 * Math.sin(((hourOf(t) - 9) / 12) * Math.PI)) * other(t)),
      series('dewPointC', HOUR, 62, (t) => 18 * other(t)),
      series('difficulty', DAY, 62, (t) => 1.2e14 * other(t)),
      series('btcUsd', DAY, 62, (t) => 100_000 / other(t)),
      series('feesBtcPerBlock', DAY, 62, () => 0.05),
      series('gpuUsdPerHour.a100', HOUR, 62, (t) => 1.1 * other(t)),
    ],
    load: {
      source: 'made up',
      intervalMs: HOUR,
      points: Array.from({ length: 62 * 24 }, (_, i) => {
        const start = siteMs(MAY + i * HOUR);
        const day = Math.floor(i / 24);
        const mw = 60_000 + 15_000 * Math.sin(((hourOf(start) - 11) / 12) * Math.PI) + 2_000 * Math.sin(day / 3);
        return { start, mw: mw * other(start) };
      }),
    },
    warnings: [],
  };
}
