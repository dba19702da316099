import { beforeEach, expect, test } from 'vitest';
import { gridSignal, siteMs, type Site, wallMs } from '../../model/index.ts';
import type { GridEvent } from '../../control/grid/law.ts';
import type { Act } from '../../store/store.ts';
import { createSignalBook, type SignalBook } from './book.ts';

const START = Date.UTC(2026, 2, 24);
let wall: number;
let meta: Map<string, string>;
let acts: Act[];
let asked: string[];
let failing: boolean;
beforeEach(() => {
  wall = 1_000;
  meta = new Map();
  acts = [];
  asked = [];
  failing = false;
});
const source = (stale: object) =>
  gridSignal.parse({ id: 'agg', kind: 'webhook', priority: 3, secret: { env: 'X' }, stale: { seconds: 10, ...stale } });
const site = (stale: object = { policy: 'hold' }): Site =>
  ({ connection: { limitMw: 40 }, gridSignals: [source(stale)] }) as unknown as Site;
const open = (stale?: object): Promise<SignalBook> =>
  createSignalBook({
    store: {
      getMeta: (key) => Promise.resolve(meta.get(key)),
      setMeta: (key, value) => void meta.set(key, value),
      flush: () => (failing ? Promise.reject(new Error('the disk is full')) : Promise.resolve()),
    },
    journal: { act: (act) => void acts.push(act) },
    site: () => site(stale),
    siteNow: () => siteMs(START + wall),
    wallNow: () => wallMs(wall),
    askPlan: (why) => void asked.push(why),
  });
const cap = (revision: number, most: number): GridEvent => ({
  id: 'e',
  revision,
  priority: 3,
  spans: [{ kind: 'cap', importW: { least: 0, most }, from: siteMs(START), until: siteMs(Infinity) }],
  cancelled: false,
});
const mosts = (book: SignalBook) => book.demands().map(({ importW }) => importW.most);

test('what was told holds over a restart, for ever where it has no end, and is told to the planner once', async () => {
  const book = await open();
  expect(book.tell('agg', cap(1, 5e6))).toBe(true);
  expect(book.tell('agg', cap(1, 5e6))).toBe(false);
  expect(asked).toEqual(['agg told what import must be']);
  expect(acts).toMatchObject([{ who: 'agg', what: 'e: import at most 5.0 MW from 2026-03-24T00:00:00Z' }]);
  const again = await open();
  expect(again.demands()).toEqual(book.demands());
  expect(again.tell('agg', cap(1, 9e6))).toBe(false);
});

test('a message is taken once, over a restart too, and one that the disk did not take may come again', async () => {
  const book = await open();
  await book.take('agg', { id: 'm1', unixS: 100, event: cap(1, 5e6) }, 100);
  expect(book.isTaken('agg', 'm1')).toBe(true);
  expect((await open()).isTaken('agg', 'm1')).toBe(true);
  failing = true;
  await expect(book.take('agg', { id: 'm2', unixS: 101, event: undefined }, 101)).rejects.toThrow('disk');
  expect(book.isTaken('agg', 'm2')).toBe(false);
  failing = false;
  await book.take('agg', { id: 'm3', unixS: 5_000, event: undefined }, 5_000);
  expect(book.isTaken('agg', 'm1')).toBe(false);
});

test('silence is stale by its policy, told once, and lasts over a restart until a sign of life', async () => {
  const stale = { policy: 'safe-limit', safeLimitMw: 3 };
  const book = await open(stale);
  book.tell('agg', cap(1, 5e6));
  book.heard('agg');
  wall += 10_000;
  book.look();
  expect(mosts(book)).toEqual([5e6]);
  wall += 1;
  book.look();
  book.look();
  expect(mosts(book)).toEqual([3e6, 3e6]);
  expect(acts.filter(({ what }) => what === 'stale: import stays below 3 MW')).toHaveLength(1);
  const again = await open(stale);
  again.look();
  expect(mosts(again)).toEqual([3e6, 3e6]);
  again.heard('agg');
  expect(mosts(again)).toEqual([5e6]);
});

test('a source that was never heard is stale once its time is over', async () => {
  const book = await open({ policy: 'safe-limit', safeLimitMw: 3 });
  book.look();
  expect(mosts(book)).toEqual([]);
  wall += 10_001;
  book.look();
  expect(mosts(book)).toEqual([3e6]);
});

test('what a person opted out of stays so over a restart, and in again', async () => {
  const book = await open();
  book.tell('agg', cap(1, 5e6));
  await book.optOut('agg', 'e', 'ada', 'a test');
  expect((await open()).demands()).toEqual([]);
  await book.optIn('agg', 'e', 'ada', 'a test');
  expect(mosts(await open())).toEqual([5e6]);
  expect(acts.slice(1)).toMatchObject([
    { who: 'ada', what: 'opt out of e of agg', why: 'a test' },
    { who: 'ada', what: 'opt in again to e of agg' },
  ]);
});
