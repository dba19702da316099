import { expect, test } from 'vitest';
import { siteMs, siteSchema, wallMs, type Reading } from '../model/index.ts';
import { createGates } from './gates.ts';

const marginal = [{ wetBulbC: 0, marginalW: 0 }];
const site = (more: object = {}) =>
  siteSchema.parse({
    name: 'Hydro',
    connection: { limitMw: 20, lossPct: 0, ...more },
    tariff: { kind: 'fixed', usdPerMwh: 40 },
    halls: [
      {
        id: 'h',
        name: 'Hydro',
        breakerMw: 10,
        cooling: { kind: 'hydro', baseKw: 0, marginal, frost: { belowC: 5, keepMachines: 2 } },
      },
      { id: 'a', name: 'Air', breakerMw: 10, cooling: { kind: 'air', baseKw: 0, marginal } },
    ],
    meters: [],
    machines: [],
    feeds: [],
  });

function bench(more: object = {}) {
  let now = 100_000;
  const plant = {
    entry: { kind: 'cooling', hall: 'h' },
    reading: undefined as Reading | undefined,
    readWall: wallMs(0),
  };
  const gates = createGates({
    site: () => site(more),
    devices: () => [plant],
    awake: () => 4,
    siteNow: () => siteMs(now),
    wallNow: () => wallMs(now),
  });
  const change = (hallId: string, mode: string) => ({
    id: 'm',
    hallId,
    mode,
    isWake: mode !== 'sleep',
    deltaW: mode === 'sleep' ? -3_000 : 3_000,
  });
  return {
    gates,
    of: (hallId: string, mode: string) => gates.of(change(hallId, mode)),
    made: (hallId: string, mode: string) => gates.made(change(hallId, mode)),
    pass: (ms: number) => void (now += ms),
    says(cooling: Partial<NonNullable<Reading['cooling']>>) {
      plant.reading = { at: siteMs(now), cooling } as Reading;
      plant.readWall = wallMs(now);
    },
  };
}

test('machines wake once the plant of their hall is seen to run, with flow where that is measured', () => {
  const b = bench();
  expect([b.of('h', 'low'), b.of('a', 'low')]).toEqual(['cooling', undefined]);
  b.says({ running: true, flowLpm: 900, supplyC: 20 });
  expect(b.of('h', 'low')).toBeUndefined();
  b.says({ running: true, flowLpm: 0, supplyC: 20 });
  expect(b.of('h', 'low')).toBe('cooling');
  b.says({ running: false, supplyC: 20 });
  expect(b.of('h', 'low')).toBe('cooling');
  // A dry cooler whose fans rest moves its heat by the pump.
  b.says({ running: true, pumpPct: 60, fanPct: 0 });
  expect(b.of('h', 'low')).toBeUndefined();
  b.pass(46_000);
  expect(b.of('h', 'low')).toBe('cooling');
});

test('a cold loop keeps its heaters, and one of unknown temperature is taken for cold', () => {
  const b = bench();
  const sleepAll = () => {
    let slept = 0;
    b.gates.refresh();
    for (; slept < 9 && b.of('h', 'sleep') === undefined; slept += 1) b.made('h', 'sleep');
    return slept;
  };
  expect(sleepAll()).toBe(2);
  expect(b.of('h', 'sleep')).toBe('frost');
  b.says({ running: true, supplyC: 12, returnC: 14 });
  expect(sleepAll()).toBe(9);
  b.says({ running: true, supplyC: 3, returnC: 14 });
  expect(sleepAll()).toBe(2);
  expect(b.of('a', 'sleep')).toBeUndefined();
});

test("the contract's ramp holds for what draws more and, apart, for what draws less", () => {
  const b = bench({ rampMwPerMinute: 0.01 });
  expect(b.of('a', 'low')).toBe('ramp');
  b.pass(6_000);
  expect(b.of('a', 'low')).toBeUndefined();
  b.made('a', 'low');
  expect([b.of('a', 'low'), b.of('a', 'sleep')]).toEqual(['ramp', undefined]);
  b.pass(13_000);
  expect(b.of('a', 'low')).toBeUndefined();
});

test('only a hydro loop can freeze', () => {
  const cooling = { kind: 'air', baseKw: 0, marginal, frost: { belowC: 5, keepMachines: 2 } };
  const parsed = siteSchema.safeParse({ ...site(), halls: [{ id: 'h', name: 'H', breakerMw: 1, cooling }] });
  expect(parsed.error?.issues).toMatchObject([
    { path: ['halls', 0, 'cooling', 'frost'], message: expect.stringContaining('hydro') },
  ]);
});
