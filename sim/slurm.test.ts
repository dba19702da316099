import { afterAll, beforeAll, expect, test } from 'vitest';
import { request } from 'undici';
import { hostlist } from './hostlist.ts';
import { at, testSim, type TestSim } from './small-site.ts';

let t: TestSim;
beforeAll(async () => {
  t = await testSim(21_050);
});
afterAll(() => t.sim.close());

type Row = Record<string, unknown>;
async function call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) {
  const reply = await request(`http://127.21.8.1:${t.sim.ports.slurm}/slurm/v0.0.38/${path}`, {
    method,
    headers: { 'x-slurm-user-name': 'busbar', 'x-slurm-user-token': 'any' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await reply.body.text();
  return { status: reply.statusCode, text, json: text.startsWith('{') ? (JSON.parse(text) as Row) : {} };
}
const jobs = async (): Promise<Row[]> => (await call('GET', 'jobs/')).json['jobs'] as Row[];
const job = async (id: unknown): Promise<Row> => at((await call('GET', `job/${String(id)}`)).json, 'jobs.0') as Row;

test('every path answers with errors[], with and without a slash; no user is 401, a bad path plain text', async () => {
  for (const path of ['ping', 'diag/', 'nodes', 'nodes/', 'partitions/', 'jobs']) {
    const reply = await call('GET', path);
    expect(reply).toMatchObject({ status: 200, json: { errors: [] } });
  }
  const anonymous = await request(`http://127.21.8.1:${t.sim.ports.slurm}/slurm/v0.0.38/jobs`);
  expect(anonymous.statusCode).toBe(401);
  await anonymous.body.dump();
  const wrong = await call('GET', 'nothing');
  expect(wrong.status).toBe(404);
  expect(wrong.text).not.toMatch(/^\{/);
});

test('nodes carry the address of their GPU server and what is used of them', async () => {
  const nodes = (await call('GET', 'nodes')).json['nodes'] as Row[];
  expect(nodes).toHaveLength(5);
  expect(nodes[0]).toMatchObject({
    name: 'h100-0001',
    address: '127.21.5.1',
    gres: 'gpu:h100:8',
    partitions: ['h100'],
  });
  const used = nodes.map((node) => Number(/:(\d+)\(/.exec(node['gres_used'] as string)![1]));
  const running = (await jobs()).filter((row) => row['job_state'] === 'RUNNING');
  const gpus = running.map((row) => Number(/gres\/gpu=(\d+)/.exec(row['tres_alloc_str'] as string)![1]));
  expect(used.reduce((a, b) => a + b)).toBe(gpus.reduce((a, b) => a + b));
  expect((await call('GET', 'node/rtx4090-0001')).json['nodes']).toMatchObject([{ address: '127.21.6.1' }]);
});

test('the cluster starts in mid-flow: jobs of the past, and a queue', async () => {
  const rows = await jobs();
  const now = t.sim.truth().at / 1000;
  const running = rows.filter((row) => row['job_state'] === 'RUNNING');
  expect(running.length).toBeGreaterThan(3);
  for (const row of running) {
    expect(row['start_time']).toBeLessThanOrEqual(now);
    expect(row['submit_time']).toBeLessThanOrEqual(row['start_time'] as number);
    expect(row['end_time']).toBeGreaterThan(now);
  }
  expect(rows.some((row) => row['job_state'] === 'PENDING')).toBe(true);
});

test('a held job waits, a released one may run; priority 0 holds as well', async () => {
  const submitted = await call('POST', 'job/submit', {
    script: '#!/bin/sh\nsleep 1',
    job: { name: 'mine', partition: 'rtx4090', qos: 'batch', gres: 'gpu:1', time_limit: 30, hold: true },
  });
  const id = submitted.json['job_id'];
  t.pass(5);
  expect(await job(id)).toMatchObject({ job_state: 'PENDING', state_reason: 'JobHeldUser', priority: 0 });
  await call('POST', `job/${String(id)}`, { hold: false });
  t.pass(5);
  expect(await job(id)).toMatchObject({ job_state: 'RUNNING', nodes: 'rtx4090-0001', batch_host: 'rtx4090-0001' });
  await call('POST', `job/${String(id)}`, { priority: 0 });
  expect(await job(id)).toMatchObject({ job_state: 'RUNNING', hold: true });
});

test('requeue starts a job over and counts; held, it stays in the queue; cancel ends it', async () => {
  const running = (await jobs()).find((row) => row['job_state'] === 'RUNNING' && row['qos'] === 'preemptible')!;
  const id = running['job_id'];
  await call('POST', `job/${String(id)}`, { hold: true });
  expect((await call('GET', `job/${String(id)}/requeue`)).status).toBe(200);
  t.pass(120);
  expect(await job(id)).toMatchObject({ job_state: 'PENDING', restart_cnt: 1, state_reason: 'JobHeldUser', nodes: '' });
  await call('DELETE', `job/${String(id)}`);
  expect(await job(id)).toMatchObject({ job_state: 'CANCELLED' });
  t.pass(301);
  const gone = await call('GET', `job/${String(id)}`);
  expect(gone.status).toBe(500);
  expect(at(gone.json, 'errors.0.error_number')).toBe(2017);
});

test('reserved work displaces preemptible work', async () => {
  const { json } = await call('POST', 'job/submit', {
    script: '#!/bin/sh',
    job: { partition: 'h100', qos: 'reserved', gpus: 16, time_limit: 600 },
  });
  t.pass(5);
  const mine = await job(json['job_id']);
  expect(mine['job_state']).toBe('RUNNING');
  expect(mine['nodes']).toMatch(/^h100-\[/);
});

test('host lists are written as Slurm writes them', () => {
  expect(hostlist([])).toBe('');
  expect(hostlist(['h100-0003'])).toBe('h100-0003');
  expect(hostlist(['h100-0007', 'h100-0001', 'h100-0002', 'a-1'])).toBe('h100-[0001-0002,0007],a-1');
});
