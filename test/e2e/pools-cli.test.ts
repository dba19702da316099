import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { activityPage } from '../../src/model/api.ts';
import * as shapes from '../../src/model/machines-api.ts';
import { localToken, runBusbar, type Ran } from '../support/site/cli.ts';
import {
  startServerProcess,
  startSimProcess,
  type ServerProcess,
  type Settings,
  type SimProcess,
} from '../support/site/processes.ts';
import { freePort, writeSmallSite, type RawSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** `busbar pools` by people of every role, over a server that is killed between one admin's yes and the other's. */

const PASSWORD = 'green teapot on the roof';
const LIMIT = { timeout: 480_000 };
let settings: Settings;
let sim: SimProcess;
let server: ServerProcess;

beforeAll(async () => {
  const files = writeSmallSite();
  const clock = { epochSiteMs: Date.parse('2026-03-23T22:46:00Z'), epochUnixMs: Date.now() + 1_000, speed: 3 };
  settings = { files, clock, offset: 11_520, port: await freePort() };
  sim = await startSimProcess(settings);
  server = await startServerProcess(settings);
}, 120_000);
afterAll(async () => {
  await server?.kill();
  await sim?.kill();
  settings?.files.remove();
});

/** The command line of one person: each has a configuration of their own. `host` is whoever sits at the server. */
function busbar(who: string, args: readonly string[], stdin = ''): Promise<Ran> {
  const folder = join(settings.files.folder, 'people', who);
  mkdirSync(folder, { recursive: true });
  const token = who === 'host' ? localToken(settings) : '';
  return runBusbar(args, { url: server.url, token, env: { XDG_CONFIG_HOME: folder }, stdin });
}
async function good(who: string, args: readonly string[], stdin = ''): Promise<string> {
  const ran = await busbar(who, args, stdin);
  expect(ran, `${who}: busbar ${args.join(' ')}`).toMatchObject({ status: 0 });
  return ran.out;
}
async function refused(who: string, ...args: readonly string[]): Promise<string> {
  const ran = await busbar(who, args);
  expect(ran, `${who}: busbar ${args.join(' ')}`).toMatchObject({ status: 1, out: '' });
  return ran.err;
}
const restart = async (): Promise<void> => {
  await server.kill();
  server = await startServerProcess(settings);
};
const list = async (): Promise<shapes.PoolsPage> =>
  shapes.poolsPage.parse(JSON.parse(await good('host', ['pools', 'list', '--json'])));
const activity = async (): Promise<readonly string[]> => {
  const headers = {
    authorization: `Bearer ${readFileSync(join(settings.files.folder, 'data', 'local-token'), 'utf8').trim()}`,
  };
  const reply = await fetch(`${server.url}/api/v1/activity?limit=200`, { headers });
  return activityPage.parse(await reply.json()).activity.map(({ who, what, why }) => `${who}: ${what} (${why})`);
};

test('the list: what each pool says, and how many miners told theirs', LIMIT, async () => {
  for (const [name, role] of [
    ['ann', 'admin'],
    ['bob', 'admin'],
    ['otto', 'operator'],
    ['vera', 'viewer'],
  ] as const) {
    await good('host', ['users', 'add', name, '--role', role, '--password-stdin'], `${PASSWORD}\n`);
    await good(name, ['login', '--name', name, '--password-stdin'], `${PASSWORD}\n`);
  }
  await until('pools that answer, and all miners', async () => {
    const { listed, told } = await list();
    return told === 60 && listed.every(({ alive }) => alive === true);
  });
  const text = await good('vera', ['pools']);
  expect(text).toMatch(/main +stratum\+tcp:\/\/127\.9\.2\.1:3337 +bayou-bend\.\{machine\} +alive +\d+ ms/);
  expect(text).toContain('60 of 60 miners told their pools.');
});

test('by role: a viewer may not preview, an operator may not approve, and why is asked for', LIMIT, async () => {
  expect(await refused('vera', 'pools', 'preview', 'all')).toMatch(/needs the role operator; vera is viewer/);
  expect(await refused('otto', 'pools', 'approve', '--why', 'let me')).toMatch(
    /needs the role admin; otto is operator/,
  );
  expect(await refused('stranger', 'pools', 'preview', 'all')).toMatch(/[Ss]ign in/);
  expect(await refused('ann', 'pools', 'approve')).toMatch(/--why/);
  expect(await refused('ann', 'pools', 'approve', '--why', 'nothing new')).toMatch(/nothing to approve/);
  expect(await refused('otto', 'pools', 'preview', 'no-such-group')).toMatch(/no miner, group or hall is named/);
  expect(await good('otto', ['pools', 'preview', 'a-s21'])).toMatch(
    /^30 miners: 30 have these pools already, 0 would be/,
  );
});

test('two admins, across two kills of the server; then the miners are written and seen', LIMIT, async () => {
  const raw = parse(readFileSync(settings.files.site, 'utf8')) as RawSite;
  for (const pool of raw.pools) pool.worker = 'busbar.{machine}';
  writeFileSync(settings.files.site, stringify(raw));
  await restart();
  expect((await list()).pending).toMatchObject({ askedBy: null });
  expect(await good('ann', ['pools', 'approve', '--why', 'a new account'])).toMatch(/^Asked for\. A second admin/);
  await restart();
  expect((await list()).pending).toMatchObject({ askedBy: 'ann' });
  expect(await good('vera', ['pools'])).toMatch(/A changed list waits \(ann asked for it: it takes a second person\)/);
  expect(await refused('ann', 'pools', 'approve', '--why', 'in a hurry')).toMatch(/second person/);
  expect(await good('bob', ['pools', 'approve', '--why', 'checked with the pool'])).toMatch(/^In force/);
  await restart();
  expect(await list()).toMatchObject({ pending: null, listed: [{ worker: 'busbar.{machine}' }, {}] });

  await until('every miner seen as the old worker', async () => (await list()).strangers.length === 60);
  expect(await good('vera', ['pools'])).toMatch(/NOT ON THE LIST (\S+): worker bayou-bend\.\1 at .*[^]*and 40 more/);
  const looked = await good('otto', ['pools', 'preview', 'all']);
  expect(looked).toMatch(/^60 miners: 0 have these pools already, 60 would be written/);
  expect(looked).toContain('- stratum+tcp://127.9.2.1:3337 as bayou-bend.a-s21-0001');
  expect(looked).toContain('+ stratum+tcp://127.9.2.1:3337 as busbar.a-s21-0001');
  const id = /busbar pools apply (\S+) --why/.exec(looked)![1]!;
  expect(await refused('vera', 'pools', 'apply', id, '--why', 'let me')).toMatch(/vera is viewer/);
  const done = await good('otto', ['pools', 'apply', id, '--why', 'the new account']);
  expect(done).toBe('Done: 60 seen.\n');
  expect(await refused('otto', 'pools', 'apply', id, '--why', 'once more')).toMatch(/was used/);
  await until('no stranger left', async () => (await list()).strangers.length === 0);
  const told = await activity();
  for (const act of [
    /^busbar: take the 2 pools of the site file as the first list/,
    /^ann: ask for a changed list of pools: .* \(a new account\)/,
    /^ann: refused: approve the list of pools \(.*second person/,
    /^bob: put the list of pools that ann asked for in force/,
    /^otto: write the pools of 60 machines/,
    /^vera: refused: write pools/,
    /^otto: refused: write pools \(.*was used/,
  ])
    expect(told).toContainEqual(expect.stringMatching(act));
});
