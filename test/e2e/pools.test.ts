import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Endpoint } from '../../sim/world.ts';
import { antminerStock } from '../../src/drivers/antminer-stock.ts';
import { problem, type Role } from '../../src/model/api.ts';
import * as shapes from '../../src/model/machines-api.ts';
import { createSessions } from '../../src/server/access/sessions.ts';
import { digestOf, newApiToken, newId } from '../../src/server/access/credentials.ts';
import { createApi, type Api } from '../../src/server/api.ts';
import { deviceWorld } from '../support/device-world.ts';
import { freePort, startSmall, type RawSite, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** Where the hash goes, on a site that lives: who may change it, what is refused, and what raises an alarm. */

const OFFSET = 11_540;
const LIMIT = { timeout: 240_000 };
/** A machine with stock firmware tells its pool in every read. */
const MINER = 'd-s21xp-0004';

let site: Small;
let api: Api;
let host: string;
const devices = deviceWorld();
const sessions = new Map<string, string>();

beforeAll(async () => {
  site = await startSmall({
    offset: OFFSET,
    from: '2026-03-23T22:46:00Z',
    speed: 3,
    jobSeconds: 0.5,
    awakePct: { 'a-s21': 100, 'd-s21xp': 90 },
    adjust(raw) {
      for (const pool of raw.pools) pool.probe = { everySeconds: 10, staleSeconds: 8 };
    },
  });
  const port = await freePort();
  host = `127.0.0.1:${port}`;
  const about = { pages: undefined, version: '0.0.0-test', log: pino({ level: 'silent' }) };
  const at = { host: '127.0.0.1', port, names: [], tls: undefined, openReads: false, tokenFile: undefined };
  api = await createApi({ runtime: site.runtime, ...at, ...about });
  const { accounts } = site.runtime.store;
  const people: readonly (readonly [string, Role])[] = [
    ['vera', 'viewer'],
    ['otto', 'operator'],
    ['ann', 'admin'],
    ['bob', 'admin'],
  ];
  for (const [name, role] of people) {
    await accounts.add({ name, role, passwordHash: 'no password opens this', createdMs: 0 });
    sessions.set(name, (await createSessions(accounts, Date.now).start(name, '127.0.0.1', 'a test')).token);
  }
}, 120_000);
afterAll(async () => {
  await devices.close();
  await api?.close();
  await site?.close();
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly type: string;
}
async function call(who: string | undefined, method: 'GET' | 'POST', url: string, body?: object): Promise<Answer> {
  const token = who === undefined ? undefined : (sessions.get(who) ?? who);
  const reply = await api.server.inject({
    method,
    url,
    headers: { host, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    ...(body === undefined ? {} : { payload: body }),
  });
  const type = String(reply.headers['content-type']).split(';')[0]!;
  return { status: reply.statusCode, type, body: reply.body === '' ? undefined : JSON.parse(reply.body) };
}
const post = (who: string | undefined, path: string, body: object) => call(who, 'POST', `/api/v1${path}`, body);
/** The words of a refusal, which are problem details and nothing else. */
function refused({ status, type, body }: Answer, expected: number): string {
  expect({ status, type }).toEqual({ status: expected, type: 'application/problem+json' });
  return problem.strict().parse(body).detail;
}
const page = async (): Promise<shapes.PoolsPage> =>
  shapes.poolsPage.parse((await call('vera', 'GET', '/api/v1/pools')).body);
const preview = async (target: string): Promise<shapes.PoolPreviewView> => {
  const answer = await post('otto', '/pools/preview', { targets: [target] });
  expect(answer.status).toBe(200);
  return shapes.poolPreview.parse(answer.body);
};
const ended = (id: string): Promise<shapes.PoolChangeView> =>
  until(
    'the end of the change',
    async () => {
      const change = shapes.poolChange.parse((await call('vera', 'GET', `/api/v1/pools/changes/${id}`)).body);
      return change.endedAt !== null && change;
    },
    240_000,
  );
const alarm = (code: string, subject: string) =>
  site.runtime.alarms().find((one) => one.code === code && one.subject === subject);
const acts = async () => (await site.runtime.store.acts(500)).map(({ who, what, why }) => `${who}: ${what} (${why})`);
/** Everything in every machine is read again, as after an hour. */
const readAll = () => site.runtime.fleet.machines.forEach(({ machine }) => site.runtime.fleet.inspectSoon(machine.id));
const everybodyTold = () =>
  until('every miner told its pools', async () => {
    const { told, miners } = await page();
    return told === miners && miners === 60;
  });
/** Changes the site file and has the running site follow it. */
async function follow(change: (raw: RawSite) => void): Promise<Answer> {
  const file = join(site.folder, 'site.yaml');
  const raw = parse(readFileSync(file, 'utf8')) as RawSite;
  change(raw);
  writeFileSync(file, stringify(raw));
  return post('ann', '/site/reload', { why: 'a changed list of pools' });
}
const stock = (address: string) =>
  antminerStock.open(
    {
      address,
      modelId: 'antminer-s21-xp-hyd',
      config: antminerStock.config.parse({ port: site.sim.ports.cgminer, webPort: site.sim.ports.web }),
    },
    devices.io,
  );
const addressOf = (id: string): string => site.runtime.fleet.byId(id)!.machine.address;

test('every miner works for the pools of the list, each pool is alive, and nothing is wrong', LIMIT, async () => {
  await everybodyTold();
  await until('both pools alive', async () => (await page()).listed.every(({ alive }) => alive === true));
  const { listed, strangers, pending } = await page();
  // One that sleeps works for none, and has told its pools all the same.
  const asleep = site.runtime.fleet.machines.filter(({ reading }) => reading?.mode?.kind === 'sleep').length;
  expect(listed[0]!.machines).toBeGreaterThan(40);
  expect(listed[0]!.machines).toBeLessThanOrEqual(60 - asleep);
  expect(listed[1]!.machines).toBe(0);
  for (const { latencyMs, connectMs, jobAgeMs } of listed)
    for (const value of [latencyMs, connectMs, jobAgeMs]) expect(value).toEqual(expect.any(Number));
  expect({ strangers, pending }).toEqual({ strangers: [], pending: null });
  expect(site.runtime.alarms().filter(({ code }) => code.startsWith('pool-') || code === 'machine-moved')).toEqual([]);
});

test('a viewer looks, an operator previews and writes, an admin approves; nobody does nothing', LIMIT, async () => {
  const body = { targets: [MINER] };
  expect(refused(await call(undefined, 'GET', '/api/v1/pools'), 401)).toMatch(/sign in/);
  expect(refused(await post(undefined, '/pools/preview', body), 401)).toMatch(/sign in/);
  expect(refused(await post(undefined, '/pools/apply', { preview: 'x', why: 'a test' }), 401)).toMatch(/sign in/);
  expect(refused(await post(undefined, '/pools/approve', { why: 'a test' }), 401)).toMatch(/sign in/);
  expect((await call('vera', 'GET', '/api/v1/pools')).status).toBe(200);
  expect(refused(await post('vera', '/pools/preview', body), 403)).toBe(
    'this needs the role operator; vera is viewer here',
  );
  expect(refused(await post('vera', '/pools/apply', { preview: 'x', why: 'a test' }), 403)).toMatch(/operator; vera/);
  expect(refused(await post('otto', '/pools/approve', { why: 'a test' }), 403)).toMatch(/admin; otto is operator/);
  const made = await preview(MINER);
  expect(made.machines).toMatchObject([{ id: MINER, canWrite: true, same: true }]);
  const applied = await post('otto', '/pools/apply', { preview: made.id, why: 'as a rehearsal' });
  expect(applied.status).toBe(202);
  // It had them already: nothing is written, and no miner restarts for nothing.
  expect(await ended(made.id)).toMatchObject({ who: 'otto', why: 'as a rehearsal', counts: {}, failed: [] });
  const told = await acts();
  expect(told).toContain('vera: refused: preview pools (this needs the role operator; vera is viewer here)');
  expect(told).toContain('vera: refused: write pools (this needs the role operator; vera is viewer here)');
  expect(told).toContain('otto: refused: approve the list of pools (this needs the role admin; otto is operator here)');
  const refusals = told.filter((act) => act.includes('refused'));
  expect(refusals.filter((act) => act.startsWith('somebody at 127.0.0.1: '))).toHaveLength(3);
  expect(refusals).toHaveLength(6);
});

test(
  'what is not on the list is never written: neither asked for, nor named by a group, nor by a token',
  LIMIT,
  async () => {
    const thief = 'stratum+tcp://thief.example:3333';
    expect(refused(await post('otto', '/pools/preview', { targets: [MINER], pools: [{ url: thief }] }), 400)).toMatch(
      /pools/,
    );
    expect(refused(await post('otto', '/pools/preview', { targets: [thief] }), 409)).toMatch(/no miner, group or hall/);
    const wrong = await follow((raw) => (raw.machines.find(({ id }) => id === 'a-s21')!.pools = ['thief']));
    expect(refusedFile(wrong)).toMatch(/no pool "thief"/);
    // A pool that is in the file, named by a group, and not in force: no machine of it can be written.
    const followed = await follow((raw) => {
      raw.pools.push({ id: 'thief', url: thief, worker: 'thief.{machine}' });
    });
    expect(followed.status).toBe(200);
    expect(refused(await post('otto', '/pools/preview', { targets: ['a-s21'] }), 409)).toBe(
      'no pool of the list in force is meant for a-s21',
    );
    expect((await preview(MINER)).machines[0]!.wanted.map(({ url }) => url)).toEqual([
      'stratum+tcp://127.9.2.1:3337',
      'stratum+tcp://127.9.2.2:3337',
    ]);
    await until('the alarm', () => alarm('pool-list-pending', 'pools'));
    const id = newId();
    const token = newApiToken(id);
    const times = { createdMs: 0, expiresMs: Date.now() + 86_400_000, usedMs: Date.now() };
    const row = { id, digest: digestOf(token), account: 'ann', name: 'ci', role: 'admin' as const, tags: undefined };
    expect(await site.runtime.store.accounts.addToken({ ...row, ...times })).toBe(true);
    expect(refused(await post(token, '/pools/approve', { why: 'by a script' }), 403)).toMatch(/approved by people/);
    expect(await acts()).toContainEqual(expect.stringMatching(/^ann \(token ci\): refused: approve the list of pools/));
    const back = await follow((raw) => {
      raw.pools = raw.pools.filter((pool) => pool.id !== 'thief');
      for (const group of raw.machines) delete group.pools;
    });
    expect(back.status).toBe(200);
    expect((await page()).pending).toBeNull();
    await until('no alarm', () => alarm('pool-list-pending', 'pools') === undefined);
  },
);
const refusedFile = ({ status, type, body }: Answer): string => {
  expect({ status, type }).toEqual({ status: 422, type: 'application/problem+json' });
  return problem
    .parse(body)
    .errors!.map(({ message }) => message)
    .join('; ');
};

test('a miner that works for somebody else raises the alarm; writing the list back ends it', LIMIT, async () => {
  const miner = stock(addressOf(MINER));
  await miner.setPools!([{ url: 'stratum+tcp://thief.example:3333', worker: 'thief.1', password: 'x' }]);
  const other = stock(addressOf('d-s21xp-0005'));
  await other.setPools!([{ url: 'stratum+tcp://127.9.2.1:3337', worker: 'thief.2', password: 'x' }]);
  readAll();
  const found = await until('both of them in the alarm', () => {
    const standing = alarm('pool-unlisted', 'd-s21xp');
    return standing?.message.includes('d-s21xp-0005') && standing;
  });
  expect(found.message).toContain(MINER);
  const { strangers } = await page();
  expect(strangers).toEqual(
    expect.arrayContaining([
      { machine: MINER, seen: 'pool stratum+tcp://thief.example:3333 as thief.1' },
      { machine: 'd-s21xp-0005', seen: 'worker thief.2 at stratum+tcp://127.9.2.1:3337' },
    ]),
  );
  const detail = shapes.machineDetail.parse((await call('vera', 'GET', `/api/v1/machines/${MINER}`)).body);
  expect(detail.stranger).toContain('thief.example');

  const { id, machines } = await preview('d-s21xp');
  expect(machines.filter(({ same }) => same !== true).map((one) => one.id)).toEqual([MINER, 'd-s21xp-0005']);
  expect(refused(await post('otto', '/pools/apply', { preview: id }), 400)).toMatch(/why/);
  expect((await post('otto', '/pools/apply', { preview: id, why: 'two were turned' })).status).toBe(202);
  expect(refused(await post('otto', '/pools/apply', { preview: id, why: 'again' }), 409)).toMatch(/was used/);
  expect(await ended(id)).toMatchObject({ counts: { seen: 2 }, failed: [] });
  await until('no alarm', () => alarm('pool-unlisted', 'd-s21xp') === undefined);
  expect((await page()).strangers).toEqual([]);
  const told = await acts();
  expect(told).toContain("otto: write the pools of 2 machines from the site's list (two were turned)");
  expect(told).toContain('otto: pools written: 2 of 2 machines are seen with them (two were turned)');
  expect(told).toContainEqual(expect.stringMatching(/^otto: refused: write pools \(.*was used/));
});

test('a pool that is gone and one that gives no work raise their alarms, and clear', LIMIT, async () => {
  site.sim.inject({ target: 'main', fault: 'refused' });
  const dead = await until('the alarm of the dead pool', () => alarm('pool-dead', 'main'));
  expect(dead.message).toMatch(/127\.9\.2\.1/);
  expect((await page()).listed[0]).toMatchObject({ alive: false, latencyMs: null, jobAgeMs: null });
  expect(alarm('pool-dead', 'spare')).toBeUndefined();
  site.sim.inject({ target: 'main', fault: 'clear' });
  await until('alive again', () => alarm('pool-dead', 'main') === undefined);

  site.sim.inject({ target: 'spare', fault: 'late' });
  const stale = await until('the alarm of the stale pool', () => alarm('pool-stale', 'spare'));
  expect(stale.message).toMatch(/no new work for \d+ s/);
  expect((await page()).listed[1]).toMatchObject({ alive: true, fault: null });
  site.sim.inject({ target: 'spare', fault: 'clear' });
  await until('work again', () => alarm('pool-stale', 'spare') === undefined);
});

test('a changed list takes two admins, and a preview made before it is stale', LIMIT, async () => {
  const before = await preview('a-s21');
  const looked = await follow((raw) => {
    for (const pool of raw.pools) pool.worker = 'busbar.{machine}';
  });
  expect(looked.status).toBe(200);
  // The list in force is what counts until two have agreed: nobody is a stranger for a list that only stands in a file.
  expect((await page()).pending).toMatchObject({ askedBy: null, pools: [{ worker: 'busbar.{machine}' }, {}] });
  expect((await post('ann', '/pools/approve', { why: 'a new account' })).body).toEqual({ state: 'asked' });
  expect(refused(await post('ann', '/pools/approve', { why: 'hurry' }), 409)).toMatch(
    /ann asked for it .* second person/,
  );
  expect((await page()).pending).toMatchObject({ askedBy: 'ann' });
  expect((await preview('a-s21')).machines.every(({ same }) => same === true)).toBe(true);
  expect((await post('bob', '/pools/approve', { why: 'checked with the pool' })).body).toEqual({ state: 'in-force' });
  expect(refused(await post('bob', '/pools/approve', { why: 'once more' }), 409)).toMatch(/nothing to approve/);
  expect(refused(await post('otto', '/pools/apply', { preview: before.id, why: 'too late' }), 409)).toMatch(
    /list of pools has changed/,
  );
  const told = await acts();
  expect(told).toContainEqual(expect.stringMatching(/^ann: ask for a changed list of pools: .*busbar\.\{machine\}/));
  expect(told).toContainEqual(expect.stringMatching(/^ann: refused: approve .*second person/));
  expect(told).toContainEqual(expect.stringMatching(/^bob: put the list of pools that ann asked for in force/));

  readAll();
  await until('the alarm', () => alarm('pool-unlisted', 'a-s21') && alarm('pool-unlisted', 'd-s21xp'));
  const { id } = await preview('all');
  await post('otto', '/pools/apply', { preview: id, why: 'the new account' });
  expect(
    refused(await post('otto', '/pools/apply', { preview: (await preview('a-s21')).id, why: 'me too' }), 409),
  ).toMatch(/under way/);
  expect(await ended(id)).toMatchObject({ counts: { seen: 60 }, failed: [] });
  await until('no alarm', () => ['a-s21', 'd-s21xp'].every((group) => alarm('pool-unlisted', group) === undefined));
});

test('two machines that changed places are told, and each is taken where it is now', LIMIT, async () => {
  const [one, other] = ['d-s21xp-0010', 'd-s21xp-0011'] as const;
  const places = site.sim.world.byAddress as Map<string, Endpoint>;
  const [here, there] = [places.get(addressOf(one))!, places.get(addressOf(other))!];
  places.set(addressOf(one), there);
  places.set(addressOf(other), here);
  expect(refused(await post('otto', `/machines/${one}/adopt`, { why: 'too early' }), 409)).toMatch(/belongs there/);
  readAll();
  const moved = await until('the alarm', () => {
    const standing = alarm('machine-moved', 'machines');
    return standing?.message.includes(other) && standing;
  });
  expect(moved.message).toMatch(new RegExp(`${one} answers as .* and was .* \\(now at the address of ${other}\\)`));
  const detail = shapes.machineDetail.parse((await call('vera', 'GET', `/api/v1/machines/${one}`)).body);
  expect(detail.moved).toMatchObject({ nowAt: other });
  // Each still calls itself at the pool what it was called in its old place.
  await until('the alarm of the workers', () => alarm('pool-unlisted', 'd-s21xp'));

  expect(refused(await post(undefined, `/machines/${one}/adopt`, { why: 'nobody' }), 401)).toMatch(/sign in/);
  expect(refused(await post('vera', `/machines/${one}/adopt`, { why: 'no role' }), 403)).toMatch(/vera is viewer/);
  expect(refused(await post('otto', '/machines/d-s21xp-9999/adopt', { why: 'which?' }), 404)).toMatch(/no machine/);
  for (const id of [one, other]) {
    expect((await post('otto', `/machines/${id}/adopt`, { why: 'swapped at the rack' })).status).toBe(204);
  }
  await until('no alarm', () => alarm('machine-moved', 'machines') === undefined);
  const told = await acts();
  for (const id of [one, other])
    expect(told).toContainEqual(expect.stringMatching(new RegExp(`^otto: take .* as ${id}, .*swapped at the rack`)));
  expect(told).toContainEqual(expect.stringMatching(/^vera: refused: adopt a machine/));

  const { id } = await preview('d-s21xp');
  await post('otto', '/pools/apply', { preview: id, why: 'their names' });
  expect(await ended(id)).toMatchObject({ counts: { seen: 2 }, failed: [] });
  await until('no stranger', () => alarm('pool-unlisted', 'd-s21xp') === undefined);
  places.set(addressOf(one), here);
  places.set(addressOf(other), there);
});

test('in shadow nothing is written, and who tried is on record', LIMIT, async () => {
  const { id } = await preview('a-s21');
  site.runtime.people.levels.set('shadow', 'ann', 'looking on');
  expect(refused(await post('otto', '/pools/apply', { preview: id, why: 'now' }), 409)).toMatch(/in shadow/);
  expect(await acts()).toContainEqual(expect.stringMatching(/^otto: refused: write pools \(.*in shadow/));
});
