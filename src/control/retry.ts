import type { FaultKind } from '../model/index.ts';

/**
 * When a command that failed is tried again, on the wall clock. What may mend itself is tried soon and then ever more
 * seldom; what takes a person (a password, a firmware without the call) is not hammered: some firmware locks an account
 * that is tried too often.
 */
const PAUSES_MS: Readonly<Record<FaultKind, readonly number[]>> = {
  unreachable: [2_000, 6_000, 20_000, 120_000],
  timeout: [2_000, 6_000, 20_000, 120_000],
  garbled: [2_000, 6_000, 20_000, 120_000],
  refused: [120_000, 120_000, 600_000],
  unauthorised: [120_000, 120_000, 600_000, 3_600_000],
  unsupported: [120_000, 120_000, 3_600_000],
};

/** @param attempts so far, at least one. @returns the pause before the next */
export function retryPauseMs(kind: FaultKind, attempts: number): number {
  const pauses = PAUSES_MS[kind];
  return pauses[Math.min(attempts, pauses.length) - 1]!;
}
