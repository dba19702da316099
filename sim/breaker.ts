/**
 * A breaker with an inverse-time curve: IEC 60255-151 "very inverse", t = TMS * 13.5 / (I/Is - 1), with the pickup Is
 * as a multiple of the rating. Power stands for current (voltage is taken as constant). Below pickup the accumulated
 * overload fades linearly within 60 s, an assumption: the standard leaves the reset to the maker.
 */
export interface BreakerCurve {
  readonly pickup: number;
  readonly timeMultiplier: number;
}

export interface BreakerState {
  /** 0 cool, 1 trips. */
  heat: number;
  /** Site time at which it closes again; undefined while closed. */
  closesAt: number | undefined;
}

const RESET_S = 60;

/** Seconds until a steady load trips the breaker; infinite at or below pickup. @param load multiple of the rating */
export function tripTimeS(load: number, curve: BreakerCurve): number {
  const multiple = load / curve.pickup;
  return multiple > 1 ? (curve.timeMultiplier * 13.5) / (multiple - 1) : Infinity;
}

/** Heats or cools a closed breaker for `dtS` seconds under a load; true when it trips. */
export function heatBreaker(state: BreakerState, load: number, dtS: number, curve: BreakerCurve): boolean {
  const timeS = tripTimeS(load, curve);
  state.heat = Number.isFinite(timeS) ? state.heat + dtS / timeS : Math.max(0, state.heat - dtS / RESET_S);
  return state.heat >= 1;
}
