import { expect, test } from 'vitest';
import { backtestHtml } from './report.ts';
import { gainsOf, sourcesOf } from './report-words.ts';
import { sampleResult } from './sample.ts';
import { POLICIES } from './types.ts';

test('one file: nothing is fetched, no script runs', () => {
  const html = backtestHtml(sampleResult());
  expect(html).toMatch(/^<!doctype html>[\s\S]*<\/html>\s*$/);
  expect(html).not.toMatch(/<script|<link|<img|url\(|@import|https?:/);
  expect(html).not.toMatch(/NaN|undefined|Infinity|null/);
});

test('the figures stand in it: answer, shares, sources, months, peaks, notes', () => {
  const html = backtestHtml(sampleResult());
  const { plan } = sampleResult().outcomes;
  const wanted = [
    'the plan would have earned',
    '71.4 %',
    '60.0 %',
    '87.3 %',
    '61.5',
    `$${plan!.miningUsd.toLocaleString('en-US')}`,
    `-$${plan!.demandUsd.toLocaleString('en-US')}`,
    '2025-12',
    '2025-08-18 21:00',
    '78,915',
    '21.7',
    'held constant over the period',
  ];
  expect(wanted.filter((figure) => !html.includes(figure))).toEqual([]);
});

test('a doubted unit comes before all figures', () => {
  const html = backtestHtml(sampleResult());
  expect(html.indexOf('are they in $/kWh')).toBeLessThan(html.indexOf('Profit by policy'));
});

test('every text is escaped', () => {
  const evil = '<img src=x onerror="alert(1)">&';
  const html = backtestHtml(sampleResult({ site: evil, notes: [evil] }));
  expect(html).not.toContain('<img');
  expect(html).toContain('&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;');
});

test('a site without a charge on peaks has no such section; one month and losses are drawn', () => {
  const whole = sampleResult();
  const outcome = { ...whole.outcomes.plan!, profitUsd: -1_000_000 };
  const html = backtestHtml(
    sampleResult({
      practiceProfitUsd: null,
      gapClosed: null,
      gapClosedOverPractice: null,
      coincidentPeak: null,
      outcomes: { ...whole.outcomes, plan: outcome, practice: null },
      months: whole.months.slice(0, 1),
      notes: [],
    }),
  );
  expect(html).not.toMatch(/Coincident peaks<\/h2>|over practice|NaN|Infinity/);
  expect(html).toContain('-$1.00M');
});

test('what was missed stands in it by cause, where it was asked for', () => {
  expect(backtestHtml(sampleResult())).not.toContain('Short of foresight');
  const regret = { forecastUsd: 310_000, roundingUsd: 1_234, horizonUsd: 22_000 };
  const html = backtestHtml(sampleResult({ regret }));
  for (const words of ['Short of foresight', 'no forecast could know', '$310,000', '$1,234', '$22,000'])
    expect(html).toContain(words);
});

test('what the plan did better adds up to what it earned more', () => {
  const result = sampleResult();
  const sum = gainsOf(result).reduce((total, { usd }) => total + usd, 0);
  expect(sum).toBeCloseTo(result.profitUsd - result.ruleProfitUsd, 4);
});

test('the sources of a policy add up to its profit', () => {
  for (const policy of POLICIES) {
    const outcome = sampleResult().outcomes[policy]!;
    expect(sourcesOf(outcome).reduce((sum, { usd }) => sum + usd, 0)).toBeCloseTo(outcome.profitUsd, 4);
  }
});
