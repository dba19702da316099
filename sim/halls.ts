import { averagePerW, coolingCurve, coolingFacts, type CoolingPoint, type Hall } from '../src/model/index.ts';
import { heatBreaker, type BreakerCurve, type BreakerState } from './breaker.ts';
import { PURPOSE, bellAt } from './random.ts';

/** One hall as it really is: its cooling is close to what the site file says of it, and not the same. */
export interface SimHall {
  readonly config: Hall;
  readonly index: number;
  /** Draw of all machines at nameplate: the load the fans were sized for. */
  readonly designW: number;
  /** How the real plant differs from the site file's figures. */
  readonly baseFactor: number;
  readonly marginalFactor: number;
  readonly state: HallState;
}

export interface HallState {
  readonly breaker: BreakerState;
  itW: number;
  coolingW: number;
  /** Wet bulb as the basins and coils feel it, behind the weather. */
  wetBulbC: number;
  /** Import through the hall's feed since the site was built. */
  energyWh: number;
}

/** Of the marginal cooling power, the part that goes with the cube of the load (fans, pumps); the rest is linear. */
const CUBIC_SHARE = 0.25;
const WET_BULB_LAG_S = 1800;

export function createHall(config: Hall, index: number, designW: number, seed: number, wetBulbC: number): SimHall {
  return {
    config,
    index,
    designW,
    baseFactor: 1 + 0.06 * bellAt(seed, PURPOSE.hall, index, 0),
    marginalFactor: 1 + 0.08 * bellAt(seed, PURPOSE.hall, index, 1),
    state: {
      breaker: { heat: 0, closesAt: undefined },
      itW: 0,
      coolingW: 0,
      wetBulbC,
      energyWh: 0,
    },
  };
}

/** Cooling power in W for an IT load in W at the hall's felt wet bulb. Fan laws: the cubic part is load^3 over design^2. */
export function coolingW(hall: SimHall, itW: number, wetBulbC: number): number {
  const { cooling } = hall.config;
  const perW =
    hall.marginalFactor *
    (cooling.marginal === undefined
      ? averagePerW(coolingCurve(coolingFacts(cooling), wetBulbC), itW)
      : marginalAt(cooling.marginal, wetBulbC));
  const load = hall.designW > 0 ? itW / hall.designW : 0;
  return 1000 * cooling.baseKw * hall.baseFactor + itW * perW * (1 - CUBIC_SHARE + CUBIC_SHARE * load * load * 1.2);
}

/** A smooth curve through the site file's points, a little steeper on wet days than its straight lines. */
function marginalAt(points: readonly CoolingPoint[], wetBulbC: number): number {
  const first = points[0]!;
  const last = points.at(-1)!;
  if (wetBulbC <= first.wetBulbC) return first.marginalW;
  const next = points.findIndex((point) => point.wetBulbC >= wetBulbC);
  if (next < 0) return last.marginalW * (1 + 0.02 * Math.min(5, wetBulbC - last.wetBulbC));
  const low = points[next - 1]!;
  const high = points[next]!;
  const share = (wetBulbC - low.wetBulbC) / (high.wetBulbC - low.wetBulbC);
  return low.marginalW + (high.marginalW - low.marginalW) * (0.8 * share + 0.2 * share * share);
}

/** Air or water that reaches the machines, in C. */
export function inletC(hall: SimHall, temperatureC: number): number {
  const { kind } = hall.config.cooling;
  if (kind === 'hydro') return Math.max(22, hall.state.wetBulbC + 9);
  if (kind === 'chilled') return 23.5;
  const load = hall.designW > 0 ? hall.state.itW / hall.designW : 0;
  return Math.max(8, temperatureC) + 1 + 4 * load;
}

export function lagWetBulb(state: HallState, wetBulbC: number, dtS: number): void {
  state.wetBulbC += (wetBulbC - state.wetBulbC) * (1 - Math.exp(-dtS / WET_BULB_LAG_S));
}

/** Closes a breaker whose time has come, or heats it with the load; true when it opens now. */
export function stepBreaker(
  state: BreakerState,
  loadW: number,
  ratingW: number,
  t: number,
  dtS: number,
  curve: BreakerCurve & { readonly recloseMinutes: number },
): boolean {
  if (state.closesAt !== undefined) {
    if (t < state.closesAt) return false;
    state.closesAt = undefined;
    state.heat = 0;
    return false;
  }
  if (!heatBreaker(state, loadW / ratingW, dtS, curve)) return false;
  openBreaker(state, t, curve.recloseMinutes);
  return true;
}

export function openBreaker(state: BreakerState, t: number, recloseMinutes: number): void {
  state.closesAt = t + recloseMinutes * 60_000;
  state.heat = 0;
}
