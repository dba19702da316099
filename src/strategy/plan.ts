import { npvUsd } from './finance.ts';

/**
 * The best plan over all halls: for each one alternative, which is an option with a month in which it starts.
 * Found by branch and bound over halls. The bound is a Lagrangian one: places in conversion and the budget have prices,
 * and every hall takes what is worth most to it at those prices. Whatever the prices are, no plan that keeps the limits
 * is worth more than that, so no better plan is ever cut off: a search that ends is exact, and one that is stopped says so.
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
  /** No plan is worth more; the plan's own worth where the search ended. */
  readonly boundUsd: number;
  readonly curtailedMw: readonly number[];
  readonly looked: number;
}

/** Choices looked at before the search gives up being exact. */
const MOST_LOOKED = 300_000;

/** @param halls alternatives of each hall, at least one each; the first is what happens when nothing is decided. */
export function bestPlan(
  halls: readonly (readonly Alternative[])[],
  limits: PlanLimits,
  most = MOST_LOOKED,
): FoundPlan {
  let best = undecided(halls, limits);
  const kept = halls.map(withoutDominated);
  const prices = pricesOf(kept, limits, best?.npvUsd);
  const sorted = kept
    .map((alternatives) => alternatives.map((one) => ({ one, worthUsd: one.npvUsd - prices.of(one) })))
    .map((priced) => priced.sort((a, b) => b.worthUsd - a.worthUsd))
    .sort((a, b) => spread(b) - spread(a));
  const rest = sorted.map((_, i) => sorted.slice(i).reduce((total, [first]) => total + first!.worthUsd, 0));
  const busy = new Int32Array((halls[0]?.[0]?.firmMw.length ?? 0) + 1);
  const chosen: Alternative[] = [];
  let looked = 0;

  function search(hall: number, npvSoFar: number, worthSoFar: number, capexSoFar: number): void {
    if (looked >= most) return;
    if (hall === sorted.length) {
      const settled = settle(chosen, limits);
      if (settled === undefined) return;
      const npvUsd = npvSoFar - settled.lostUsd;
      if (best === undefined || npvUsd > best.npvUsd)
        best = { chosen: [...chosen], npvUsd, curtailedMw: settled.curtailedMw };
      return;
    }
    for (const { one, worthUsd } of sorted[hall]!) {
      const bound = prices.limitsUsd + worthSoFar + worthUsd + (rest[hall + 1] ?? 0);
      // Alternatives stand in order of their worth: what follows is no better. The sliver is for rounding.
      if (best !== undefined && bound <= best.npvUsd + SLIVER_USD) return;
      looked += 1;
      if (capexSoFar + one.capexUsd > (limits.capexBudgetUsd ?? Infinity)) continue;
      if (!enter(busy, one, limits.hallsAtOnce)) continue;
      chosen.push(one);
      search(hall + 1, npvSoFar + one.npvUsd, worthSoFar + worthUsd, capexSoFar + one.capexUsd);
      chosen.pop();
      leave(busy, one);
    }
  }
  search(0, 0, 0, 0);
  const stopped = looked >= most;
  const status = best === undefined ? (stopped ? 'none found' : 'infeasible') : stopped ? 'best found' : 'optimal';
  return {
    status,
    chosen: best?.chosen ?? [],
    npvUsd: best?.npvUsd ?? 0,
    boundUsd: stopped ? prices.limitsUsd + (rest[0] ?? 0) : (best?.npvUsd ?? 0),
    curtailedMw: best?.curtailedMw ?? [],
    looked,
  };
}

/** Present values of plans are of millions: less than this between two is none. */
const SLIVER_USD = 1e-6;

interface Prices {
  /** What an alternative pays for its place in conversion and its capital. */
  of(one: Alternative): number;
  /** What all places and the whole budget are worth at these prices. */
  readonly limitsUsd: number;
}

const ROUNDS = 400;

/** Prices that make the bound low, by subgradient steps from none. */
function pricesOf(
  halls: readonly (readonly Alternative[])[],
  limits: PlanLimits,
  knownUsd: number | undefined,
): Prices {
  const months = halls[0]?.[0]?.firmMw.length ?? 0;
  const budget = limits.capexBudgetUsd;
  const spent = (one: Alternative): number =>
    budget === undefined ? 0 : budget === 0 ? (one.capexUsd > 0 ? 1 : 0) : one.capexUsd / budget;
  let place = new Float64Array(months);
  let capital = 0;
  const cost = (one: Alternative): number => {
    let usd = capital * spent(one);
    for (let m = one.startMonth; m < one.doneMonth; m++) usd += place[m]!;
    return usd;
  };
  // A budget of nothing is one that nothing may be spent of: its worth is nothing at any price.
  const whole = (): number =>
    limits.hallsAtOnce * place.reduce((a, b) => a + b, 0) + (budget === undefined || budget === 0 ? 0 : capital);
  let best = { place, capital, bound: Infinity };
  let pace = 1;
  for (let round = 0; round < ROUNDS; round++) {
    const picked = halls.map((all) => all.reduce((a, b) => (b.npvUsd - cost(b) > a.npvUsd - cost(a) ? b : a)));
    const bound = whole() + picked.reduce((total, one) => total + one.npvUsd - cost(one), 0);
    if (bound < best.bound) best = { place: place.slice(), capital, bound };
    else if (round % 20 === 19) pace /= 1.5;
    const free = new Float64Array(months).fill(limits.hallsAtOnce);
    for (const one of picked) for (let m = one.startMonth; m < one.doneMonth; m++) free[m]! -= 1;
    const left =
      budget === undefined ? 0 : (budget === 0 ? 0 : 1) - picked.reduce((total, one) => total + spent(one), 0);
    // Only what is wanted by too many, or has a price, moves.
    const moves = free.map((n, m) => (n < 0 || place[m]! > 0 ? n : 0));
    const capitalMove = left < 0 || capital > 0 ? left : 0;
    const length = moves.reduce((total, n) => total + n * n, capitalMove * capitalMove);
    if (length === 0) break;
    const step = (pace * Math.max(1, bound - (knownUsd ?? bound - Math.abs(bound) * 0.05))) / length;
    place = place.map((price, m) => Math.max(0, price - step * moves[m]!));
    capital = Math.max(0, capital - step * capitalMove);
  }
  ({ place, capital } = best);
  return { of: cost, limitsUsd: whole() };
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

const spread = (priced: readonly { readonly worthUsd: number }[]): number =>
  (priced[0]?.worthUsd ?? 0) - (priced.at(-1)?.worthUsd ?? 0);

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
