import { expect, test } from 'vitest';
import type { Reconciler } from '../control/reconciler.ts';
import { MINUTE, type OperatingMode, type Plan, type Site, siteMs } from '../model/index.ts';
import { desiresOf, stoppedBy } from './desires.ts';
import type { FleetMachine } from './fleet.ts';
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

test('a safe stop puts every miner to sleep that can, silent ones too, and leaves cohorts in shadow and jobs alone', () => {
  const of = (id: string, more: object = {}) =>
    ({
      machine: { id, kind: 'asic', groupId: id[0] },
      device: { sleep() {} },
      reading: { mode: RUN },
      ...more,
    }) as unknown as FleetMachine;
  const members = [
    of('a-runs'),
    of('a-silent', { reading: undefined }),
    of('a-sleeps', { reading: { mode: { kind: 'sleep' } } }),
    of('b-shadow'),
    of('c-suggest'),
    of('g-gpu', { machine: { id: 'g-gpu', kind: 'gpu-server', groupId: 'g' } }),
    of('w-cannot', { device: {} }),
  ];
  const before = { mode: 'sleep', actId: 'plan-1', who: 'planner', why: 'dear' };
  const { all, changed } = stoppedBy(
    new Map([['g-gpu', { mode: 'default', actId: 'plan-1', who: 'planner', why: 'dear' }]]),
    members,
    { desired: (id) => (id === 'a-sleeps' ? before : undefined) },
    { left: new Set(['b']), onlyDown: new Set(['c']), confirmed: new Map() },
    { actId: 'stop-1', who: 'ada', why: 'smoke' },
  );
  const stop = { mode: 'sleep', actId: 'stop-1', who: 'ada', why: 'smoke', isShed: true };
  expect(Object.fromEntries(all)).toEqual({
    'a-runs': stop,
    'a-silent': stop,
    'a-sleeps': { ...before, isShed: true },
    'c-suggest': { ...stop, confirmed: true },
    'g-gpu': { mode: 'default', actId: 'plan-1', who: 'planner', why: 'dear' },
  });
  expect(changed).toEqual(['a-runs', 'c-suggest']);
});
