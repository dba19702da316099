import type { Site } from './site.ts';

/** Watts of cooling per watt of IT at a wet bulb. */
export interface CoolingPoint {
  readonly wetBulbC: number;
  readonly marginalW: number;
}

/** Part of a cooling plant: dry coolers, adiabatic spray, chillers. */
export interface CoolingStage {
  readonly id: string;
  /** IT heat it carries at design. */
  readonly heatW: number;
  /** Ascending by wet bulb. `heatPct` is what is left of `heatW` there; absent: all of it. */
  readonly marginal: readonly (CoolingPoint & { readonly heatPct?: number | undefined })[];
}

/** Cooling of a hall: one slope for any load, or a plant of stages, of which the cheapest runs first. */
export interface CoolingFacts {
  /** Drawn with every machine off. */
  readonly baseW: number;
  /** Ascending by wet bulb; absent where there are stages. */
  readonly marginal?: readonly CoolingPoint[] | undefined;
  readonly stages?: readonly CoolingStage[] | undefined;
}

/** A stretch of IT power that is all cooled at the same watts per watt. */
export interface CoolingSegment {
  readonly heatW: number;
  readonly perW: number;
}

/**
 * Cooling power by IT power at one wet bulb, convex and piecewise linear: segments by ascending slope, at least one.
 * Beyond what all segments carry, the slope of the last one goes on.
 */
export type CoolingCurve = readonly CoolingSegment[];

/** Cooling of a hall as its site file tells it. */
export const coolingFacts = ({ baseKw, marginal, stages }: Site['halls'][number]['cooling']): CoolingFacts => ({
  baseW: baseKw * 1000,
  ...(stages === undefined
    ? { marginal }
    : { stages: stages.map(({ heatMw, ...stage }) => ({ ...stage, heatW: heatMw * 1e6 })) }),
});

/** A value by wet bulb: linear between the points, which ascend, and flat outside them. */
export function byWetBulb<Point extends { readonly wetBulbC: number }>(
  points: readonly Point[],
  wetBulbC: number,
  valueOf: (point: Point) => number,
): number {
  let above = 0;
  while (above < points.length - 1 && points[above]!.wetBulbC < wetBulbC) above += 1;
  const high = points[above];
  if (high === undefined) throw new Error('no points by wet bulb');
  const low = above === 0 || high.wetBulbC < wetBulbC ? high : points[above - 1]!;
  if (high.wetBulbC === low.wetBulbC) return valueOf(high);
  const share = (wetBulbC - low.wetBulbC) / (high.wetBulbC - low.wetBulbC);
  return valueOf(low) + share * (valueOf(high) - valueOf(low));
}

const slopeOf = ({ marginalW }: CoolingPoint): number => marginalW;

/** Cooling of a hall by its IT power at a wet bulb. */
export function coolingCurve({ marginal, stages }: CoolingFacts, wetBulbC: number): CoolingCurve {
  if (stages === undefined)
    return [{ heatW: Number.POSITIVE_INFINITY, perW: byWetBulb(marginal ?? [], wetBulbC, slopeOf) }];
  const segments = stages
    .map((stage) => ({
      heatW: stage.heatW * (byWetBulb(stage.marginal, wetBulbC, ({ heatPct = 100 }) => heatPct) / 100),
      perW: byWetBulb(stage.marginal, wetBulbC, slopeOf),
    }))
    .sort((a, b) => a.perW - b.perW);
  const joined: CoolingSegment[] = [];
  for (const segment of segments) {
    if (segment.heatW <= 0) continue;
    const last = joined.at(-1);
    if (last?.perW === segment.perW) joined[joined.length - 1] = { ...last, heatW: last.heatW + segment.heatW };
    else joined.push(segment);
  }
  // Where it is too hot for all of them, what runs all the same is cooled at the dearest.
  return joined.length > 0 ? joined : segments.slice(-1);
}

/** The worst a hall's cooling can be in any weather: for whoever does not know the weather. */
export function worstCoolingCurve(cooling: CoolingFacts): CoolingCurve {
  const points = (cooling.stages ?? [{ marginal: cooling.marginal ?? [] }]).flatMap(({ marginal }) => marginal);
  const curves = points.map(({ wetBulbC }) => coolingCurve(cooling, wetBulbC));
  return [{ heatW: Math.min(...curves.map(heatLimitW)), perW: Math.max(...points.map(slopeOf)) }];
}

/** IT power that the whole plant can carry. */
export const heatLimitW = (curve: CoolingCurve): number => curve.reduce((sum, { heatW }) => sum + heatW, 0);

/** IT power with its cooling, base apart, in W. */
export function cooledW(curve: CoolingCurve, itW: number): number {
  if (curve.length === 1) return itW * (1 + curve[0]!.perW);
  let coolingW = 0;
  let rest = itW;
  for (const [k, { heatW, perW }] of curve.entries()) {
    const carried = k === curve.length - 1 ? rest : Math.min(rest, heatW);
    coolingW += carried * perW;
    rest -= carried;
    if (rest <= 0) break;
  }
  return itW + coolingW;
}

/** The most IT power that draws no more than `loadW` with its cooling, base apart: the inverse of `cooledW`. */
export function mostItW(curve: CoolingCurve, loadW: number): number {
  let itW = 0;
  let rest = loadW;
  for (const [k, { heatW, perW }] of curve.entries()) {
    const wholeW = heatW * (1 + perW);
    if (k === curve.length - 1 || rest <= wholeW) return itW + rest / (1 + perW);
    itW += heatW;
    rest -= wholeW;
  }
  return itW;
}

/** Watts of cooling that the next watt of IT takes. */
export function marginalPerW(curve: CoolingCurve, itW: number): number {
  let carriedW = 0;
  for (const { heatW, perW } of curve) {
    carriedW += heatW;
    if (itW < carriedW) return perW;
  }
  return curve.at(-1)!.perW;
}

/** Watts of cooling per watt of all IT that runs; with nothing running, what the first watt would take. */
export function averagePerW(curve: CoolingCurve, itW: number): number {
  return curve.length === 1 || itW <= 0 ? curve[0]!.perW : (cooledW(curve, itW) - itW) / itW;
}

/** Watts of cooling for each watt of IT between two loads. */
export function betweenPerW(curve: CoolingCurve, fromW: number, toW: number): number {
  if (curve.length === 1 || Math.abs(toW - fromW) < 1) return marginalPerW(curve, Math.min(fromW, toW));
  return (cooledW(curve, toW) - cooledW(curve, fromW)) / (toW - fromW) - 1;
}

/** IT power that may still be added at the present slope; without end on the last segment. */
export function alikeW(curve: CoolingCurve, itW: number): number {
  let carriedW = 0;
  for (let k = 0; k < curve.length - 1; k += 1) {
    carriedW += curve[k]!.heatW;
    if (itW < carriedW) return carriedW - itW;
  }
  return Number.POSITIVE_INFINITY;
}

/**
 * How many things of `wattsEach` of IT fit beside `itW` where so much more may be drawn, cooling included; a fraction
 * included.
 * @param withLosses what is drawn there for each watt of the hall
 */
export function fitting(curve: CoolingCurve, itW: number, wattsEach: number, leftW: number, withLosses = 1): number {
  if (curve.length === 1) return leftW / (wattsEach * (1 + curve[0]!.perW) * withLosses);
  return (mostItW(curve, cooledW(curve, itW) + leftW / withLosses) - itW) / wattsEach;
}
