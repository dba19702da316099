import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { activityPage } from '../../src/model/api.ts';
import * as shapes from '../../src/model/trust-api.ts';
import {
  startServerProcess,
  startSimProcess,
  type ServerProcess,
  type Settings,
  type SimProcess,
} from '../support/site/processes.ts';
import { freePort, writeSmallSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** What a person confirmed outlives a server that is killed in the midst of it. */

let settings: Settings;
let sim: SimProcess;
let server: ServerProcess;

beforeAll(async () => {
  const files = writeSmallSite({
    awakePct: { 'a-s21': 10, 'd-s21xp': 100 },
    // Few wakes a minute, so that there is a midst to be killed in.
    adjust(raw) {
      raw.trust = 'suggest';
      for (const hall of raw.halls) hall.wakesPerMinute = 4;
    },
  });
  const clock = { epochSiteMs: Date.parse('2026-03-23T20:01:00Z'), epochUnixMs: Date.now() + 1_000, speed: 12 };
  settings = { files, clock, offset: 11_560, port: await freePort() };
  sim = await startSimProcess(settings);
  server = await startServerProcess(settings);
}, 120_000);
afterAll(async () => {
  await server?.kill();
  await sim?.kill();
  settings?.files.remove();
});

async function ask(method: string, path: string, body?: object): Promise<unknown> {
  const token = readFileSync(join(settings.files.folder, 'data', 'local-token'), 'utf8').trim();
  const answer = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
const page = async () => shapes.suggestionsPage.parse(await ask('GET', '/suggestions'));

test(
  'the server killed while machines wake by a confirmed suggestion goes on with the rest',
  { timeout: 300_000 },
  async () => {
    const found = await until('a suggestion', async () =>
      (await page()).suggestions.find(({ cohort }) => cohort === 'a-s21'),
    );
    const wakes = found.moves.filter(({ from }) => from === 'sleep').reduce((sum, { machines }) => sum + machines, 0);
    const asleep = (await sim.truth()).machines.sleeping;
    await ask('POST', `/suggestions/${found.id}/confirm`, { why: 'as the plan says' });
    const before = await until('some machines seen so, and not all', async () => {
      const [one] = (await page()).underway;
      return one !== undefined && one.left < one.machines && one.left > 4 ? one : undefined;
    });
    await server.kill();
    server = await startServerProcess(settings);
    const after = (await page()).underway[0]!;
    expect(after).toMatchObject({ cohort: 'a-s21', who: before.who, why: 'as the plan says', since: before.since });
    expect(after.machines).toBe(before.machines);
    expect(after.left).toBeLessThanOrEqual(before.left);
    expect(after.left).toBeGreaterThan(0);
    await until('all of it seen, or all but who waits for room', async () => {
      const [one] = (await page()).underway;
      return one === undefined || one.left <= 2;
    });
    expect(wakes).toBeGreaterThan(6);
    expect((await sim.truth()).machines.sleeping).toBeLessThanOrEqual(asleep - wakes + 2);
    const { activity } = activityPage.parse(await ask('GET', '/activity?limit=200'));
    expect(activity.map(({ what }) => what)).toContainEqual(
      expect.stringMatching(/^go on after a restart with what was confirmed of a-s21: \d+ of \d+ machines/),
    );
  },
);
