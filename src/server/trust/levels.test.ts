import { beforeEach, expect, test } from 'vitest';
import { siteMs, type Trust } from '../../model/index.ts';
import type { Act } from '../../store/store.ts';
import { createLevels } from './levels.ts';

let meta: Map<string, string>;
let acts: Act[];
let most: Trust;
beforeEach(() => {
  meta = new Map();
  acts = [];
  most = 'auto';
});
const open = (emulated = false) =>
  createLevels({
    store: { getMeta: async (key: string) => meta.get(key), setMeta: (key, value) => void meta.set(key, value) },
    journal: { act: (act) => void acts.push(act) },
    emulated,
    site: () => ({ trust: most }),
    siteNow: () => siteMs(acts.length),
    heldJobs: () => 3,
    onTrust() {},
    askPlan() {},
  });

test('a new site is in shadow, and so is each of its cohorts', async () => {
  const levels = await open();
  expect([levels.site(), levels.of('a'), levels.own('a')]).toEqual(['shadow', 'shadow', undefined]);
});

test('a cohort goes at the most as far as its site, and lowering the site lowers all at once', async () => {
  const levels = await open();
  levels.set('auto', 'ann', 'two weeks in shadow');
  levels.set('suggest', 'ann', 'a new model', 'a');
  expect([levels.of('a'), levels.of('b')]).toEqual(['suggest', 'auto']);
  levels.set('shadow', 'ben', 'feeder works');
  expect([levels.of('a'), levels.of('b')]).toEqual(['shadow', 'shadow']);
  levels.set('suggest', 'ben', 'over');
  levels.set('auto', 'ben', 'trial', 'b');
  expect([levels.of('a'), levels.of('b'), levels.own('b')]).toEqual(['suggest', 'suggest', 'auto']);
  expect(acts.map(({ who, what }) => `${who}: ${what}`)).toEqual([
    'ann: raise the site to auto: it acts by itself',
    'ann: set a to suggest: a person confirms what the plan wants of it',
    'ben: lower the site to shadow: it writes to nothing; 3 jobs that Busbar holds stay held',
    'ben: set the site to suggest: a person confirms what the plan wants',
    'ben: set b to auto: it goes as far as the site',
  ]);
});

test('levels outlive a restart; the site file is the ceiling of whatever was kept', async () => {
  const first = await open();
  first.set('auto', 'ann', 'why not');
  first.set('shadow', 'ann', 'a new hall', 'a');
  most = 'suggest';
  const again = await open();
  expect([again.site(), again.of('a'), again.of('b')]).toEqual(['suggest', 'shadow', 'suggest']);
  expect(() => again.set('auto', 'ann', 'more')).toThrow(/the site file says trust: suggest/);
});
