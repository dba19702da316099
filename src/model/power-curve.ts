import type { WorkClass } from './site.ts';
import type { WorkPoint } from './snapshot.ts';

/** What one GPU does at a power limit, as a sweep measured it on the work itself. */
export interface PowerCurvePoint {
  readonly powerLimitW: number;
  /** Mean draw of a working GPU; it may lie a little above the limit. */
  readonly powerW: number;
  /** Of what it does at no limit. */
  readonly throughputPct: number;
}

/** One run of a sweep. */
export interface SweepRow {
  readonly powerLimitW: number;
  readonly powerW: number;
  /** Time for the same piece of work at every limit. */
  readonly secondsPerEpoch: number;
}

/**
 * The curve of a sweep, ascending. Runs at one limit are averaged. 100 % is the fastest: at high limits runs differ by noise alone, and
 * the one at no limit is seldom the fastest by name. What draws as much as another and does no more is dropped.
 */
export function curveOfSweep(rows: readonly SweepRow[]): PowerCurvePoint[] {
  const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
  const runs = [...Map.groupBy(rows, ({ powerLimitW }) => powerLimitW)].map(([powerLimitW, same]) => ({
    powerLimitW,
    powerW: mean(same.map((row) => row.powerW)),
    seconds: mean(same.map((row) => row.secondsPerEpoch)),
  }));
  const fastest = Math.min(...runs.map(({ seconds }) => seconds));
  const points = runs.map(({ powerLimitW, powerW, seconds }): PowerCurvePoint => {
    return { powerLimitW, powerW: hundredths(powerW), throughputPct: hundredths((100 * fastest) / seconds) };
  });
  // From the fastest down: each point does less, draws less and has a lower limit than the one above it.
  const kept: PowerCurvePoint[] = [];
  for (const point of points.sort((a, b) => b.throughputPct - a.throughputPct || a.powerW - b.powerW)) {
    const above = kept.at(-1);
    const isLess =
      above === undefined ||
      (point.throughputPct < above.throughputPct &&
        point.powerW < above.powerW &&
        point.powerLimitW < above.powerLimitW);
    if (isLess) kept.push(point);
  }
  return kept.toReversed();
}

const hundredths = (value: number): number => Math.round(value * 100) / 100;

/** The points of an ascending curve on its concave hull: GPUs at two of these do more at the same mean draw than any other point between them. */
export function concaveHull(curve: readonly PowerCurvePoint[]): PowerCurvePoint[] {
  const hull: PowerCurvePoint[] = [];
  for (const point of curve) {
    while (hull.length >= 2 && !turnsDown(hull.at(-2)!, hull.at(-1)!, point)) hull.pop();
    hull.push(point);
  }
  return hull;
}

const turnsDown = (a: PowerCurvePoint, b: PowerCurvePoint, c: PowerCurvePoint): boolean =>
  (b.throughputPct - a.throughputPct) * (c.powerW - a.powerW) >
  (c.throughputPct - a.throughputPct) * (b.powerW - a.powerW);

/** Rented by the hour, whatever it does in it. */
const PAID_BY_THE_HOUR: readonly WorkClass['class'][] = ['reserved', 'on-demand'];

/**
 * What a GPU of a class can be run at; undefined where no sweep measured it or its idle draw is unknown: then it works at full power or
 * not at all. Work paid by the hour is offered no limit under which it does less than the contract asks for. Other work earns by what it
 * does: a slower GPU of it earns less, and below that throughput it serves no contract.
 * @param idleW of one GPU
 */
export function workPointsOf(
  { class: name, powerCurve, throttle }: Pick<WorkClass, 'class' | 'powerCurve' | 'throttle'>,
  idleW: number | undefined,
): WorkPoint[] | undefined {
  if (powerCurve === undefined || idleW === undefined) return undefined;
  const byTheHour = PAID_BY_THE_HOUR.includes(name);
  const leastPct = throttle?.minThroughputPct ?? 100;
  const serving = powerCurve.filter(({ throughputPct }) => throughputPct >= leastPct);
  const kept = new Set([...concaveHull(serving), ...(byTheHour ? [] : concaveHull(powerCurve))]);
  return powerCurve
    .filter((point) => kept.has(point))
    .map(({ powerLimitW, powerW, throughputPct }): WorkPoint => {
      const throughput = throughputPct / 100;
      return {
        powerLimitW,
        marginalW: powerW - idleW,
        throughput,
        paid: byTheHour ? 1 : throughput,
        serves: throughputPct >= leastPct,
      };
    });
}
