import { beforeEach, describe, expect, test } from 'vitest';
import { demoSnapshot } from '../../dispatch/fixture.ts';
import { MINUTE, siteMs, wallMs, type Site } from '../../model/index.ts';
import type { OrderPreviewView } from '../../model/orders-api.ts';
import type { Act } from '../../store/store.ts';
import { createOrders, type Giver, type Order, type Orders, withOrders } from './orders.ts';
import { orderOf } from './preview.ts';

const START = Date.UTC(2026, 2, 24);
let now: number;
let wall: number;
let meta: Map<string, string>;
let acts: Act[];
let asked: string[];
let stopped: string[];
let trust: 'auto' | 'shadow';
let site: Site;
beforeEach(() => {
  now = START;
  wall = 1_000;
  meta = new Map();
  acts = [];
  asked = [];
  stopped = [];
  trust = 'auto';
  site = {} as Site;
});
const open = (): Promise<Orders> =>
  createOrders({
    store: {
      getMeta: (key: string) => Promise.resolve(meta.get(key)),
      setMeta: (key: string, value: string) => void meta.set(key, value),
      flush: () => Promise.resolve(),
    },
    journal: { act: (act: Act) => void acts.push(act) },
    site: () => site,
    trust: () => trust,
    siteNow: () => siteMs(now),
    wallNow: () => wallMs(wall),
    explainedW: () => 29e6,
    askPlan: (why: string) => void asked.push(why),
    stopNow: (order: Order) => void stopped.push(order.id),
  });
const preview = (change: Partial<OrderPreviewView> = {}): OrderPreviewView => ({
  id: 'p1',
  kind: 'curtail',
  madeAt: '2026-03-24T00:00:00Z',
  importW: 30e6,
  firmW: 25e6,
  thenW: 25e6,
  reached: true,
  machines: [],
  gpus: [],
  skipped: [],
  usdPerHour: 12,
  responseSeconds: null,
  needsSecondPerson: false,
  holdsSeconds: 120,
  ...change,
});
const by = (name: string, via: Giver['via'] = 'session'): Giver => ({
  who: via === 'token' ? `${name} (token ci)` : name,
  name,
  via,
});
const HOUR_LONG = { kind: 'curtail', mw: 5, minutes: 60 } as const;

test('a safe stop is carried out before any plan, a curtailment by one', async () => {
  const orders = await open();
  orders.keep(preview(), HOUR_LONG);
  await orders.apply('p1', by('ada'), 'the utility called');
  expect(stopped).toEqual([]);
  orders.keep(preview({ id: 'p2' }), { kind: 'stop' });
  await orders.apply('p2', by('ada'), 'smoke');
  expect(stopped).toEqual(['p2']);
  expect(asked).toHaveLength(2);
});

test('an order begins when it is carried out, is planned for at once, and ends by its time', async () => {
  const orders = await open();
  orders.keep(preview(), HOUR_LONG);
  now += MINUTE;
  const order = await orders.apply('p1', by('ada'), 'the utility called');
  expect(order).toMatchObject({ state: 'in-force', from: START + MINUTE, until: START + 61 * MINUTE, firmW: 25e6 });
  expect(asked).toHaveLength(1);
  now += 60 * MINUTE - 1;
  orders.look();
  expect(orders.inForce()).toHaveLength(1);
  now += 1;
  orders.look();
  expect(orders.inForce()).toEqual([]);
  expect(orders.all()[0]).toMatchObject({ state: 'over', ended: 'its time is over' });
  expect(asked).toHaveLength(2);
  expect(acts.map(({ who, what }) => [who, what])).toEqual([
    ['ada', 'curtail: import from 30.0 MW to 25.0 MW until 2026-03-24T01:01Z'],
    ['busbar', 'end: curtail: import from 30.0 MW to 25.0 MW until 2026-03-24T01:01Z'],
  ]);
});

test('an order outlives a restart', async () => {
  const first = await open();
  first.keep(preview(), HOUR_LONG);
  await first.apply('p1', by('ada'), 'heat');
  const again = await open();
  expect(again.inForce()).toMatchObject([{ id: 'p1', firmW: 25e6, until: START + 60 * MINUTE }]);
  await again.release('p1', 'bob', 'cooler now');
  expect((await open()).all()).toMatchObject([{ state: 'over', ended: 'bob: cooler now' }]);
});

describe('is refused', () => {
  test.each([
    ['a preview that never was', async (orders: Orders) => orders.apply('nothing', by('ada'), 'why'), /another/],
    [
      'a stale preview',
      async (orders: Orders) => {
        wall += 121_000;
        return orders.apply('p1', by('ada'), 'why');
      },
      /older than two minutes/,
    ],
    [
      'a preview of another site file',
      async (orders: Orders) => {
        site = {} as Site;
        return orders.apply('p1', by('ada'), 'why');
      },
      /site file has changed/,
    ],
    [
      'anything in shadow',
      async (orders: Orders) => {
        trust = 'shadow';
        return orders.apply('p1', by('ada'), 'why');
      },
      /in shadow/,
    ],
    ['a release of nothing', async (orders: Orders) => orders.release('p1', 'ada', 'why'), /no order p1/],
  ])('%s', async (_, act, words) => {
    const orders = await open();
    orders.keep(preview(), HOUR_LONG);
    await expect(act(orders)).rejects.toThrow(words);
    expect(orders.inForce()).toEqual([]);
    expect(acts).toEqual([]);
  });

  test('a preview that was used', async () => {
    const orders = await open();
    orders.keep(preview(), HOUR_LONG);
    await orders.apply('p1', by('ada'), 'why');
    await expect(orders.apply('p1', by('ada'), 'why')).rejects.toThrow(/in force/);
  });
});

