import { beforeEach, describe, expect, test } from 'vitest';
import type { WorkAction } from '../../control/work.ts';
import { HOUR, siteMs, wallMs, type Job, type Plan, type Trust } from '../../model/index.ts';
import type { Act } from '../../store/store.ts';
import { jobSuggestionOf } from './job-suggestions.ts';
import {
  createSuggestions,
  movesBetween,
  type Suggestion,
  suggestionOf,
  SuggestionRefusal,
  type Suggestions,
} from './suggestions.ts';

let now: number;
let wall: number;
let trust: Trust;
let held: boolean;
let ordered: boolean;
let acts: Act[];
let asked: string[];
let begun: string[][];
let seen: Map<string, { mode: string; at: number; isProven?: boolean }>;
let jobsTold: string[];
let keptText: string | undefined;
let suggestions: Suggestions;
beforeEach(() => {
  [now, wall, trust, held, ordered] = [1_000, 0, 'suggest', false, false];
  [acts, asked, begun] = [[], [], []];
  seen = new Map(['m1', 'm2', 'm3'].map((id) => [id, { mode: 'normal', at: 900 }]));
  [keptText, jobsTold] = [undefined, []];
  suggestions = open();
});
const open = (): Suggestions =>
  createSuggestions(
    {
      journal: { act: (act) => void acts.push(act) },
      keep: (text) => void (keptText = text),
      trustOf: () => trust,
      isHeld: () => held,
      isOrdered: () => ordered,
      siteNow: () => siteMs(now),
      wallNow: () => wallMs(wall),
      assign: (_, to) => new Map(['m1', 'm2', 'm3'].map((id, i) => [id, i < (to['sleep'] ?? 0) ? 'sleep' : 'normal'])),
      seen(id) {
        const one = seen.get(id);
        return one && { mode: one.mode, at: siteMs(one.at), isProven: one.isProven ?? true };
      },
      begin: (_, ids) => void begun.push([...ids]),
      tellJobs: (cluster, actions, { who }) =>
        void jobsTold.push(`${who}: ${cluster} ${actions.map(({ kind, job }) => `${kind} ${job.id}`).join()}`),
      askPlan: (why) => void asked.push(why),
    },
    keptText,
  );

const one = (change: Partial<Suggestion> = {}): Suggestion => ({
  id: 's1',
  kind: 'machines',
  cohort: 'a',
  trust: 'suggest',
  madeAt: siteMs(1_000),
  moves: [{ from: 'normal', to: 'sleep', machines: 2 }],
  from: { normal: 3 },
  to: { sleep: 2, normal: 1 },
  importDeltaW: -7_000,
  why: 'power costs more',
  usdPerHour: 0.4,
  usdHorizon: 2,
  ...change,
});
const tell = (...wanted: Suggestion[]) => suggestions.tell(suggestions.planned(), wanted);
const ids = () => suggestions.list().map(({ suggestion }) => suggestion.id);

