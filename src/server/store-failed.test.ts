import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSmall, type Small } from '../../test/support/site/small.ts';
import { until } from '../../test/support/site/until.ts';

/** The disk takes nothing: here, because another program holds the database. */

let site: Small;
beforeAll(async () => {
  site = await startSmall({ offset: 11_820, from: '2026-03-24T00:31:00Z', speed: 60 });
  await until('a plan', () => site.runtime.plan());
});
afterAll(() => site?.close());

/** Another program takes the database; the store's own writes come and go before it has it. */
function hold(): DatabaseSync {
  const other = new DatabaseSync(join(site.folder, 'busbar.sqlite'));
  other.exec('pragma busy_timeout = 20000');
  other.exec('begin immediate');
  return other;
}

const alarm = () => site.runtime.alarms().find(({ code }) => code === 'store-failed');
test('the site runs on, says so by a critical alarm, refuses what it cannot write down, and loses nothing', async () => {
  const { store } = site.runtime;
  const other = hold();
  const act = { id: 'while it fails', at: site.runtime.clock.now(), who: 'a test', what: 'x', why: 'y' };
  store.recordAct(act);
  await until('the alarm', alarm, 15_000);
  expect(alarm()!.message).toMatch(/locked/);
  const planned = site.runtime.plan()!.id;
  await until('another plan', () => site.runtime.plan()!.id !== planned, 15_000);
  expect((await fetch(`${site.url}/api/v1/overview`)).status).toBe(200);
  other.exec('rollback');
  other.close();
  await until('the end of the alarm', () => alarm() === undefined, 15_000);
  expect(await store.actsById(['while it fails'])).toMatchObject([act]);
});

test('a person whose change cannot be written down is told so', async () => {
  const signedIn = await fetch(site.api.signInLink(), { redirect: 'manual' });
  const cookie = signedIn.headers.getSetCookie()[0]!.split(';')[0]!;
  const other = hold();
  const refused = await fetch(`${site.url}/api/v1/cohorts/d-s21xp/hold`, {
    method: 'POST',
    headers: { cookie, 'content-type': 'application/json' },
    body: JSON.stringify({ why: 'fans are changed' }),
  });
  other.exec('rollback');
  other.close();
  expect([refused.status, await refused.json()]).toMatchObject([503, { title: 'The store does not answer' }]);
  expect([...site.runtime.people.holds().keys()]).toEqual([]);
});
