import { expect, test } from 'vitest';
import type { Overview } from '../../src/model/api.ts';
import { plural, planVerdict, safeVerdict, standing } from './verdict.ts';

const MW = 1e6;
const plan = { targetW: 38.6 * MW } as NonNullable<Overview['plan']>;
const alarm = (severity: 'info' | 'warning' | 'critical') => ({ severity }) as Overview['alarms'][number];

function overview(change: {
  importW?: number | null;
  plan?: Overview['plan'];
  inFlight?: number;
  alarms?: Overview['alarms'];
  trust?: 'shadow' | 'auto';
}) {
  return {
    site: { trust: change.trust ?? 'auto' },
    connection: { limitW: 40 * MW, importW: change.importW === undefined ? 38.4 * MW : change.importW },
    plan: change.plan === undefined ? plan : change.plan,
    commands: { inFlight: change.inFlight ?? 0 },
    alarms: change.alarms ?? [],
  } as Overview;
}

test('the worst that applies is the standing', () => {
  expect(standing(overview({}))).toBe('on-plan');
  expect(standing(overview({ importW: 30 * MW }))).toBe('off-plan');
  expect(standing(overview({ importW: 30 * MW, inFlight: 12 }))).toBe('moving');
  expect(standing(overview({ importW: 30 * MW, trust: 'shadow' }))).toBe('shadow');
  expect(standing(overview({ plan: null }))).toBe('no-plan');
  expect(standing(overview({ importW: null }))).toBe('unknown');
  expect(standing(overview({ alarms: [alarm('warning')] }))).toBe('on-plan');
  expect(standing(overview({ alarms: [alarm('critical')], plan: null }))).toBe('alarm');
  expect(standing(overview({ importW: 40.1 * MW }))).toBe('alarm');
});

test('safe is said only of what is known to be safe', () => {
  expect(safeVerdict(overview({}))).toMatchObject({
    answer: 'Yes',
    tone: 'calm',
    detail: '1.6 MW below the limit, no alarms',
  });
  expect(safeVerdict(overview({ alarms: [alarm('warning')] }))).toMatchObject({
    answer: 'Yes, 1 warning',
    tone: 'warn',
  });
  expect(safeVerdict(overview({ importW: null }))).toMatchObject({ answer: 'Import unknown', tone: 'warn' });
  expect(safeVerdict(overview({ importW: 40.5 * MW }))).toMatchObject({ answer: 'Over the limit', tone: 'fault' });
});

test('the plan verdict names the difference', () => {
  expect(planVerdict(overview({})).detail).toBe('\u2212200 kW against 38.6 MW planned');
  expect(planVerdict(overview({ importW: null })).answer).toBe('Unknown');
  expect(planVerdict(overview({ plan: null })).answer).toBe('No plan yet');
});

test('plural', () => {
  expect(plural(1, 'machine')).toBe('1 machine');
  expect(plural(9100, 'machine')).toBe('9,100 machines');
});
