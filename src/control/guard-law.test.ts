import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Sheddable, wallMs, type WallMs } from '../model/index.ts';
import { createGuardLaw, FRESH_MS, type GuardSetting, HELD_MS, type MeterSeen } from './guard-law.ts';
import { burnt, tripSeconds } from './trip-curve.ts';

const MACHINE_W = 3_500;

/** `count` machines a hall, dealt out in turn, so that the path goes through all halls. */
function settingOf(halls: number, count: number, over: Partial<GuardSetting> = {}): GuardSetting {
  const path: Sheddable[] = Array.from({ length: halls * count }, (_, n) => ({
    id: `m${n}`,
    group: 0,
    hall: `h${n % halls}`,
    address: '127.0.0.1',
    worstW: MACHINE_W * 1.2,
    freesW: MACHINE_W - 20,
    sleepW: 20,
  }));
  const fullW = count * MACHINE_W;
  return {
    path,
    groups: [{ id: 'g', driver: 'd', modelId: 'm', config: {}, mayAct: true }],
    halls: Array.from({ length: halls }, (_, n) => ({ id: `h${n}`, fixedW: 0, coolingPerW: 0 })),
    limits: [
      {
        id: 'connection',
        limitW: 0.8 * halls * fullW,
        targetW: 0.78 * halls * fullW,
        halls: Array.from({ length: halls }, (_, n) => `h${n}`),
        lossFraction: 0,
        by: 'meter',
      },
      ...Array.from({ length: halls }, (_, n) => ({
        id: `hall h${n}`,
        limitW: 1.1 * fullW,
        targetW: 1.05 * fullW,
        halls: [`h${n}`],
        lossFraction: 0,
        by: 'meter' as const,
      })),
    ],
    ...over,
  };
}

/** A site that does as it is told after `delayS` seconds: meters show what its machines draw. */
function world(setting: GuardSetting, { delayS = 2, deaf = new Set<string>(), extraW = 0 } = {}) {
  const law = createGuardLaw(setting);
  const asleep = new Set<string>();
  const due = new Map<string, number>();
  const tellings: string[] = [];
  const lost = new Map<string, number>();
  const lastSeen = new Map<string, MeterSeen>();
  const woke = new Map<string, WallMs>();
  let now = 1_000_000;
  const hallW = (hall: string) =>
    setting.path.reduce((sum, m) => (m.hall === hall ? sum + (asleep.has(m.id) ? m.sleepW : MACHINE_W) : sum), 0);
  const siteW = () => setting.halls.reduce((sum, { id }) => sum + hallW(id), 0) + state.extraW;
  const state = {
    law,
    asleep,
    lost,
    tellings,
    siteW,
    extraW,
    stop: false,
    /** Somebody else wakes it. */
    wake(id: string) {
      due.delete(id);
      if (asleep.delete(id)) woke.set(id, wallMs(now));
    },
    second() {
      now += 1_000;
      for (const [id, at] of due) if (now >= at) asleep.add(id);
      for (const { id } of setting.limits) {
        if ((lost.get(id) ?? 0) > 0) continue;
        lastSeen.set(id, { at: wallMs(now), powerW: id === 'connection' ? siteW() : hallW(id.slice(5)) });
      }
      const decision = law.decide({
        now: wallMs(now),
        meters: lastSeen,
        stop: state.stop,
        asleep: (id) => asleep.has(id),
        awakeSince: (id) => woke.get(id),
      });
      for (const { id } of decision.shed) {
        tellings.push(id);
        if (!deaf.has(id)) due.set(id, now + delayS * 1_000);
      }
      return decision;
    },
    seconds(count: number) {
      for (let n = 1; n < count; n += 1) state.second();
      return state.second();
    },
  };
  return state;
}

