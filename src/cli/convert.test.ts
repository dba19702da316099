import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { convertResult } from '../model/convert-api.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const DEMO = join(ROOT, 'examples', 'demo-40mw', 'site.yaml');
let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'busbar-convert-cli-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}
const convert = (...args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'bin', 'busbar.js'), 'convert', ...args],
      { maxBuffer: 32 * 1024 * 1024 },
      (error, out, err) => resolve({ status: error === null ? 0 : Number(error.code ?? 1), out, err }),
    );
  });

test(
  'the answer comes first, in lines a terminal of 100 columns can hold; the report is written',
  { timeout: 60_000 },
  async () => {
    const report = join(folder, 'out.html');
    const { out, err, status } = await convert(
      DEMO,
      '--study',
      join(ROOT, 'examples', 'conversion', 'study.yaml'),
      '--report',
      report,
    );
    expect([status, err]).toEqual([0, '']);
    expect(out).toMatch(/^Convert (no hall|Hall [A-D])/);
    expect(out).toMatch(/NOTE: 7 days of prices/);
    for (const words of ['Which hall first', 'AI equals mining', 'What the gain hangs on', 'Best plan'])
      expect(out).toContain(words);
    expect(out.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(readFileSync(report, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\s*$/);
  },
);

test('--json is the shape of the API', { timeout: 60_000 }, async () => {
  const study = join(folder, 'short.yaml');
  writeFileSync(study, 'years: 4\noptions: [colocation]\n');
  const { out, status } = await convert(DEMO, '--study', study, '--json');
  expect(status).toBe(0);
  expect(convertResult.strict().parse(JSON.parse(out)).study.years).toBe(4);
});

test('a mistake is told with its place, and the status says so', { timeout: 60_000 }, async () => {
  const study = join(folder, 'bad.yaml');
  writeFileSync(study, 'years: 4\nplan: { hallsAtOnce: 0 }\n');
  const { out, status } = await convert(DEMO, '--study', study);
  expect(status).toBe(1);
  expect(out).toMatch(/bad\.yaml:2:\d+: plan\.hallsAtOnce: found 0/);
  const lost = await convert(DEMO, '--prices', '/nowhere.csv');
  expect([lost.status, lost.err]).toEqual([1, 'busbar: /nowhere.csv: no such file or folder\n']);
});
