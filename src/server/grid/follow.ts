import type { RaisedAlarm } from '../../alarms/catalogue.ts';
import {
  type Demand,
  type ImportRange,
  missW,
  nextEdge,
  type Standing,
  standingAt,
  stretches,
} from '../../control/grid/law.ts';
import { biasOf, isMoving, isOff, isSteady, mean } from '../../control/grid/trim.ts';
import type { Trust } from '../../control/trust.ts';
import { DAY, MINUTE, powerText, siteMs, type Site, type SiteMs, type Snapshot } from '../../model/index.ts';
import { withGrid } from './facts.ts';

/** How import follows what is demanded: judged at the feeder meter, trimmed between plans, and told where it does not. */
export interface Following {
  /** Once a second, with the newest reading of the feeder meter. */
  look(demands: readonly Demand[], importW: number | undefined): void;
  /** The planner's facts with the demands over them. */
  facts(snapshot: Snapshot, demands: readonly Demand[]): Snapshot;
  standing(): Standing;
  /** How far import is from what is demanded; undefined where nothing is, or the meter is silent. */
  missW(): number | undefined;
  /** Import when a demand came into force; undefined where the meter was silent, or it is not in force. */
  beforeW(demand: Pick<Demand, 'sourceId' | 'eventId'>): number | undefined;
  /** By which import rose lately, W per minute of site time. */
  rampWPerMinute(): number | undefined;
  /** Mean import since a moment; undefined where the meter was silent. */
  meanSince(from: SiteMs): number | undefined;
  isOffTarget(): boolean;
  alarms(): RaisedAlarm[];
}

export interface FollowOptions {
  site(): Site;
  trust(): Trust;
  siteNow(): SiteMs;
  /** Watts that machines on their way to what is wanted of them would still move import by. */
  movingW(): number;
  /** What the plan in force says import is; undefined before the first. */
  planW(): number | undefined;
  responseSeconds(sourceId: string): number;
  askPlan(why: string): void;
}

interface Sample {
  readonly at: SiteMs;
  readonly importW: number;
}

/** Of readings once a second: what a trim rests on. */
const TRIM_ON = 6;
const KEPT = 600;
const PLAN_AHEAD_MS = 2 * DAY;
/** A set point without an end is planned for as if it ended policy: it is followed by another, and nobody knows where. */
const SET_POINT_AHEAD_MS = 30 * MINUTE;
/** Off by more than this share of the connection, a demand is missed: what meters wobble by, and what a set point may be off. */
const MISSED_ABOVE = 0.005;
const MISSED_SET_POINT = 0.02;

export function createFollowing(options: FollowOptions): Following {
  const { siteNow } = options;
  let samples: readonly Sample[] = [];
  let standing: Standing = { importW: { least: 0, most: Infinity }, by: [] };
  /** When what is demanded changed last. */
  let since = siteNow();
  let steadyFrom = 0;
  let biasW = 0;
  let lastImportW: number | undefined;
  let edge: SiteMs | undefined;
  const before = new Map<string, number | undefined>();

  const connectionW = (): number => options.site().connection.limitMw * 1e6;

  function look(demands: readonly Demand[], importW: number | undefined): void {
    const at = siteNow();
    lastImportW = importW;
    if (importW === undefined) samples = [];
    else samples = [...samples.slice(1 - KEPT), { at, importW }];
    if (edge !== undefined && at >= edge) options.askPlan('a demand of the grid begins or ends');
    edge = nextEdge(demands, at);
    const next = standingAt(demands, at);
    if (!isSame(next.importW, standing.importW)) {
      since = at;
      steadyFrom = 0;
    }
    standing = next;
    const keys = new Set(standing.by.map(keyOf));
    for (const key of before.keys()) if (!keys.has(key)) before.delete(key);
    for (const key of keys) if (!before.has(key)) before.set(key, importW);
    trim();
  }

  /** Learns by how much plans err while nothing moves, so that the first demand is aimed at right; plans anew where one is missed for it. */
  function trim(): void {
    const planW = options.planW();
    if (planW === undefined || options.trust() === 'shadow' || isMoving(options.movingW(), connectionW())) {
      steadyFrom = 0;
      return;
    }
    steadyFrom += 1;
    const latest = samples.slice(-TRIM_ON).map((one) => one.importW);
    if (steadyFrom < TRIM_ON || !isSteady(latest, connectionW())) return;
    const next = biasOf(mean(latest), planW, connectionW());
    if (next === undefined) return;
    if (standing.by.length === 0) {
      biasW = next;
      return;
    }
    if (!isOff(mean(latest), standing.importW, next - biasW, connectionW())) return;
    biasW = next;
    steadyFrom = 0;
    options.askPlan(
      `import rests ${powerText(Math.abs(missW(mean(latest), standing.importW)))} beside what the grid demands`,
    );
  }

  const missNow = (): number | undefined =>
    standing.by.length === 0 || lastImportW === undefined ? undefined : missW(lastImportW, standing.importW);

  /** Both above what is allowed and, of a set point, below it. */
  function isOffTarget(): boolean {
    const offW = missNow();
    if (offW === undefined) return false;
    const share = standing.importW.least > 0 ? MISSED_SET_POINT : MISSED_ABOVE;
    return Math.abs(offW) > share * connectionW();
  }

  return {
    look,
    facts(snapshot, demands) {
      const until = siteMs(snapshot.at + PLAN_AHEAD_MS);
      const planned = demands.map((demand) =>
        demand.kind === 'set-point' && !Number.isFinite(demand.until)
          ? { ...demand, until: siteMs(snapshot.at + SET_POINT_AHEAD_MS) }
          : demand,
      );
      return withGrid(snapshot, stretches(planned, snapshot.at, until), biasW);
    },
    standing: () => standing,
    missW: missNow,
    beforeW: (demand) => before.get(keyOf(demand)),
    rampWPerMinute() {
      const last = samples.at(-1);
      const first = last === undefined ? undefined : samples.find(({ at }) => at >= last.at - MINUTE);
      if (last === undefined || first === undefined || first.at === last.at) return undefined;
      return ((last.importW - first.importW) / (last.at - first.at)) * MINUTE;
    },
    meanSince(from) {
      const seen = samples.filter(({ at }) => at >= from).map((one) => one.importW);
      return seen.length === 0 ? undefined : mean(seen);
    },
    isOffTarget,
    alarms() {
      const first = standing.by[0];
      if (first === undefined || options.trust() === 'shadow' || !isOffTarget()) return [];
      const seconds = options.responseSeconds(first.sourceId);
      if (siteNow() - since < seconds * 1_000) return [];
      const { least, most } = standing.importW;
      const wanted =
        least === most
          ? powerText(most)
          : least > 0
            ? `${powerText(least)} to ${powerText(most)}`
            : `${powerText(most)} at most`;
      const message = `import is ${powerText(lastImportW!)}, ${wanted} is demanded by ${first.eventId} for more than ${seconds} s`;
      return [{ code: 'grid-event-missed', subject: first.sourceId, message }];
    },
  };
}

const keyOf = ({ sourceId, eventId }: Pick<Demand, 'sourceId' | 'eventId'>): string => `${sourceId} ${eventId}`;
const isSame = (a: ImportRange, b: ImportRange): boolean => a.least === b.least && a.most === b.most;
