import type { Stretch } from '../../control/grid/law.ts';
import { aimedAt } from '../../control/grid/trim.ts';
import type { Snapshot } from '../../model/index.ts';
import { ORDER_USD_PER_MWH } from '../orders/orders.ts';

/** A miner that re-tunes is off for minutes, and import with it: one that sleeps or wakes follows sooner. */
const RETUNE_USD_FOLLOWING = 0.25;

/**
 * The planner's facts with what the grid demands over them: a limit is a call of a program for which nothing pays, a set point is
 * followed both ways. Machines give up their minimum times for it: those that run may sleep, and for a set point those that sleep
 * may wake.
 * @param biasW what plans are measured to come out too high by
 */
export function withGrid(snapshot: Snapshot, stretches: readonly Stretch[], biasW: number): Snapshot {
  if (stretches.length === 0) return snapshot;
  const named = stretches.map((stretch, i) => {
    const first = stretch.by[0]!;
    const aimed = aimedAt(stretch.importW, biasW);
    // Where a limit and a set point meet, what is trimmed for the one must not lift the other.
    const limits = stretch.by.flatMap(({ kind, importW }) => (kind === 'set-point' ? [] : [importW.most]));
    const most = Math.min(aimed.most, ...limits);
    const least = Math.min(aimed.least, most);
    // One event may stand in several stretches: each is a limit of its own.
    return { id: `${first.sourceId} ${first.eventId}#${i}`, least, most, from: stretch.from, until: stretch.until };
  });
  const calls = named.flatMap(({ id, least, most, from, until }) =>
    least > 0 || most === Infinity ? [] : [{ id, firmW: most, penaltyUsdPerMwh: ORDER_USD_PER_MWH, from, until }],
  );
  const points = named.flatMap(({ id, least, most, from, until }) =>
    least > 0 ? [{ id, leastW: least, mostW: most, from, until }] : [],
  );
  const isFollowed = points.some(({ from }) => from <= snapshot.at);
  const { mining } = snapshot;
  return {
    ...snapshot,
    mining: isFollowed
      ? { ...mining, retuneUsdPerMachine: Math.max(mining.retuneUsdPerMachine, RETUNE_USD_FOLLOWING) }
      : mining,
    programCalls: [...(snapshot.programCalls ?? []), ...calls],
    ...(points.length === 0 ? {} : { basePoints: [...(snapshot.basePoints ?? []), ...points] }),
    cohorts: snapshot.cohorts.map((cohort) => {
      if (cohort.held) return cohort;
      const { sleep = 0 } = cohort.pinned;
      const pinned: Readonly<Record<string, number>> = isFollowed || sleep === 0 ? {} : { sleep };
      return { ...cohort, pinned };
    }),
  };
}
