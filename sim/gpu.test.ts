import { afterAll, beforeAll, expect, test } from 'vitest';
import { request } from 'undici';
import { gpuServer } from '../src/drivers/gpu-server.ts';
import { deviceWorld } from '../test/support/device-world.ts';
import { BMC_W } from './servers.ts';
import { calmConfig, CALM, talk, testSim, type TestSim } from './small-site.ts';
import { applyCommand } from './world.ts';

let t: TestSim;
const world = deviceWorld();
beforeAll(async () => {
  t = await testSim(21_020);
});
afterAll(async () => {
  await world.close();
  await t.sim.close();
});

async function metrics(host: string): Promise<Map<string, number>> {
  const reply = await request(`http://${host}:${t.sim.ports.dcgm}/metrics`);
  const found = new Map<string, number>();
  for (const line of (await reply.body.text()).split('\n')) {
    const match = /^(\w+)\{gpu="(\d)",.*\} (\S+)$/.exec(line);
    if (match !== null) found.set(`${match[1]} ${match[2]}`, Number(match[3]));
  }
  return found;
}
const zeusd = async (host: string, method: 'GET' | 'POST', path: string, body?: object) => {
  const reply = await request(`http://${host}:${t.sim.ports.zeusd}${path}`, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
  });
  return { status: reply.statusCode, text: await reply.body.text() };
};

