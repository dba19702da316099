import { afterAll, beforeAll, expect, test } from 'vitest';
import { snmpPdu } from '../src/drivers/snmp-pdu.ts';
import { siteSchema } from '../src/model/index.ts';
import { deviceWorld } from '../test/support/device-world.ts';
import { smallSite, talk, testSim, type TestSim } from './small-site.ts';

const ADDRESS = '127.21.10.1';
let t: TestSim;
const world = deviceWorld();
const site = siteSchema.parse({
  ...smallSite(),
  plant: [
    {
      id: 'pdu-1',
      kind: 'pdu',
      hall: 'm',
      driver: 'snmp-pdu',
      address: ADDRESS,
      feeds: { group: 'lux', first: 3, count: 4 },
    },
    {
      id: 'pdu-2',
      kind: 'pdu',
      hall: 'g',
      driver: 'snmp-pdu',
      address: '127.21.10.2',
      feeds: { group: 'h100', count: 2 },
    },
  ],
});
beforeAll(async () => {
  t = await testSim(22_100, { site });
});
afterAll(async () => {
  await world.close();
  await t.sim.close();
});

const open = (address = ADDRESS) =>
  snmpPdu.open({ address, modelId: 'pdu', config: snmpPdu.config.parse({ port: t.sim.ports.snmp }) }, world.io);

test('an outlet draws what its machine draws, and the whole is their sum', async () => {
  t.pass(10);
  const reading = await open().read();
  const { powerW } = t.sim.world.miners.state;
  expect(reading.outlets).toHaveLength(8);
  expect(reading.outlets![0]).toMatchObject({ index: 1, name: 'lux-0003', on: true, powerW: Math.round(powerW[2]!) });
  expect(reading.powerW! / (powerW[2]! + powerW[3]! + powerW[4]! + powerW[5]!)).toBeCloseTo(1, 2);
  expect(reading.powerBasis).toBe('measured');
  t.pass(3600);
  const later = await open().read();
  expect((later.energyImportWh! - reading.energyImportWh!) / reading.powerW!).toBeCloseTo(1, 1);
  expect(await open().inspect!()).toMatchObject({ model: 'AP8641', firmware: '6.7.2', hostname: 'pdu-1' });
});

test('an outlet that is switched off takes its miner away, and gives it back', async () => {
  await open().setOutlet!(2, false);
  t.pass(2);
  expect(t.sim.world.miners.state.powerW[3]).toBe(0);
  const off = await open().read();
  expect(off.outlets!.slice(0, 3).map(({ on, powerW }) => [on, powerW! > 0])).toEqual([
    [true, true],
    [false, false],
    [true, true],
  ]);
  await open().setOutlet!(2, false);
  await open().setOutlet!(2, true);
  t.pass(600);
  expect(t.sim.world.miners.state.powerW[3]).toBeGreaterThan(1000);
});

test('a server on an outlet goes dark with it', async () => {
  const pdu = open('127.21.10.2');
  expect((await pdu.read()).outlets![1]!.powerW).toBeGreaterThan(1000);
  await pdu.setOutlet!(2, false);
  t.pass(2);
  expect(t.sim.world.servers.state.serverW[1]).toBe(0);
  const answer = await talk('127.21.5.2', t.sim.ports.dcgm, 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n', 150);
  expect(answer).toMatchObject({ end: 'silent' });
});

test('a value that is no command is refused, and so is an object that is not to be written', async () => {
  const agent = { host: ADDRESS, port: t.sim.ports.snmp, community: 'public', timeoutMs: 1000 };
  const control = '1.3.6.1.4.1.318.1.1.26.9.2.4.1.5.1';
  await expect(world.io.snmp.set({ ...agent, oid: control, value: 77 })).rejects.toMatchObject({ kind: 'refused' });
  const status = '1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.1';
  await expect(world.io.snmp.set({ ...agent, oid: status, value: 1 })).rejects.toMatchObject({ kind: 'unauthorised' });
  await expect(world.io.snmp.walk({ ...agent, oid: '1.3.6.1.4.1.318.1.1.26.77' })).resolves.toEqual([]);
});

test('an outlet keeps what it is set to do after an outage, and does it', async () => {
  await open().setOutletAfterOutage!(2, 'stay-off');
  await open().setOutletAfterOutage!(3, 'start');
  await expect(open().setOutletAfterOutage!(3, 'last-state')).rejects.toMatchObject({ kind: 'unsupported' });
  const told = (await open().inspect!()).outletsAfterOutage!;
  expect(told.filter(({ afterOutage }) => afterOutage === 'stay-off')).toEqual([{ index: 2, afterOutage: 'stay-off' }]);
  expect(told).toHaveLength(8);
  t.sim.trip('m');
  t.pass(5);
  t.pass(30 * 60);
  const { outlets } = await open().read();
  expect(outlets!.slice(0, 4).map(({ on }) => on)).toEqual([true, false, true, true]);
  expect(t.sim.world.miners.state.powerW[3]).toBe(0);
  expect(t.sim.world.miners.state.powerW[4]).toBeGreaterThan(0);
});