describe('the guard', () => {
  test('does nothing while limits are kept and meters answer', () => {
    const setting = settingOf(2, 50);
    const site = world({
      ...setting,
      limits: setting.limits.map((limit) => ({ ...limit, limitW: 1e9, targetW: 9e8 })),
    });
    const decision = site.seconds(60);
    expect(site.tellings).toEqual([]);
    expect(decision.noWakes).toEqual([]);
  });

  test('an exceeded limit is shed to its target, by the path, and no further than a machine', () => {
    const setting = settingOf(2, 50);
    const site = world(setting);
    site.seconds(30);
    const [limit] = setting.limits;
    expect(site.siteW()).toBeLessThanOrEqual(limit!.targetW);
    expect(site.siteW()).toBeGreaterThan(limit!.targetW - 2 * MACHINE_W);
    expect(site.tellings).toEqual(setting.path.slice(0, site.tellings.length).map(({ id }) => id));
  });

  test('what slept when the brief was made and is awake now goes when nothing else is left', () => {
    const setting = settingOf(1, 10);
    // Of the first seven nobody hoped for anything; the other three do not bring it within its limit.
    const path = setting.path.map((machine, n) => (n < 7 ? { ...machine, freesW: 0 } : machine));
    const limits = setting.limits.map((limit) => ({ ...limit, limitW: 5 * MACHINE_W, targetW: 4.9 * MACHINE_W }));
    const site = world({ ...setting, path, limits });
    for (let s = 0; s < 40; s += 1) site.second();
    expect(site.siteW()).toBeLessThanOrEqual(4.9 * MACHINE_W);
    // Those that told what they draw first, and no more of the others than it takes.
    expect(site.tellings.slice(0, 3)).toEqual(['m7', 'm8', 'm9']);
    expect(site.tellings.length).toBe(6);
  });

  test('one that is silent is hoped for a while, and then others go', () => {
    const setting = settingOf(1, 10);
    const path = setting.path.map((machine) => ({ ...machine, freesW: 0 }));
    const limits = setting.limits.map((limit) => ({ ...limit, limitW: 9 * MACHINE_W, targetW: 8.9 * MACHINE_W }));
    const site = world({ ...setting, path, limits }, { deaf: new Set(['m0']) });
    for (let s = 0; s < 10; s += 1) site.second();
    expect(site.tellings).toContain('m0');
    for (let s = 0; s < 12; s += 1) site.second();
    expect(site.siteW()).toBeLessThanOrEqual(8.9 * MACHINE_W);
  });

  test('slow machines are not told again for what is on its way', () => {
    const setting = settingOf(2, 50);
    const site = world(setting, { delayS: 20 });
    site.seconds(40);
    expect(site.siteW()).toBeGreaterThan(setting.limits[0]!.targetW - 2 * MACHINE_W);
    expect(new Set(site.tellings).size).toBe(site.tellings.length);
  });

  test('in place of machines that do not obey others go, and those are tried again later', () => {
    const setting = settingOf(2, 50);
    const deaf = new Set(setting.path.slice(0, 30).map(({ id }) => id));
    const site = world(setting, { deaf });
    site.seconds(80);
    expect(site.siteW()).toBeLessThanOrEqual(setting.limits[0]!.targetW);
  });

  test('one that never obeys is told ever more seldom', () => {
    const setting = settingOf(1, 1);
    const site = world(setting, { deaf: new Set(['m0']) });
    site.stop = true;
    const at: number[] = [];
    for (let second = 0; second < 3_000; second += 1) if (site.second().shed.length > 0) at.push(second);
    const pauses = at.slice(1).map((second, n) => second - at[n]!);
    expect(pauses.map((seconds) => Math.round(seconds / 60))).toEqual([2, 6, 16, 16]);
  });

  test('one time-out of a meter stops wakes and sheds nothing', () => {
    const setting = settingOf(2, 50);
    const limits = setting.limits.map((limit) => ({ ...limit, limitW: 0.36e6, targetW: 0.355e6 }));
    const site = world({ ...setting, limits });
    site.second();
    site.lost.set('connection', 1);
    expect(site.second().noWakes).toEqual([]);
    const decision = site.seconds(3);
    expect(decision.noWakes.join()).toContain('the meter of connection missed a beat');
    expect(decision.loads[0]!.basis).toBe('held');
    site.seconds(5);
    expect(site.tellings).toEqual([]);
  });

  test('a lost feeder meter is bounded by the halls, and sheds nothing while they fit', () => {
    const setting = settingOf(2, 50);
    const limits = setting.limits.map((limit) => ({ ...limit, limitW: 0.36e6, targetW: 0.355e6 }));
    const site = world({ ...setting, limits });
    site.second();
    site.lost.set('connection', 1);
    const decision = site.seconds(60);
    expect(decision.loads[0]!.basis).toBe('halls');
    expect(decision.noWakes.join()).toContain('no meter tells the load of connection');
    expect(site.tellings).toEqual([]);
  });

  test('with every meter lost it sheds until the worst case fits, and leaves the rest on', () => {
    const setting = settingOf(2, 50);
    const limits = setting.limits.map((limit) => ({ ...limit, limitW: 0.36e6, targetW: 0.355e6 }));
    const site = world({ ...setting, limits });
    site.second();
    for (const { id } of limits) site.lost.set(id, 1);
    const decision = site.seconds(60);
    expect(decision.loads[0]!.basis).toBe('worst-case');
    const worstW = setting.path.reduce((sum, m) => sum + (site.asleep.has(m.id) ? m.sleepW : m.worstW), 0);
    expect(worstW).toBeLessThanOrEqual(0.36e6);
    expect(worstW).toBeGreaterThan(0.355e6 - 2 * 1.2 * MACHINE_W);
  });

  test('nobody wakes for half a minute after a shed', () => {
    const site = world(settingOf(2, 50));
    site.seconds(4);
    expect(site.tellings.length).toBeGreaterThan(0);
    let calm = 0;
    while (site.second().noWakes.length > 0 && calm < 100) calm += 1;
    expect(calm).toBeGreaterThanOrEqual(30);
    expect(calm).toBeLessThan(60);
  });

  test('one reading above what its breaker bears is left alone; two in a row are not', () => {
    const setting = settingOf(1, 50);
    const site = world({ ...setting, limits: [{ ...setting.limits[0]!, limitW: 165_000, targetW: 160_000 }] });
    site.second();
    expect(site.tellings).toEqual([]);
    site.second();
    expect(site.tellings.length).toBeGreaterThan(0);
  });

  test('a meter that falls silent just above its limit is acted on as it last spoke', () => {
    const setting = settingOf(1, 50);
    const site = world({ ...setting, limits: [{ ...setting.limits[0]!, limitW: 174_000, targetW: 170_000 }] });
    site.second();
    site.lost.set('connection', 1);
    site.second();
    expect(site.tellings.length).toBe(2);
  });

  test('what wakes while a meter is silent is added to its last answer, at the most it may draw', () => {
    const setting = settingOf(1, 50);
    const site = world({ ...setting, limits: [{ ...setting.limits[0]!, limitW: 150_000, targetW: 145_000 }] });
    site.seconds(20);
    const slept = [...site.asleep];
    expect(site.siteW()).toBeLessThan(145_000);
    site.lost.set('connection', 1);
    for (const id of slept.slice(0, 5)) site.wake(id);
    const told = site.tellings.length;
    const { basis, loadW } = site.seconds(3).loads[0]!;
    expect(basis).toBe('held');
    expect(loadW).toBeGreaterThan(145_000 + 5 * MACHINE_W);
    expect(site.tellings.length).toBeGreaterThan(told);
  });

  test('a heavy overload is shed in the first second, quick machines first', () => {
    const setting = settingOf(1, 50);
    const groups = [
      { ...setting.groups[0]!, sleepMs: 120_000 },
      { ...setting.groups[0]!, id: 'quick', sleepMs: 2_000 },
    ];
    const path = setting.path.map((machine, n) => ({ ...machine, group: n < 25 ? 0 : 1 }));
    const limits = [
      { ...setting.limits[0]!, limitW: 90_000, targetW: 88_000, tripCurve: [{ times: 1.5, seconds: 8 }] },
    ];
    const site = world({ ...setting, groups, path, limits });
    site.second();
    const { shed } = site.second();
    expect(shed.slice(0, 20).map(({ group }) => group)).toEqual(Array.from({ length: 20 }, () => 1));
  });

  test('in shadow it tells nobody, and says how many it would have', () => {
    const setting = settingOf(2, 50);
    const site = world({ ...setting, groups: [{ ...setting.groups[0]!, mayAct: false }] });
    const decision = site.seconds(20);
    expect(site.tellings).toEqual([]);
    expect(decision.wouldShed).toBeGreaterThan(10);
  });

  test('a safe stop puts all to sleep', () => {
    const setting = settingOf(2, 20);
    const site = world(setting);
    site.stop = true;
    site.seconds(5);
    expect(site.asleep.size).toBe(40);
  });
});

