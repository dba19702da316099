import { expect, test } from 'vitest';
import { drivers } from '../../src/drivers/index.ts';
import { fuzzDriver } from '../support/fuzz.ts';

/** Damaged answers for each driver here; a million of them in `npm run soak -- --fuzz`. */
const RUNS = 20_000;

test.each(drivers.map(({ name }) => name))(
  '%s: damaged answers end in a fault or a sane reading',
  { timeout: 120_000 },
  async (name) => {
    const report = await fuzzDriver(name, RUNS, 20_261_124);
    expect(report.wrong).toEqual([]);
    expect(report.faults + report.readings).toBe(RUNS);
    // Damage that never shows, or always kills, would test nothing.
    expect(report.faults).toBeGreaterThan(RUNS / 100);
  },
);
