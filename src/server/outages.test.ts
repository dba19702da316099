import { expect, test } from 'vitest';
import { MINUTE, modeFromKey, siteMs, type Machine, type Reading, type SiteMs } from '../model/index.ts';
import { createOutages } from './outages.ts';

const START = Date.parse('2026-03-24T00:00:00Z');
const AGES = 100 * 60 * MINUTE;

interface Member {
  readonly machine: Machine;
  reading: Reading | undefined;
  failures: number;
  bootedAt: number;
  mode: string;
  wanted: string;
  touchedAt: SiteMs | undefined;
  sleptAt: SiteMs | undefined;
  tells: boolean;
}

/** Halls of 20 miners that sleep as wanted, those of hall a on PDUs of four; read every half minute. */
function site(before?: string, from = START) {
  const halls = ['a', 'b'];
  let now = from;
  const acts: { id: string; what: string; why: string }[] = [];
  const keeps: string[] = [];
  const members = halls.flatMap((hallId) =>
    Array.from({ length: 20 }, (_, i): Member => ({
      machine: { id: `${hallId}-${i}`, kind: 'asic', hallId } as Machine,
      reading: undefined,
      failures: 0,
      bootedAt: START - AGES,
      mode: 'normal',
      wanted: 'normal',
      touchedAt: undefined,
      sleptAt: undefined,
      tells: true,
    })),
  );
  const byId = new Map(members.map((member) => [member.machine.id, member]));
  const outages = createOutages({
    journal: { act: (act) => void acts.push(act) },
    before,
    keep: (text) => void keeps.push(text),
    machines: () => members,
    pduOf: (id) => (id.startsWith('a-') ? `pdu-${Math.floor(Number(id.slice(2)) / 4)}` : undefined),
    touchedAt: (id, isAsleep) => byId.get(id)?.touchedAt ?? (isAsleep ? byId.get(id)?.sleptAt : undefined),
    wanted: (id) => byId.get(id)?.wanted,
    readEverySiteMs: () => 30_000,
    siteNow: () => siteMs(now),
  });
  const kw: Record<string, number> = { a: 60, b: 60 };
  return {
    outages,
    acts,
    keeps,
    members,
    kw,
    of: (hallId: string) => members.filter(({ machine }) => machine.hallId === hallId),
    now: () => now,
    /** Half a minute goes by for each. */
    pass(rounds = 1) {
      for (let n = 0; n < rounds; n += 1) {
        now += 30_000;
        for (const member of members) {
          if (member.failures > 0) continue;
          const uptimeS = member.tells ? (now - member.bootedAt) / 1000 : undefined;
          member.reading = { at: siteMs(now), mode: modeFromKey(member.mode), uptimeS };
          outages.observe(member);
        }
        outages.look(halls.map((id) => ({ hall: { id, breakerMw: 0.1 }, meterW: kw[id]! * 1000 })));
      }
    },
  };
}
const cut = (some: readonly Member[]) => some.forEach((member) => (member.failures = 3));
/** Firmware that forgets its sleep and runs. */
function back(some: readonly Member[], at: number, mode = 'normal') {
  for (const member of some) Object.assign(member, { failures: 0, bootedAt: at, mode });
}

test('a hall that booted unasked is one outage: how many, since when, how many are as wanted again', () => {
  const { outages, acts, of, pass, now } = site();
  pass(2);
  for (const member of of('a')) member.mode = member.wanted = 'sleep';
  pass(2);
  cut(of('a'));
  pass(4);
  expect(outages.alarms()).toEqual([]);
  back(of('a').slice(0, 15), now() + 10_000);
  pass();
  expect(outages.alarms()).toEqual([
    {
      code: 'outage',
      subject: 'hall a',
      message: 'hall a, since 00:04 UTC: 15 miners booted unasked, 0 are as wanted again, 15 are not yet, 5 are silent',
    },
  ]);
  for (const member of of('a').slice(0, 12)) member.mode = 'sleep';
  back(of('a').slice(15, 18), now() + 10_000);
  pass();
  expect(outages.alarms()[0]!.message).toMatch(
    /18 miners booted unasked, 12 are as wanted again, 6 are not yet, 2 are silent/,
  );
  for (const member of of('a')) if (member.failures === 0) member.mode = 'sleep';
  pass(10);
  expect(outages.alarms()).toEqual([]);
  expect(acts.map(({ what }) => what)).toEqual([
    'outage of hall a: 15 miners booted unasked so far, the first at 00:04 UTC',
    expect.stringMatching(
      /^outage of hall a over after \d+ minutes: 18 miners booted unasked, 18 are as wanted again, 0 are not yet, 2 are silent$/,
    ),
  ]);
});

test('halls that lost their supply together are one outage, and a later one is another', () => {
  const { outages, acts, members, of, pass, now } = site();
  pass(2);
  cut(members);
  pass(4);
  back(of('a'), now() + 10_000);
  pass(4);
  back(of('b'), now() + 10_000);
  pass();
  expect(outages.alarms()).toMatchObject([
    { subject: 'hall a', message: expect.stringMatching(/^hall a, hall b, since/) },
  ]);
  pass(10);
  expect(outages.alarms()).toEqual([]);
  pass(40);
  cut(of('b'));
  pass(4);
  back(of('b'), now() + 10_000);
  pass();
  expect(acts.filter(({ what }) => what.includes('so far'))).toHaveLength(2);
});

