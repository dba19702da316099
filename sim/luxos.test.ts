import { afterAll, beforeAll, expect, test } from 'vitest';
import { at, cgminer, talk, testSim, type TestSim } from './small-site.ts';

const HOST = '127.21.1.1';
const OTHER = '127.21.1.2';
let t: TestSim;
beforeAll(async () => {
  t = await testSim(21_000);
});
afterAll(() => t.sim.close());

async function session(host: string): Promise<string> {
  return at(await cgminer(t.sim, host, 'logon'), 'SESSION.0.SessionID') as string;
}

test('a reply ends in NUL and the machine closes', async () => {
  const { bytes, end } = await talk(HOST, t.sim.ports.cgminer, '{"command":"version"}');
  expect(end).toBe('closed');
  expect(bytes.at(-1)).toBe(0);
  expect(at(JSON.parse(bytes.subarray(0, -1).toString()), 'VERSION.0.Type')).toBe('Antminer S21');
});

test('joined commands answer as one object with an array for each', async () => {
  const reply = await cgminer(t.sim, HOST, 'summary+power+config');
  expect(at(reply, 'summary.0.STATUS.0.STATUS')).toBe('S');
  expect(at(reply, 'power.0.POWER.0.Watts')).toBeGreaterThan(3000);
  expect(at(reply, 'config.0.CONFIG.0.CurtailMode')).toBe('None');
  expect(at(reply, 'summary.0.SUMMARY.0.GHS 5s')).toBeGreaterThan(150_000);
});

test('every read command of the shape has its body', async () => {
  const bodies: Record<string, string> = {
    version: 'VERSION',
    summary: 'SUMMARY',
    devs: 'DEVS',
    stats: 'STATS',
    power: 'POWER',
    temps: 'TEMPS',
    fans: 'FANS',
    config: 'CONFIG',
    pools: 'POOLS',
    profiles: 'PROFILES',
    events: 'EVENTS',
    groups: 'GROUPS',
    tempctrl: 'TEMPCTRL',
    atm: 'ATM',
    limits: 'LIMITS',
    coin: 'COIN',
    asccount: 'ASCS',
    devdetails: 'DEVDETAILS',
  };
  for (const [command, key] of Object.entries(bodies)) {
    expect(await cgminer(t.sim, HOST, command)).toHaveProperty(key, expect.any(Array));
  }
  expect(at(await cgminer(t.sim, HOST, 'profiles'), 'PROFILES.length')).toBe(25);
});

test('an S19k Pro lists the profiles its firmware lists', async () => {
  const profiles = at(await cgminer(t.sim, '127.21.2.1', 'profiles'), 'PROFILES') as Record<string, unknown>[];
  expect(profiles[0]).toMatchObject({ 'Profile Name': '190MHz', Hashrate: 39.2, Watts: 784, Step: '-16' });
  expect(profiles[16]).toMatchObject({ 'Profile Name': 'default', Hashrate: 121.8, Watts: 2794 });
  expect(profiles[24]).toMatchObject({ 'Profile Name': '790MHz', Watts: 4195 });
});

test('an unknown command and a write without a session are errors', async () => {
  expect(at(await cgminer(t.sim, HOST, 'nonsense'), 'STATUS.0')).toMatchObject({ STATUS: 'E', Msg: 'Invalid command' });
  expect(at(await cgminer(t.sim, HOST, 'curtail', 'sleep'), 'STATUS.0.STATUS')).toBe('E');
  expect(at(await cgminer(t.sim, HOST, 'curtail', 'abcdefgh,sleep'), 'STATUS.0.STATUS')).toBe('E');
});

test('one session at a time, until it is given back or idle for a minute', async () => {
  const id = await session(HOST);
  expect(at(await cgminer(t.sim, HOST, 'logon'), 'STATUS.0.STATUS')).toBe('E');
  expect(at(await cgminer(t.sim, HOST, 'logoff', id), 'STATUS.0.STATUS')).toBe('S');
  const second = await session(HOST);
  expect(second).not.toBe(id);
  t.pass(61);
  expect(at(await cgminer(t.sim, HOST, 'curtail', `${second},sleep`), 'STATUS.0.STATUS')).toBe('E');
  await cgminer(t.sim, HOST, 'logoff', await session(HOST));
});

