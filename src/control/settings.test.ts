import { expect, test } from 'vitest';
import { Fault, siteMs, wallMs, type AfterOutage, type Trust } from '../model/index.ts';
import { createSettings, type SettingTarget } from './settings.ts';

/** Machines that keep a setting; `lost` ones acknowledge and do nothing. */
function site(count: number, more: { trust?: Trust; leave?: string; wanted?: AfterOutage } = {}) {
  let now = 1_000;
  let shedding = false;
  let trust: Trust = more.trust ?? 'auto';
  const acts: string[] = [];
  const written: string[] = [];
  const machines = Array.from({ length: count }, (_, i) => ({
    id: `m-${i}`,
    is: 'start' as AfterOutage | undefined,
    read: undefined as { is: AfterOutage | undefined; at: ReturnType<typeof siteMs> } | undefined,
    fault: undefined as Fault | undefined,
    isLost: false,
    asked: 0,
  }));
  const targetOf = (machine: (typeof machines)[number], wanted: AfterOutage): SettingTarget<AfterOutage> => ({
    id: machine.id,
    group: 'g',
    cohort: 'g',
    wanted,
    seen: () => machine.read,
    async write() {
      written.push(machine.id);
      if (machine.fault !== undefined) throw machine.fault;
      if (!machine.isLost) machine.is = wanted;
    },
    readAgain: () => void (machine.asked += 1),
  });
  const arming = createSettings<AfterOutage>({
    action: 'arm-outage',
    isSame: (a, b) => a === b,
    siteNow: () => siteMs(now),
    wallNow: () => wallMs(now),
    trust: () => trust,
    leave: () => more.leave,
    givesWay: () => shedding,
    begin(group, wanted) {
      acts.push(`${group} ${wanted}`);
      return { id: `arm-${acts.length}`, who: 'busbar', why: 'the site file' };
    },
  });
  const want = (wanted: AfterOutage) => arming.follow(machines.map((machine) => targetOf(machine, wanted)));
  want(more.wanted ?? 'last-state');
  return {
    arming,
    machines,
    acts,
    written,
    want,
    shed: (on: boolean) => void (shedding = on),
    raise: (to: Trust) => void (trust = to),
    /** Time passes, everything is read, and control looks. */
    async pass(ms = 1_000) {
      now += ms;
      for (const machine of machines) machine.read = { is: machine.is, at: siteMs(now) };
      arming.look();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
const states = (all: readonly { stage: string }[]) => all.map(({ stage }) => stage);

test('nothing is written before it was read, and what is read as wanted is left', async () => {
  const { arming, machines, written, pass } = site(2);
  arming.look();
  expect(written).toEqual([]);
  expect(arming.stateOf('m-0')).toMatchObject({ state: 'not-armed', why: expect.stringMatching(/has not told yet/) });
  machines[0]!.is = 'last-state';
  await pass();
  expect(written).toEqual(['m-1']);
  expect(arming.stateOf('m-0')).toEqual({ state: 'armed' });
});

test('a write is proved by a later reading, and all of a group are one act with who and why', async () => {
  const { arming, acts, pass } = site(3);
  await pass();
  expect(arming.stateOf('m-0')).toMatchObject({ state: 'not-armed', why: expect.stringMatching(/read back/) });
  expect(states(arming.drainChanged())).toEqual(['acknowledged', 'acknowledged', 'acknowledged']);
  await pass();
  const proved = arming.drainChanged();
  expect(
    proved.map(({ target, action, mode, batchId, who, why, stage }) => [
      target,
      action,
      mode,
      batchId,
      who,
      why,
      stage,
    ]),
  ).toEqual(
    ['m-0', 'm-1', 'm-2'].map((id) => [
      id,
      'arm-outage',
      'last-state',
      'arm-1',
      'busbar',
      'the site file',
      'seen-in-power',
    ]),
  );
  expect(acts).toEqual(['g last-state']);
  expect(arming.stateOf('m-2')).toEqual({ state: 'armed' });
});

test('what somebody has set otherwise since is armed again, in an act of its own', async () => {
  const { arming, machines, acts, written, pass } = site(1);
  await pass();
  await pass();
  machines[0]!.is = 'start';
  await pass(600_000);
  await pass();
  expect(written).toEqual(['m-0', 'm-0']);
  expect(acts).toHaveLength(2);
  expect(arming.stateOf('m-0')).toEqual({ state: 'armed' });
});

test('so many at once and no more, and sheds go first', async () => {
  const { written, pass, shed } = site(30);
  shed(true);
  await pass();
  expect(written).toEqual([]);
  shed(false);
  await pass();
  expect(written).toHaveLength(8);
  await pass();
  expect(written).toHaveLength(16);
});

test.each<[Trust, string]>([
  ['shadow', 'in shadow nothing is written'],
  ['suggest', 'in suggest nothing is written'],
])('in %s nothing is written; raised, it is', async (trust, why) => {
  const { arming, written, pass, raise } = site(1, { trust });
  await pass();
  await pass(600_000);
  expect(written).toEqual([]);
  expect(arming.stateOf('m-0')).toEqual({ state: 'not-armed', why });
  raise('auto');
  await pass();
  expect(written).toEqual(['m-0']);
});

test('what a person holds is left', async () => {
  const { arming, written, pass } = site(1, { leave: 'sam holds it' });
  await pass();
  expect(written).toEqual([]);
  expect(arming.stateOf('m-0')).toEqual({ state: 'not-armed', why: 'sam holds it' });
});

test('a machine that acknowledges and does nothing has failed, and is tried again ever more seldom', async () => {
  const { arming, machines, written, pass } = site(1);
  machines[0]!.isLost = true;
  await pass();
  for (let n = 0; n < 10; n += 1) await pass(5_000);
  expect(written).toHaveLength(1);
  expect(machines[0]!.asked).toBeGreaterThan(3);
  const said: unknown[] = [];
  for (let n = 0; n < 4; n += 1) {
    await pass(5_000);
    said.push(arming.stateOf('m-0'));
  }
  expect(arming.drainChanged().at(-1)).toMatchObject({ fault: 'timeout' });
  expect(said).toContainEqual({ state: 'not-armed', why: expect.stringMatching(/still set to start/) });
  expect(written.length).toBeGreaterThan(1);
});

test('a BMC that knows no such setting cannot be armed, and is not hammered', async () => {
  const { arming, machines, written, pass } = site(1);
  machines[0]!.fault = new Fault('unsupported', 'no LastState');
  await pass();
  await pass();
  expect(arming.stateOf('m-0')).toEqual({ state: 'cannot', why: 'no LastState' });
  for (let n = 0; n < 20; n += 1) await pass(5_000);
  expect(written).toHaveLength(1);
});

test('one that tells nothing of it is never written blindly', async () => {
  const { arming, machines, written, pass } = site(1);
  machines[0]!.is = undefined;
  await pass();
  expect(written).toEqual([]);
  expect(arming.stateOf('m-0')).toMatchObject({ state: 'not-armed', why: expect.stringMatching(/does not tell/) });
});

test('another wish takes the place of the one under way', async () => {
  const { arming, machines, pass, want } = site(1);
  machines[0]!.isLost = true;
  await pass();
  arming.drainChanged();
  want('stay-off');
  machines[0]!.isLost = false;
  await pass();
  await pass();
  expect(states(arming.drainChanged())).toEqual(['superseded', 'seen-in-power']);
  expect(machines[0]!.is).toBe('stay-off');
});
