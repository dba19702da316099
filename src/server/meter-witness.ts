import { judge } from '../control/meter-proof.ts';
import type { Reconciler } from '../control/reconciler.ts';
import { betweenPerW } from '../model/index.ts';
import type { Fleet } from './fleet.ts';
import type { Picture } from './picture.ts';

interface Baseline {
  readonly meterW: number | undefined;
  readonly machinesW: number;
  readonly claims: ReadonlyMap<string, number>;
}

/** Keeps what the meters read before an act, and calls them as witnesses when its commands are done. */
export interface MeterWitness {
  /** Before an act's first command. @param targets machines it will command */
  begin(actId: string, picture: Picture, targets: readonly string[]): void;
  /** Looks at every open act; tells the reconciler what the meters confirm. */
  examine(picture: Picture, reconciler: Reconciler): void;
}

/** One machine in a hundred that does not obey must not keep the meter from proving what the others did. */
const STRAGGLERS = 0.01;

export function createMeterWitness(fleet: Fleet): MeterWitness {
  const open = new Map<string, Map<string, Baseline>>();
  const powerOf = (id: string): number => fleet.byId(id)?.reading?.powerW ?? 0;
  return {
    begin(actId, picture, targets) {
      const byHall = Map.groupBy(targets, (id) => fleet.byId(id)?.machine.hallId ?? '');
      const halls = new Map<string, Baseline>();
      for (const h of picture.halls) {
        const ids = byHall.get(h.hall.id) ?? [];
        if (ids.length === 0) continue;
        const claims = new Map(ids.map((id) => [id, powerOf(id)]));
        halls.set(h.hall.id, { meterW: h.meterW, machinesW: h.machinesW.value, claims });
      }
      open.set(actId, halls);
      // Acts that never settle must not pile up.
      for (const old of [...open.keys()].slice(0, Math.max(0, open.size - 20))) open.delete(old);
    },
    examine(picture, reconciler) {
      for (const [actId, halls] of open) {
        for (const [hallId, baseline] of halls) {
          const stages = [...baseline.claims.keys()].map((id) => reconciler.commandOf(id));
          const mine = stages.filter((command) => command?.batchId === actId);
          if (mine.length === 0) continue;
          const waiting = mine.filter((c) => c?.stage === 'sent' || c?.stage === 'acknowledged').length;
          const h = picture.halls.find((one) => one.hall.id === hallId);
          if (h?.meterW === undefined || baseline.meterW === undefined) continue;
          const seen = [...baseline.claims].filter(([id]) => reconciler.commandOf(id)?.batchId === actId);
          const verdict = judge({
            meterBeforeW: baseline.meterW,
            meterNowW: h.meterW,
            machinesBeforeW: baseline.machinesW,
            machinesNowW: h.machinesW.value,
            claimedW: seen.reduce((sum, [id, before]) => sum + powerOf(id) - before, 0),
            coolingPerW: betweenPerW(h.cooling, baseline.machinesW, h.machinesW.value),
          });
          // What is seen by now is confirmed by now; the rest has its turn when it is seen.
          if (verdict === 'confirmed') reconciler.confirmAtMeter(actId, hallId);
          const isRest = waiting > STRAGGLERS * mine.length;
          if (verdict === 'contradicted' || isRest || (verdict === 'confirmed' && waiting > 0)) continue;
          halls.delete(hallId);
        }
        if (halls.size === 0) open.delete(actId);
      }
    },
  };
}
