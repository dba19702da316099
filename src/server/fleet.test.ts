import { expect, test } from 'vitest';
import type { DriverIo } from '../drivers/driver.ts';
import { Fault, HOUR, siteMs, wallMs, type Machine, type Site } from '../model/index.ts';
import { openFleet } from './fleet.ts';

/** Machines of LuxOS: what changes slowly is asked apart. The last number of an address says how one behaves. */
function world(behaviour: (last: number, command: string) => 'answers' | 'silent', profile = 'default') {
  let wall = 0;
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const none = async (): Promise<never> => {
    throw new Fault('unsupported', 'not here');
  };
  const joined = (command: string) => {
    const parts: Record<string, unknown> = {
      summary: { SUMMARY: [{ Elapsed: 10, 'GHS 5s': 100_000, Accepted: 1, Rejected: 0 }] },
      power: { POWER: [{ Watts: 3000 }] },
      config: { CONFIG: [{ CurtailMode: 'None', Profile: profile, Model: 'Antminer S21', SerialNumber: 'S1' }] },
      temps: { TEMPS: [{ TopLeft: 60 }] },
      version: { VERSION: [{ LUXminer: '2025.4', Type: 'Antminer S21' }] },
      profiles: { PROFILES: [{ 'Profile Name': 'default', Watts: 3000, Hashrate: 100 }] },
    };
    const names = command.split('+');
    const one = (name: string) => ({ STATUS: [{ STATUS: 'S' }], ...(parts[name] as object | undefined), id: 1 });
    return JSON.stringify(
      names.length === 1 ? one(command) : Object.fromEntries(names.map((name) => [name, [one(name)]])),
    );
  };
  const io: DriverIo = {
    tcp: {
      async ask({ host, data, read }) {
        const { command } = JSON.parse(String(data)) as { command: string };
        asked.push(`${host} ${command}`);
        if (behaviour(Number(host.split('.').at(-1)), command) === 'silent') {
          await new Promise<void>((resolve) => waiting.push(resolve));
          throw new Fault('timeout', 'silent');
        }
        return read(Buffer.from(joined(command)));
      },
    },
    http: { ask: none },
    modbus: { readHolding: none },
    snmp: { get: none, walk: none, set: none },
    bacnet: { read: none, write: none },
    program: { run: none },
    secret: () => 'x',
    siteNow: () => siteMs(wall),
    unixNow: () => wall,
    wallNow: () => wallMs(wall),
  };
  const giveUp = (): void => waiting.splice(0).forEach((resolve) => resolve());
  return { io, asked, giveUp, pass: (ms: number) => void (wall += ms) };
}

const machines = (n: number): Machine[] =>
  Array.from({ length: n }, (_, i) => ({
    id: `m-${i + 1}`,
    groupId: 'g',
    kind: 'asic',
    modelId: 'antminer-s21',
    hallId: 'h',
    driver: 'luxos',
    address: `10.0.0.${i + 1}`,
  }));
const site = { machines: [{ id: 'g', settings: { port: 4028, timeoutMs: 1000 } }] } as unknown as Site;
const open = (io: DriverIo, n: number) => openFleet(site, machines(n), io, { maxInFlight: 4, onRead() {} });

test('machines that stay silent hold up one sweep and no other', async () => {
  const { io, giveUp } = world((last) => (last <= 2 ? 'silent' : 'answers'));
  const fleet = open(io, 10);
  const first = fleet.sweep();
  await new Promise((resolve) => setTimeout(resolve, 10));
  giveUp();
  expect((await first).answered).toBe(8);
  // The silent ones wait in a lane of their own: nobody gives up on them here, and the sweep ends all the same.
  const second = await fleet.sweep();
  expect(second).toMatchObject({ machines: 8, answered: 8 });
  expect(fleet.byId('m-1')).toMatchObject({ failures: 1 });
  // One after the other: the lane is a quarter of four requests wide.
  for (let turn = 0; turn < 2; turn += 1) {
    giveUp();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const id of ['m-1', 'm-2']) expect(fleet.byId(id)).toMatchObject({ failures: 2 });
  fleet.close();
});

test('a machine that says "normal" for what the plan calls "default" is seen to do as it was told', async () => {
  const { io } = world(() => 'answers', 'normal');
  const fleet = open(io, 1);
  await fleet.sweep();
  expect(fleet.byId('m-1')!.reading).toMatchObject({ mode: { kind: 'run', profile: 'default' } });
  fleet.close();
});

test('the slow read is made once, its answer stands under every fast one, and again after an hour', async () => {
  const { io, asked, pass } = world(() => 'answers');
  const fleet = open(io, 2);
  await fleet.sweep();
  expect(fleet.byId('m-1')!.reading).toMatchObject({
    powerW: 3000,
    firmware: '2025.4',
    points: [{ profile: 'default' }],
  });
  const slow = () => asked.filter((text) => /profiles/.test(text)).length;
  const before = slow();
  expect(before).toBeGreaterThan(0);
  pass(30_000);
  await fleet.sweep();
  expect(slow()).toBe(before);
  expect(fleet.byId('m-1')!.reading).toMatchObject({ at: 30_000, inspectedAt: 0, firmware: '2025.4' });
  pass(1.2 * HOUR);
  await fleet.sweep();
  expect(slow()).toBe(2 * before);
  fleet.close();
});

test('a driver that fails before it asks is asked again', async () => {
  const { io } = world(() => 'answers');
  const fleet = open(io, 1);
  const member = fleet.byId('m-1')!;
  const device = member.device as { read: typeof member.device.read };
  const { read } = device;
  device.read = () => {
    throw new Fault('unauthorised', 'no password yet');
  };
  await fleet.sweep();
  expect(member).toMatchObject({ failures: 1, underway: undefined });
  device.read = read;
  await fleet.sweep();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(member).toMatchObject({ failures: 0, underway: undefined });
  fleet.close();
});
