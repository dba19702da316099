/**
 * Proof at the meter: a command's answer is never proof, and a machine's own watts are only its word. What a group
 * of machines claims to have changed must show, with its share of cooling, in the hall's meter.
 */
export interface MeterClaim {
  /** Hall meter before the first command, and now. */
  readonly meterBeforeW: number;
  readonly meterNowW: number;
  /** What all machines of the hall said they drew, before and now: others may have changed meanwhile. */
  readonly machinesBeforeW: number;
  readonly machinesNowW: number;
  /** What the commanded machines say they changed. */
  readonly claimedW: number;
  /** Watts of cooling per further watt of machine. */
  readonly coolingPerW: number;
}

export type MeterVerdict = 'confirmed' | 'contradicted' | 'too-small';

/** A meter of class 0.5 and machines that report 5-20 % off: less than this cannot be told from noise. */
const NOISE_FRACTION = 0.005;
const NOISE_W = 15_000;
const TOLERANCE = 0.3;

export function judge(claim: MeterClaim): MeterVerdict {
  const noiseW = NOISE_W + NOISE_FRACTION * Math.max(claim.meterBeforeW, claim.meterNowW);
  if (Math.abs(claim.claimedW) < noiseW) return 'too-small';
  const expectedW = (claim.machinesNowW - claim.machinesBeforeW) * (1 + claim.coolingPerW);
  const seenW = claim.meterNowW - claim.meterBeforeW;
  return Math.abs(seenW - expectedW) <= TOLERANCE * Math.abs(expectedW) + noiseW ? 'confirmed' : 'contradicted';
}
