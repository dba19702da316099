import { expect, test } from 'vitest';
import { run, siteMs, type Command, type Reading } from '../model/index.ts';
import { createResponseCurves } from './response-curves.ts';

const KIND = { model: 'antminer-s21', firmware: 'luxos 2026.1' };
const command = (target: string, change: Partial<Command>): Command => ({
  id: `c-${target}`,
  batchId: 'act',
  target,
  action: 'sleep',
  mode: 'sleep',
  who: 'planner',
  why: '',
  stage: 'seen-in-power',
  attempts: 1,
  fault: undefined,
  sentAt: siteMs(0),
  acknowledgedAt: siteMs(1_000),
  seenInPowerAt: undefined,
  seenAtMeterAt: undefined,
  ...change,
});
const slept = (count: number) =>
  Array.from({ length: count }, (_, i) => command(`m${i}`, { seenInPowerAt: siteMs(1_000 + 100 * (i + 1)) }));
const reading = (at: number, powerW: number, more: Partial<Reading> = {}): Reading => ({
  at: siteMs(at),
  powerW,
  powerBasis: 'measured',
  mode: run('default'),
  ...more,
});

test('the times of a kind are those from the word to the reading; few of them say nothing', () => {
  const curves = createResponseCurves(
    () => KIND,
    () => siteMs(0),
  );
  curves.look(slept(9));
  expect(curves.firstLookMs('m0', 'sleep')).toBeUndefined();
  curves.look(slept(100));
  expect(curves.all()).toMatchObject([{ ...KIND, shedMs: { machines: 109 }, wakeMs: undefined, overshoot: undefined }]);
  expect(curves.all()[0]!.shedMs!.p99).toBe(9_900);
  expect(curves.firstLookMs('m0', 'sleep')).toBeCloseTo(0.7 * 600, 0);
  expect(curves.firstLookMs('m0', 'default')).toBeUndefined();
});

test('a command whose answer was lost is no measurement', () => {
  const curves = createResponseCurves(
    () => KIND,
    () => siteMs(0),
  );
  curves.look([command('m0', { acknowledgedAt: undefined, seenInPowerAt: siteMs(9_000) })]);
  expect(curves.all()).toEqual([]);
});

test('what a machine draws while it wakes is held against what it draws five minutes later', () => {
  const curves = createResponseCurves(
    () => KIND,
    () => siteMs(0),
  );
  for (let i = 0; i < 10; i += 1) {
    const id = `m${i}`;
    curves.look([command(id, { action: 'wake', mode: 'default', stage: 'acknowledged' })]);
    curves.observe(id, reading(60_000, 3_900));
    curves.observe(id, reading(90_000, 4_500, { powerBasis: 'estimated' }));
    expect(curves.overshoot(id)).toBe(1);
    curves.observe(id, reading(301_000, 3_000));
  }
  expect(curves.overshoot('m0')).toBeCloseTo(1.3);
  // One that is put to sleep meanwhile has no steady draw.
  curves.look([command('m0', { action: 'wake', mode: 'default', stage: 'acknowledged' })]);
  curves.look([command('m0', { stage: 'sent' })]);
  curves.observe('m0', reading(400_000, 30));
  expect(curves.all()[0]!.overshoot).toEqual({ machines: 10, p50: 1.3, p99: 1.3 });
});

test('what was measured outlives a restart', () => {
  const curves = createResponseCurves(
    () => KIND,
    () => siteMs(0),
  );
  expect(curves.kept()).toBeUndefined();
  curves.look(slept(20));
  const text = curves.kept()!;
  expect(curves.kept()).toBeUndefined();
  expect(
    createResponseCurves(
      () => KIND,
      () => siteMs(0),
      text,
    ).all(),
  ).toEqual(curves.all());
});

test('the slowest kind among machines sets what all of them promise; one that was seen too little leaves it open', () => {
  const curves = createResponseCurves(
    (id) => ({ ...KIND, firmware: id.startsWith('m') ? 'luxos 1' : id.startsWith('n') ? 'luxos 2' : 'stock' }),
    () => siteMs(0),
  );
  curves.look(slept(10));
  const slow = Array.from({ length: 10 }, (_, i) => command(`n${i}`, { seenInPowerAt: siteMs(31_000) }));
  curves.look(slow);
  curves.look([command('x1', { seenInPowerAt: siteMs(2_000) })]);
  expect(curves.slowestMs(['m0', 'm1'], 'shedMs')).toBe(1_000);
  expect(curves.slowestMs(['m0', 'n1'], 'shedMs')).toBe(30_000);
  expect(curves.slowestMs(['m0', 'x1'], 'shedMs')).toBeUndefined();
  expect(curves.slowestMs(['m0'], 'wakeMs')).toBeUndefined();
  expect(curves.slowestMs([], 'shedMs')).toBeUndefined();
});
