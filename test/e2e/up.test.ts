import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { simSchema } from '../../sim/sim-schema.ts';
import { readFiles, startSim, type Sim } from '../../sim/site.ts';
import { EMULATED_PORTS, REAL_TIME } from '../../src/model/index.ts';
import type { Overview, PlanView } from '../../src/model/api.ts';
import { freePort, ROOT, writeSmallSite, type SmallFiles } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** `busbar up` on a site it takes for real: live clock, live files as feeds, and nothing written until a person says so. */

const OFFSET = 17_300;
const LIMIT_MS = 180_000;
let files: SmallFiles;
let sim: Sim;
let up: ChildProcess;
let url: string;
let token: string;
let trust: string;
const said: string[] = [];

const prices = (usdPerMwh: number): string => {
  const now = Math.floor(Date.now() / 900_000) * 900_000;
  const rows = Array.from(
    { length: 96 },
    (_, i) => `${new Date(now - (95 - i) * 900_000).toISOString().slice(0, 19)}Z,${usdPerMwh + (i % 7)}`,
  );
  return `time,price\n${rows.join('\n')}\n`;
};

function writeFeeds(usdPerMwh: number): void {
  const now = Math.floor(Date.now() / 3_600_000) * 3_600_000;
  const hours = Array.from(
    { length: 24 },
    (_, i) => `${new Date(now - (23 - i) * 3_600_000).toISOString().slice(0, 19)}Z,18.5,11,1.5e14,90000,0.05`,
  );
  writeFileSync(join(files.folder, 'price.csv'), prices(usdPerMwh));
  writeFileSync(join(files.folder, 'world.csv'), `time,t,dew,difficulty,btc,fees\n${hours.join('\n')}\n`);
}

/** The small site as a real one would be written: its own ports, its own files as feeds. */
function adjust(raw: Record<string, never>): void {
  const site = raw as unknown as {
    mining: object;
    feeds: unknown[];
    machines: { driver: string; settings?: object }[];
    meters: { settings: object }[];
    uplinks: { settings: object }[];
    clusters: { settings: object }[];
    pools: { url: string }[];
  };
  const ports: Record<string, object> = {
    'antminer-stock': { port: EMULATED_PORTS.cgminer + OFFSET, webPort: EMULATED_PORTS.web + OFFSET },
    luxos: { port: EMULATED_PORTS.cgminer + OFFSET },
    'gpu-server': { dcgmPort: EMULATED_PORTS.dcgm + OFFSET, zeusdPort: EMULATED_PORTS.zeusd + OFFSET },
  };
  for (const group of site.machines) group.settings = ports[group.driver] ?? {};
  for (const meter of site.meters) meter.settings = { ...meter.settings, port: EMULATED_PORTS.modbus + OFFSET };
  for (const uplink of site.uplinks) uplink.settings = { interface: 1, port: EMULATED_PORTS.snmp + OFFSET };
  for (const cluster of site.clusters)
    cluster.settings = { ...cluster.settings, url: `http://127.0.0.1:${EMULATED_PORTS.slurm + OFFSET}` };
  for (const pool of site.pools)
    pool.url = pool.url.replace(String(EMULATED_PORTS.stratum), String(EMULATED_PORTS.stratum + OFFSET));
  site.mining = { minimumOnMinutes: 0, minimumOffMinutes: 0 };
  const time = { column: 'time', format: 'iso_utc' };
  site.feeds = [
    {
      id: 'price',
      feed: 'csv',
      settings: {
        path: 'price.csv',
        source: 'a retailer, for a test',
        time,
        intervalMinutes: 15,
        columns: [{ series: 'priceUsdPerMwh', column: 'price', unit: 'usd_per_mwh' }],
      },
    },
    {
      id: 'world',
      feed: 'csv',
      settings: {
        path: 'world.csv',
        source: 'made up, for a test',
        time,
        intervalMinutes: 60,
        columns: [
          { series: 'temperatureC', column: 't', unit: 'C' },
          { series: 'dewPointC', column: 'dew', unit: 'C' },
          { series: 'difficulty', column: 'difficulty', unit: 'difficulty' },
          { series: 'btcUsd', column: 'btc', unit: 'usd_per_btc' },
          { series: 'feesBtcPerBlock', column: 'fees', unit: 'btc_per_block' },
        ],
      },
    },
  ];
}

