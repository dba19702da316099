import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bacnetCooling } from '../src/drivers/bacnet-cooling.ts';
import { siteSchema } from '../src/model/index.ts';
import { deviceWorld } from '../test/support/device-world.ts';
import { smallSite, testSim, type TestSim } from './small-site.ts';

const ADDRESS = '127.21.11.1';
const points = {
  supply: 'analog-input,11',
  return: 'analog-input,12',
  setPoint: 'analog-value,5',
  flow: 'analog-input,13',
  pressure: 'analog-input,14',
  fan: 'analog-output,1',
  pump: 'analog-output,2',
  running: 'binary-value,1',
};
const plant = { kind: 'cooling', driver: 'bacnet-cooling', settings: { points } };
const site = siteSchema.parse({
  ...smallSite(),
  plant: [
    { id: 'chiller', hall: 'g', address: ADDRESS, ...plant },
    { id: 'cooler', hall: 'm', address: '127.21.11.2', ...plant, settings: {} },
    {
      id: 'pumps',
      hall: 'm',
      address: '127.21.11.4',
      ...plant,
      settings: { points: { ...points, start: 'binary-output,3' } },
    },
  ],
});
let t: TestSim;
const world = deviceWorld();
beforeAll(async () => {
  t = await testSim(13_030, { site });
});
afterAll(async () => {
  await world.close();
  await t.sim.close();
});

const open = (more: object = {}, address = ADDRESS) => {
  const config = bacnetCooling.config.parse({ port: t.sim.ports.bacnet, points, timeoutMs: 600, ...more });
  return bacnetCooling.open({ address, modelId: 'cooling', config }, world.io);
};

test('a chiller tells every point, and lacks those it does not have', async () => {
  t.pass(5);
  const { cooling } = await open().read();
  expect(cooling).toMatchObject({ running: true, setPointC: 18 });
  expect(cooling!.supplyC!).toBeCloseTo(18.2, 1);
  expect(cooling!.returnC!).toBeGreaterThan(cooling!.supplyC!);
  expect(cooling!.fanPct!).toBeGreaterThan(20);
  const partly = await open({ points: { ...points, flow: 'analog-input,99' } }).read();
  expect(partly.cooling).toMatchObject({ running: true, flowLpm: undefined });
  const usual = { supply: 'analog-input,1', running: 'binary-input,1' };
  expect((await open({ points: usual }, '127.21.11.2').read()).cooling).toMatchObject({ running: true });
});

test('warmer water is asked for at priority 8, saves cooling and warms the GPUs; null gives the slot back', async () => {
  t.pass(300);
  const before = t.sim.truth().halls['g']!;
  const gpuC = t.sim.world.servers.state.gpuC[0]!;
  await open().setSupplyC!(24);
  t.pass(300);
  expect((await open().read()).cooling!.setPointC).toBe(24);
  const after = t.sim.truth().halls['g']!;
  expect(after.coolingW / after.itW).toBeLessThan((0.9 * before.coolingW) / before.itW);
  expect(t.sim.world.servers.state.gpuC[0]! - gpuC).toBeGreaterThan(3);
  const object = { type: 'analog-value', instance: 5 } as const;
  const target = { host: ADDRESS, port: t.sim.ports.bacnet, timeoutMs: 600, object };
  await world.io.bacnet.write({ ...target, value: undefined, priority: 8 });
  expect((await open().read()).cooling!.setPointC).toBe(18);
  await expect(world.io.bacnet.write({ ...target, value: 20, priority: 3 })).rejects.toMatchObject({ kind: 'refused' });
  await expect(world.io.bacnet.write({ ...target, value: 90, priority: 8 })).rejects.toMatchObject({ kind: 'refused' });
  const nowhere = { ...target, object: { type: 'analog-value', instance: 77 } as const, value: 20, priority: 8 };
  await expect(world.io.bacnet.write(nowhere)).rejects.toMatchObject({ kind: 'unsupported' });
  await expect(open().setSupplyC!(31)).rejects.toMatchObject({ kind: 'refused' });
});

test('a set point that is not named can not be written', () => {
  expect(open({ points: { supply: 'analog-input,11' } }).setSupplyC).toBeUndefined();
  expect(bacnetCooling.config.safeParse({ points: {} }).success).toBe(false);
  expect(bacnetCooling.config.safeParse({ points: { setPoint: 'analog-input,1' } }).success).toBe(false);
});

test('silence is a timeout, and a caller that gives up is let go', async () => {
  await expect(open({}, '127.21.11.9').read()).rejects.toMatchObject({ kind: 'timeout' });
  await expect(open({ timeoutMs: 9000 }, '127.21.11.9').read(AbortSignal.timeout(50))).rejects.toMatchObject({
    kind: 'timeout',
  });
});

test('garbage is dropped, whoever sends it, and the next answer is read', async () => {
  const junk = [
    '',
    '81',
    '810a0004',
    '810a000601',
    'ffffffff',
    '810a000c0100300c',
    '810a00090100500c0e91',
    '810a0008010030ff',
  ];
  const device = createSocket('udp4');
  let asked = 0;
  device.on('message', (_bytes, { port, address }) => {
    asked += 1;
    for (const hex of junk) device.send(Buffer.from(hex, 'hex'), port, address);
    for (let id = 0; id < 4; id += 1) {
      // A complex acknowledgement of a read whose body breaks off at each of its bytes.
      const whole = Buffer.from(
        `810a00170100 30${id.toString(16).padStart(2, '0')}0e0c000000011e29554e4441a8`.replace(' ', ''),
        'hex',
      );
      for (let end = 7; end < whole.length; end += 1) device.send(whole.subarray(0, end), port, address);
    }
  });
  await new Promise<void>((resolve) => device.bind(t.sim.ports.bacnet, '127.21.11.3', resolve));
  try {
    const given: unknown = await open({}, '127.21.11.3')
      .read()
      .catch((error: unknown) => error);
    expect(given).toMatchObject({ name: 'Fault' });
    expect(asked).toBeGreaterThan(0);
    expect((await open().read()).cooling).toMatchObject({ running: true });
  } finally {
    device.close();
  }
});

test('a plant that can be started stands still until it is demanded, runs up, and stops when let go', async () => {
  const device = open({ points: { ...points, start: 'binary-output,3' } }, '127.21.11.4');
  t.pass(5);
  expect((await device.read()).cooling).toMatchObject({ running: false, flowLpm: 0 });
  await device.demandCooling!(true);
  t.pass(5);
  expect((await device.read()).cooling).toMatchObject({ running: true, flowLpm: 0, fanPct: 0 });
  t.pass(60);
  expect((await device.read()).cooling!.flowLpm!).toBeGreaterThan(10);
  await device.demandCooling!(true);
  await device.demandCooling!(false);
  t.pass(5);
  expect((await device.read()).cooling).toMatchObject({ running: false, flowLpm: 0 });
});
