import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkStudyText, convertOffline, formatProblem, readStudy } from './convert.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const DEMO = join(ROOT, 'examples', 'demo-40mw', 'site.yaml');
const EXAMPLE = join(ROOT, 'examples', 'conversion', 'study.yaml');

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'busbar-convert-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rows = (price: number) =>
  [
    'interval_start_utc,price_usd_per_mwh',
    ...Array.from(
      { length: 96 },
      (_, i) => `${new Date(Date.UTC(2025, 5, 1) + i * 900_000).toISOString().slice(0, 19)}Z,${price}`,
    ),
    '',
  ].join('\n');
const quick = () => {
  const file = join(folder, 'study.yaml');
  writeFileSync(file, 'years: 3\noptions: [colocation, power-down]\n');
  return file;
};

test('the example study is good', async () => {
  const told = await readStudy(EXAMPLE);
  expect(told.ok).toBe(true);
});

test('prices are read from .csv, from .csv.gz and from a folder, and are the same', { timeout: 30_000 }, async () => {
  const [plain, zipped] = [join(folder, 'p.csv'), join(folder, 'z.csv.gz')];
  writeFileSync(plain, rows(31));
  writeFileSync(zipped, gzipSync(rows(31)));
  const study = quick();
  for (const prices of [plain, zipped, folder]) {
    const outcome = await convertOffline({ site: DEMO, study, prices });
    expect(outcome.ok && outcome.result.replay).toMatchObject({
      meanUsdPerMwh: 31,
      intervals: 96,
      coveragePct: 100,
      seasonal: false,
    });
    expect(outcome.ok && outcome.result.notes[0]).toMatchObject({ loud: true });
  }
});

test(
  'the recorded feed of the site is replayed where no prices are given; days asked for are cut out',
  { timeout: 30_000 },
  async () => {
    const outcome = await convertOffline({ site: DEMO, study: quick(), from: '2026-03-24', to: '2026-03-26' });
    if (!outcome.ok) throw new Error('it is good');
    expect(outcome.result.replay).toMatchObject({
      from: '2026-03-24T00:00:00Z',
      to: '2026-03-26T00:00:00Z',
      intervals: 192,
    });
    expect(outcome.result.assumptions.find(({ key }) => key === 'hashpriceUsdPerPhDay')?.from).toBe('recorded');
  },
);

test.each([
  [{ prices: '/nowhere.csv' }, '/nowhere.csv: no such file or folder'],
  [{ from: '24.3.2026' }, '--from: found "24.3.2026"'],
  [{ from: '2031-01-01' }, 'no price within the period'],
])('what is wrong with prices or period is told in words: %j', async (over, message) => {
  await expect(convertOffline({ site: DEMO, ...over })).rejects.toThrow(message);
});

test('a file that says it is gzip and is not', async () => {
  const file = join(folder, 'bad.csv.gz');
  writeFileSync(file, 'plain');
  await expect(convertOffline({ site: DEMO, prices: file })).rejects.toThrow(
    `${file}: found something that is not gzip`,
  );
  rmSync(file);
});

test('mistakes of a study are told together, each with its place', () => {
  const text = [
    'years: ten',
    'assumptions:',
    '  hashprice: 40',
    '  discountPct: { value: 9, low: 11 }',
    'parts: { h100: { usdPerGpu: -1 } }',
    'colour: green',
    '',
  ].join('\n');
  const told = checkStudyText(text, 's.yaml');
  if (told.ok) throw new Error('it is bad');
  const lines = told.problems.map(formatProblem);
  expect(told.problems.map(({ line, path }) => [line, path])).toEqual([
    [1, 'years'],
    [3, 'assumptions.hashprice'],
    [4, 'assumptions.discountPct'],
    [5, 'parts.h100.usdPerGpu'],
    [6, 'colour'],
  ]);
  expect(lines[0]).toMatch(/^s\.yaml:1:8: years: found "ten"/);
});

test('property: whatever stands in the file, the answer is a verdict, never an exception', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (text) => {
      const told = checkStudyText(text, 'f');
      expect(told.ok || told.problems.length > 0).toBe(true);
    }),
    { numRuns: 60 },
  );
});
