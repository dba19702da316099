import { expect, test } from 'vitest';
import { siteMs, type Machine, type Pool, type Reading } from '../../model/index.ts';
import { poolDiff, samePool, strangerOf, wantedPools } from './wanted.ts';

const machine: Machine = {
  id: 'a-s21-0001',
  groupId: 'a-s21',
  kind: 'asic',
  modelId: 'antminer-s21',
  hallId: 'a',
  driver: 'luxos',
  address: '10.0.3.7',
};
const pool = (id: string, url: string, worker: string): Pool => ({
  id,
  url,
  worker,
  probe: { everySeconds: 60, staleSeconds: 180 },
});
const main = pool('main', 'stratum+tcp://pool.example:3333', 'site.{machine}');
const spare = pool('spare', 'stratum+ssl://spare.example:443', 'site.{address}');
const told = (pools: Reading['pools'], now?: Reading['pool']): Reading => ({ at: siteMs(0), pools, pool: now });

test.each([
  ['stratum+tcp://pool.example:3333', 'POOL.example:3333', true],
  ['stratum+tcp://pool.example:3333', 'stratum+tcp://pool.example:3333/', true],
  ['stratum+ssl://pool.example:443', 'stratum+tls://pool.example:443', true],
  ['stratum+tcp://pool.example:3333', 'stratum+ssl://pool.example:3333', false],
  ['stratum+tcp://pool.example:3333', 'stratum+tcp://pool.example:3334', false],
  ['stratum+tcp://pool.example:3333', 'stratum+tcp://pool.example.evil:3333', false],
])('%s and %s: same %s', (one, other, same) => expect(samePool(one, other)).toBe(same));

test('a machine gets the pools of its group in order, with its own name in them', () => {
  const group = { pools: ['spare', 'main'] } as never;
  expect(wantedPools([main, spare], group, machine, () => 'x')).toEqual([
    { url: spare.url, worker: 'site.3x7', password: 'x' },
    { url: main.url, worker: 'site.a-s21-0001', password: 'x' },
  ]);
  expect(wantedPools([main, spare], undefined, machine, () => 'x').map(({ url }) => url)).toEqual([
    main.url,
    spare.url,
  ]);
});

test('a diff knows what is there already, and what was never told', () => {
  const wanted = wantedPools([main], undefined, machine, () => 'x');
  expect(poolDiff(told([{ url: 'pool.example:3333', worker: 'site.a-s21-0001' }]), wanted).same).toBe(true);
  expect(poolDiff(told([{ url: main.url, worker: 'thief.1' }]), wanted).same).toBe(false);
  expect(
    poolDiff(
      told([
        { url: main.url, worker: 'site.a-s21-0001' },
        { url: spare.url, worker: 'x' },
      ]),
      wanted,
    ).same,
  ).toBe(false);
  expect(poolDiff(told(undefined), wanted)).toMatchObject({ current: undefined, same: undefined });
});

test('a pool or worker that is not on the list is told, in use or only configured', () => {
  const list = [main, spare];
  expect(strangerOf(told(undefined, { url: main.url, worker: 'site.a-s21-0001' }), list, machine)).toBeUndefined();
  expect(strangerOf(told(undefined, { url: main.url, worker: 'thief.1' }), list, machine)).toBe(
    `worker thief.1 at ${main.url}`,
  );
  expect(strangerOf(told([{ url: 'stratum+tcp://evil.example:3333', worker: '' }]), list, machine)).toMatch(
    /evil.example.*nobody/,
  );
  expect(strangerOf(told(undefined), list, machine)).toBeUndefined();
});
