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

const HIGHEST_RATE = 100;
const LOWEST_RATE = -0.99;

/**
 * Effective annual rate at which the flows are worth nothing. Undefined where it is not one number: flows of one sign
 * only, or flows that turn from spending to earning and back, which may have several rates.
 */
export function irr(monthlyUsd: readonly number[]): number | undefined {
  const signs = monthlyUsd.filter((flow) => flow !== 0).map((flow) => Math.sign(flow));
  const turns = signs.filter((sign, i) => i > 0 && sign !== signs[i - 1]).length;
  if (turns !== 1 || signs[0] !== -1) return undefined;
  let low = LOWEST_RATE;
  let high = HIGHEST_RATE;
  if (npvUsd(monthlyUsd, low) < 0 || npvUsd(monthlyUsd, high) > 0) return undefined;
  for (let i = 0; i < 80; i++) {
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
