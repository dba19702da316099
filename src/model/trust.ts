/**
 * How far Busbar may act on machines, ascending. In **shadow** it plans and writes to nothing; in **suggest** it tells what it would
 * change, and a person confirms; in **auto** it carries its plans out.
 */
export const TRUST = ['shadow', 'suggest', 'auto'] as const;
export type Trust = (typeof TRUST)[number];

/** The one that lets Busbar do less. */
export const lesserTrust = (one: Trust, other: Trust): Trust =>
  TRUST.indexOf(one) < TRUST.indexOf(other) ? one : other;
