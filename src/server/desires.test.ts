import { expect, test } from 'vitest';
import type { Reconciler } from '../control/reconciler.ts';
import { MINUTE, type OperatingMode, type Plan, type Site, siteMs } from '../model/index.ts';
import { desiresOf } from './desires.ts';
import type { Picture } from './picture.ts';

const AT = siteMs(1_000 * MINUTE);
const RUN: OperatingMode = { kind: 'run', profile: 'default' };
const site = {
  machines: [{ id: 'a', kind: 'asic' }],
  mining: { minimumOnMinutes: 10, minimumOffMinutes: 5 },
} as unknown as Site;
const member = (id: string) => ({ machine: { id, groupId: 'a' }, device: { sleep() {} }, reading: { mode: RUN } });
const picture = {
  at: AT,
  halls: [],
  states: new Map(),
  groups: new Map([['a', { answering: [member('a-1'), member('a-2')] }]]),
} as unknown as Picture;
/** The first machine was woken a minute ago, the second an hour ago. */
const reconciler = {
  desired: () => undefined,
  commandOf: () => undefined,
  recentWakes: () => 0,
  lastChange: (id: string) => ({ mode: 'default', at: siteMs(AT - (id === 'a-1' ? MINUTE : 60 * MINUTE)) }),
} as unknown as Reconciler;
const plan = { steps: [{ cohorts: { a: { sleep: 2 } } }] } as unknown as Plan;
const modes = (pinned: Readonly<Record<string, number>>) => {
  const act = { actId: 'p', who: 'planner', why: 'a test' };
  const { all } = desiresOf(
    site,
    plan,
    [{ id: 'a', pinned }],
    picture,
    reconciler,
    { left: new Set(), onlyDown: new Set(), confirmed: new Map() },
    act,
  );
  return ['a-1', 'a-2'].map((id) => all.get(id)?.mode);
};

test('a machine within its minimum time keeps its mode where the plan was made so', () => {
  expect(modes({ default: 1 })).toEqual(['default', 'sleep']);
});

test('it goes to sleep with the others where an order or the grid had the plan let go of it', () => {
  expect(modes({})).toEqual(['sleep', 'sleep']);
});