describe('a suggestion', () => {
  test('is carried out once, by whom and why, as wishes that a person confirmed', () => {
    tell(one());
    expect(suggestions.confirm('s1', 'ann', 'agreed')).toMatchObject({ cohort: 'a', machines: 2 });
    expect(acts).toMatchObject([{ who: 'ann', what: 'confirm: a: 2 from normal to sleep', why: 'agreed' }]);
    expect(asked).toEqual(['ann confirmed a suggestion']);
    expect(begun).toEqual([['m1', 'm2']]);
    const [underway] = suggestions.underway();
    expect([...underway!.left]).toMatchObject([
      ['m1', { mode: 'sleep', who: 'ann', why: 'agreed', confirmed: true, actId: acts[0]!.id }],
      ['m2', { mode: 'sleep', confirmed: true }],
    ]);
    expect(() => suggestions.confirm('s1', 'ann', 'again')).toThrow(SuggestionRefusal);

    // Seen by a reading of before it was confirmed, or not at all, nothing is done.
    suggestions.look();
    expect(suggestions.underway()[0]!.left.size).toBe(2);
    seen.set('m1', { mode: 'sleep', at: 1_001 });
    suggestions.look();
    expect([...suggestions.underway()[0]!.left.keys()]).toEqual(['m2']);
    // It says so itself, and does not yet draw so.
    seen.set('m2', { mode: 'sleep', at: 1_001, isProven: false });
    suggestions.look();
    expect(suggestions.underway()).toHaveLength(1);
    seen.set('m2', { mode: 'sleep', at: 1_001 });
    suggestions.look();
    expect(suggestions.underway()).toEqual([]);
    // Once: a machine that wakes by itself is not told again.
    seen.set('m1', { mode: 'normal', at: 1_002 });
    suggestions.look();
    expect(suggestions.underway()).toEqual([]);
  });

  test('expires with the plan after next', () => {
    tell(one());
    suggestions.planned();
    expect(suggestions.list()).toMatchObject([{ plansLeft: 1 }]);
    suggestions.planned();
    expect(suggestions.list()).toEqual([]);
    expect(() => suggestions.confirm('s1', 'ann', 'late')).toThrow(/expired/);
  });

  test('keeps its id while the plan wants the same, and may still be confirmed beside a newer one', () => {
    tell(one());
    tell(one({ id: 's2', usdPerHour: 0.5 }));
    expect(suggestions.list()).toMatchObject([{ plansLeft: 2, suggestion: { id: 's1', usdPerHour: 0.5 } }]);
    tell(one({ id: 's3', moves: [{ from: 'normal', to: 'sleep', machines: 3 }], to: { sleep: 3 } }));
    expect(ids()).toEqual(['s3']);
    expect(suggestions.confirm('s1', 'ann', 'as I read it').machines).toBe(2);
  });

  test('is taken back by a plan that wants it no more, and by one of another cohort that is confirmed', () => {
    tell(one(), one({ id: 's2', cohort: 'b' }));
    tell(one());
    expect(ids()).toEqual(['s1']);
    const round = suggestions.planned();
    suggestions.confirm('s1', 'ann', 'agreed');
    // What was worked out without it says nothing any more.
    suggestions.tell(round, [one({ id: 's4', cohort: 'b' })]);
    expect(ids()).toEqual([]);
  });

  test('is refused in shadow, in auto, for a cohort that a person holds, and under an order', () => {
    tell(one());
    for (const [set, says] of [
      [() => void (trust = 'shadow'), /in shadow/],
      [() => void (trust = 'auto'), /by itself/],
      [() => void (held = true), /busbar release a/],
      [() => void (ordered = true), /order/],
    ] as const) {
      [trust, held, ordered] = ['suggest', false, false];
      set();
      expect(() => suggestions.confirm('s1', 'ann', 'now')).toThrow(says);
    }
    expect(acts).toEqual([]);
  });

  test('that was confirmed ends with the trust it rests on, with a hold, an order, or time', () => {
    for (const end of [
      () => void (trust = 'shadow'),
      () => void (held = true),
      () => void (ordered = true),
      () => void ((now += HOUR + 1), (wall += 120_001)),
    ]) {
      [trust, held, ordered] = ['suggest', false, false];
      tell(one());
      suggestions.confirm('s1', 'ann', 'agreed');
      suggestions.look();
      expect(suggestions.underway()).toHaveLength(1);
      end();
      suggestions.look();
      expect(suggestions.underway()).toEqual([]);
    }
  });
});

describe('jobs', () => {
  const job = (id: string, state: Job['state']): Job =>
    ({ id, state, gpus: 8, className: 'batch', gpuModel: 'x' }) as Job;
  const actions: WorkAction[] = [
    { kind: 'hold', job: job('j1', 'pending'), why: 'w' },
    { kind: 'requeue', job: job('j2', 'running'), why: 'w' },
  ];
  const step = (importW: number) => ({ importW, priceUsdPerMwh: 900, cohorts: {}, work: {} });
  const planOf = (usd: number, importW: number, changes: string[] = []): Plan =>
    ({ status: 'optimal', objectiveUsd: usd, steps: [step(importW)], why: { changes } }) as unknown as Plan;
  const of = (change: Partial<Parameters<typeof jobSuggestionOf>[0]> = {}) =>
    jobSuggestionOf({
      id: 's9',
      clusterId: 'a',
      classIds: ['sim'],
      actions,
      kept: planOf(5, 9_000),
      free: planOf(8, 4_000, ['16 GPUs of sim stop, worth $1: power costs more']),
      at: siteMs(1_000),
      rateUsdPerHour: ({ objectiveUsd }) => objectiveUsd,
      ...change,
    });

  test('have their change by state, its reason and its worth; nothing where nothing changes or is won', () => {
    expect(of()).toMatchObject({
      kind: 'jobs',
      cohort: 'a',
      from: { pending: 1, running: 1 },
      to: { held: 2 },
      moves: [
        { from: 'pending', to: 'held', machines: 1 },
        { from: 'running', to: 'held', machines: 1 },
      ],
      importDeltaW: -5_000,
      usdPerHour: 3,
      usdHorizon: 3,
      why: '16 GPUs of sim stop, worth $1: power costs more',
    });
    expect(of({ actions: [] })).toBeUndefined();
    expect(of({ free: planOf(5.001, 4_000) })).toBeUndefined();
    expect(of({ free: { ...planOf(8, 4_000), status: 'feasible' } })).toMatchObject({
      usdHorizon: null,
      why: expect.stringContaining('nothing tells why'),
    });
  });

  test('are told once by whoever confirmed, beside a cohort of the same name', () => {
    tell(one(), of()!);
    expect(ids()).toEqual(['s1', 's9']);
    expect(suggestions.confirm('s9', 'ann', 'agreed')).toMatchObject({ cohort: 'a', machines: 2 });
    expect(jobsTold).toEqual(['ann: a hold j1,requeue j2']);
    expect(acts).toMatchObject([
      { who: 'ann', what: 'confirm: jobs of a: 1 from pending to held, 1 from running to held', why: 'agreed' },
    ]);
    expect(suggestions.underway()).toEqual([]);
    expect(() => suggestions.confirm('s9', 'ann', 'again')).toThrow(SuggestionRefusal);
  });

  test('of other jobs are another suggestion, though as many', () => {
    tell(of()!);
    tell(of({ id: 's10', actions: [actions[0]!, { ...actions[1]!, job: job('j3', 'running') }] })!);
    expect(ids()).toEqual(['s10']);
  });
});

