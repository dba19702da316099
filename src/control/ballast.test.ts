import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { siteMs } from '../model/index.ts';
import { chooseMoves, createBallastLaw, type Movable } from './ballast.ts';

const BAND_W = 500_000;

/** Feeds loads, one a second, and tells what was asked of miners last. */
function run(loads: readonly (number | undefined)[], law = createBallastLaw(BAND_W), from = 0) {
  let asked: number | undefined;
  let moves = 0;
  for (const [n, load] of loads.entries()) {
    const now = law.look(siteMs((from + n) * 1_000), load);
    if (now === undefined) continue;
    asked = now;
    moves += 1;
  }
  return { asked, moves, law };
}
const steady = (watts: number, seconds: number): number[] => Array.from({ length: seconds }, () => watts);

describe('ballast', () => {
  test('a swing inside the band moves nobody', () => {
    expect(run([...steady(5e6, 60), ...steady(5.4e6, 120)]).asked).toBeUndefined();
  });

  test('one beyond it is met whole, by the mean of a minute, once', () => {
    const { asked, moves } = run([...steady(5e6, 60), ...steady(6e6, 31)]);
    expect(moves).toBe(1);
    expect(asked).toBeCloseTo(-0.5e6 - 0.5e6 / 30, -5);
    const whole = run([...steady(5e6, 60), ...steady(7e6, 120)]);
    expect(whole.asked! + 2e6).toBeLessThan(BAND_W);
    // Each time the mean has gone on by a band.
    expect(whole.moves).toBeLessThanOrEqual(4);
  });

  test('a spike of seconds moves nobody', () => {
    expect(run([...steady(5e6, 60), ...steady(9e6, 5), ...steady(5e6, 60)]).asked).toBeUndefined();
  });

  test('load that falls is taken up, and given back when it returns', () => {
    const law = createBallastLaw(BAND_W);
    const down = run([...steady(5e6, 60), ...steady(3e6, 120)], law);
    expect(down.asked).toBeGreaterThan(1.4e6);
    const back = run(steady(5e6, 120), law, 180);
    expect(Math.abs(back.asked!)).toBeLessThanOrEqual(BAND_W);
  });

  test('what is not known moves nobody, and a plan begins anew', () => {
    expect(run([...steady(5e6, 60), undefined, ...steady(9e6, 20)]).asked).toBeUndefined();
    const law = createBallastLaw(BAND_W);
    run([...steady(5e6, 60), ...steady(7e6, 120)], law);
    law.rebase();
    expect(law.swingW()).toBe(0);
    expect(run(steady(7e6, 60), law, 180).asked).toBeUndefined();
  });

  test('whatever the load does, load and ballast together stay in the band of the minute, once miners obey', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 10e6, noNaN: true }), { minLength: 1, maxLength: 12 }),
        (levels) => {
          const law = createBallastLaw(BAND_W);
          let moved = 0;
          let second = 0;
          let worstW = 0;
          for (const level of levels)
            for (let n = 0; n < 75; n += 1) {
              moved = law.look(siteMs((second += 1) * 1_000), level) ?? moved;
              worstW = Math.max(worstW, Math.abs((law.swingW() ?? -moved) + moved));
            }
          expect(worstW).toBeLessThanOrEqual(BAND_W * 1.000001);
        },
      ),
    );
  });
});

const miner = (id: string, over: Partial<Movable> = {}): Movable => ({
  id,
  mode: 'default',
  powerW: 3_000,
  sleepW: 20,
  up: undefined,
  ...over,
});

test('moves come as near to what is asked as one machine, and of those that can', () => {
  const asleep = { mode: 'sleep', powerW: 20, up: { mode: 'default', powerW: 3_500 } };
  const movables = [
    ...Array.from({ length: 10 }, (_, n) => miner(`run-${n}`)),
    ...Array.from({ length: 10 }, (_, n) => miner(`asleep-${n}`, asleep)),
  ];
  const down = chooseMoves(movables, -9_100);
  expect([...down.values()]).toEqual(['sleep', 'sleep', 'sleep']);
  expect([...down.keys()].every((id) => id.startsWith('run'))).toBe(true);
  const up = chooseMoves(movables, 7_000);
  expect([...up.entries()]).toEqual([
    ['asleep-0', 'default'],
    ['asleep-1', 'default'],
  ]);
  expect(chooseMoves(movables, -1_000).size).toBe(0);
  expect(chooseMoves(movables, -1e9).size).toBe(10);
});
