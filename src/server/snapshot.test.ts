import { expect, test } from 'vitest';
import { pointsOfOneKept } from './snapshot.ts';

const low = { profile: 'low', powerW: 2180, hashrateThs: 80 };
const normal = { profile: 'normal', powerW: 3068, hashrateThs: 104 };

test.each([
  ['the one it runs at', [low, normal], ['low'], [low]],
  ['each of those it is seen at', [low, normal], ['low', 'normal', 'sleep'], [low, normal]],
  ['asleep, the plain one', [low, normal], ['sleep'], [normal]],
  ['running at what nobody lists, the plain one', [low, normal], ['290MHz'], [normal]],
  ['where none is plain, all that are known', [low], ['sleep'], [low]],
])('of machines that only sleep and wake: %s', (_, known, seen, points) =>
  expect(pointsOfOneKept(known, new Set(seen))).toEqual(points),
);
