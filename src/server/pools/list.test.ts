import { expect, test } from 'vitest';
import { siteMs, type Pool, type Site } from '../../model/index.ts';
import type { Act } from '../../store/store.ts';
import { createPoolList } from './list.ts';

const pool = (url: string): Pool => ({
  id: 'main',
  url,
  worker: 'site.{machine}',
  probe: { everySeconds: 60, staleSeconds: 180 },
});
const mine = pool('stratum+tcp://pool.example:3333');
const other = pool('stratum+tcp://other.example:3333');

function world(meta = new Map<string, string>()) {
  const acts: Act[] = [];
  const inForce: (readonly Pool[])[] = [];
  const state = { pools: [mine] as Pool[] };
  const open = () =>
    createPoolList({
      store: {
        getMeta: async (key: string) => meta.get(key),
        setMeta: (key: string, value: string) => void meta.set(key, value),
      } as never,
      journal: { act: (act: Act) => void acts.push(act) } as never,
      site: () => ({ pools: state.pools }) as unknown as Site,
      siteNow: () => siteMs(acts.length),
      onInForce: (pools) => void inForce.push(pools),
    });
  return { acts, inForce, state, open, meta };
}

test('the first list of a site is taken as it is, and on record', async () => {
  const { open, acts } = world();
  const list = await open();
  expect(list.inForce()).toEqual([mine]);
  expect(list.pending()).toBeUndefined();
  expect(acts).toMatchObject([{ who: 'busbar', what: expect.stringMatching(/first list/) }]);
});

test('a changed list waits for an admin and another person, across a restart', async () => {
  const { open, state, acts, inForce } = world();
  await open();
  state.pools = [other];
  let list = await open();
  expect(list.inForce()).toEqual([mine]);
  expect(list.pending()).toMatchObject({ pools: [other], askedBy: undefined });
  expect(list.approve('ann', 'ann', 'we moved')).toBe('asked');
  expect(list.inForce()).toEqual([mine]);
  list = await open();
  expect(() => list.approve('ann (token ci)', 'ann', 'again')).toThrow(/second person/);
  expect(list.approve('bob', 'bob', 'checked with the pool')).toBe('in-force');
  expect(list.inForce()).toEqual([other]);
  expect(list.pending()).toBeUndefined();
  expect(inForce.at(-1)).toEqual([other]);
  expect(acts.map(({ who }) => who)).toEqual(['busbar', 'ann', 'bob']);
  expect(() => list.approve('bob', 'bob', 'once more')).toThrow(/nothing to approve/);
});

test('a yes is for the list that was seen: another change asks anew', async () => {
  const { open, state } = world();
  await open();
  state.pools = [other];
  const list = await open();
  list.approve('ann', 'ann', 'we moved');
  state.pools = [pool('stratum+tcp://thief.example:3333')];
  expect(list.pending()).toMatchObject({ askedBy: undefined });
  expect(list.approve('bob', 'bob', 'as ann said')).toBe('asked');
  expect(list.inForce()).toEqual([mine]);
});
