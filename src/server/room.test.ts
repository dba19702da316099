import { beforeEach, expect, test, vi } from 'vitest';
import { siteSchema } from '../model/index.ts';
import type { HallPicture } from './picture.ts';
import type { Plant } from './plant.ts';
import { createRoom, type Room } from './room.ts';
import { feederAlarms } from './watch.ts';

const wall = vi.hoisted(() => ({ ms: 0 }));
vi.mock('./io.ts', () => ({ wallNow: () => wall.ms }));
beforeEach(() => void (wall.ms = 1_000));

const hall = (id: string) => ({
  id,
  name: id,
  breakerMw: 10,
  marginPct: 0,
  cooling: { kind: 'air', baseKw: 0, marginal: [{ wetBulbC: 0, marginalW: 0 }] },
});

/** Two halls below one feeder of 3 MW, and one beside it. */
const SITE = siteSchema.parse({
  name: 'Two halls',
  connection: { limitMw: 20, marginPct: 0, lossPct: 0 },
  tariff: { kind: 'fixed', usdPerMwh: 40 },
  halls: [hall('a'), hall('b'), hall('c')],
  feeders: [
    { id: 'f1', ratingMw: 3, marginPct: 0, halls: ['a'], feeders: ['f2'] },
    { id: 'f2', ratingMw: 9, halls: ['b'] },
  ],
  meters: [],
  machines: [],
  feeds: [],
});

/** @param hallsW what the halls' meters read, undefined where they are silent */
function roomAt(hallsW: Readonly<Record<string, number | undefined>>, site = SITE, wetBulbC?: number): Room {
  const meter = (powerW: number | undefined) =>
    powerW === undefined ? undefined : { reading: { powerW }, readWall: wall.ms };
  const plant = { connection: meter(2e6), hall: (id: string) => meter(hallsW[id]) } as unknown as Plant;
  return createRoom(site, plant, () => wetBulbC);
}

test('what halls below one feeder draw and were granted together stays within it', () => {
  const room = roomAt({ a: 1e6, b: 1e6, c: 0 });
  expect(room.mayIncrease('m1', 'a', 0.6e6)).toBe(true);
  expect(room.mayIncrease('m2', 'b', 0.6e6)).toBe(false);
  expect(room.mayIncrease('m2', 'b', 0.4e6)).toBe(true);
  // Hall c hangs on no feeder.
  expect(room.mayIncrease('m3', 'c', 5e6)).toBe(true);
});

test('a silent meter below a feeder leaves no room anywhere below it', () => {
  const room = roomAt({ a: 1e6, b: undefined, c: 0 });
  expect(room.mayIncrease('m1', 'a', 1)).toBe(false);
  expect(room.mayIncrease('m3', 'c', 1)).toBe(true);
});

test('a feeder over its rating by the meters of its halls raises an alarm, and one with a silent meter is not judged', () => {
  const alarms = (aW: number, bW: number | undefined) =>
    feederAlarms(SITE, {
      halls: SITE.halls.map((one) => ({ hall: one, meterW: one.id === 'a' ? aW : bW }) as HallPicture),
    });
  expect(alarms(1.5e6, 1.5e6)).toEqual([]);
  expect(alarms(1.5e6, 1.6e6)).toEqual([
    { code: 'feeder-over-rating', subject: 'f1', message: '3.1 MW at a rating of 3.0 MW' },
  ]);
  expect(alarms(9e6, undefined)).toEqual([]);
});

test('a hall draws no more than its plant can carry in the weather there is, and in unknown weather in the worst', () => {
  const points = [
    { wetBulbC: 10, marginalW: 0.1 },
    { wetBulbC: 30, marginalW: 0.2, heatPct: 50 },
  ];
  const stages = [{ id: 'dry', heatMw: 2, marginal: points }];
  const staged = siteSchema.parse({
    ...SITE,
    halls: [{ ...hall('a'), cooling: { kind: 'air', baseKw: 100, stages } }],
    feeders: [],
  });
  // At 20 C it carries 1.5 MW with 0.225 MW; 1 MW is there. Each MW more is taken to be cooled at the dearest.
  const may = (deltaW: number, wetBulbC?: number): boolean =>
    roomAt({ a: 1.25e6 }, staged, wetBulbC).mayIncrease('m', 'a', deltaW);
  expect(may(0.47e6, 20)).toBe(true);
  expect(may(0.49e6, 20)).toBe(false);
  expect(may(0.75e6, 10)).toBe(true);
  // Of unknown weather 1 MW is all, with 0.2 MW.
  expect(may(0.04e6)).toBe(true);
  expect(may(0.05e6)).toBe(false);
});
