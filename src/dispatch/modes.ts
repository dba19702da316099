import { type CohortFacts, nameplateW } from '../model/index.ts';

/** One thing a machine of a cohort can do, sleep included. */
export interface Mode {
  readonly key: string;
  readonly powerW: number;
  readonly hashrateThs: number;
  /** False for a mode that only pinned or held machines keep: the plan moves nothing into it. */
  readonly offered: boolean;
}

/** Operating points kept per cohort beside sleep. Eight cost under 0.3 % of hash on the 25 points of a LuxOS S19k Pro. */
const POINTS_KEPT = 8;

/**
 * The modes the plan chooses from, ascending by power, sleep first. Only points on the upper concave envelope of
 * power and hash are offered: a mix of two neighbours gives more hash for the same watts than any point below it.
 * Of those at most `POINTS_KEPT`, dropping first what the neighbours' mix replaces best. Points that hash nothing or
 * draw no more than sleep are nonsense and left out. A mode that pinned or held machines are in is always listed.
 */
export function modesOf(cohort: CohortFacts): Mode[] {
  const sleep: Mode = { key: 'sleep', powerW: cohort.sleepW, hashrateThs: 0, offered: true };
  const points = cohort.points
    .filter((p) => p.powerW > cohort.sleepW && p.hashrateThs > 0)
    .map((p): Mode => ({ key: p.profile, powerW: p.powerW, hashrateThs: p.hashrateThs, offered: true }))
    .sort((a, b) => a.powerW - b.powerW || b.hashrateThs - a.hashrateThs);
  const modes = thin(envelope([sleep, ...points]), POINTS_KEPT + 1);
  const kept = cohort.held ? cohort.now : cohort.pinned;
  for (const [key, machines] of Object.entries(kept)) {
    if (machines > 0 && !modes.some((mode) => mode.key === key)) modes.push(keptMode(cohort, key));
  }
  return modes;
}

/** A profile nobody lists draws the most the model can, and no hash is credited to it. */
function keptMode(cohort: CohortFacts, key: string): Mode {
  const point = cohort.points.find((p) => p.profile === key);
  if (point !== undefined) return { key, powerW: point.powerW, hashrateThs: point.hashrateThs, offered: false };
  const powerW = Math.max(cohort.sleepW, nameplateW(cohort.modelId) ?? 0, ...cohort.points.map((p) => p.powerW));
  return { key, powerW, hashrateThs: 0, offered: false };
}

/** Upper concave envelope with rising hash; the first mode (sleep) always stays. */
function envelope(modes: readonly Mode[]): Mode[] {
  const hull: Mode[] = [];
  for (const mode of modes) {
    const last = hull.at(-1);
    if (last !== undefined && mode.hashrateThs <= last.hashrateThs) continue;
    while (hull.length >= 2 && lossThs(hull.at(-2)!, hull.at(-1)!, mode) <= 0) hull.pop();
    hull.push(mode);
  }
  return hull;
}

/** Hash lost at `middle`'s power when only its neighbours' mix is left; negative where `middle` lies below the chord. */
function lossThs(low: Mode, middle: Mode, high: Mode): number {
  const share = (middle.powerW - low.powerW) / (high.powerW - low.powerW);
  return middle.hashrateThs - (low.hashrateThs + share * (high.hashrateThs - low.hashrateThs));
}

function thin(hull: Mode[], limit: number): Mode[] {
  const kept = [...hull];
  while (kept.length > limit) {
    let cheapest = 1;
    for (let i = 2; i < kept.length - 1; i += 1) {
      const loss = (at: number): number => lossThs(kept[at - 1]!, kept[at]!, kept[at + 1]!);
      if (loss(i) < loss(cheapest)) cheapest = i;
    }
    kept.splice(cheapest, 1);
  }
  return kept;
}
