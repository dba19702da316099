import { z } from 'zod';
import { creditUsd, toMicroUsd, type AvailabilityCredit } from '../model/index.ts';

/** Of a contract that promises an availability, in a month. */
export const availabilitySum = z.object({
  customer: z.string(),
  /** Committed GPU-hours of which is known what was served, and those of them that were wanted and not. */
  seenGpuHours: z.number(),
  missedGpuHours: z.number(),
  /** As they were when the month was last looked at. */
  terms: z
    .object({
      promisedPct: z.number(),
      committedGpuHours: z.number(),
      elapsedGpuHours: z.number(),
      missableGpuHours: z.number(),
      creditUsd: z.number(),
    })
    .optional(),
});
export type AvailabilitySum = z.output<typeof availabilitySum>;

/** What is promised for a month, and how much of it has passed. */
export interface AvailabilityTerms {
  readonly promisedPct: number;
  /** Of the month, and of its part that has passed. */
  readonly committedGpuHours: number;
  readonly elapsedGpuHours: number;
  readonly credits: readonly AvailabilityCredit[];
}

/** What is due is decided by what is known to be missed: a customer is credited nothing that nobody saw. */
export const withTerms = (
  sum: AvailabilitySum,
  { promisedPct, committedGpuHours, elapsedGpuHours, credits }: AvailabilityTerms,
): AvailabilitySum => ({
  ...sum,
  terms: {
    promisedPct,
    committedGpuHours,
    elapsedGpuHours,
    missableGpuHours: credits[0]!.missableGpuHours,
    creditUsd: creditUsd(credits, sum.missedGpuHours),
  },
});

/** A line of a statement; money in micro-dollars. */
export interface AvailabilityLine {
  readonly contract: string;
  readonly promisedPct: number;
  /** Of what is known so far; undefined where what nobody knows could be more than the month may still miss. */
  readonly availabilityPct: number | undefined;
  readonly missedGpuHours: number;
  /** Of the whole month, until the first credit. */
  readonly missableGpuHours: number;
  readonly unknownGpuHours: number;
  readonly amount: number;
}

/** @param isOver the month: all of it counts */
export function availabilityLine(
  contract: string,
  { seenGpuHours, missedGpuHours, terms }: AvailabilitySum,
  isOver: boolean,
): AvailabilityLine[] {
  if (terms === undefined) return [];
  const { promisedPct, committedGpuHours, elapsedGpuHours, missableGpuHours } = terms;
  const unknownGpuHours = Math.max(0, (isOver ? committedGpuHours : elapsedGpuHours) - seenGpuHours);
  const isKnown =
    seenGpuHours > 0 && (missedGpuHours > missableGpuHours || missedGpuHours + unknownGpuHours <= missableGpuHours);
  return [
    {
      contract,
      promisedPct,
      availabilityPct: isKnown ? 100 * (1 - missedGpuHours / seenGpuHours) : undefined,
      missedGpuHours,
      missableGpuHours,
      unknownGpuHours,
      amount: toMicroUsd(terms.creditUsd),
    },
  ];
}