describe('above the limit for one person', () => {
  const askFor = async () => {
    const orders = await open();
    orders.keep(preview({ needsSecondPerson: true }), HOUR_LONG);
    expect(await orders.apply('p1', by('ada'), 'heat')).toMatchObject({ state: 'asked' });
    expect(orders.inForce()).toEqual([]);
    expect(asked).toEqual([]);
    return orders;
  };
  test('a second person puts it in force, and its time begins then', async () => {
    const orders = await askFor();
    now += 20 * MINUTE;
    const order = await orders.apply('p1', by('bob'), 'agreed');
    expect(order).toMatchObject({ state: 'in-force', who: 'ada', approvedBy: 'bob', until: START + 80 * MINUTE });
    expect(asked).toHaveLength(1);
  });
  test('neither the same person nor a token is one', async () => {
    const orders = await askFor();
    await expect(orders.apply('p1', by('ada'), 'me again')).rejects.toThrow(/second person/);
    await expect(orders.apply('p1', by('bob', 'token'), 'robot')).rejects.toThrow(/by people/);
    await expect(orders.apply('p1', by('owner', 'link'), 'from the shell')).rejects.toThrow(/key of this machine/);
    expect(orders.inForce()).toEqual([]);
  });
  test('it lapses when nobody does', async () => {
    const orders = await askFor();
    now += 30 * MINUTE;
    orders.look();
    await expect(orders.apply('p1', by('bob'), 'late')).rejects.toThrow(/over/);
  });
});

test('the planner sees a curtailment as a call; machines that run give up their minimum time for it', () => {
  const facts = demoSnapshot();
  const [first] = facts.cohorts;
  const [running] = Object.keys(first!.now).filter((key) => key !== 'sleep');
  const pinned = { sleep: 3, [running!]: 5 };
  const snapshot = { ...facts, cohorts: facts.cohorts.map((one) => (one === first ? { ...one, pinned } : one)) };
  const order = {
    id: 'abcdefghij',
    kind: 'curtail',
    firmW: 9e6,
    from: facts.at,
    until: siteMs(facts.at + MINUTE),
  } as const;
  const under = withOrders(snapshot, [order]);
  expect(under.programCalls).toEqual([
    { id: 'order abcdefgh', firmW: 9e6, penaltyUsdPerMwh: 20_000, from: facts.at, until: facts.at + MINUTE },
  ]);
  expect(under.cohorts[0]).toEqual({ ...first, pinned: { sleep: 3 } });
  expect(withOrders(snapshot, [])).toBe(snapshot);
});

test('in a safe stop no miner is offered anything but sleep, unless it cannot be told', () => {
  const facts = demoSnapshot();
  const snapshot = { ...facts, cohorts: facts.cohorts.map((one, g) => ({ ...one, held: g === 1 })) };
  const under = withOrders(snapshot, [{ id: 's', kind: 'stop', firmW: undefined, from: facts.at, until: undefined }]);
  expect(under.programCalls).toEqual(facts.programCalls ?? []);
  expect(under.cohorts.map(({ points }) => points.length > 0)).toEqual(snapshot.cohorts.map(({ held }) => held));
});

test('a safe stop needs no meter, outlives a restart without it, and a curtailment says that it does', async () => {
  const silent = { importW: undefined, at: siteMs(START) };
  expect(orderOf({ kind: 'stop' }, silent)).toMatchObject({ kind: 'stop', beforeW: undefined, firmW: undefined });
  expect(() => orderOf(HOUR_LONG, silent)).toThrow(/meter is silent.*busbar stop/);
  expect(() => orderOf(HOUR_LONG, { ...silent, importW: 4e6 })).toThrow(/import is 4.000 MW now/);
  const orders = await open();
  orders.keep(preview({ kind: 'stop', importW: null, firmW: null }), { kind: 'stop' });
  expect(await orders.apply('p1', by('ada'), 'smoke')).toMatchObject({ state: 'in-force', beforeW: undefined });
  expect((await open()).inForce()).toMatchObject([{ id: 'p1', kind: 'stop' }]);
});

test('an order is given by whoever looked at its preview, and approved by another person, whatever they came with', async () => {
  const orders = await open();
  orders.keep(preview({ needsSecondPerson: true }), HOUR_LONG, 'ann');
  await expect(orders.apply('p1', by('ben'), 'mine')).rejects.toThrow(/somebody else/);
  expect(await orders.apply('p1', by('ann', 'token'), 'a program asks')).toMatchObject({ state: 'asked' });
  await expect(orders.apply('p1', by('ann'), 'myself')).rejects.toThrow(/second person/);
  // What was asked for outlives a restart, and so does who asked.
  const again = await open();
  await expect(again.apply('p1', by('ann'), 'myself')).rejects.toThrow(/second person/);
  expect(await again.apply('p1', by('ben'), 'agreed')).toMatchObject({ state: 'in-force', approvedBy: 'ben' });
});