test('a PDU whose breaker opened is named, and not its whole hall', () => {
  const { outages, of, pass, now } = site();
  pass(2);
  const onOne = of('a').slice(8, 12);
  cut(onOne);
  pass(4);
  back(onOne.slice(0, 3), now() + 10_000);
  pass();
  expect(outages.alarms()).toMatchObject([
    {
      subject: 'PDU pdu-2',
      message: expect.stringMatching(/3 miners booted unasked, 3 are as wanted again, 0 are not yet, 1 are silent/),
    },
  ]);
});

test.each<[string, (given: ReturnType<typeof site>) => void]>([
  [
    'a few that crash here and there',
    ({ of, now }) =>
      back(
        [0, 5, 10, 15].map((i) => of('a')[i]!),
        now() + 10_000,
      ),
  ],
  [
    'machines that were told to restart by us',
    ({ of, now }) => {
      for (const member of of('a')) member.touchedAt = siteMs(now() + 5_000);
      back(of('a'), now() + 20_000);
    },
  ],
  [
    'a network that was away: all were silent, none booted',
    (given) => {
      cut(given.of('a'));
      given.pass(10);
      for (const member of given.of('a')) member.failures = 0;
    },
  ],
  [
    'machines that do not tell their running time and do what they did',
    (given) => {
      for (const member of given.of('a')) member.tells = false;
      cut(given.of('a'));
      given.pass(10);
      for (const member of given.of('a')) member.failures = 0;
    },
  ],
  [
    'sleepers whose running time stands still from when they were told to sleep',
    (given) => {
      for (const member of given.of('a'))
        Object.assign(member, { mode: 'sleep', wanted: 'sleep', sleptAt: siteMs(given.now() + 10_000) });
      for (let n = 0; n < 60; n += 1) {
        for (const member of given.of('a')) member.bootedAt = given.now() + 20_000;
        given.pass();
      }
    },
  ],
])('%s: no outage', (_, happen) => {
  const given = site();
  given.pass(3);
  happen(given);
  given.pass(4);
  expect(given.outages.alarms()).toEqual([]);
  expect(given.acts).toEqual([]);
});

test.each<[string, (given: ReturnType<typeof site>) => void]>([
  ['that woke from the sleep they were in', ({ of }) => of('a').forEach((member) => (member.mode = 'normal'))],
  [
    'whose hall was dark while they were silent',
    (given) => {
      cut(given.of('a'));
      given.kw['a'] = 0;
      given.pass(6);
      given.kw['a'] = 60;
      for (const member of given.of('a')) member.failures = 0;
    },
  ],
])('machines that do not tell their running time, %s: an outage', (_, happen) => {
  const given = site();
  for (const member of given.of('a')) Object.assign(member, { tells: false, mode: 'sleep', wanted: 'sleep' });
  given.pass(3);
  happen(given);
  given.pass();
  expect(given.outages.alarms()).toMatchObject([{ code: 'outage', subject: 'hall a' }]);
});

test('a sleep that was ordered just before does not hide that a machine came back awake', () => {
  const { outages, of, pass, now } = site();
  pass(2);
  for (const member of of('a'))
    Object.assign(member, { mode: 'sleep', wanted: 'sleep', sleptAt: siteMs(now() + 10_000) });
  pass();
  cut(of('a'));
  pass(4);
  back(of('a'), now() + 10_000);
  pass();
  expect(outages.alarms()).toHaveLength(1);
});

test('an outage that took Busbar with it is seen when it comes back, and one that stands outlives a restart', () => {
  const first = site();
  first.pass(3);
  const kept = first.outages.kept();
  const second = site(kept, first.now() + 10 * MINUTE);
  back(second.of('a'), first.now() + 5 * MINUTE);
  for (const member of second.of('a')) member.wanted = 'sleep';
  second.pass();
  expect(second.outages.alarms()).toMatchObject([{ subject: 'hall a' }]);
  const third = site(second.outages.kept(), second.now());
  for (const member of third.of('a')) member.wanted = 'sleep';
  third.pass();
  expect(third.outages.alarms()).toMatchObject([
    {
      subject: 'hall a',
      message: expect.stringMatching(/20 miners booted unasked, 0 are as wanted again, 20 are not yet/),
    },
  ]);
  expect(third.acts).toEqual([]);
});

test('what began and what is over is kept at once; a life that died before it kept an end leaves it to be told again, and no clash', () => {
  const first = site();
  first.pass(2);
  back(first.of('a'), first.now() + 10_000);
  first.pass();
  expect(first.keeps).toHaveLength(1);
  const begun = first.keeps[0]!;
  first.pass(8);
  expect(first.acts).toHaveLength(2);
  expect(JSON.parse(first.keeps[1]!)).toMatchObject({ open: [] });
  const second = site(begun, first.now() + MINUTE);
  for (const member of second.of('a')) member.failures = 3;
  second.pass(8);
  expect(second.acts[0]!.what).toMatch(/over after/);
  expect(second.acts[0]!.what).not.toBe(first.acts[1]!.what);
  expect(second.acts[0]!.id).not.toBe(first.acts[1]!.id);
  expect(site(first.keeps[1], first.now()).outages.alarms()).toEqual([]);
});

test('it ends with whoever is not back after an hour: single machines have alarms of their own', () => {
  const { outages, acts, of, pass, now } = site();
  pass(2);
  for (const member of of('a')) member.wanted = 'sleep';
  cut(of('a'));
  pass(4);
  back(of('a'), now() + 10_000);
  pass(119);
  expect(outages.alarms()).toHaveLength(1);
  pass(4);
  expect(outages.alarms()).toEqual([]);
  expect(acts.at(-1)!.what).toMatch(/20 are not yet/);
});
