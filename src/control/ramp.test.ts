import { expect, test } from 'vitest';
import { siteMs } from '../model/index.ts';
import { createRamp } from './ramp.ts';

test('import goes up by no more than the rate, whatever the size of the steps, and a still hour saves up no jump', () => {
  let now = 0;
  const ramp = createRamp(
    () => 60e3,
    () => siteMs(now),
  );
  for (const stepW of [3e3, 12e3]) {
    now += 3_600_000;
    let raisedW = 0;
    const from = now;
    for (; now < from + 600_000; now += 400) {
      if (!ramp.mayChange('up')) continue;
      ramp.spend(stepW);
      raisedW += stepW;
    }
    // Ten minutes at the rate, six seconds saved up, and the machine that was let through last.
    expect(raisedW).toBeGreaterThanOrEqual(600e3);
    expect(raisedW).toBeLessThanOrEqual(606e3 + stepW);
  }
});

test('up and down are counted apart, and without a rate everything may change', () => {
  let now = 0;
  let rate: number | undefined = 60e3;
  const ramp = createRamp(
    () => rate,
    () => siteMs(now),
  );
  now = 60_000;
  ramp.spend(-30e3);
  expect([ramp.mayChange('down'), ramp.mayChange('up')]).toEqual([false, true]);
  rate = undefined;
  expect(ramp.mayChange('down')).toBe(true);
});
