import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { activityPage } from '../../src/model/api.ts';
import { jobSubmitted, jobsPage } from '../../src/model/jobs-api.ts';
import { quoteView } from '../../src/model/quote-api.ts';
import { statementList, tenantList, tenantNodes, usageView } from '../../src/model/tenants-api.ts';
import { digestOf, newApiToken, newId } from '../../src/server/access/credentials.ts';
import { localToken, runBusbar, type Ran } from '../support/site/cli.ts';
import {
  startServerProcess,
  startSimProcess,
  type ServerProcess,
  type Settings,
  type SimProcess,
} from '../support/site/processes.ts';
import { freePort, writeSmallSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';
import { openStore } from '../../src/store/store.ts';

/** Two tenants of one site: what each sees, runs and pays, over a real server that is restarted. */

const LIMIT = { timeout: 240_000 };
/** Only root may start a process as somebody else. */
const isRoot = process.getuid?.() === 0;
const JOBS = mkdtempSync(join(tmpdir(), 'busbar-customers-'));
let settings: Settings;
let sim: SimProcess;
let server: ServerProcess;
const tokens = new Map<string, string>();

beforeAll(async () => {
  chmodSync(JOBS, 0o755);
  const files = writeSmallSite({
    adjust: (raw) => {
      const common = { line: 'hpc', gpu: 'rtx4090', usdPerGpuHour: 0.5 };
      const desk = {
        id: 'desk',
        driver: 'local',
        hall: 'e',
        // GPUs that no process here touches: what is counted is what jobs ask for.
        settings: { cpus: 4, gpus: 4, gpuModel: 'rtx4090', folder: JOBS, ...(isRoot ? { userId: 65_534 } : {}) },
        classes: [{ id: 'desk-batch', class: 'batch', match: { partition: 'desk', qos: 'batch' }, ...common }],
      };
      raw.clusters.push(desk);
      const budget = { usdPerMonth: 0.02, alertPct: [50, 100] };
      raw.tenants = [
        {
          id: 'acme',
          name: 'Acme Research',
          quota: { gpus: 3 },
          projects: [
            { id: 'vision', account: 'acme-vision', members: ['ann'], budget },
            { id: 'fluids', account: 'acme-fluids', quota: { gpuHoursPerMonth: 1 } },
          ],
          runAs: [{ cluster: 'desk', userId: 1_901 }],
        },
        { id: 'brown', name: 'Brown Labs', projects: [{ id: 'all', account: 'brown' }] },
      ];
      // Of its nine days this month 43 GPU-hours may be missed: more than there are before the server runs.
      const availability = [{ belowPct: 80, creditUsd: 50 }];
      const signed = { id: 'brown-2026', customer: 'brown', work: 'desk-batch', committedGpus: 1, from: '2026-03-23' };
      raw.contracts = [{ ...signed, availability }];
    },
  });
  const clock = { epochSiteMs: Date.parse('2026-03-24T01:00:00Z'), epochUnixMs: Date.now() + 1_000, speed: 20 };
  settings = { files, clock, offset: 12_690, port: await freePort() };
  sim = await startSimProcess(settings);
  await seedAccounts();
  server = await startServerProcess(settings);
}, 120_000);
afterAll(async () => {
  await server?.kill();
  await sim?.kill();
  settings?.files.remove();
  rmSync(JOBS, { recursive: true, force: true });
});

/** Accounts and tokens as an admin would make them, without a password's long hash for each. */
async function seedAccounts(): Promise<void> {
  const { mkdirSync } = await import('node:fs');
  const data = join(settings.files.folder, 'data');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const store = await openStore(join(data, 'busbar.sqlite'));
  for (const [name, tenant] of [
    ['ann', 'acme'],
    ['abe', 'acme'],
    ['bob', 'brown'],
  ] as const) {
    const made = { passwordHash: 'no password opens this', createdMs: 0 };
    expect(await store.accounts.add({ name, role: 'customer', tenant, ...made })).toBe(true);
    const id = newId();
    const text = newApiToken(id);
    const times = { createdMs: 0, expiresMs: Date.now() + 86_400_000, usedMs: undefined };
    await store.accounts.addToken({
      id,
      digest: digestOf(text),
      account: name,
      name: 'ci',
      role: 'customer',
      tags: undefined,
      ...times,
    });
    tokens.set(name, text);
  }
  await store.close();
}

const tokenOf = (who: string): string => tokens.get(who) ?? localToken(settings);
const busbar = (who: string, ...args: readonly string[]): Promise<Ran> =>
  runBusbar(args, { url: server.url, token: tokenOf(who) });
async function call(who: string, path: string, body?: object): Promise<{ status: number; json: unknown }> {
  const reply = await fetch(`${server.url}/api/v1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${tokenOf(who)}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: reply.status, json: await reply.json() };
}
const job = (more: object) => ({
  class: 'desk-batch',
  name: 'a job',
  script: '#!/bin/sh\nid -u\nsleep 600\n',
  gpus: 1,
  timeLimitMinutes: 30,
  why: 'a test',
  ...more,
});
async function submit(who: string, more: object = {}): Promise<string> {
  const { status, json } = await call(who, '/jobs', job(more));
  expect([status, json]).toMatchObject([201, {}]);
  return jobSubmitted.parse(json).id;
}
const refused = async (who: string, more: object, status: number, words: RegExp): Promise<void> => {
  const told = await call(who, '/jobs', job(more));
  expect(told).toMatchObject({ status, json: { detail: expect.stringMatching(words) } });
};
const jobsOf = async (who: string) => jobsPage.parse((await call(who, '/jobs')).json).jobs;
const isRunning = (who: string, id: string) => async () =>
  (await jobsOf(who)).some((one) => one.cluster === 'desk' && one.id === id && one.state === 'running');

test('a job of a customer runs as the user of its tenant, and nobody else sees it', LIMIT, async () => {
  if (!isRoot) return expect((await call('ann', '/tenants')).status).toBe(200);
  const id = await submit('ann', { project: 'vision' });
  await until('it runs', isRunning('ann', id));
  await until('it says who it is', async () => {
    const { json } = await call('ann', `/jobs/desk/${id}/output`);
    return (json as { output?: string }).output === '1901\n';
  });
  expect((await jobsOf('ann')).every(({ customer }) => customer.startsWith('acme-'))).toBe(true);
  for (const who of ['abe', 'bob']) {
    // Abe is of the tenant, and no member of the project.
    expect((await jobsOf(who)).filter((one) => one.cluster === 'desk')).toEqual([]);
    expect((await call(who, `/jobs/desk/${id}/output`)).status).toBe(404);
    expect((await call(who, `/jobs/desk/${id}/cancel`, { why: 'spite' })).status).toBe(404);
  }
  const nodes = tenantNodes.parse((await call('ann', '/tenants/acme/nodes')).json).nodes;
  expect(nodes).toMatchObject([{ cluster: 'desk', gpuModel: 'rtx4090', gpus: 4, jobs: [id] }]);
  expect(JSON.stringify(nodes)).not.toMatch(/127\./);
  expect(await isRunning('admin', id)()).toBe(true);
});

test('what may not be is refused in words, and an empty list is no other', LIMIT, async () => {
  await refused('abe', { project: 'vision' }, 403, /"vision" is none of your projects: fluids/);
  await refused('ann', {}, 400, /expected project, one of: vision, fluids/);
  await refused('ann', { project: 'vision', customer: 'brown' }, 403, /booked to "acme-vision", not "brown"/);
  await refused('bob', {}, 403, /under tenants, brown, it needs runAs with cluster: desk and userId/);
  expect((await call('bob', '/tenants/acme/usage')).status).toBe(404);
  expect((await call('ann', '/overview')).status).toBe(403);
  expect(tenantList.parse((await call('bob', '/tenants')).json).tenants.map(({ id }) => id)).toEqual(['brown']);
  const [abes] = tenantList.parse((await call('abe', '/tenants')).json).tenants;
  expect(abes!.projects.map(({ id }) => id)).toEqual(['fluids']);
});

test('a customer is of a tenant that there is, and nobody else is of one', LIMIT, async () => {
  const add = (more: object) => call('admin', '/users', { name: 'eve', password: 'nine quiet transformers', ...more });
  const refusal = (words: RegExp) => ({ status: 400, json: { detail: expect.stringMatching(words) } });
  expect(await add({ role: 'customer' })).toMatchObject(
    refusal(/a customer needs its tenant: expected one of acme, brown/),
  );
  expect(await add({ role: 'customer', tenant: 'nobody' })).toMatchObject(refusal(/no tenant "nobody"/));
  expect(await add({ role: 'viewer', tenant: 'acme' })).toMatchObject(refusal(/only a customer is of a tenant/));
  // What an account may do is the admin's to say: a customer cannot make itself more.
  expect((await call('ann', '/users/ann', { role: 'admin' })).status).toBe(403);
});

test('quotas count what runs, what waits and what was taken a moment ago', LIMIT, async () => {
  if (!isRoot) return;
  await refused(
    'ann',
    { project: 'vision', gpus: 3 },
    409,
    /acme may have 3 GPUs at once: 1 run or wait, and this asks for 3/,
  );
  await refused(
    'abe',
    { gpus: 2, timeLimitMinutes: 31 },
    409,
    /project fluids may use 1 GPU-hours a month: 0.*asks for 1/,
  );
  // Of two at once that would fit alone, one fits: an admin's job for the account counts as well.
  const two = await Promise.all([
    call('abe', '/jobs', job({ gpus: 1, timeLimitMinutes: 35 })),
    call('admin', '/jobs', job({ gpus: 1, timeLimitMinutes: 35, customer: 'acme-fluids' })),
  ]);
  expect(two.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 409]);
  for (const one of (await jobsOf('admin')).filter(({ customer }) => customer === 'acme-fluids'))
    await call('admin', `/jobs/${one.cluster}/${one.id}/cancel`, { why: 'enough' });
});

test('use is counted and priced, a budget is told of once, and both outlive a restart', LIMIT, async () => {
  if (!isRoot) return;
  const usage = async (who: string) => usageView.parse((await call(who, '/tenants/acme/usage')).json);
  // Two cents are four GPU-minutes and a bit: half of it is soon spent.
  const alerts = async () =>
    activityPage
      .parse((await call('admin', '/activity?limit=500')).json)
      .activity.filter(({ what }) => what.startsWith('budget of acme/vision'));
  await until('half is spent', async () => (await alerts()).length > 0, 120_000);
  expect((await alerts())[0]).toMatchObject({
    who: 'busbar',
    what: expect.stringMatching(/: (50|100) % of \$0.02 is spent/),
  });
  await until('all is spent', async () => (await alerts()).some(({ what }) => what.includes('100 %')), 120_000);
  const before = await usage('ann');
  const line = before.lines.find(({ project }) => project === 'vision')!;
  expect(line).toMatchObject({ workClass: 'desk-batch', unpricedGpuHours: 0, usdPerGpuHour: 0.5 });
  expect(Math.abs(line.amount - line.gpuHours * 0.5e6)).toBeLessThan(1);
  expect(line.coverage).toBeLessThan(0.1);
  expect((await usage('abe')).lines.map(({ project }) => project)).not.toContain('vision');
  const told = (await alerts()).length;

  await server.kill();
  server = await startServerProcess(settings);
  await until('it counts on', async () => (await usage('ann')).total > before.total, 60_000);
  expect((await alerts()).length).toBe(told);
  const alarms = (await call('admin', '/overview')).json;
  expect(JSON.stringify(alarms)).toMatch(/budget-spent.*acme\/vision/);
  const { statements } = statementList.parse((await call('ann', '/tenants/acme/statements')).json);
  expect(statements).toMatchObject([{ month: '2026-03', running: true, credited: 0 }]);
});

test(
  'an availability is told as far as it is known, and nothing of it is credited before it is missed',
  LIMIT,
  async () => {
    const { availability, total } = usageView.parse((await call('bob', '/tenants/brown/usage')).json);
    expect(availability).toMatchObject([
      { contract: 'brown-2026', promisedPct: 80, availabilityPct: 100, missedGpuHours: 0, amount: 0 },
    ]);
    const [line] = availability;
    expect(line!.missableGpuHours).toBeCloseTo(0.2 * 9 * 24, 6);
    // From midnight of Chicago to the start of the clock.
    expect(line!.unknownGpuHours).toBeGreaterThan(19.9);
    expect(line!.unknownGpuHours).toBeLessThan(26);
    expect(total).toBe(0);
    expect((await busbar('bob', 'usage')).out).toMatch(
      /Availability of brown-2026: 100 %, 80 % promised: 0\.0 of the 43\.2/,
    );
    expect((await busbar('bob', 'tenant', 'show', 'brown')).out).toMatch(/credit for availability: \$50 below 80 %/);
    expect(usageView.parse((await call('ann', '/tenants/acme/usage')).json).availability).toEqual([]);
  },
);

test('the command line shows a customer what is theirs, and cancels it', LIMIT, async () => {
  if (!isRoot) return;
  const { out: shown } = await busbar('ann', 'tenant', 'show', 'acme');
  expect(shown).toMatch(/vision +acme-vision/);
  expect(shown).toMatch(/can submit to: desk-batch/);
  expect((await busbar('ann', 'usage')).out).toMatch(/acme, 2026-03 so far: \$0\.\d\d/);
  expect((await busbar('admin', 'usage')).err).toMatch(/--tenant: acme, brown/);
  const quote = ['quote', '--class', 'desk-batch', '--gpus', '2', '--minutes', '30', '--json'];
  const { asked, interruptible } = quoteView.parse(JSON.parse((await busbar('ann', ...quote)).out));
  // Nominal: nobody measured the power of this work.
  expect(asked).toMatchObject({
    workClass: 'desk-batch',
    cost: 500_000,
    isInterruptible: true,
    powerSource: 'nominal',
  });
  expect(interruptible).toBeNull();
  expect((await busbar('ann', ...quote.slice(0, -1))).out).toMatch(/desk-batch: \$0\.50/);
  expect((await busbar('ann', 'status')).err).toMatch(/needs the role viewer/);
  const file = join(settings.files.folder, 'next.sh');
  writeFileSync(file, '#!/bin/sh\necho done\n');
  const sent = await busbar(
    'ann',
    'job',
    'submit',
    file,
    '--class',
    'desk-batch',
    '--project',
    'vision',
    '--why',
    'by hand',
    '--json',
  );
  expect(sent.err).toBe('');
  const [first] = await jobsOf('ann');
  const cancelled = await busbar('ann', 'job', 'cancel', `desk/${first!.id}`, '--why', 'enough');
  expect(cancelled.out).toMatch(/told to end/);
  const { activity } = activityPage.parse((await call('admin', '/activity?limit=500')).json);
  const told = activity.map(({ who, what, why }) => `${who}: ${what}: ${why}`);
  expect(told).toContain(`ann (token ci) of acme: cancel job desk/${first!.id}: enough`);
});

test('a rehearsal writes into no site file', LIMIT, async () => {
  const body = { name: 'Gold', projects: [{ id: 'all', account: 'gold' }], why: 'signed on Monday' };
  const refusal = { status: 409, json: { detail: expect.stringMatching(/a rehearsal changes no site file/) } };
  expect(await call('admin', '/tenants/gold', body)).toMatchObject(refusal);
});
