import { expect, test } from 'vitest';
import { runCampaign } from '../../scripts/campaign/run.ts';

test('a short campaign of faults breaks no rule, and the site comes back', { timeout: 600_000 }, async () => {
  const report = await runCampaign({
    hours: 0.1,
    seed: 5,
    speed: 10,
    faults: 30,
    offset: 16_060,
    say: () => {},
  });
  expect(report.broken).toEqual([]);
  expect(report).toMatchObject({ faults: 30, settledAfterS: expect.any(Number) });
  expect(Object.keys(report.byFault).length).toBeGreaterThan(6);
  expect(report.looks).toBeGreaterThan(100);
});