/** What the tests look at of an answer. */
interface Answer {
  readonly activity: readonly { readonly what: string; readonly commands: number }[];
  readonly errors: readonly { readonly path: string }[];
  readonly changes: readonly { readonly text: string }[];
  readonly points: readonly unknown[];
}

async function api(path: string, body?: unknown): Promise<{ status: number; body: Answer }> {
  const reply = await fetch(`${url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { status: reply.status, body: (text === '' ? undefined : JSON.parse(text)) as Answer };
}
const plan = async (): Promise<PlanView> => (await api('/api/v1/plan')).body as unknown as PlanView;
const overview = async (): Promise<Overview> => (await api('/api/v1/overview')).body as unknown as Overview;

beforeAll(async () => {
  files = writeSmallSite({ adjust: adjust as never });
  writeFeeds(5_000);
  const { site } = readFiles(files.site, undefined);
  sim = await startSim({
    site,
    config: simSchema.parse(parse(readFileSync(files.sim, 'utf8'))),
    folder: files.folder,
    clock: { ...REAL_TIME, epochSiteMs: Date.now(), epochUnixMs: Date.now() },
    seed: 5,
    portOffset: OFFSET,
    unixNow: () => Date.now(),
    wallNow: () => performance.now(),
  });
  const port = await freePort();
  const data = join(files.folder, 'data');
  const args = ['up', files.site, '--port', String(port), '--data', data, '--log', 'warn', '--json'];
  up = spawn(process.execPath, [join(ROOT, 'src', 'cli', 'main.ts'), ...args], {
    env: { ...process.env, XDG_CONFIG_HOME: join(files.folder, 'config') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  up.stdout!.on('data', (part: Buffer) => said.push(part.toString()));
  up.stderr!.on('data', (part: Buffer) => said.push(part.toString()));
  await until('busbar up', () => said.join('').includes('"link"') || up.exitCode !== null);
  if (up.exitCode !== null) throw new Error(said.join(''));
  const ready = JSON.parse(
    said
      .join('')
      .split('\n')
      .find((line) => line.startsWith('{'))!,
  ) as { url: string; trust: string };
  ({ url, trust } = ready);
  token = readFileSync(join(data, 'local-token'), 'utf8').trim();
}, LIMIT_MS);

afterAll(async () => {
  up?.kill('SIGTERM');
  await until('the end of busbar up', () => up.exitCode !== null || up.signalCode !== null).catch(() =>
    up.kill('SIGKILL'),
  );
  await sim?.close();
  files?.remove();
});

test('nobody without a credential sees anything, or does anything', async () => {
  for (const path of ['/api/v1/overview', '/api/v1/machines', '/metrics', '/api/v1/events', '/api/v1/history'])
    expect((await fetch(`${url}${path}`)).status, path).toBe(401);
  expect((await fetch(`${url}/api/v1/trust`, { method: 'POST' })).status).toBe(401);
});

test('in shadow it plans to shed at $5,000/MWh, says so, and writes to nothing', { timeout: LIMIT_MS }, async () => {
  expect(trust).toBe('shadow');
  await until('a plan', async () => (await overview()).plan !== null, 60_000);
  const before = sim.truth().machines;
  const view = await overview();
  expect(view.site).toMatchObject({ trust: 'shadow', mostTrust: 'auto', emulated: false });
  expect(view.sentence).toContain('In shadow, writing to nothing');
  expect(Object.values(view.cohorts[0]!.planned)).toEqual([view.cohorts[0]!.answering]);
  expect(view.cohorts[0]!.planned).toHaveProperty('sleep');
  await until('the decision on record', async () => {
    const { body } = await api('/api/v1/activity');
    return body.activity.some(({ what }) => /^would tell .*to sleep.*\(in shadow\)/.test(what));
  });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const { body } = await api('/api/v1/activity');
  expect(body.activity.every(({ commands }) => commands === 0)).toBe(true);
  expect(sim.truth().machines).toEqual(before);
});

test('a site file that is wrong is not followed: every mistake with its place, and the site runs on', async () => {
  const good = readFileSync(files.site, 'utf8');
  writeFileSync(files.site, good.replace('limitMw: 0.4', 'limitMw: lots').replace('hall: a\n', 'hall: zz\n'));
  const { status, body } = await api('/api/v1/site/reload', { why: 'a test' });
  expect(status).toBe(422);
  expect(body.errors.map(({ path }) => path)).toEqual(
    expect.arrayContaining([expect.stringMatching(/site\.yaml:\d+:\d+ connection\.limitMw$/)]),
  );
  writeFileSync(files.site, good);
  expect((await overview()).connection.limitW).toBe(400_000);
});

test('a changed site file is followed without a restart, after its diff was looked at', async () => {
  const raw = parse(readFileSync(files.site, 'utf8')) as {
    connection: { limitMw: number };
    machines: { id: string; addresses: string }[];
  };
  raw.connection.limitMw = 0.38;
  raw.machines.find(({ id }) => id === 'd-s21xp')!.addresses = '127.4.0.1-127.4.0.20';
  writeFileSync(files.site, stringify(raw));
  const expected = [
    'connection.limitMw: 0.4 -> 0.38',
    'machines[d-s21xp].addresses: "127.4.0.1-127.4.0.30" -> "127.4.0.1-127.4.0.20"',
  ];
  const look = await api('/api/v1/site/reload', { why: 'a test', onlyLook: true });
  expect(look.body).toMatchObject({ applied: false });
  expect(look.body.changes.map(({ text }) => text)).toEqual(expected);
  const before = await overview();
  expect(before.machines.total).toBe(72);
  const done = await api('/api/v1/site/reload', { why: 'ten machines were sold' });
  expect(done.body).toMatchObject({ applied: true });
  await until('the new figures', async () => {
    const view = await overview();
    return view.connection.limitW === 380_000 && view.machines.total === 62;
  });
  // What stayed keeps all that is known of it: nobody became unknown.
  expect((await overview()).machines.answering).toBe(62);
});

test(
  'raised by a person, with who and why on record, it sheds; lowered, it writes no more',
  { timeout: LIMIT_MS },
  async () => {
    expect((await api('/api/v1/trust', { trust: 'auto', why: 'commissioning is over' })).status).toBe(204);
    await until('every miner asleep', () => sim.truth().machines.sleeping >= 45, 60_000);
    const { body } = await api('/api/v1/activity');
    expect(body.activity).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          what: expect.stringContaining('raise the site to auto'),
          why: 'commissioning is over',
        }),
      ]),
    );
    expect((await api('/api/v1/trust', { trust: 'shadow', why: 'back to looking on' })).status).toBe(204);
    writeFeeds(5);
    await until(
      'the cheap price',
      async () => ((await overview()).prices.find(({ name }) => name === 'priceUsdPerMwh')?.value ?? 99) < 20,
      30_000,
    );
    // Not all at once: the first step may be seconds long, and a hall wakes so many a minute.
    await until(
      'a plan that would wake them',
      async () => (await plan()).steps.some(({ cohorts }) => (cohorts['a-s21']?.['sleep'] ?? 0) < 1),
      60_000,
    );
    const sleeping = sim.truth().machines.sleeping;
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(sim.truth().machines.sleeping).toBe(sleeping);
  },
);

test('what it read stands in its history, and survives the end of the process', async () => {
  const { status, body } = await api('/api/v1/history/feeder?points=500');
  expect(status).toBe(200);
  expect(body).toMatchObject({ gauge: 'powerW', unit: 'W' });
  expect(body.points.length).toBeGreaterThan(0);
});