describe('what was confirmed, over a restart', () => {
  beforeEach(() => {
    tell(one());
    suggestions.confirm('s1', 'ann', 'agreed');
    seen.set('m1', { mode: 'sleep', at: 1_001 });
    suggestions.look();
    acts.length = begun.length = 0;
    now = 5_000;
  });

  test('goes on with what is left of it, under an act of its own, and meters are read once machines are', () => {
    const before = suggestions.underway()[0]!.actId;
    const known = new Map(seen);
    seen.clear();
    suggestions = open();
    const [going] = suggestions.underway();
    expect(going).toMatchObject({ cohort: 'a', who: 'ann', why: 'agreed', since: 1_000, machines: 2 });
    expect([...going!.left]).toMatchObject([['m2', { mode: 'sleep', confirmed: true, actId: going!.actId }]]);
    // Commands are counted anew: under the old act they would be taken for the first ones.
    expect(going!.actId).not.toBe(before);
    expect(acts).toMatchObject([
      {
        id: going!.actId,
        who: 'ann',
        what: 'go on after a restart with what was confirmed of a: 1 of 2 machines are not seen so',
      },
    ]);
    suggestions.look();
    expect(begun).toEqual([]);
    for (const [id, reading] of known) seen.set(id, reading);
    suggestions.look();
    suggestions.look();
    expect(begun).toEqual([['m2']]);
    seen.set('m2', { mode: 'sleep', at: 5_001 });
    suggestions.look();
    expect(suggestions.underway()).toEqual([]);
    expect(acts).toHaveLength(1);
    // Done is done: another restart has nothing to go on with.
    suggestions = open();
    expect(suggestions.underway()).toEqual([]);
  });

  test('ends, on record, where it may not go on any more', () => {
    held = true;
    suggestions = open();
    suggestions.look();
    expect(suggestions.underway()).toEqual([]);
    expect(acts.at(-1)).toMatchObject({
      who: 'busbar',
      what: 'end what ann confirmed of a: 1 of 2 machines were not seen so',
      why: 'a person holds a',
    });
    held = false;
    suggestions = open();
    expect(suggestions.underway()).toEqual([]);
  });
});

test('machines that leave a mode are paired with those that come into one', () => {
  expect(movesBetween({ a: 5, b: 3 }, { a: 1, c: 2, sleep: 5 })).toEqual([
    { from: 'a', to: 'c', machines: 2 },
    { from: 'a', to: 'sleep', machines: 2 },
    { from: 'b', to: 'sleep', machines: 3 },
  ]);
  expect(movesBetween({ a: 5 }, { a: 5 })).toEqual([]);
});

describe('what a plan suggests', () => {
  const plan = (cohorts: Record<string, Record<string, number>>, more: Partial<Plan> = {}): Plan =>
    ({
      id: 'p',
      status: 'optimal',
      objectiveUsd: 10,
      steps: [{ importW: 100e3, priceUsdPerMwh: 30, cohorts }],
      ...more,
    }) as unknown as Plan;
  const facts = {
    id: 's1',
    cohort: { id: 'a', now: { normal: 3 } },
    trust: 'suggest' as const,
    kept: plan({ a: { normal: 3 } }),
    at: siteMs(1_000),
    rateUsdPerHour: ({ objectiveUsd }: Plan) => objectiveUsd / 2,
  };
  const why = { changes: ['1 of b wake to normal: x', '2 of a go to sleep: power costs more'] };

  test('has its change, its reason and its worth', () => {
    const free = plan({ a: { normal: 1, sleep: 2 } }, { objectiveUsd: 14, why: why as never });
    expect(suggestionOf({ ...facts, free })).toEqual(
      one({ importDeltaW: 0, usdPerHour: 2, usdHorizon: 4, why: '2 of a go to sleep: power costs more' }),
    );
  });

  test('is nothing where nothing moves, or where it is worth nothing', () => {
    expect(suggestionOf({ ...facts, free: plan({ a: { normal: 3 } }, { objectiveUsd: 14 }) })).toBeUndefined();
    expect(suggestionOf({ ...facts, free: plan({ a: { sleep: 3 } }) })).toBeUndefined();
  });

  test('tells no worth that was not proven, nor one without a price of hash', () => {
    const free = plan({ a: { sleep: 3 } }, { status: 'limits-exceeded' });
    expect(suggestionOf({ ...facts, free, rateUsdPerHour: () => undefined })).toMatchObject({
      usdHorizon: null,
      usdPerHour: null,
      why: expect.stringMatching(/nothing tells why/),
    });
  });
});