test('sleep takes the power away within seconds, a reboot keeps it, a wake brings it back', async () => {
  const power = async (): Promise<number> => at(await cgminer(t.sim, OTHER, 'power'), 'POWER.0.Watts') as number;
  const id = await session(OTHER);
  const asleep = await cgminer(t.sim, OTHER, 'curtail', `${id},sleep`);
  expect(at(asleep, 'CURTAIL.0.Action')).toBe('sleep mode');
  t.pass(16);
  expect(await power()).toBeLessThan(40);
  await cgminer(t.sim, OTHER, 'rebootdevice', id);
  t.pass(1);
  expect((await talk(OTHER, t.sim.ports.cgminer, '{"command":"power"}', 100)).end).toBe('silent');
  t.pass(90);
  expect(at(await cgminer(t.sim, OTHER, 'config'), 'CONFIG.0.CurtailMode')).toBe('Sleep');
  expect(await power()).toBeLessThan(40);
  await cgminer(t.sim, OTHER, 'curtail', `${await session(OTHER)},wakeup`);
  t.pass(20);
  expect(await power()).toBeLessThan(300);
  t.pass(240);
  expect(await power()).toBeGreaterThan(3000);
});

test('profileset moves power and hashrate; the old form with a board still works', async () => {
  const host = '127.21.2.2';
  const id = await session(host);
  expect(at(await cgminer(t.sim, host, 'profileset', `${id},none`), 'STATUS.0.STATUS')).toBe('E');
  const reply = await cgminer(t.sim, host, 'profileset', `${id},0,190MHz`);
  expect(at(reply, 'PROFILE.0.Profile')).toBe('190MHz');
  t.pass(70);
  expect(at(await cgminer(t.sim, host, 'power'), 'POWER.0.Watts')).toBeLessThan(900);
  expect(at(await cgminer(t.sim, host, 'config'), 'CONFIG.0.Profile')).toBe('190MHz');
});

test('an address without a machine is closed at once', async () => {
  expect(await talk('127.21.77.1', t.sim.ports.cgminer, '{"command":"version"}')).toMatchObject({
    bytes: Buffer.alloc(0),
  });
});

test('shares grow with the work done', async () => {
  const accepted = async (): Promise<number> =>
    at(await cgminer(t.sim, '127.21.1.3', 'summary'), 'SUMMARY.0.Accepted') as number;
  const before = await accepted();
  t.pass(3600);
  // 200 TH/s for an hour at a share difficulty of 524,288: 320 shares.
  expect((await accepted()) - before).toBeGreaterThan(290);
  expect((await accepted()) - before).toBeLessThan(350);
});

test('voltages and chips are told board by board', async () => {
  expect(at(await cgminer(t.sim, HOST, 'voltageget', '1'), 'VOLTAGE.0')).toMatchObject({
    Board: 1,
    Voltage: expect.any(Number),
  });
  const chips = at(await cgminer(t.sim, HOST, 'healthchipget', '2'), 'CHIPS') as Record<string, unknown>[];
  expect(chips.at(-1)).toMatchObject({ Board: 2, Chip: chips.length - 1, Healthy: 'Y' });
});

test('a group goes with its pools, and pools are added to a group that is there', async () => {
  const host = '127.21.1.2';
  expect(at(await cgminer(t.sim, host, 'groups'), 'GROUPS')).toEqual([{ GROUP: 0, Name: 'default', Quota: 1 }]);
  expect(at(await cgminer(t.sim, host, 'removegroup', '0'), 'STATUS.0.STATUS')).toBe('S');
  expect(at(await cgminer(t.sim, host, 'pools'), 'POOLS')).toEqual([]);
  const pool = 'stratum+tcp://new.example:3333,a.w,x,0';
  expect(at(await cgminer(t.sim, host, 'addpool', pool), 'STATUS.0.STATUS')).toBe('E');
  expect(at(await cgminer(t.sim, host, 'addgroup', 'site,2'), 'STATUS.0.STATUS')).toBe('S');
  expect(at(await cgminer(t.sim, host, 'groupquota', '0,3'), 'STATUS.0.STATUS')).toBe('S');
  expect(at(await cgminer(t.sim, host, 'groups'), 'GROUPS')).toEqual([{ GROUP: 0, Name: 'site', Quota: 3 }]);
  expect(at(await cgminer(t.sim, host, 'addpool', pool), 'STATUS.0.STATUS')).toBe('S');
  expect(at(await cgminer(t.sim, host, 'pools'), 'POOLS.0')).toMatchObject({ GROUP: 0, User: 'a.w' });
});

test('the lamp and the thermal management read back what they were told', async () => {
  const host = '127.21.1.3';
  const id = await session(host);
  const config = async (key: string): Promise<unknown> => at(await cgminer(t.sim, host, 'config'), `CONFIG.0.${key}`);
  await cgminer(t.sim, host, 'ledset', `${id},red,blink`);
  expect(await config('RedLed')).toBe('blink');
  await cgminer(t.sim, host, 'ledset', `${id},red,off`);
  expect(await config('RedLed')).toBe('off');
  await cgminer(t.sim, host, 'atmset', `${id},enabled=False`);
  expect(await config('IsAtmEnabled')).toBe(false);
  expect(at(await cgminer(t.sim, host, 'atm'), 'ATM.0.Enabled')).toBe(false);
});
