import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../../model/index.ts';
import { backtestOffline, type BacktestFiles } from './backtest.ts';

const SITE = join(import.meta.dirname, '..', '..', '..', 'examples', 'garage', 'site.yaml');
const START = Date.UTC(2025, 4, 1);
const TIMES = { prices: 15 * MINUTE, weather: HOUR, network: DAY };

let folder: string;
let files: BacktestFiles;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-backtest-'));
  const rows = (header: string, stepMs: number, figures: (i: number) => string) =>
    [
      header,
      ...Array.from({ length: (2 * DAY) / stepMs }, (_, i) => {
        const time = new Date(START + i * stepMs).toISOString();
        return `${stepMs === DAY ? time.slice(0, 10) : `${time.slice(0, 19)}Z`},${figures(i)}`;
      }),
      '',
    ].join('\n');
  const prices = rows('interval_start_utc,price_usd_per_mwh', TIMES.prices, (i) => String(20 + (i % 96)));
  const weather = rows('time_utc,temperature_c,dew_point_c', TIMES.weather, () => '22,15');
  const network = rows('day_utc,difficulty,btc_usd,fees_btc_per_block', TIMES.network, () => '1.2e14,95000,0.05');
  mkdirSync(join(folder, 'prices'));
  const [head, ...lines] = prices.trim().split('\n');
  writeFileSync(join(folder, 'prices', 'first.csv.gz'), gzipSync([head, ...lines.slice(0, 96)].join('\n')));
  writeFileSync(join(folder, 'prices', 'second.csv'), [head, ...lines.slice(96)].join('\n'));
  writeFileSync(join(folder, 'prices', 'read.me'), 'no prices');
  writeFileSync(join(folder, 'weather.csv'), weather);
  writeFileSync(join(folder, 'network.csv'), network);
  files = {
    site: SITE,
    prices: [join(folder, 'prices')],
    weather: [join(folder, 'weather.csv')],
    network: [join(folder, 'network.csv')],
    from: '2025-05-01',
    to: '2025-05-03',
  };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test(
  'a folder of plain and packed files is read, and every policy runs through the period',
  { timeout: 60_000 },
  async () => {
    const shares: number[] = [];
    const whats = new Set<string>();
    const onProgress = (share: number, what: string) => {
      shares.push(share);
      whats.add(what);
    };
    const outcome = await backtestOffline({ ...files, onProgress });
    if (!outcome.ok) throw new Error('the site is good');
    const { result } = outcome;
    expect(result).toMatchObject({ from: '2025-05-01T00:00:00Z', to: '2025-05-03T00:00:00Z', coincidentPeak: null });
    expect(result.outcomes.rule!.profitUsd).toBe(result.ruleProfitUsd);
    expect(result.outcomes.practice).toBeNull();
    expect(result.notes.filter((note) => note.includes('held constant'))).toEqual([
      expect.stringMatching(/^no price of \S+ was recorded: held constant at the list price of \$[\d.]+ per GPU-hour$/),
    ]);
    expect(shares.every((share, i) => share >= (shares[i - 1] ?? 0) && share <= 1 + 1e-9)).toBe(true);
    expect(shares.at(-1)).toBeCloseTo(1, 6);
    expect([...whats]).toEqual([
      'reading files',
      '2025-05 plan',
      '2025-05 rule',
      '2025-05 always-on',
      '2025-05 foresight',
    ]);
  },
);

test('the same prices in one file are the same history', { timeout: 60_000 }, async () => {
  const parts = [join(folder, 'prices', 'second.csv'), join(folder, 'prices', 'first.csv.gz')];
  const seen: number[] = [];
  const outcome = await backtestOffline({ ...files, prices: parts }, async ({ history, from, to }) => {
    const [prices] = history.series;
    seen.push(
      prices!.points.length,
      to - from,
      prices!.points.reduce((sum, { value }) => sum + value, 0),
    );
    throw new Error('enough seen');
  }).catch((error: unknown) => error);
  expect(outcome).toMatchObject({ message: 'enough seen' });
  expect(seen).toEqual([192, 2 * DAY, 2 * (96 * 20 + (95 * 96) / 2)]);
});

test.each<[Partial<BacktestFiles>, string]>([
  [{ from: '1.5.2025' }, '--from: found "1.5.2025", expected a day such as 2025-01-01'],
  [{ to: '2025-02-30' }, '--to: found "2025-02-30", expected a day'],
  [{ to: '2025-05-01' }, '--to: found 2025-05-01, expected a day after 2025-05-01'],
  [
    { to: '2025-06-01' },
    'first.csv.gz, second.csv: found prices from 2025-05-01T00:00:00Z to 2025-05-03T00:00:00Z, expected',
  ],
  [{ weather: ['/nowhere.csv'] }, '/nowhere.csv: no such file or folder'],
])('what is wrong with files or period is told in words: %j', async (change, message) => {
  await expect(backtestOffline({ ...files, ...change })).rejects.toThrow(message);
});

test('faults of a file are told with the path it was given by', async () => {
  const bad = join(folder, 'bad.csv');
  writeFileSync(bad, 'day_utc,difficulty,btc_usd,fees_btc_per_block\n2025-05-01,0,1,1\n');
  await expect(backtestOffline({ ...files, network: [bad] })).rejects.toThrow(`${bad}:2: found 0 as difficulty`);
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  await expect(backtestOffline({ ...files, load: [empty] })).rejects.toThrow(`${empty}: no .csv or .csv.gz files`);
});

test('a bad site file is a list of problems with their places', async () => {
  const site = join(folder, 'site.yaml');
  writeFileSync(site, 'name: 5\n');
  const outcome = await backtestOffline({ ...files, site });
  expect(outcome.ok).toBe(false);
  expect(!outcome.ok && outcome.problems[0]).toMatchObject({ file: site, line: 1 });
});
