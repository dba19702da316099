import { expect, test } from 'vitest';
import { lesserTrust, TRUST } from '../model/index.ts';
import { mustAct } from './trust.ts';

test('shadow writes nothing, suggest what a person confirmed, auto everything', () => {
  const acts = TRUST.flatMap((trust) => [false, true].map((confirmed) => [trust, confirmed] as const)).filter(
    ([trust, confirmed]) => {
      try {
        mustAct(trust, 'sleep', confirmed);
        return true;
      } catch {
        return false;
      }
    },
  );
  expect(acts).toEqual([
    ['suggest', true],
    ['auto', false],
    ['auto', true],
  ]);
  expect(() => mustAct('suggest', 'sleep')).toThrow(/no person confirmed/);
});

test('of two levels the one that does less holds', () => {
  expect(lesserTrust('auto', 'suggest')).toBe('suggest');
  expect(lesserTrust('shadow', 'auto')).toBe('shadow');
});
