import { expect, test } from 'vitest';
import { Fault, siteMs, wallMs, type LinkReading, type Site } from '../model/index.ts';
import type { DriverIo } from '../drivers/driver.ts';
import { openUplinks } from './uplinks.ts';

const site = (more: object[] = []): Site =>
  ({
    uplinks: [
      {
        id: 'fibre',
        hall: 'e',
        capacityMbps: 10_000,
        alarmPct: 80,
        driver: 'snmp-uplink',
        address: '10.0.0.1',
        settings: { interface: 3, port: 161, timeoutMs: 1000 },
      },
      ...more,
    ],
  }) as never;

const link = (inOctets: bigint, more: Partial<LinkReading> = {}): LinkReading => ({
  up: true,
  speedMbps: 10_000,
  inOctets,
  outOctets: 0n,
  inErrors: 0,
  outErrors: 0,
  ...more,
});

/** An agent that answers what the test sets. */
function open() {
  const world = { now: 0, link: link(0n) as LinkReading | undefined };
  const io = { wallNow: () => wallMs(world.now) } as DriverIo;
  const uplinks = openUplinks({ uplinks: [] } as never, io);
  const device = {
    read: async () => {
      if (world.link === undefined) throw new Fault('timeout', 'silent');
      return { at: siteMs(world.now), link: world.link };
    },
    close() {},
  };
  const one = {
    uplink: site().uplinks[0]!,
    device,
    link: undefined,
    readWall: undefined,
    readAt: undefined,
    fault: undefined,
  };
  (uplinks.list as unknown as object[]).push({ ...one, inMbps: undefined, outMbps: undefined, newErrors: undefined });
  return { world, uplinks, look: async (ms: number) => ((world.now += ms), await uplinks.readAll(), uplinks.list[0]!) };
}

test('rates come from two answers; before that they are unknown', async () => {
  const { world, look } = open();
  expect((await look(1000)).inMbps).toBeUndefined();
  world.link = link(1_250_000_000n);
  expect((await look(2000)).inMbps).toBeCloseTo(5000);
});

test('a counter that went back is a restart, not a negative rate', async () => {
  const { world, look } = open();
  world.link = link(5_000n, { inErrors: 9 });
  await look(1000);
  world.link = link(10n);
  expect(await look(1000)).toMatchObject({ inMbps: undefined, newErrors: undefined });
});

test('a line that is down carries nothing; a silent one is taken at its word; a slower port counts', async () => {
  const { world, uplinks, look } = open();
  expect(uplinks.capacityMbps('e')).toBe(10_000);
  expect(uplinks.capacityMbps('a')).toBeUndefined();
  world.link = link(0n, { speedMbps: 1000 });
  await look(1000);
  expect(uplinks.capacityMbps('e')).toBe(1000);
  world.link = link(0n, { up: false });
  await look(1000);
  expect(uplinks.capacityMbps('e')).toBe(0);
  world.link = undefined;
  expect(await look(1000)).toMatchObject({ fault: { kind: 'timeout' } });
});
