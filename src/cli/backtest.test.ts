import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { sampleResult } from '../strategy/backtest/sample.ts';
import { addBacktest, backtestText } from './backtest.ts';
import { completionVerb } from './completion.ts';
import { progressLine } from './output.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SITE = join(ROOT, 'examples', 'garage', 'site.yaml');
let folder: string;
let args: string[];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-backtest-cli-'));
  const write = (name: string, ...lines: string[]) => {
    writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
    return join(folder, name);
  };
  const hours = Array.from({ length: 24 }, (_, i) => `2025-05-01T${String(i).padStart(2, '0')}:00`);
  args = [
    '--site',
    SITE,
    '--prices',
    write('p.csv', 'interval_start_utc,price_usd_per_mwh', ...hours.map((hour, i) => `${hour},${i}`)),
    '--weather',
    write('w.csv', 'time_utc,temperature_c,dew_point_c', ...hours.map((hour) => `${hour},20,10`)),
    '--network',
    write('n.csv', 'day_utc,difficulty,btc_usd,fees_btc_per_block', '2025-05-01,1.2e14,95000,0.03'),
    '--from',
    '2025-05-01',
    '--to',
    '2025-05-02',
  ];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

/** Runs the verb and hands back what it printed. */
async function ran(...more: readonly string[]): Promise<string> {
  const out: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addBacktest(program, async ({ site }) => sampleResult({ site: site.name }));
  await program.parseAsync([...args, ...more].toSpliced(0, 0, 'node', 'busbar', 'backtest'));
  return out.join('');
}

test('the summary: profits, shares of the gap, sources, peaks and months, in lines of 100 columns', async () => {
  const report = join(folder, 'out.html');
  const text = await ran('--report', report);
  for (const figure of [
    /^plan +\$5,985,200 /m,
    /^rule +\$3,625,700 /m,
    /^practice +\$4,569,500 /m,
    /^always on +\$2,210,000 /m,
    /^foresight +\$6,929,000 /m,
    /from the rule to foresight the plan closed 71\.4 %/,
    /from practice to foresight the plan closed 60\.0 %/,
    /^mining +\$14,480,000 +\$14,930,000 /m,
    /^coincident peaks +-\$580,000 /m,
    /^2025-08-18 21:00 +78,915 +21\.7$/m,
    /87\.3 % of what miners .* 61\.5 hours/s,
    /^2025-12 +\$/m,
    /NOTE: no GPU prices are given/,
  ])
    expect(text).toMatch(figure);
  expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
  expect(text).toContain(`report written to ${report}`);
  expect(readFileSync(report, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\s*$/);
});

test('a site without peaks and a period without a gap say so', () => {
  const { outcomes } = sampleResult();
  const text = backtestText(
    sampleResult({
      practiceProfitUsd: null,
      gapClosed: null,
      gapClosedOverPractice: null,
      coincidentPeak: null,
      outcomes: { ...outcomes, practice: null },
    }),
  );
  expect(text).toContain('Foresight earns no more than the rule: there is no gap to close.');
  expect(text).not.toMatch(/Coincident peaks|practice/);
});

test('a garage is told in cents', () => {
  const { outcomes } = sampleResult();
  const plan = { ...outcomes.plan!, profitUsd: -2.345 };
  const text = backtestText(
    sampleResult({ outcomes: { plan, rule: null, practice: null, 'always-on': null, foresight: null } }),
  );
  expect(text).toMatch(/^plan +-\$2\.35 /m);
});

test('--json is the whole result', async () => {
  const told: unknown = JSON.parse(await ran('--json'));
  expect(told).toMatchObject({ gapClosed: sampleResult().gapClosed, months: { length: 12 } });
});

test('a fault of a file ends in an error that names file and line', async () => {
  const bad = join(folder, 'bad.csv');
  writeFileSync(bad, 'hour_start_utc,load_mw\n2025-05-01T00:00Z,-1\n');
  await expect(ran('--load', bad)).rejects.toMatchObject({
    message: `${bad}:2: found -1 as load_mw, expected a load in MW, not below 0`,
  });
  await expect(ran('--report', join(folder, 'no', 'where.html'))).rejects.toThrow('the report could not be written');
});

test('from a shell: a fault is on the error stream and the exit status is 1', { timeout: 60_000 }, async () => {
  const bad = join(folder, 'shell.csv');
  writeFileSync(bad, 'hour_start_utc,load_mw\n2025-05-01T00:00Z,x\n2025-05-01T01:00Z,1\n');
  const told = await new Promise((resolve) => {
    const command = [join(ROOT, 'bin', 'busbar.js'), 'backtest', ...args, '--load', bad];
    execFile(process.execPath, command, (error, out, err) => resolve([error?.code, out, err]));
  });
  expect(told).toEqual([1, '', `busbar: ${bad}:2: found "x" as load_mw, expected a load in MW, not below 0\n`]);
});

test('an option may be given several times, and without one that is needed nothing starts', async () => {
  await expect(ran('--prices', join(folder, 'p.csv'))).rejects.toThrow('two files tell the same times');
  args = args.slice(2);
  await expect(ran()).rejects.toThrow("required option '--site <site.yaml>' not specified");
});

test('completion knows the verb and its options', async () => {
  const out: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  const program = new Command();
  addBacktest(program);
  completionVerb(program);
  await program.parseAsync(['node', 'busbar', 'completion', 'bash']);
  expect(out.join('')).toMatch(
    /backtest\) words="--site --prices --weather --network --day-ahead --gpu-prices --load --gpu-demand --from --to --report --regret --jobs --resume --json"/,
  );
});

test('progress: percent, time gone and what is left; nothing where no terminal is or it is not wanted', () => {
  const told: string[] = [];
  const terminal = { isTTY: true, write: (text: string) => told.push(text) };
  let nowMs = 1_000;
  const line = progressLine(true, () => nowMs, terminal);
  line.show(0, 'reading files');
  nowMs += 30_000;
  line.show(0.25, 'plan');
  line.show(0.25, 'plan');
  line.clear();
  expect(told.map((text) => text.replace('\r\u001b[K', ''))).toEqual([
    '0 % reading files, 0 s gone',
    '25 % plan, 30 s gone, about 90 s left',
    '',
  ]);
  told.length = 0;
  for (const quiet of [
    progressLine(false, () => nowMs, terminal),
    progressLine(true, () => nowMs, { ...terminal, isTTY: false }),
  ]) {
    quiet.show(0.5, 'plan');
    quiet.clear();
  }
  expect(told).toEqual([]);
});
