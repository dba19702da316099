import { modeFromKey, modeKey, type OperatingMode, type Reading } from '../model/index.ts';

/** What a mode should show: watts and hashrate of one machine. */
export interface Expected {
  /** What the machine should draw and hash in a mode, by its own points or the catalogue. */
  expect(mode: OperatingMode): { powerW: number; hashrateThs: number } | undefined;
}

/**
 * Is a machine in the mode wanted of it, by what it says? `default` is what a model runs from the factory. One that names
 * its profiles itself knows that by another name: until it has told them all, and after, it is there when it runs.
 */
export function isInMode(target: Expected, mode: OperatingMode, wanted: string): boolean {
  if (modeKey(mode) === wanted) return true;
  if (wanted !== 'default' || mode.kind !== 'run') return false;
  return target.expect(modeFromKey(wanted)) === undefined || target.expect(mode) === undefined;
}

/**
 * Does a reading show the mode, in what the machine says and in what it draws? Where watts are only estimated from
 * hashrate, the hashrate is the evidence.
 */
export function showsMode(target: Expected, reading: Reading, wanted: string): boolean {
  if (reading.mode === undefined || !isInMode(target, reading.mode, wanted)) return false;
  const { mode } = reading;
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
