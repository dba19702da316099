import { npvUsd } from './finance.ts';

/**
 * The best plan over all halls: for each one alternative, which is an option with a month in which it starts.
 * Found by branch and bound over halls. The bound is what the halls left could add if nothing but their own best
 * counted, so no better plan is ever cut off: a search that ends is exact, and one that is stopped says so.
 */
export interface Alternative {
  readonly hallId: string;
  readonly optionId: string;
  readonly startMonth: number;
  /** Months in which the hall is in conversion: from `startMonth` until this, excluded. */
  readonly doneMonth: number;
  readonly capexUsd: number;
  readonly npvUsd: number;
  /** At the connection, by month: what cannot be turned off, mining when all of it runs, and what mining earns. */
  readonly firmMw: readonly number[];
  readonly miningMw: readonly number[];
  readonly miningMarginUsd: readonly number[];
}

export interface PlanLimits {
  readonly connectionMw: number;
  readonly capexBudgetUsd: number | undefined;
  readonly hallsAtOnce: number;
  readonly discountRate: number;
}

export interface FoundPlan {
  readonly status: 'optimal' | 'best found' | 'none found' | 'infeasible';
  readonly chosen: readonly Alternative[];
  readonly npvUsd: number;
  readonly curtailedMw: readonly number[];
  readonly looked: number;
}

/** Plans looked at before the search gives up being exact. */
const MOST_LOOKED = 1_500_000;

/** @param halls alternatives of each hall, at least one each; the first is what happens when nothing is decided. */
export function bestPlan(
  halls: readonly (readonly Alternative[])[],
  limits: PlanLimits,
  most = MOST_LOOKED,
): FoundPlan {
  const sorted = halls
    .map((alternatives) => withoutDominated(alternatives).sort((a, b) => b.npvUsd - a.npvUsd))
    .sort((a, b) => spread(b) - spread(a));
  const months = sorted[0]?.[0]?.firmMw.length ?? 0;
  const rest = sorted.map((_, i) => sorted.slice(i).reduce((total, [best]) => total + best!.npvUsd, 0));
  const busy = new Int32Array(months + 1);
  const chosen: Alternative[] = [];
  let best: Incumbent | undefined;
  let looked = 0;

  function search(hall: number, npvSoFar: number, capexSoFar: number): void {
    if (looked >= most) return;
    if (hall === sorted.length) {
      const settled = settle(chosen, limits);
      if (settled === undefined) return;
      const npv = npvSoFar - settled.lostUsd;
      if (best === undefined || npv > best.npvUsd)
        best = { chosen: [...chosen], npvUsd: npv, curtailedMw: settled.curtailedMw };
      return;
    }
    for (const one of sorted[hall]!) {
      const bound = npvSoFar + one.npvUsd + (rest[hall + 1] ?? 0);
      // Alternatives stand in order of their worth: what follows is no better.
      if (best !== undefined && bound <= best.npvUsd) return;
      looked += 1;
      if (limits.capexBudgetUsd !== undefined && capexSoFar + one.capexUsd > limits.capexBudgetUsd) continue;
      if (!enter(busy, one, limits.hallsAtOnce)) continue;
      chosen.push(one);
      search(hall + 1, npvSoFar + one.npvUsd, capexSoFar + one.capexUsd);
      chosen.pop();
      leave(busy, one);
    }
  }
  best = undecided(halls, limits);
  search(0, 0, 0);
  const stopped = looked >= most;
  const status = best === undefined ? (stopped ? 'none found' : 'infeasible') : stopped ? 'best found' : 'optimal';
  return {
    status,
    chosen: best?.chosen ?? [],
    npvUsd: best?.npvUsd ?? 0,
    curtailedMw: best?.curtailedMw ?? [],
    looked,
  };
}

interface Incumbent {
  readonly chosen: readonly Alternative[];
  readonly npvUsd: number;
  readonly curtailedMw: readonly number[];
}

