import type { Reconciler } from '../control/reconciler.ts';
import {
  cooledW,
  coolingCurve,
  coolingFacts,
  feederFacts,
  heatLimitW,
  type CoolingCurve,
  type CoolingFacts,
  type Hall,
  type Site,
  type WallMs,
  worstCoolingCurve,
} from '../model/index.ts';
import type { Plant } from './plant.ts';
import { freshPowerW } from './plant.ts';
import { METER_STALE_MS } from './picture.ts';
import { usableConnectionW, usableHallW } from './snapshot.ts';
import { wallNow } from './io.ts';

/**
 * Room for machines to draw more, by the meters and not by the plan: what was granted and is not yet seen counts as
 * drawn already. A meter that is silent leaves no room behind it.
 */
export interface Room {
  mayIncrease(id: string, hallId: string, deltaW: number): boolean;
  /** Lets go of grants whose command has ended. Called before each round of control. */
  refresh(reconciler: Reconciler): void;
}

/** A meter is read once a second: what a machine just began to draw shows this late. */
const METER_LAG_MS = 2_500;

interface HallCooling {
  readonly hall: Hall;
  readonly facts: CoolingFacts;
  readonly worst: CoolingCurve;
}

interface Grant {
  readonly hallId: string;
  readonly watts: number;
  endedAt: number | undefined;
}

/** @param wetBulbC the weather now; where it is unknown the worst is assumed of the heat a hall's cooling carries */
export function createRoom(site: Site, plant: Plant, wetBulbC: () => number | undefined): Room {
  const grants = new Map<string, Grant>();
  const granted = new Map<string, number>();
  const halls = new Map(
    site.halls.map((hall) => {
      const facts = coolingFacts(hall.cooling);
      return [hall.id, { hall, facts, worst: worstCoolingCurve(facts) }];
    }),
  );
  const feeders = feederFacts(site);
  const lossFactor = 1 + site.connection.lossPct / 100;
  let total = 0;

  /** Feeders have no meter: what their halls' meters say, losses added, counts; one of them silent leaves no room. */
  function fitsFeeders(hallId: string, watts: number, now: WallMs): boolean {
    return feeders.every(({ usableW, hallIds }) => {
      if (!hallIds.includes(hallId)) return true;
      let drawnW = watts;
      for (const id of hallIds) {
        const hallW = freshPowerW(plant.hall(id), now, METER_STALE_MS);
        if (hallW === undefined) return false;
        drawnW += hallW + (granted.get(id) ?? 0);
      }
      return drawnW * lossFactor <= usableW;
    });
  }

  /** What a hall's meter may read, by its breaker and by the heat that its cooling carries. */
  function mostHallW({ hall, facts, worst }: HallCooling): number {
    if (facts.stages === undefined) return usableHallW(hall);
    const weather = wetBulbC();
    const curve = weather === undefined ? worst : coolingCurve(facts, weather);
    return Math.min(usableHallW(hall), cooledW(curve, heatLimitW(curve)) + facts.baseW);
  }

  return {
    mayIncrease(id, hallId, deltaW) {
      const hall = halls.get(hallId);
      const now = wallNow();
      const importW = freshPowerW(plant.connection, now, METER_STALE_MS);
      const hallW = freshPowerW(plant.hall(hallId), now, METER_STALE_MS);
      if (hall === undefined || importW === undefined || hallW === undefined) return false;
      const watts = cooledW(hall.worst, deltaW);
      if (hallW + (granted.get(hallId) ?? 0) + watts > mostHallW(hall)) return false;
      if (importW + (total + watts) * lossFactor > usableConnectionW(site)) return false;
      if (!fitsFeeders(hallId, watts, now)) return false;
      grants.set(id, { hallId, watts, endedAt: undefined });
      granted.set(hallId, (granted.get(hallId) ?? 0) + watts);
      total += watts;
      return true;
    },
    refresh(reconciler) {
      const now = wallNow();
      granted.clear();
      total = 0;
      for (const [id, grant] of grants) {
        const stage = reconciler.commandOf(id)?.stage;
        if (grant.endedAt === undefined && stage !== 'sent' && stage !== 'acknowledged') grant.endedAt = now;
        if (grant.endedAt !== undefined && now - grant.endedAt > METER_LAG_MS) {
          grants.delete(id);
          continue;
        }
        granted.set(grant.hallId, (granted.get(grant.hallId) ?? 0) + grant.watts);
        total += grant.watts;
      }
    },
  };
}
