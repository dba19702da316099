import { modeFromKey, modeKey, type OperatingMode, type Reading } from '../model/index.ts';

/** What a mode should show: watts and hashrate of one machine. */
export interface Expected {
  /** What the machine should draw and hash in a mode, by its own points or the catalogue. */
  expect(mode: OperatingMode): { powerW: number; hashrateThs: number } | undefined;
}

/**
 * Does a reading show the mode, in what the machine says and in what it draws? Where watts are only estimated from
 * hashrate, the hashrate is the evidence.
 */
export function showsMode(target: Expected, reading: Reading, wanted: string): boolean {
  if (reading.mode === undefined || modeKey(reading.mode) !== wanted) return false;
  const mode = modeFromKey(wanted);
  const expected = target.expect(mode);
  if (mode.kind === 'sleep') {
    if (reading.powerBasis === 'measured' && reading.powerW !== undefined)
      return reading.powerW <= Math.max(150, 3 * (expected?.powerW ?? 0));
    return reading.hashrateThs !== undefined && reading.hashrateThs <= 0;
  }
  if (expected === undefined) return reading.hashrateThs !== undefined && reading.hashrateThs > 0;
  if (reading.powerBasis === 'measured' && reading.powerW !== undefined) return reading.powerW >= 0.7 * expected.powerW;
  return reading.hashrateThs !== undefined && reading.hashrateThs >= 0.6 * expected.hashrateThs;
}
