import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkSiteFile, checkSiteText, formatProblem } from './check.ts';

const DEMO = join(import.meta.dirname, '..', '..', '..', 'examples', 'demo-40mw', 'site.yaml');
const text = readFileSync(DEMO, 'utf8');

/** Line and column (from 1) of the first place where `needle` stands. */
function placeOf(source: string, needle: string): { line: number; column: number } {
  const before = source.slice(0, source.indexOf(needle));
  return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') };
}

test('the demo is good', async () => {
  const checked = await checkSiteFile(DEMO);
  expect(checked.ok && checked.machines.length).toBe(9_100);
});

test('several mistakes are told together, each with file, line, column and what stands there', () => {
  const bad = text
    .replace('limitMw: 40', 'limitMw: forty')
    .replace('breakerMw: 7\n', 'breakerMw: -7\n')
    .replace('driver: luxos', 'driver: luxor')
    .replace('poolFeePct: 1', 'poolFeePercent: 1')
    .replace('blockMw: 30', 'blockMw: 30\n  colour: green');
  const checked = checkSiteText(bad, 'site.yaml');
  if (checked.ok) throw new Error('it is bad');
  const byPath = new Map(checked.problems.map((problem) => [problem.path, problem]));
  const expected = [
    ['connection.limitMw', 'limitMw: forty', '"forty"'],
    ['halls[1].breakerMw', 'breakerMw: -7', '-7'],
    ['mining.poolFeePercent', 'poolFeePercent: 1', '1'],
    ['tariff.colour', 'colour: green', '"green"'],
  ] as const;
  for (const [path, needle, found] of expected) {
    const problem = byPath.get(path);
    expect(problem, path).toMatchObject({ file: 'site.yaml', found });
    const { line, column } = placeOf(bad, needle);
    const value = column + needle.indexOf(' ') + 1;
    expect(problem!.line, path).toBe(line);
    expect([column, value], path).toContain(problem!.column);
    expect(formatProblem(problem!)).toBe(
      `site.yaml:${problem!.line}:${problem!.column}: ${path}: found ${found}: ${problem!.message}`,
    );
  }
  expect(checked.problems.map(({ line }) => line)).toEqual(
    checked.problems.map(({ line }) => line).toSorted((a, b) => a - b),
  );
});

test('what only the whole site shows is told with its place too', () => {
  const bad = text.replace('driver: luxos', 'driver: luxor').replace('    hall: c\n', '    hall: x\n');
  const checked = checkSiteText(bad, 'site.yaml');
  if (checked.ok) throw new Error('it is bad');
  expect(checked.problems.map(({ path }) => path)).toEqual(['machines[0].driver', 'machines[2].hall']);
  expect(checked.problems[0]!.line).toBe(placeOf(bad, 'driver: luxor').line);
  expect(checked.problems[1]!.line).toBe(placeOf(bad, 'hall: x').line);
});

test('what is missing is told at the nearest place above it', () => {
  const bad = text.replace('  limitMw: 40\n', '');
  const checked = checkSiteText(bad, 'site.yaml');
  if (checked.ok) throw new Error('it is bad');
  expect(checked.problems).toHaveLength(1);
  expect(checked.problems[0]).toMatchObject({ path: 'connection.limitMw', line: placeOf(bad, 'connection:').line });
});

test('a file that is no YAML, an empty one and an absent one are told as such', async () => {
  const broken = checkSiteText('name: [unclosed\nhalls: {', 'x.yaml');
  expect(broken.ok).toBe(false);
  expect(!broken.ok && broken.problems[0]!.line).toBeGreaterThan(0);
  expect(checkSiteText('', 'x.yaml').ok).toBe(false);
  const absent = await checkSiteFile('/nowhere/site.yaml');
  expect(!absent.ok && absent.problems).toMatchObject([{ message: 'no such file', line: 1, column: 1 }]);
});

test('an alias without its anchor is told where it stands', () => {
  const checked = checkSiteText('name: x\nhalls: *nowhere\n', 'x.yaml');
  expect(!checked.ok && checked.problems).toEqual([
    {
      file: 'x.yaml',
      line: 2,
      column: 8,
      path: '',
      message: 'no anchor "&nowhere" stands before this',
      found: '*nowhere',
      severity: 'error',
    },
  ]);
});

test('aliases that multiply without end are refused', () => {
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefgh'.split('').map((k, i) => `${k}: &${k} [${`*${'abcdefgh'[i]}, `.repeat(8)}*${'abcdefgh'[i]}]`),
  ];
  expect(checkSiteText(bomb.join('\n'), 'x.yaml').ok).toBe(false);
});

test('property: whatever stands in the file, the answer is a verdict with places inside it, never an exception', () => {
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(40), fc.string({ maxLength: 12 }), (at, cut, put) => {
      const bad = `${text.slice(0, at)}${put}${text.slice(at + cut)}`;
      const checked = checkSiteText(bad, 'f');
      if (checked.ok) return;
      const lines = bad.split('\n').length;
      expect(checked.problems.length).toBeGreaterThan(0);
      for (const { line, column } of checked.problems) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines + 1);
        expect(column).toBeGreaterThanOrEqual(1);
      }
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 40) },
  );
});
