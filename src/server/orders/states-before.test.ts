import { expect, test } from 'vitest';
import type { Desire } from '../../control/commands.ts';
import { modeFromKey, siteMs, type Reading, type SiteMs } from '../../model/index.ts';
import { createStatesBefore } from './states-before.ts';

const AT = siteMs(1_000);
const ACT = { actId: 'p2', who: 'planner', why: 'an order was released' };
const asleep: Desire = { ...ACT, actId: 'p1', mode: 'sleep', isShed: true };

function bench() {
  const disk = new Map<string, string>();
  const modes = new Map<string, string>();
  const readingOf = (id: string): Reading | undefined =>
    modes.has(id) ? { at: AT, mode: modeFromKey(modes.get(id)!) } : undefined;
  return {
    modes,
    readingOf,
    open: () =>
      createStatesBefore({ getMeta: async (key) => disk.get(key), setMeta: (key, text) => void disk.set(key, text) }),
    facts: (more: { heldSince?: Record<string, number>; cannot?: string[] } = {}) => ({
      readingOf,
      standing: () => undefined,
      wasLeft: (id: string, at: SiteMs) => (more.heldSince?.[id] ?? Infinity) <= at,
      cannot: (id: string) => more.cannot?.includes(id) === true,
    }),
  };
}

test('what a machine did before the first order is what it goes back to, over a restart and a second order', async () => {
  const b = bench();
  b.modes.set('m1', 'low');
  const first = await b.open();
  first.keep(new Map([['m1', asleep]]), b.readingOf, AT);
  // It lost its supply meanwhile and came back at the factory's profile; the order still stands.
  b.modes.set('m1', 'default');
  const second = await b.open();
  second.keep(new Map([['m1', asleep]]), b.readingOf, siteMs(2_000));
  expect(second.of('m1')).toEqual({ mode: 'low', at: AT });
  expect(second.restore(new Map([['m1', asleep]]), ACT, b.facts()).get('m1')).toEqual(asleep);

  b.modes.set('m1', 'sleep');
  const planned = new Map([['m1', { ...ACT, mode: 'default', isShed: false }]]);
  expect(second.restore(planned, ACT, b.facts()).get('m1')).toEqual({ ...ACT, mode: 'low' });
  // Once it is seen there it is the plan's again, for good.
  b.modes.set('m1', 'low');
  expect(second.restore(planned, ACT, b.facts()).get('m1')?.mode).toBe('default');
  expect((await b.open()).of('m1')).toBeUndefined();
});

test('one that was held before the order goes back, one held since sleeps on, and so does one that the plan has sleep', async () => {
  const b = bench();
  for (const id of ['held', 'later', 'dear', 'absent']) b.modes.set(id, 'low');
  const states = await b.open();
  states.keep(new Map(['held', 'later', 'dear', 'absent'].map((id) => [id, asleep])), b.readingOf, AT);
  for (const id of ['held', 'later', 'dear', 'absent']) b.modes.set(id, 'sleep');
  const planned = new Map([['dear', { ...ACT, mode: 'sleep', isShed: false }]]);
  const restored = states.restore(planned, ACT, b.facts({ heldSince: { held: AT - 1, later: AT + 1 } }));
  expect(restored.get('held')).toEqual({ ...ACT, mode: 'low', confirmed: true });
  expect(restored.get('dear')?.mode).toBe('sleep');
  expect([restored.has('later'), restored.has('absent')]).toEqual([false, false]);
  expect(states.of('later')?.mode).toBe('low');
  expect(states.of('dear')?.mode).toBe('low');
});

test('a machine that knows the mode no more is left to the plan; sleep for money is not kept', async () => {
  const b = bench();
  b.modes.set('m1', 'low').set('m2', 'low');
  const states = await b.open();
  states.keep(
    new Map([
      ['m1', asleep],
      ['m2', { ...asleep, isShed: false }],
    ]),
    b.readingOf,
    AT,
  );
  expect(states.of('m2')).toBeUndefined();
  b.modes.set('m1', 'sleep');
  const planned = new Map([['m1', { ...ACT, mode: 'default' }]]);
  expect(states.restore(planned, ACT, b.facts({ cannot: ['m1'] })).get('m1')?.mode).toBe('default');
  expect(states.of('m1')).toBeUndefined();
});
