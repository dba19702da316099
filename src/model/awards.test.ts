import { expect, test } from 'vitest';
import { awardFacts } from './awards.ts';
import { isoUtc, siteMs } from './clock.ts';
import { siteSchema } from './site.ts';

const TERMS = {
  id: 'ecrs',
  product: 'ERCOT ECRS',
  mw: 2,
  usdPerMwHour: 15,
  shortfallUsdPerMwh: 25,
  responseSeconds: 600,
};
const spans = (change: object, at: string): string[] => {
  const site = {
    timezone: 'America/Chicago',
    awards: [siteSchema.shape.awards.unwrap().element.parse({ ...TERMS, ...change })],
  };
  const facts = awardFacts(site, siteMs(Date.parse(at)));
  return facts.flatMap((one) => one.spans.map(({ from, until }) => `${isoUtc(from)} ${isoUtc(until)}`));
};

test('hours are those of the site, every day from first to last', () => {
  const hours = { from: '14:00', until: '20:30' };
  expect(spans({ hours, from: '2026-06-02', until: '2026-06-03' }, '2026-06-02T03:00:00Z')).toEqual([
    '2026-06-02T19:00:00Z 2026-06-03T01:30:00Z',
    '2026-06-03T19:00:00Z 2026-06-04T01:30:00Z',
  ]);
  expect(spans({ hours, until: '2026-06-01' }, '2026-06-02T12:00:00Z')).toEqual([]);
});

test('a whole day is 23 hours long where the clocks go forward, and what is before noon moves with them', () => {
  const at = '2026-03-08T12:00:00Z';
  expect(spans({ until: '2026-03-08' }, at)).toEqual(['2026-03-08T06:00:00Z 2026-03-09T05:00:00Z']);
  expect(spans({ hours: { from: '01:00', until: '06:00' }, until: '2026-03-08' }, at)).toEqual([
    '2026-03-08T07:00:00Z 2026-03-08T11:00:00Z',
  ]);
});

test('a site without awards holds nothing', () =>
  expect(awardFacts({ timezone: 'UTC', awards: [] }, siteMs(0))).toEqual([]));