/** Nothing decided, as a plan to beat; undefined where it does not fit. */
function undecided(halls: readonly (readonly Alternative[])[], limits: PlanLimits): Incumbent | undefined {
  const chosen = halls.map(([first]) => first!);
  const total = (of: (one: Alternative) => number) => chosen.reduce((all, one) => all + of(one), 0);
  const busy = new Int32Array((chosen[0]?.firmMw.length ?? 0) + 1);
  if (!chosen.every((one) => enter(busy, one, limits.hallsAtOnce))) return undefined;
  if (total(({ capexUsd }) => capexUsd) > (limits.capexBudgetUsd ?? Infinity)) return undefined;
  const settled = settle(chosen, limits);
  if (settled === undefined) return undefined;
  return { chosen, npvUsd: total(({ npvUsd }) => npvUsd) - settled.lostUsd, curtailedMw: settled.curtailedMw };
}

const spread = (alternatives: readonly Alternative[]): number =>
  (alternatives[0]?.npvUsd ?? 0) - (alternatives.at(-1)?.npvUsd ?? 0);

/** Leaves out what another alternative of the hall beats in money, in capital, in time and at the connection alike. */
function withoutDominated(alternatives: readonly Alternative[]): Alternative[] {
  const no = (a: readonly number[], b: readonly number[]): boolean => a.every((x, m) => x <= b[m]!);
  const beats = (a: Alternative, b: Alternative): boolean =>
    a.npvUsd >= b.npvUsd &&
    a.capexUsd <= b.capexUsd &&
    (a.doneMonth === a.startMonth || (a.startMonth >= b.startMonth && a.doneMonth <= b.doneMonth)) &&
    no(a.firmMw, b.firmMw) &&
    a.miningMw.every((x, m) => x === b.miningMw[m] || x === 0) &&
    a.miningMarginUsd.every((x, m) => x === b.miningMarginUsd[m] || a.miningMw[m] === 0);
  return alternatives.filter(
    (one, i) => !alternatives.some((other, j) => i !== j && beats(other, one) && (!beats(one, other) || j < i)),
  );
}

function enter(busy: Int32Array, { startMonth, doneMonth }: Alternative, most: number): boolean {
  for (let m = startMonth; m < doneMonth; m++) if (busy[m]! >= most) return false;
  for (let m = startMonth; m < doneMonth; m++) busy[m]! += 1;
  return true;
}

function leave(busy: Int32Array, { startMonth, doneMonth }: Alternative): void {
  for (let m = startMonth; m < doneMonth; m++) busy[m]! -= 1;
}

/**
 * What mining the connection has no room for, and what that loses. A month is taken at its hottest hours; mining that
 * earns least per MW gives way first. Undefined where what cannot be turned off is already too much.
 */
export function settle(
  chosen: readonly Alternative[],
  { connectionMw, discountRate }: Pick<PlanLimits, 'connectionMw' | 'discountRate'>,
): { readonly lostUsd: number; readonly curtailedMw: number[] } | undefined {
  const months = chosen[0]?.firmMw.length ?? 0;
  const lost: number[] = [];
  const curtailedMw: number[] = [];
  for (let m = 0; m < months; m++) {
    let firm = 0;
    let mining = 0;
    for (const one of chosen) {
      firm += one.firmMw[m]!;
      mining += one.miningMw[m]!;
    }
    if (firm > connectionMw + 1e-9) return undefined;
    let over = firm + mining - connectionMw;
    curtailedMw.push(Math.max(0, over));
    lost.push(0);
    if (over <= 1e-9) continue;
    const byWorth = chosen
      .filter((one) => one.miningMw[m]! > 0)
      .map((one) => ({ mw: one.miningMw[m]!, usdPerMw: Math.max(0, one.miningMarginUsd[m]!) / one.miningMw[m]! }))
      .sort((a, b) => a.usdPerMw - b.usdPerMw);
    for (const { mw, usdPerMw } of byWorth) {
      const cut = Math.min(mw, over);
      lost[m]! += cut * usdPerMw;
      over -= cut;
      if (over <= 0) break;
    }
  }
  return { lostUsd: npvUsd(lost, discountRate), curtailedMw };
}
