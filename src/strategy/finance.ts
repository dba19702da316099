/**
 * Money over time. Flows are in $ by month; the flow of month m (from 0) falls at the end of that month. Rates are
 * effective annual rates as fractions: 0.12 is 12 % a year.
 */

/** Present value at the start of month 0. */
export function npvUsd(monthlyUsd: readonly number[], annualRate: number): number {
  const perMonth = 1 / (1 + annualRate) ** (1 / 12);
  let factor = 1;
  let sum = 0;
  for (const flow of monthlyUsd) {
    factor *= perMonth;
    sum += flow * factor;
  }
  return sum;
}

/** Rates looked at, from nearly all lost to a hundredfold a year, close together where rates of business lie. */
const RATES: readonly number[] = [
  -0.99,
  ...Array.from({ length: 90 }, (_, i) => -0.9 + i * 0.02),
  ...Array.from({ length: 40 }, (_, i) => 0.9 * 1.125 ** (i + 1)),
];

/**
 * Effective annual rate at which the flows are worth nothing. Undefined where it is not one number: flows that are
 * worth nothing at no rate between -99 % and 10,000 % a year, or at several, as those that turn from spending to
 * earning and back may be.
 */
export function irr(monthlyUsd: readonly number[]): number | undefined {
  const values = RATES.map((rate) => npvUsd(monthlyUsd, rate));
  const turns = RATES.map((_, i) => i).filter((i) => i > 0 && values[i]! < 0 !== values[i - 1]! < 0);
  const turn = turns[0];
  if (turn === undefined || turns.length > 1) return undefined;
  // A loan that is worth more the dearer it is has no return.
  if (values[turn]! > 0) return undefined;
  let low = RATES[turn - 1]!;
  let high = RATES[turn]!;
  for (let i = 0; i < 70; i++) {
    const middle = (low + high) / 2;
    if (npvUsd(monthlyUsd, middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Months until the sum of the flows is back at nothing or above and stays there, counted from the start of month 0;
 * undefined when that never happens, or when nothing is ever spent.
 */
export function paybackMonths(monthlyUsd: readonly number[]): number | undefined {
  let sum = 0;
  let spent = false;
  let backSince: number | undefined;
  for (const [month, flow] of monthlyUsd.entries()) {
    sum += flow;
    if (sum < 0) {
      spent = true;
      backSince = undefined;
    } else if (spent) {
      backSince ??= month + 1;
    }
  }
  return spent ? backSince : undefined;
}

export interface Loan {
  /** Share of capital expenditure that is borrowed, as a fraction. */
  readonly share: number;
  /** Effective annual rate. */
  readonly annualRate: number;
  readonly termMonths: number;
}

/**
 * What the loan adds to the owner's flows: money drawn with each month's capital expenditure, level payments from the
 * month after it, and what is still owed paid back with the last month.
 */
export function loanFlowsUsd(capexUsd: readonly number[], { share, annualRate, termMonths }: Loan): number[] {
  const months = capexUsd.length;
  const flows = Array.from({ length: months }, () => 0);
  const perMonth = (1 + annualRate) ** (1 / 12) - 1;
  for (const [drawn, capex] of capexUsd.entries()) {
    const borrowed = capex * share;
    if (borrowed <= 0) continue;
    flows[drawn]! += borrowed;
    const level = perMonth === 0 ? borrowed / termMonths : (borrowed * perMonth) / (1 - (1 + perMonth) ** -termMonths);
    let owed = borrowed;
    for (let month = drawn + 1; month < months && month <= drawn + termMonths; month++) {
      owed = owed * (1 + perMonth) - level;
      flows[month]! -= level;
    }
    if (owed > 1e-6 * borrowed) flows[months - 1]! -= owed;
  }
  return flows;
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
