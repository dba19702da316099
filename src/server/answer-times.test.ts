import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { answerTimes } from './answer-times.ts';

const IDS = ['m1', 'm2'];
const times = (
  known: { own?: number; shedMs?: number; wakeMs?: number; declared?: number },
  speed = 1,
): ReturnType<typeof answerTimes> =>
  answerTimes(
    { id: 'g', sleepSeconds: known.declared },
    IDS,
    { mostSleepMs: (id, machines) => (id === 'g' && machines === 2 ? known.own : undefined) },
    { slowestMs: (ids, what) => ([...ids].length === 2 ? known[what] : undefined) },
    speed,
  );

test('what was seen of a group goes before what was seen of its kind, and that before what is declared', () => {
  expect(times({})).toEqual({ sleepSeconds: undefined, sleepBasis: undefined, wakeSeconds: undefined });
  expect(times({ declared: 30 })).toEqual({ sleepSeconds: 30, sleepBasis: 'declared', wakeSeconds: undefined });
  expect(times({ declared: 30, shedMs: 40_000, wakeMs: 90_000 })).toEqual({
    sleepSeconds: 50,
    sleepBasis: 'kind',
    wakeSeconds: 90,
  });
  expect(times({ declared: 30, shedMs: 5_000, own: 8_000 }, 6)).toMatchObject({
    sleepSeconds: 48,
    sleepBasis: 'group',
  });
});

test('a group whose machines were seen to fail promises nothing, whatever is declared', () => {
  fc.assert(
    fc.property(
      fc.option(fc.nat(), { nil: undefined }),
      fc.option(fc.nat(), { nil: undefined }),
      (declared, shedMs) => {
        const { sleepSeconds, sleepBasis } = times({
          own: Infinity,
          ...(declared === undefined ? {} : { declared }),
          ...(shedMs === undefined ? {} : { shedMs }),
        });
        expect([sleepSeconds, sleepBasis]).toEqual([undefined, 'group']);
      },
    ),
  );
});
