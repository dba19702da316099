import { expect, test } from 'vitest';
import type { Desire } from '../../control/commands.ts';
import {
  HOUR,
  modeFromKey,
  siteMs,
  wallMs,
  type GpuReading,
  type Machine,
  type Reading,
  type Trust,
} from '../../model/index.ts';
import type { FleetMachine } from '../fleet.ts';
import { createLimitsBefore } from './limits-before.ts';

interface Kept {
  mode: string;
  limitW: number | undefined;
  caps: number[];
  failures: number;
  desire: Desire | undefined;
}

/** Machines that keep a limit, read every second, and lose it where a test says so. */
function site(before?: string, more: { trust?: Trust; hasRoom?: boolean; from?: number } = {}) {
  let now = more.from ?? 1_000_000;
  let ordered = false;
  let kept = before;
  const acts: string[] = [];
  const written: string[] = [];
  const machines = new Map(
    ['m-1', 'm-2', 'g-1'].map((id): [string, Kept] => [
      id,
      { mode: 'normal', limitW: 3_000, caps: [400, 400], failures: 0, desire: undefined },
    ]),
  );
  const isServer = (id: string) => id.startsWith('g');
  const member = (id: string): FleetMachine => {
    const machine = machines.get(id)!;
    const reading: Reading = {
      at: siteMs(now),
      mode: modeFromKey(machine.mode),
      powerLimitW: machine.limitW,
      gpus: isServer(id) ? machine.caps.map((powerLimitW, index) => ({ index, powerLimitW }) as GpuReading) : undefined,
    };
    return {
      machine: { id, groupId: id.slice(0, 1), hallId: 'h', kind: isServer(id) ? 'gpu-server' : 'asic' } as Machine,
      reading,
      slow: undefined,
      failures: machine.failures,
      device: {
        async setPowerLimit(watts: number) {
          written.push(`${id} ${watts}`);
          machine.limitW = watts;
        },
      },
    } as unknown as FleetMachine;
  };
  const limits = createLimitsBefore({
    store: { setMeta: (_, value) => void (kept = value) },
    before,
    journal: { act: ({ what, why }) => void acts.push(`${what}: ${why}`) },
    fleet: () => ({
      machines: [...machines.keys()].map(member),
      byId: member,
      readSoon() {},
      inspectSoon() {},
    }),
    isOrdered: () => ordered,
    desired: (id) => machines.get(id)!.desire,
    changedAt: () => undefined,
    trustOf: () => more.trust ?? 'auto',
    givesWay: () => false,
    mayIncrease: () => more.hasRoom ?? true,
    siteNow: () => siteMs(now),
    wallNow: () => wallMs(now),
  });
  return {
    limits,
    machines,
    acts,
    written,
    kept: () => kept,
    now: () => now,
    /** An order puts every miner to sleep, after what is wanted was kept. */
    stop() {
      ordered = true;
      const wish: Desire = { mode: 'sleep', isShed: true, actId: 'stop', who: 'sam', why: 'storm' };
      limits.keep(new Map([...machines.keys()].filter((id) => !isServer(id)).map((id) => [id, wish])));
      for (const [id, machine] of machines) if (!isServer(id)) Object.assign(machine, { mode: 'sleep', desire: wish });
    },
    release() {
      ordered = false;
      for (const machine of machines.values()) Object.assign(machine, { mode: 'normal', desire: undefined });
    },
    async pass(seconds = 4) {
      for (let n = 0; n < seconds; n += 1) {
        now += 1_000;
        limits.look();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

test('a limit that was lost while an order held is set back once the machine runs as it did, and read back', async () => {
  const { limits, machines, acts, written, kept, stop, release, pass } = site();
  machines.get('m-1')!.limitW = 2_400;
  stop();
  machines.get('m-1')!.limitW = 3_600;
  await pass();
  expect(written).toEqual([]);
  release();
  await pass();
  expect(written).toEqual(['m-1 2400']);
  expect(acts).toEqual([
    'set m back to the power limits its machines kept to before the order: they were lost while an order held',
  ]);
  expect(limits.drainChanged().at(-1)).toMatchObject({
    target: 'm-1',
    action: 'set-power-limit',
    mode: '2400',
    who: 'busbar',
    stage: 'seen-in-power',
  });
  // What is back is nobody's business any more: whoever changes it later keeps it.
  machines.get('m-1')!.limitW = 3_000;
  await pass();
  expect(written).toHaveLength(1);
  expect(JSON.parse(kept()!)).toEqual({});
});

test('caps of GPUs come back when the order is over, one cap for the whole server', async () => {
  const { machines, written, stop, release, pass } = site();
  const server = machines.get('g-1')!;
  Object.assign(server, { limitW: 5_800 });
  stop();
  server.limitW = 8_200;
  await pass();
  expect(written).toEqual([]);
  release();
  await pass();
  expect(written).toEqual(['g-1 5800']);
});

test('a server whose GPUs have caps of their own is left: one cap would not be what they had', async () => {
  const { machines, written, stop, release, pass } = site();
  machines.get('g-1')!.caps = [300, 400];
  stop();
  machines.get('g-1')!.limitW = 8_200;
  release();
  await pass();
  expect(written).toEqual([]);
});

test('it outlives a restart of Busbar, and the first order counts', async () => {
  const first = site();
  first.machines.get('m-1')!.limitW = 2_400;
  first.stop();
  const second = site(first.kept(), { from: first.now() });
  second.machines.get('m-1')!.limitW = 3_600;
  second.stop();
  second.release();
  await second.pass();
  expect(second.written).toEqual(['m-1 2400']);
});

test('a machine in another mode keeps the limit of that until it is back in its own', async () => {
  const { machines, written, stop, release, pass } = site();
  machines.get('m-1')!.limitW = 2_400;
  stop();
  release();
  Object.assign(machines.get('m-1')!, { mode: 'low', limitW: 2_000 });
  await pass();
  expect(written).toEqual([]);
  Object.assign(machines.get('m-1')!, { mode: 'normal', limitW: 3_600 });
  await pass();
  expect(written).toEqual(['m-1 2400']);
});

test.each<[string, Parameters<typeof site>[1], (given: ReturnType<typeof site>) => void]>([
  ['is in shadow', { trust: 'shadow' }, () => {}],
  [
    'would draw more than the meters leave room for',
    { hasRoom: false },
    ({ machines }) => void (machines.get('m-1')!.limitW = 1_000),
  ],
  ['does not tell its limit', {}, ({ machines }) => void (machines.get('m-1')!.limitW = undefined)],
  ['is silent', {}, ({ machines }) => void (machines.get('m-1')!.failures = 3)],
])('a machine that %s is left as it is', async (_, more, happen) => {
  const given = site(undefined, more);
  given.machines.get('m-1')!.limitW = 2_400;
  given.stop();
  given.machines.get('m-1')!.limitW = 3_600;
  given.release();
  happen(given);
  await given.pass();
  expect(given.written).toEqual([]);
});

test('where a person confirms, whoever released the order has', async () => {
  const { machines, written, stop, release, pass } = site(undefined, { trust: 'suggest' });
  stop();
  machines.get('m-1')!.limitW = 3_600;
  release();
  await pass();
  expect(written).toEqual(['m-1 3000']);
});

test('what is not restored within a day is nobody’s wish any more', async () => {
  const first = site();
  first.stop();
  const late = site(first.kept(), { from: first.now() + 25 * HOUR });
  for (const machine of late.machines.values()) machine.limitW = 3_600;
  await late.pass();
  expect(late.written).toEqual([]);
  expect(JSON.parse(late.kept()!)).toEqual({});
});