test('eight GPUs with every field, and jobs by label', async () => {
  const text = await (await request(`http://127.21.5.1:${t.sim.ports.dcgm}/metrics`)).body.text();
  for (const name of [
    'POWER_USAGE',
    'TOTAL_ENERGY_CONSUMPTION',
    'GPU_UTIL',
    'SM_CLOCK',
    'FB_USED',
    'GPU_TEMP',
    'XID_ERRORS',
  ]) {
    expect(text.match(new RegExp(`^DCGM_FI_DEV_${name}\\{`, 'gm'))).toHaveLength(8);
  }
  expect(text.match(/^DCGM_FI_PROF_PIPE_TENSOR_ACTIVE\{/gm)).toHaveLength(8);
  expect(text).toMatch(/Hostname="h100-0001",hpc_job="\d+"/);
});

test('the energy counter is the integral of power', async () => {
  const before = await metrics('127.21.5.1');
  t.pass(600);
  const after = await metrics('127.21.5.1');
  const joules =
    (after.get('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION 0')! - before.get('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION 0')!) /
    1000;
  const watts = after.get('DCGM_FI_DEV_POWER_USAGE 0')!;
  expect(joules / 600 / watts).toBeCloseTo(1, 1);
  expect(watts).toBeGreaterThan(350);
});

test('a power limit reduces draw and speed, and is read back', async () => {
  expect(JSON.parse((await zeusd('127.21.5.2', 'GET', '/gpu/get_power_limit_constraints?gpu_ids=0')).text)).toEqual({
    '0': { min_power_limit_mw: 210_000, max_power_limit_mw: 700_000 },
  });
  const before = (await metrics('127.21.5.2')).get('DCGM_FI_DEV_POWER_USAGE 0')!;
  const set = await zeusd('127.21.5.2', 'POST', '/gpu/set_power_limit?gpu_ids=0,1&power_limit_mw=420000&block=true');
  expect(set.status).toBe(200);
  t.pass(5);
  const after = await metrics('127.21.5.2');
  // A cap of 60 %: 64 % of the draw at full work, so 397 W of 620 (with 3 % between parts).
  expect(after.get('DCGM_FI_DEV_POWER_USAGE 0')).toBeLessThan(Math.min(before, 420));
  expect(after.get('DCGM_FI_DEV_SM_CLOCK 0')).toBeLessThan(1980);
  expect(after.get('DCGM_FI_DEV_POWER_USAGE 5')).toBeGreaterThan(430);
  const read = JSON.parse((await zeusd('127.21.5.2', 'GET', '/gpu/get_power_limit')).text) as Record<string, unknown>;
  expect(read['1']).toEqual({ power_limit_mw: 420_000 });
  expect(read['2']).toEqual({ power_limit_mw: 700_000 });
});

test('a JSON body works too; a limit out of range is refused', async () => {
  const body = { gpu_ids: [3], power_limit_mw: 500_000, block: true };
  expect((await zeusd('127.21.5.3', 'POST', '/gpu/set_power_limit', body)).status).toBe(200);
  const low = await zeusd('127.21.5.3', 'POST', '/gpu/set_power_limit', { ...body, power_limit_mw: 1000 });
  expect(low.status).toBe(400);
  expect((await zeusd('127.21.5.3', 'POST', '/gpu/set_power_limit', { ...body, gpu_ids: [8] })).status).toBe(400);
});

test('now and then one field is a sentinel', async () => {
  const odd = await testSim(21_030, { config: calmConfig({ requests: { ...CALM.requests, sentinelPct: 100 } }) });
  try {
    const text = await (await request(`http://127.21.5.1:${odd.sim.ports.dcgm}/metrics`)).body.text();
    expect(text.match(/ 922337203685477\d+$|9\.22\d+e\+18$/gm)).toHaveLength(1);
  } finally {
    await odd.sim.close();
  }
});

test('clocks locked below the top slow the work and lower the draw, and are let go again', async () => {
  const ids = 'gpu_ids=0,1,2,3,4,5,6,7&block=true';
  const before = (await metrics('127.21.5.1')).get('DCGM_FI_DEV_POWER_USAGE 0')!;
  const path = `/gpu/set_gpu_locked_clocks?${ids}&min_clock_mhz=0&max_clock_mhz=1200`;
  expect((await zeusd('127.21.5.1', 'POST', path)).status).toBe(200);
  t.pass(5);
  const held = await metrics('127.21.5.1');
  expect(held.get('DCGM_FI_DEV_POWER_USAGE 0')).toBeLessThan(0.8 * before);
  expect(held.get('DCGM_FI_DEV_SM_CLOCK 0')).toBeLessThanOrEqual(1200);
  expect((await zeusd('127.21.5.1', 'POST', `/gpu/set_gpu_locked_clocks?${ids}&max_clock_mhz=1200`)).status).toBe(400);
  expect((await zeusd('127.21.5.1', 'POST', `/gpu/reset_gpu_locked_clocks?${ids}`)).status).toBe(200);
  t.pass(5);
  expect((await metrics('127.21.5.1')).get('DCGM_FI_DEV_POWER_USAGE 0')! / before).toBeCloseTo(1, 1);
});

test('the driver reads, limits power and clocks, and reads the limit back', async () => {
  const device = gpuServer.open(
    {
      address: '127.21.5.1',
      modelId: 'gpu-8x-h100',
      config: gpuServer.config.parse({ dcgmPort: t.sim.ports.dcgm, zeusdPort: t.sim.ports.zeusd }),
    },
    world.io,
  );
  const reading = await device.read();
  expect(reading.gpus).toHaveLength(8);
  expect(reading.gpus![0]).toMatchObject({ name: 'NVIDIA H100 80GB HBM3', xid: 0, memoryTotalBytes: 81_559 * 2 ** 20 });
  expect(reading.gpus![0]!.uuid).toMatch(/^GPU-/);
  await device.setPowerLimit!(5400);
  await device.setClockLimit!(1500);
  t.pass(5);
  const after = await device.inspect!();
  expect(after).toMatchObject({ hostname: 'h100-0001', powerLimitW: 5400, gaps: undefined });
  expect(after.gpus!.every((gpu) => gpu.powerLimitW === 350 && gpu.smClockMhz! <= 1500)).toBe(true);
  await device.setClockLimit!(undefined);
});

test('a server that is switched off or unplugged says nothing, draws its BMC or nothing, and its jobs go back', async () => {
  const off = await testSim(21_560);
  try {
    const { world: w } = off.sim;
    const draw = () => w.servers.state.serverW[1]!;
    const jobsOn = () => [...w.servers.job.subarray(8, 16)].filter((job) => job > 0).length;
    expect(draw()).toBeGreaterThan(1500);
    expect(jobsOn()).toBe(8);
    applyCommand(w, { op: 'server-power', n: 1, on: false }, w.state.t);
    off.pass(2);
    expect([draw(), jobsOn()]).toEqual([BMC_W, 0]);
    const answer = await talk('127.21.5.2', off.sim.ports.dcgm, 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n', 150);
    expect(answer).toMatchObject({ end: 'silent' });
    const { number } = w.endpoints.find((e) => e.kind === 'server' && e.index === 1)!;
    applyCommand(w, { op: 'supply', number, on: false }, w.state.t);
    off.pass(2);
    expect(draw()).toBe(0);
    applyCommand(w, { op: 'supply', number, on: true }, w.state.t);
    applyCommand(w, { op: 'server-power', n: 1, on: true }, w.state.t);
    off.pass(30);
    expect(draw()).toBeGreaterThan(500);
    off.pass(600);
    expect((await request(`http://127.21.5.2:${off.sim.ports.dcgm}/metrics`)).statusCode).toBe(200);
  } finally {
    await off.sim.close();
  }
});
