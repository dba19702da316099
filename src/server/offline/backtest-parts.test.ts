import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DAY, siteMs } from '../../model/index.ts';
import { coupledSite, JULY, JUNE, madeUpHistory } from '../../strategy/backtest/fixture.ts';
import { runBacktest, type BacktestRequest } from '../../strategy/backtest/index.ts';
import type { BacktestResult } from '../../strategy/backtest/types.ts';
import { partsSideBySide } from './backtest-parts.ts';

/** A day of one month and one of the next. */
const REQUEST: BacktestRequest = {
  site: coupledSite(),
  history: madeUpHistory(),
  from: siteMs(JUNE - DAY),
  to: siteMs(JUNE + DAY),
  regret: true,
};
let folder: string;
let here: BacktestResult;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-backtest-parts-'));
  here = await runBacktest(REQUEST);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('months side by side come to what they do one after the other, and are kept', async () => {
  const shares: number[] = [];
  const side = await runBacktest({
    ...REQUEST,
    runParts: partsSideBySide(2, folder),
    onProgress: (share) => void shares.push(share),
  });
  expect(side).toEqual(here);
  expect(side.months.map(({ month }) => month)).toEqual(['2025-05', '2025-06']);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBeCloseTo(1, 12);
  expect(readdirSync(folder)).toHaveLength(2);
});

test('what is kept is taken up, what was cut off is run again, and another site is another run', async () => {
  const [may, june] = readdirSync(folder)
    .toSorted()
    .map((name) => join(folder, name));
  // A profit that no run would come to shows where a figure is from.
  const kept = JSON.parse(readFileSync(may!, 'utf8'));
  kept.walks.rule.outcome.profitUsd += 1000;
  writeFileSync(may!, JSON.stringify(kept));
  writeFileSync(june!, readFileSync(june!, 'utf8').slice(0, 100));
  const again = await runBacktest({ ...REQUEST, runParts: partsSideBySide(2, folder) });
  expect(again.ruleProfitUsd).toBeCloseTo(here.ruleProfitUsd + 1000, 6);
  expect(JSON.parse(readFileSync(june!, 'utf8'))).toHaveProperty('walks');
  const other = { ...REQUEST.site, name: 'Other' };
  await runBacktest({ ...REQUEST, site: other, to: JUNE, runParts: partsSideBySide(2, folder) });
  expect(readdirSync(folder)).toHaveLength(3);
});

test('what a part fails of is told in words', async () => {
  const { history } = REQUEST;
  const series = history.series.filter(({ name }) => name !== 'difficulty');
  const run = runBacktest({ ...REQUEST, history: { ...history, series }, runParts: partsSideBySide(2, undefined) });
  await expect(run).rejects.toThrow('no difficulty is told');
});

test('what the plan earned more, by source, and what it missed, by cause, add up', () => {
  const sum = (all: Readonly<Record<string, number>>): number =>
    Object.values(all).reduce((total, usd) => total + usd, 0);
  expect(sum(here.gains)).toBeCloseTo(here.profitUsd - here.ruleProfitUsd, 6);
  expect(sum({ ...here.regret! })).toBeCloseTo(here.foresightProfitUsd - here.profitUsd, 6);
  expect(here.gains.operatingPoints).not.toBe(0);
});

test('a period is cut at months of the site, and hours of a neighbour month go with it', async () => {
  const { months } = await runBacktest({ ...REQUEST, from: siteMs(JULY - 6 * 3_600_000), to: siteMs(JULY + DAY / 2) });
  expect(months.map(({ month }) => month)).toEqual(['2025-06', '2025-07']);
});