test('no site is shed below what it must be, none is left above, and no machine is told twice in half a minute', () => {
  fc.assert(
    fc.property(
      fc.record({
        halls: fc.integer({ min: 1, max: 4 }),
        count: fc.integer({ min: 5, max: 60 }),
        delayS: fc.integer({ min: 1, max: 25 }),
        deafShare: fc.double({ min: 0, max: 0.3, noNaN: true }),
        extraShare: fc.double({ min: 0, max: 0.3, noNaN: true }),
        seed: fc.integer(),
        lossAt: fc.integer({ min: 0, max: 30 }),
        lossFor: fc.integer({ min: 0, max: 8 }),
        untoldShare: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      ({ halls, count, delayS, deafShare, extraShare, seed, lossAt, lossFor, untoldShare }) => {
        const whole = settingOf(halls, count);
        const setting = {
          ...whole,
          groups: [{ ...whole.groups[0]!, sleepMs: delayS * 1_000 }],
          path: whole.path.map((machine, n) =>
            Math.abs(Math.cos(seed + n)) < untoldShare ? { ...machine, freesW: 0 } : machine,
          ),
        };
        const deaf = new Set(
          setting.path.filter((_, n) => Math.abs(Math.sin(seed + n)) < deafShare).map(({ id }) => id),
        );
        const site = world(setting, { delayS, deaf });
        site.extraW = extraShare * setting.limits[0]!.limitW;
        const toldAt = new Map<string, number>();
        for (let second = 0; second < 150; second += 1) {
          site.lost.set('connection', second >= lossAt && second < lossAt + lossFor ? 1 : 0);
          for (const { id } of site.second().shed) {
            expect(second - (toldAt.get(id) ?? -99)).toBeGreaterThan(30);
            expect(site.asleep.has(id)).toBe(false);
            toldAt.set(id, second);
          }
        }
        const { targetW, limitW } = setting.limits[0]!;
        expect(site.siteW()).toBeLessThanOrEqual(limitW);
        // Deaf machines were given up and others went in their place: at the most they all came down late.
        const lateW = [...toldAt.keys()].filter((id) => deaf.has(id)).length * MACHINE_W;
        expect(site.siteW()).toBeGreaterThan(targetW - lateW - 2 * MACHINE_W);
      },
    ),
    {
      numRuns: 200,
      // Deaf machines that were tried again, and hoped for, while others would have gone.
      examples: [
        [
          {
            halls: 4,
            count: 10,
            delayS: 1,
            deafShare: 0.28790331666506536,
            extraShare: 0,
            seed: 16,
            lossAt: 0,
            lossFor: 0,
            untoldShare: 0,
          },
        ],
      ],
    },
  );
});

test('no limit is exceeded for longer than the guard takes to see it and machines take to sleep, whoever wakes them and whatever is silent', () => {
  fc.assert(
    fc.property(
      fc.record({
        halls: fc.integer({ min: 1, max: 4 }),
        count: fc.integer({ min: 5, max: 60 }),
        delayS: fc.integer({ min: 1, max: 25 }),
        wakes: fc.array(
          fc.record({
            at: fc.integer({ min: 30, max: 130 }),
            share: fc.double({ min: 0, max: 1, noNaN: true }),
            lostBeforeS: fc.integer({ min: -3, max: 8 }),
            lostForS: fc.integer({ min: 0, max: 30 }),
            isAllLost: fc.boolean(),
          }),
          { minLength: 1, maxLength: 4 },
        ),
      }),
      ({ halls, count, delayS, wakes }) => {
        const whole = settingOf(halls, count);
        const setting = { ...whole, groups: [{ ...whole.groups[0]!, sleepMs: delayS * 1_000 }] };
        const site = world(setting, { delayS });
        let overS = 0;
        for (let second = 0; second < 180; second += 1) {
          const lost = new Set<string>();
          for (const { at, share, lostBeforeS, lostForS, isAllLost } of wakes) {
            if (at === second) for (const id of [...site.asleep].slice(0, share * site.asleep.size)) site.wake(id);
            if (second < at - lostBeforeS || second >= at - lostBeforeS + lostForS) continue;
            for (const { id } of setting.limits) if (isAllLost || id === 'connection') lost.add(id);
          }
          for (const { id } of setting.limits) site.lost.set(id, lost.has(id) ? 1 : 0);
          site.second();
          overS = site.siteW() > setting.limits[0]!.limitW ? overS + 1 : 0;
          expect(overS).toBeLessThanOrEqual(Math.ceil(FRESH_MS / 1_000) + 1 + delayS);
        }
      },
    ),
    { numRuns: 300 },
  );
});

describe('trip curves', () => {
  test('go through their points, straight on logarithmic scales, and bear their rating for ever', () => {
    const curve = [
      { times: 1.3, seconds: 3_600 },
      { times: 2, seconds: 100 },
      { times: 6, seconds: 10 },
    ];
    expect(tripSeconds(1, curve)).toBe(Infinity);
    expect(tripSeconds(2, curve)).toBeCloseTo(100);
    expect(tripSeconds(Math.sqrt(12), curve)).toBeCloseTo(Math.sqrt(1_000), 6);
    expect(tripSeconds(12, curve)).toBeCloseTo(2.5);
    expect(tripSeconds(2)).toBeCloseTo(60);
  });

  test('heat gathers at its rate and goes again', () => {
    expect(burnt(0, 2, 30)).toBeCloseTo(0.5);
    expect(burnt(0.5, 1, 300)).toBe(0);
  });

  test('more load never opens later', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1.01, max: 20, noNaN: true }),
        fc.double({ min: 1.01, max: 20, noNaN: true }),
        (a, b) => {
          const curve = [
            { times: 1.2, seconds: 7_200 },
            { times: 3, seconds: 60 },
            { times: 8, seconds: 5 },
          ];
          const [low, high] = [Math.min(a, b), Math.max(a, b)];
          expect(tripSeconds(high, curve)).toBeLessThanOrEqual(tripSeconds(low, curve) * 1.000001);
        },
      ),
    );
  });
});

test('a meter counts as fresh for longer than two beats and stands in for itself for longer than that', () => {
  expect(FRESH_MS).toBeGreaterThan(2_000);
  expect(HELD_MS).toBeGreaterThan(FRESH_MS);
});

test('a hall above its target stops nobody elsewhere, and one that no meter watches is left alone', () => {
  const setting = settingOf(2, 50);
  const [connection, first, second] = setting.limits;
  const fullW = 50 * MACHINE_W;
  const limits = [
    { ...connection!, limitW: 1e9, targetW: 9e8 },
    { ...first!, limitW: 1.05 * fullW, targetW: 0.98 * fullW },
    { ...second!, by: 'nobody' as const, limitW: fullW / 2, targetW: fullW / 2 },
  ];
  const site = world({ ...setting, limits });
  site.lost.set('hall h1', 1);
  const decision = site.seconds(60);
  expect(decision.noWakes).toEqual([]);
  expect(site.tellings).toEqual([]);
});
