import type { Reconciler } from '../control/reconciler.ts';
import { cooledW } from '../model/index.ts';
import { worstCaseW } from './fleet.ts';
import type { HallPicture, Picture } from './picture.ts';

/**
 * What each hall's meter shows beyond all that is known to draw: machines that report too little, hosts that draw more
 * than the catalogue says. A plan that left it out would fill the room it takes.
 */
export interface Unexplained {
  /** Watts at the meter of a hall, never below zero. */
  hallW(id: string): number;
  /** Looks while nothing moves: readings are seconds apart, and a hall that ramps explains nothing. */
  look(picture: Picture, reconciler: Reconciler): void;
}

/** Share of a new look; with one a second the value follows over about half a minute. */
const WEIGHT = 0.04;
/** More than this part of the breaker is a fault to be found, not a habit to plan with. */
const MOST = 0.1;
/** A few machines that do not obey must not keep it from ever looking. */
const MOVING = 0.01;

export function createUnexplained(machines: number): Unexplained {
  const known = new Map<string, number>();
  return {
    hallW: (id) => known.get(id) ?? 0,
    look(picture, reconciler) {
      if (reconciler.inFlight() > MOVING * machines) return;
      for (const h of picture.halls) {
        if (h.meterW === undefined || h.byState.starting > MOVING * machines) continue;
        const now = Math.min(MOST * h.hall.breakerMw * 1e6, Math.max(0, h.meterW - knownW(h)));
        const before = known.get(h.hall.id);
        known.set(h.hall.id, before === undefined ? now : before + WEIGHT * (now - before));
      }
    },
  };
}

/** Silent machines count at their worst here as they do in the plan, or they would be counted twice. */
function knownW(h: HallPicture): number {
  const silentW = h.silent.reduce((sum, member) => sum + worstCaseW(member), 0);
  return cooledW(h.cooling, h.machinesW.value + silentW) + h.hall.cooling.baseKw * 1000;
}
