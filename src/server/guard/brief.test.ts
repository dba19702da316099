import { expect, test } from 'vitest';
import { type Site, siteSchema } from '../../model/index.ts';
import type { FleetMachine } from '../fleet.ts';
import { briefOf } from './brief.ts';

const cooling = { kind: 'air', baseKw: 10, marginal: [{ wetBulbC: 20, marginalW: 0.1 }] };
const hall = (id: string) => ({ id, name: id, breakerMw: 2, cooling });
const meter = (id: string, measures: unknown) => ({ id, driver: 'modbus-meter', address: '10.0.0.1', measures });
const group = (id: string, model: string, inHall: string, driver = 'luxos') => ({
  id,
  kind: 'asic',
  model,
  driver,
  hall: inHall,
  addresses: '10.1.0.1',
});

function site(more: object): Site {
  return siteSchema.parse({
    name: 'test',
    connection: { limitMw: 5, marginPct: 1 },
    tariff: { kind: 'block-and-real-time', blockMw: 0, blockUsdPerMwh: 0 },
    mining: {},
    halls: [hall('a'), hall('b')],
    meters: [meter('feeder', 'connection'), meter('m-a', { hall: 'a' })],
    machines: [group('old', 'antminer-s19j-pro', 'a'), group('new', 'antminer-s21', 'b')],
    clusters: [],
    feeds: [],
    ...more,
  });
}

const member = (groupId: string, modelId: string, hallId: string, more: object = {}): FleetMachine =>
  ({
    machine: { id: `${groupId}-1`, groupId, modelId, hallId, address: '10.1.0.1', kind: 'asic' },
    device: { sleep() {} },
    failures: 0,
    reading: { mode: { kind: 'run', profile: 'default' }, powerW: 3_000, hashrateThs: 100 },
    ...more,
  }) as unknown as FleetMachine;

const brief = (of: Site, machines: readonly FleetMachine[] = []) =>
  briefOf({
    site: of,
    fleet: { machines },
    unexplainedW: () => 0,
    trust: (id) => (id === 'old' ? 'shadow' : 'auto'),
    sleepMs: () => undefined,
    unixNow: () => 1,
  });
const by = (of: Site) => Object.fromEntries(brief(of).limits.map((limit) => [limit.id, limit.by]));

test('who tells the load of each limit', () => {
  expect(by(site({}))).toEqual({ connection: 'meter', 'hall a': 'meter', 'hall b': 'nobody' });
  const halves = [meter('m-a', { hall: 'a' }), meter('m-b', { hall: 'b' })];
  const feeders = [{ id: 'west', ratingMw: 3, halls: ['a', 'b'] }];
  expect(by(site({ meters: halves, feeders }))).toEqual({
    connection: 'halls',
    'feeder west': 'halls',
    'hall a': 'meter',
    'hall b': 'meter',
  });
  // In a site of one hall the connection's meter is the hall's too.
  const one = site({
    halls: [hall('a')],
    machines: [group('old', 'antminer-s19j-pro', 'a')],
    meters: [meter('f', 'connection')],
  });
  expect(by(one)).toEqual({ connection: 'meter', 'hall a': 'meter' });
});

test('limits end where plans begin, and an owner limit that plans fill is given what meters wobble by', () => {
  const [connection, hallA] = brief(site({})).limits;
  expect(connection).toMatchObject({ limitW: 5e6, targetW: 4.95e6 });
  expect(hallA).toMatchObject({ limitW: 2e6, targetW: 1.94e6 });
  const [own] = brief(site({ limits: { importMw: 3 } })).limits;
  expect(own!.limitW).toBeCloseTo(3.03e6, 0);
  expect(own!.targetW).toBe(3e6);
});

test('what earns least per watt is first on the path; nothing is hoped for from who is silent or asleep', () => {
  const machines = [
    member('new', 'antminer-s21', 'b', {
      reading: { mode: { kind: 'run', profile: 'default' }, powerW: 3_500, hashrateThs: 200 },
    }),
    member('old', 'antminer-s19j-pro', 'a'),
    member('old', 'antminer-s19j-pro', 'a', { failures: 2, lastPowerW: 3_300 }),
    member('new', 'antminer-s21', 'b', { reading: { mode: { kind: 'sleep' }, powerW: 20, hashrateThs: 0 } }),
    member('new', 'antminer-s21', 'b', { device: {} }),
  ];
  const { path, groups, halls } = brief(site({}), machines);
  expect(path.map(({ group }) => groups[group]!.id)).toEqual(['old', 'old', 'new', 'new']);
  expect(path.map(({ freesW }) => freesW > 2_900)).toEqual([true, false, true, false]);
  expect(path.every(({ worstW }) => worstW >= 3_000)).toBe(true);
  expect(groups.map(({ mayAct }) => mayAct)).toEqual([false, true]);
  // What cannot sleep is there at its worst, with its cooling.
  expect(halls.find(({ id }) => id === 'b')!.fixedW).toBeCloseTo(10_000 + 3_500 * 1.1, 0);
});
