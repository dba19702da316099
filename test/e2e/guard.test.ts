import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { luxos } from '../../src/drivers/luxos.ts';
import { openDriverWorld } from '../../src/drivers/wire/world.ts';
import { activityPage } from '../../src/model/api.ts';
import { type GuardState, guardState, guardView, siteMs, wallMs } from '../../src/model/index.ts';
import { localToken, runBusbar, type Ran } from '../support/site/cli.ts';
import {
  runs,
  startServerProcess,
  startSimProcess,
  type ServerProcess,
  type Settings,
  type SimProcess,
} from '../support/site/processes.ts';
import { freePort, writeSmallSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** The guard as a process: beside the server, while the server is stuck, after it was killed, and killed itself. */

const LIMIT = { timeout: 300_000 };
/** Less than the site draws with every miner awake, and below what its breakers carry. */
const IMPORT_MW = 0.2;
let settings: Settings;
let sim: SimProcess;
let server: ServerProcess;

beforeAll(async () => {
  const files = writeSmallSite({
    adjust: (raw) => {
      Object.assign(raw, { limits: { importMw: IMPORT_MW } });
    },
  });
  const clock = { epochSiteMs: Date.parse('2026-03-23T20:01:00Z'), epochUnixMs: Date.now() + 1_000, speed: 20 };
  settings = { files, clock, offset: 11_000, port: await freePort() };
  sim = await startSimProcess(settings);
  server = await startServerProcess(settings);
}, 120_000);
afterAll(async () => {
  await busbar('guard', 'ask', '--json').then(({ status, out }) => {
    if (status === 0) process.kill((JSON.parse(out) as GuardState).pid, 'SIGKILL');
  });
  await server?.kill();
  await sim?.kill();
  settings?.files.remove();
});

const data = (): string => join(settings.files.folder, 'data');
function busbar(...args: readonly string[]): Promise<Ran> {
  // A server that was told to end takes its token with it.
  const token = existsSync(join(data(), 'local-token')) ? localToken(settings) : '';
  const where = args[0] === 'guard' && args.length > 1 ? ['--data', data()] : [];
  return runBusbar([...args, ...where], { url: server.url, token });
}
const view = async () => guardView.parse(await (await fetch(`${server.url}/api/v1/guard`)).json());
const asked = async () => guardState.parse(JSON.parse((await busbar('guard', 'ask', '--json')).out));
const feederW = async () => (await sim.truth()).feederW;

/** Somebody at the machines' own pages wakes all miners of hall a, whatever Busbar wants. */
async function wakeByHand(): Promise<void> {
  const world = openDriverWorld({
    portOffset: settings.offset,
    secret: () => '',
    siteNow: () => siteMs(Date.now()),
    wallNow: () => wallMs(performance.now()),
  });
  const waking = Array.from({ length: 30 }, async (_, n) => {
    const device = luxos.open(
      { address: `127.1.0.${n + 1}`, modelId: 'antminer-s21', config: luxos.config.parse({}) },
      world.io,
    );
    await device.wake!();
    device.close();
  });
  await Promise.all(waking);
  await world.close();
}

test(
  'it watches beside the server, sheds while that is stuck, and its acts become part of the record',
  LIMIT,
  async () => {
    const first = await until('a watching guard with a path', async () => {
      const now = await view();
      return now.state === 'watching' && now.path.machines === 60 && now.loads.length > 0 && now;
    });
    expect(first.loads.map(({ id }) => id)).toEqual(['connection', 'hall a', 'hall d', 'hall e']);
    expect(first.loads.every(({ basis }) => basis === 'meter')).toBe(true);
    await until('a site within its limit', async () => (await feederW()) < IMPORT_MW * 1e6);
    expect((await busbar('guard')).out).toContain('can shed 60 machines');

    server.child.kill('SIGSTOP');
    await wakeByHand();
    await until('too much load', async () => (await feederW()) > IMPORT_MW * 1.01e6);
    await until('the load shed while the server stands still', async () => (await feederW()) <= IMPORT_MW * 1e6);
    // Both are in the record before the server goes on, however quick the shed was.
    await until('a guard that knows it is alone, and what became of its shed', async () => {
      const told = (await asked()).audit.map(({ what }) => what);
      return told.includes('guard alone') && told.some((what) => what.includes('seen asleep within'));
    });
    expect((await asked()).noWakes).not.toEqual([]);
    server.child.kill('SIGCONT');

    await until('its acts in Activity', async () => {
      const page = activityPage.parse(await (await fetch(`${server.url}/api/v1/activity?limit=100`)).json());
      const mine = page.activity.filter(({ who }) => who === 'guard').map(({ what }) => what);
      return (
        mine.some((what) => /^put \d+ .*a-s21.* to sleep$/.test(what)) &&
        mine.some((what) => /machines seen asleep within/.test(what)) &&
        mine.includes('guard alone')
      );
    });
    const audit = JSON.parse((await busbar('audit', 'verify', '--data', data(), '--json')).out) as object;
    expect(audit).toMatchObject({ whole: true, broken: [] });
  },
);

test('one that is killed is started again; until it is heard nobody wakes', LIMIT, async () => {
  const { pid } = await until('a watching guard', async () => {
    const now = await view();
    return now.state === 'watching' && now;
  });
  process.kill(pid!, 'SIGKILL');
  await until('wakes stopped', async () => (await view()).noWakes.join() === 'the guard is not heard');
  const next = await until('another guard', async () => {
    const now = await view();
    return now.state === 'watching' && now.pid !== pid && now;
  });
  expect(next.path.machines).toBe(60);
  process.kill(next.pid!, 'SIGSTOP');
  await until('one that is stuck is replaced', async () => {
    const now = await view();
    return now.state === 'watching' && now.pid !== next.pid;
  });
});

test(
  'it outlives a server that is killed, stops everything for who stands at the machine, and meets the next server',
  LIMIT,
  async () => {
    const { pid } = await until('a watching guard', async () => {
      const now = await view();
      return now.state === 'watching' && now;
    });
    await server.kill();
    expect(await asked()).toMatchObject({ pid });
    const stop = await busbar('guard', 'stop', '--why', 'smoke');
    expect(stop.out).toContain('Everything is stopped at the guard');
    const sleepers = async () => (await sim.truth()).machines.sleeping;
    await until('every miner asleep, no server there', async () => (await sleepers()) === 60);
    server = await startServerProcess(settings);
    await until('the same guard beside the next server', async () => {
      const now = await view();
      return now.state === 'watching' && now.pid === pid && now.stopped?.endsWith(': smoke');
    });
    await until('its alarm', async () => {
      const { alarms } = (await (await fetch(`${server.url}/api/v1/overview`)).json()) as {
        alarms: { code: string; message: string }[];
      };
      return alarms.some(({ code, message }) => code === 'guard-shed' && message.includes('smoke'));
    });
    expect((await busbar('guard', 'release', '--why', 'no smoke')).status).toBe(0);
    await until('miners that the plan wakes', async () => (await sleepers()) < 60);
    server.child.kill('SIGTERM');
    await until('a guard that ended with its server', () => Promise.resolve(!runs(pid!)));
    expect((await busbar('guard', 'ask', '--json')).err).toContain('no guard answers');

    const verified = async () =>
      JSON.parse((await busbar('audit', 'verify', '--data', data(), '--json')).out) as object;
    expect(await verified()).toMatchObject({ whole: true, broken: [] });
    const record = join(data(), 'guard', 'audit.jsonl');
    writeFileSync(record, readFileSync(record, 'utf8').replace('smoke', 'steam'));
    expect(await verified()).toMatchObject({ whole: false, broken: [expect.stringContaining('audit.jsonl')] });
  },
);
