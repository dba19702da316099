import { expect, test } from 'vitest';
import { siteMs } from './clock.ts';
import { programCallFacts } from './programs.ts';

const site = {
  programs: [
    {
      id: 'ers',
      product: 'ERCOT ERS',
      firmMw: 3,
      noticeMinutes: 30,
      penaltyUsdPerMwh: 2_500,
      calls: [
        { at: '2026-08-11T16:05:00-05:00', until: '2026-08-11T19:00:00-05:00' },
        { at: '2026-08-12T16:05:00-05:00', until: '2026-08-12T19:00:00-05:00' },
      ],
    },
  ],
};
const at = (text: string) => siteMs(Date.parse(text));

test('import has to be down when the notice has passed, until the call ends; what is over is gone', () => {
  expect(programCallFacts(site, at('2026-08-12T12:00:00Z'))).toEqual([
    {
      id: 'ers',
      firmW: 3e6,
      penaltyUsdPerMwh: 2_500,
      from: at('2026-08-12T21:35:00Z'),
      until: at('2026-08-13T00:00:00Z'),
    },
  ]);
  expect(programCallFacts(site, at('2026-08-12T23:59:59Z'))).toHaveLength(1);
  expect(programCallFacts(site, at('2026-08-13T00:00:00Z'))).toEqual([]);
  expect(programCallFacts(site, at('2026-08-01T00:00:00Z'))).toEqual([]);
});
