import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import * as shapes from '../model/api.ts';
import { siteMs } from '../model/index.ts';
import { openStore } from '../store/store.ts';
import {
  freePort,
  ROOT,
  SMALL_MACHINES,
  startSmall,
  writeSmallSite,
  type Small,
} from '../../test/support/site/small.ts';
import { until } from '../../test/support/site/until.ts';

let site: Small;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-cli-'));
  site = await startSmall({ offset: 11_280, from: '2026-03-24T00:31:00Z', speed: 60 });
  await until('a plan and a price', () => site.runtime.plan());
});
afterAll(async () => {
  await site?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

function busbar(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const file = join(ROOT, 'bin', 'busbar.js');
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 };
    execFile(process.execPath, [file, ...args], options, (error, out, err) => {
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}
const at = () => ['--server', site.url];
const json = async (args: readonly string[]): Promise<unknown> => {
  const { out, err, status } = await busbar(args);
  expect(err).toBe('');
  expect(status).toBe(0);
  return JSON.parse(out);
};

test('status --json is the overview, and its text has the main figures', { timeout: 60_000 }, async () => {
  const site1 = shapes.overview.strict().parse(await json(['status', '--json', ...at()]));
  expect(site1.machines.total).toBe(SMALL_MACHINES);
  // On a busy computer the first answers of some machines come late.
  const { out, status } = await until('a status with an answer of every machine', async () => {
    const told = await busbar(['status', ...at()]);
    return told.out.includes('72 of 72 answer') && told;
  });
  expect(status).toBe(0);
  expect(out).toContain('Small site (emulated) [emulated site]');
  for (const figure of [
    /import +[\d.]+ kW of 400 kW, read \d+ s ago/,
    /price +\$\d+\.\d\d\/MWh/,
    /machines +72 of 72 answer/,
    /money +cost \$[\d.]+\/h, margin -?\$[\d.]+\/h/,
    /mining .* PH\/s|mining .*\$/,
    /no alarms|alarms/,
  ])
    expect(out).toMatch(figure);
});

test('machines --json is a page; options choose; unknown figures are "?"', { timeout: 60_000 }, async () => {
  const page = shapes.machinePage
    .strict()
    .parse(await json(['machines', '--json', '--hall', 'd', '--limit', '5', ...at()]));
  expect(page).toMatchObject({ total: SMALL_MACHINES, matching: 30 });
  expect(page.machines).toHaveLength(5);
  const { out } = await busbar(['machines', '--find', 'a-s21-0001', ...at()]);
  expect(out).toMatch(/id +model +address +state/);
  expect(out).toMatch(/a-s21-0001 +Antminer S21 +127\.1\.0\.1/);
  expect(out).toContain('1 of 1 matching, 72 in all');
});

test('forecast tells how far forecasts were off, beside no change at all', { timeout: 60_000 }, async () => {
  const told = async () => shapes.forecastScores.strict().parse(await json(['forecast', '--json', ...at()]));
  // The site goes on meanwhile: the text is held against what is told before it and after it alike.
  const { scores, out } = await until('an hour in which no forecast comes true between two questions', async () => {
    const before = await told();
    const text = await busbar(['forecast', ...at()]);
    return isDeepStrictEqual((await told()).scores, before.scores) && { scores: before.scores, out: text.out };
  });
  expect(scores.length).toBeGreaterThan(0);
  for (const { leadHours, samples } of scores) expect(out).toMatch(new RegExp(` ${leadHours} h .* ${samples}$`, 'm'));
});

test('plan --json is the plan, and its text has each step', { timeout: 60_000 }, async () => {
  const plan = shapes.plan.strict().parse(await json(['plan', '--json', ...at()]));
  const { out } = await busbar(['plan', '--steps', '3', ...at()]);
  expect(out).toMatch(/^plan .*: optimal by highs in \d+ ms; \d+ steps/);
  expect(out).toMatch(/next change|no change planned/);
  expect(out.split('\n').filter((row) => /^03-2\d \d\d:\d\d /.test(row))).toHaveLength(3);
  expect(plan.steps.length).toBeGreaterThan(90);
});

test(
  'plan --why tells what changes, what binds, and the price at which each cohort changes its mind',
  { timeout: 60_000 },
  async () => {
    const { why, steps } = shapes.plan.parse(await json(['plan', '--json', ...at()]));
    const { out } = await busbar(['plan', '--why', ...at()]);
    expect(out).toMatch(/what changes now\n {2}\S/);
    expect(out).toMatch(/limits that bind\n {2}\S/);
    expect(Object.keys(steps[0]!.cohorts)).toEqual(expect.arrayContaining(why!.cohorts.map(({ cohort }) => cohort)));
    for (const { cohort, mode } of why!.cohorts) expect(out).toMatch(new RegExp(`^${cohort} +${mode} `, 'm'));
  },
);

const checked = z.strictObject({
  ok: z.boolean(),
  file: z.string(),
  machines: z.number().nullable(),
  problems: z.array(
    z.strictObject({
      file: z.string(),
      line: z.number(),
      column: z.number(),
      path: z.string(),
      message: z.string(),
      found: z.string().nullable(),
      severity: z.enum(['error', 'warning']),
    }),
  ),
});

test('check says good, or every mistake with its place and exit status 1', { timeout: 60_000 }, async () => {
  const files = writeSmallSite();
  try {
    const good = await busbar(['check', files.site]);
    expect(good).toMatchObject({ status: 0, out: expect.stringContaining('good. 72 machines, 4 meters, 3 halls.') });
    expect(checked.parse(await json(['check', '--json', files.site]))).toMatchObject({ ok: true, machines: 72 });

    const bad = join(folder, 'bad.yaml');
    const text = readFileSync(files.site, 'utf8');
    writeFileSync(bad, text.replace('limitMw: 0.4', 'limitMw: forty').replace('driver: luxos', 'driver: luxor'));
    const told = await busbar(['check', bad]);
    expect(told.status).toBe(1);
    expect(told.out).toMatch(/bad\.yaml:\d+:\d+: connection\.limitMw: found "forty"/);
    expect(told.out).toMatch(/1 mistake\b|2 mistakes/);
    const asJson = await busbar(['check', '--json', bad]);
    expect(asJson.status).toBe(1);
    expect(checked.parse(JSON.parse(asJson.out))).toMatchObject({ ok: false, machines: null });
  } finally {
    files.remove();
  }
});

test('errors say what to do and exit 1', { timeout: 60_000 }, async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const stranger = createServer((_request, response) => response.end('{"hello":1}'));
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const other = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
  const port = String((stranger.address() as AddressInfo).port);
  const cases: readonly (readonly [readonly string[], RegExp, RegExp])[] = [
    [['status', '--server', nobody], /no Busbar at/, /busbar demo/],
    [['status', '--server', 'not an address'], /not an address/, /--server|BUSBAR_URL/],
    [['status', '--server', other], /does not speak this version's API/, /another version/],
    [['machines', '--state', 'nope', ...at()], /state/, /running|unreachable|curtailed/],
    [['machines', '--limit', 'many', ...at()], /limit/, /number/],
    [['check', join(folder, 'absent.yaml')], /absent\.yaml/, /no such file/],
    [['completion', 'tcsh'], /no completion for "tcsh"/, /bash, zsh and fish/],
    [['demo', '--speed', 'fast'], /--speed/, /number from/],
    [['demo', '--from', 'yesterday'], /--from/, /UTC time such as/],
    [['demo', '--port', port, '--data', join(folder, 'demo')], /cannot be opened/, /--port/],
    [['plan', '--steps', 'all', ...at()], /--steps/, /number/],
    [['nonsense'], /unknown command/, /--help/],
    [['status', '--nonsense'], /unknown option/, /--help/],
  ];
  try {
    for (const [args, what, advice] of cases) {
      const { status, out, err } = await busbar(args);
      const told = `${out}${err}`;
      expect(status, args.join(' ')).toBe(1);
      expect(told, args.join(' ')).toMatch(what);
      expect(told, args.join(' ')).toMatch(advice);
      expect(told, args.join(' ')).not.toMatch(/\n {4}at /);
    }
  } finally {
    stranger.close();
  }
});

test('the server of BUSBAR_URL and BUSBAR_PORT is asked where none is named', { timeout: 60_000 }, async () => {
  for (const env of [{ BUSBAR_URL: site.url }, { BUSBAR_PORT: String(site.port) }])
    expect((await busbar(['status'], env)).out).toContain('Small site');
});

test('completion for bash, zsh and fish knows every verb and its options', { timeout: 60_000 }, async () => {
  const verbs = ['demo', 'status', 'machines', 'plan', 'check', 'completion'];
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { out, status } = await busbar(['completion', shell]);
    expect(status).toBe(0);
    for (const verb of verbs) expect(out, shell).toContain(verb);
    expect(out, shell).toMatch(shell === 'fish' ? /-l port-offset/ : /--port-offset/);
  }
  const { out } = await busbar(['completion', 'bash']);
  const script = `${out}\nCOMP_WORDS=(busbar ma); COMP_CWORD=1; _busbar; echo "verb \${COMPREPLY[*]}"
COMP_WORDS=(busbar machines --ha); COMP_CWORD=2; _busbar; echo "option \${COMPREPLY[*]}"`;
  const completed = await new Promise<string>((resolve) =>
    execFile('bash', ['-c', script], (_error, text) => resolve(text)),
  );
  expect(completed).toBe('verb machines\noption --hall\n');
});

test('--help and --version answer', { timeout: 60_000 }, async () => {
  const help = await busbar(['--help']);
  expect(help.status).toBe(0);
  for (const verb of ['demo', 'status', 'machines', 'plan', 'check', 'completion']) expect(help.out).toContain(verb);
  expect((await busbar(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('audit verify says whether the record holds, and where not', { timeout: 60_000 }, async () => {
  const data = join(folder, 'audited');
  const store = await openStore(join(data, 'busbar.sqlite'));
  for (const n of [1, 2]) store.recordAct({ id: `a${n}`, at: siteMs(n), who: 'ada', what: 'wake all', why: 'cheap' });
  await store.flush();
  const verify = ['audit', 'verify', '--data', data];
  const whole = z
    .object({
      whole: z.literal(true),
      entries: z.literal(2),
      head: z.string(),
      headAt: z.string(),
      broken: z.tuple([]),
    })
    .parse(await json([...verify, '--json']));
  const told = await busbar([...verify, '--head', whole.head]);
  expect(told).toMatchObject({ status: 0, out: expect.stringContaining('The record is whole: 2 entries') });
  const unknown = await busbar([...verify, '--head', 'f'.repeat(64)]);
  expect(unknown).toMatchObject({ status: 1, out: expect.stringContaining('cut off or written anew') });
  await store.close();
  const nothing = await busbar(['audit', 'verify', '--data', folder]);
  expect(nothing).toMatchObject({ status: 1, err: expect.stringContaining('no store in') });
});
