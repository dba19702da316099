import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askAs } from '../../../test/support/site/ask.ts';
import { runBusbar } from '../../../test/support/site/cli.ts';
import { startSmall, type Small } from '../../../test/support/site/small.ts';
import { createSessions } from '../access/sessions.ts';

/** Adding and changing tenants over the API: into the file and into force, or not at all. */

let site: Small;
let ada: Awaited<ReturnType<typeof askAs>>;
beforeAll(async () => {
  site = await startSmall({
    offset: 14_660,
    from: '2026-03-24T00:31:00Z',
    speed: 1,
    adjust: (raw) => {
      raw.tenants = [{ id: 'brown', name: 'Brown Labs', projects: [{ id: 'all', account: 'brown' }] }];
    },
  });
  ada = await askAs(site, 'ada', 'admin');
});
afterAll(() => site?.close());

const file = (): string => join(site.folder, 'site.yaml');
const acme = (more: object = {}) => ({
  name: 'Acme',
  projects: [{ id: 'vision', account: 'acme-vision' }],
  why: 'a test',
  ...more,
});
const ids = () => site.runtime.site.tenants.map(({ id }) => id);

test('what is wrong stands at its field, and nothing is written', async () => {
  const before = readFileSync(file(), 'utf8');
  const shape = await ada('POST', '/tenants/acme', acme({ quota: { gpus: 'many' }, projects: [] }));
  expect(shape).toMatchObject({ status: 400 });
  expect((shape.body as { errors: { path: string }[] }).errors.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['body.quota.gpus', 'body.projects']),
  );
  const taken = await ada('POST', '/tenants/acme', acme({ projects: [{ id: 'vision', account: 'brown' }] }));
  expect(taken).toMatchObject({
    status: 422,
    body: {
      title: 'This tenant cannot be',
      errors: [{ path: 'body.projects.0.account', message: expect.stringMatching(/of tenant "brown" already/) }],
    },
  });
  expect(await ada('POST', '/tenants/Not%20an%20id', acme())).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'params.tenant' }] },
  });
  expect(await (await askAs(site, 'ann', 'operator'))('POST', '/tenants/acme', acme())).toMatchObject({ status: 403 });
  expect(readFileSync(file(), 'utf8')).toBe(before);
  expect(ids()).toEqual(['brown']);
});

test('a look changes nothing; then it is in the file and in force, on record', async () => {
  const before = readFileSync(file(), 'utf8');
  const looked = await ada('POST', '/tenants/acme', acme({ onlyLook: true }));
  expect(looked).toMatchObject({ status: 200, body: { applied: false, changes: [{ path: 'tenants[acme]' }] } });
  expect(readFileSync(file(), 'utf8')).toBe(before);
  expect(await ada('POST', '/tenants/acme', acme())).toMatchObject({ status: 200, body: { applied: true } });
  expect(ids()).toEqual(['brown', 'acme']);
  expect(readFileSync(file(), 'utf8')).toContain('acme-vision');
  const again = await ada('POST', '/tenants/acme', acme());
  expect(again).toMatchObject({ status: 200, body: { applied: false, changes: [] } });
  const acts = await site.runtime.store.acts(20);
  expect(acts.filter(({ what }) => what.includes('tenants[acme]'))).toMatchObject([{ who: 'ada', why: 'a test' }]);
});

test('two at once are both there; what somebody wrote by hand meanwhile is not followed with it', async () => {
  const of = (id: string) => ada('POST', `/tenants/${id}`, acme({ projects: [{ id: 'all', account: id }] }));
  expect((await Promise.all([of('cobalt'), of('delta')])).map(({ status }) => status)).toEqual([200, 200]);
  expect(ids()).toEqual(['brown', 'acme', 'cobalt', 'delta']);
  const good = readFileSync(file(), 'utf8');
  appendFileSync(file(), 'owners: [{ id: else, name: Somebody else }]\n');
  expect(await of('ember')).toMatchObject({ status: 409, body: { title: 'The site file was changed' } });
  appendFileSync(file(), 'owners: twice\n');
  expect(await of('ember')).toMatchObject({ status: 422, body: { title: 'The site file has mistakes' } });
  expect(ids()).not.toContain('ember');
  writeFileSync(file(), good);
  expect(await of('ember')).toMatchObject({ status: 200 });
});

test('the same on the command line, after a look at what would change', { timeout: 60_000 }, async () => {
  const from = join(site.folder, 'gold.yaml');
  const { token } = await createSessions(site.runtime.store.accounts, Date.now).start('ada', '127.0.0.1', 'a test');
  const busbar = (...more: string[]) =>
    runBusbar(['tenant', ...more], { url: site.url, token, env: { XDG_CONFIG_HOME: site.folder } });
  const set = ['set', 'gold', '--from', from, '--why', 'signed on Monday'];
  writeFileSync(from, 'name: Gold\nprojects: [{ id: all, account: brown }]\n');
  expect(await busbar(...set)).toMatchObject({
    status: 1,
    err: expect.stringMatching(/body\.projects\.0\.account: "brown" is the account .* of tenant "brown" already/),
  });
  writeFileSync(from, 'name: Gold\nprojects: [{ id: all, account: gold }]\n');
  expect((await busbar(...set, '--dry-run')).out).toMatch(/tenants\[gold\]: added[^]*1 changes would be made/);
  expect(ids()).not.toContain('gold');
  expect((await busbar(...set)).out).toMatch(/1 changes are in force/);
  expect((await busbar('list')).out).toMatch(/^gold +Gold/m);
});
