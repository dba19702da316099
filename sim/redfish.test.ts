import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { redfish } from '../src/drivers/redfish.ts';
import { deviceWorld } from '../test/support/device-world.ts';
import { BMC_W } from './servers.ts';
import { testSim, type TestSim } from './small-site.ts';

const ADDRESS = '127.21.5.1';
let t: TestSim;
const world = deviceWorld('admin');
const stranger = deviceWorld('wrong');
beforeAll(async () => {
  t = await testSim(22_140);
});
afterAll(async () => {
  await world.close();
  await stranger.close();
  await t.sim.close();
});
const open = (more: object = {}, io = world.io) => {
  const settings = { port: t.sim.ports.redfish, scheme: 'http', username: 'admin', password: { env: 'X' }, ...more };
  return redfish.open({ address: ADDRESS, modelId: 'gpu-8x-h100', config: redfish.config.parse(settings) }, io);
};

test.each(['basic', 'session'])('reads and names the server, signed in by %s', async (auth) => {
  t.pass(10);
  const device = open({ auth });
  const reading = await device.read();
  expect(reading).toMatchObject({ powerBasis: 'measured', mode: { kind: 'run' } });
  expect(reading.powerW! / t.sim.world.servers.state.serverW[0]!).toBeCloseTo(1, 2);
  expect(reading.temperatureC!).toBeGreaterThan(30);
  const slow = await device.inspect!();
  expect(slow).toMatchObject({ model: 'Busbar Works 8x H100 SXM', hostname: 'h100-0001', powerLimitW: 8200 });
  expect(slow.gpus).toHaveLength(8);
  expect(slow.fansRpm).toHaveLength(6);
});

test('limits the GPUs and reads the limit back', async () => {
  await open().setPowerLimit!(2600 + 8 * 400);
  t.pass(5);
  expect(await open().inspect!()).toMatchObject({ powerLimitW: 5800 });
  await expect(open().setPowerLimit!(2600 + 8 * 100)).rejects.toMatchObject({ kind: 'refused' });
  expect(t.sim.world.servers.state.gpuLimitW[7]).toBe(400);
});

test('goes to sleep, wakes and restarts; asleep it draws what its BMC draws', async () => {
  const device = open();
  await device.sleep!();
  await device.sleep!();
  t.pass(5);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, powerW: BMC_W });
  await expect(device.reboot!()).rejects.toMatchObject({ kind: 'refused' });
  await device.wake!();
  await device.wake!();
  t.pass(5);
  expect((await device.read()).mode).toBeUndefined();
  t.pass(600);
  expect(await device.read()).toMatchObject({ mode: { kind: 'run' } });
  await device.reboot!();
  t.pass(5);
  expect((await device.read()).mode).toBeUndefined();
});

test('shows where it is, and keeps out who has the wrong password', async () => {
  await open().locate!(true);
  const url = `http://${ADDRESS}:${t.sim.ports.redfish}/redfish/v1/Systems/1`;
  const seen = await world.io.http.ask({ method: 'GET', url, timeoutMs: 1000 });
  expect(JSON.parse(seen.body)).toMatchObject({ LocationIndicatorActive: true });
  for (const auth of ['basic', 'session'])
    await expect(open({ auth }, stranger.io).read()).rejects.toMatchObject({ kind: 'unauthorised' });
});

test.each([
  ['stay-off', true, true],
  ['stay-off', false, true],
  ['last-state', true, true],
  ['last-state', false, false],
  ['start', true, false],
] as const)('armed for %s, off before: %s, it is off after an outage: %s', async (what, wasOff, isOff) => {
  const device = open();
  await device.setAfterOutage!(what);
  await device.setAfterOutage!(what);
  expect(await device.read()).toMatchObject({ afterOutage: what });
  if (wasOff) await device.sleep!();
  else await device.wake!();
  t.pass(5);
  t.sim.trip('g');
  t.pass(5);
  expect(t.sim.world.servers.state.serverW[0]).toBe(0);
  t.pass(20 * 60);
  expect(t.sim.world.state.serversOff.has(0)).toBe(isOff);
  expect((await device.read()).mode?.kind).toBe(isOff ? 'sleep' : 'run');
  await device.wake!();
  t.pass(10 * 60);
});

const TOOL = spawnSync('redfishtool', ['-h']).error === undefined;
const redfishtool = promisify(execFile);
test.skipIf(!TOOL)('redfishtool, where it is installed, walks it, signs in and switches it', async () => {
  const ask = async (...args: string[]): Promise<Record<string, unknown>> => {
    const at = ['-r', `${ADDRESS}:${t.sim.ports.redfish}`, '-u', 'admin', '-p', 'admin', '-S', 'Never'];
    const { stdout } = await redfishtool('redfishtool', [...at, ...args], { timeout: 20_000 });
    return (stdout.trim() === '' ? {} : JSON.parse(stdout)) as Record<string, unknown>;
  };
  expect(await ask('-A', 'Basic', 'Systems', '-I', '1')).toMatchObject({ HostName: 'h100-0001', Model: '8x H100 SXM' });
  expect(await ask('-A', 'Session', 'Chassis', '-I', '1', 'Power')).toMatchObject({
    PowerControl: [{ MemberId: '0' }],
  });
  await ask('-A', 'Basic', 'Systems', '-I', '1', 'reset', 'GracefulShutdown');
  t.pass(2);
  expect(t.sim.world.state.serversOff.has(0)).toBe(true);
  await ask('-A', 'Basic', 'Systems', '-I', '1', 'reset', 'On');
  expect(t.sim.world.state.serversOff.has(0)).toBe(false);
});
