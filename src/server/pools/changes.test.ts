import { expect, test } from 'vitest';
import { siteMs, wallMs, type Pool, type Site } from '../../model/index.ts';
import type { Act } from '../../store/store.ts';
import type { Fleet, FleetMachine } from '../fleet.ts';
import { createPoolChanges, PoolRefusal } from './changes.ts';

const MINUTE = 60_000;
const pool: Pool = {
  id: 'main',
  url: 'stratum+tcp://pool.example:3333',
  worker: 'site.{machine}',
  probe: { everySeconds: 60, staleSeconds: 180 },
};
const told = { at: siteMs(0), pools: [{ url: pool.url, worker: 'site.m-1' }] };

/** One miner that has the pools of the list already, so that nothing is written. */
function world() {
  let wall = 0;
  const acts: Act[] = [];
  const member = {
    machine: { id: 'm-1', groupId: 'm', hallId: 'a', kind: 'asic', address: '10.0.0.1' },
    reading: told,
    device: { read: async () => told, setPools: async () => {} },
  } as unknown as FleetMachine;
  const changes = createPoolChanges({
    fleet: { machines: [member], byId: () => member, inspectSoon() {} } as unknown as Fleet,
    journal: { act: (act: Act) => void acts.push(act) } as never,
    site: () => ({ machines: [{ id: 'm' }] }) as unknown as Site,
    inForce: () => [pool],
    trust: () => 'auto',
    trustOf: () => 'auto',
    passwordOf: () => 'x',
    siteNow: () => siteMs(0),
    wallNow: () => wallMs(wall),
  });
  return { changes, acts, pass: (ms: number) => void (wall += ms) };
}

test('a preview holds for five minutes, is good once, and writes nothing by itself', () => {
  const { changes, acts, pass } = world();
  const { id, machines } = changes.preview(['a']);
  expect(machines).toMatchObject([{ id: 'm-1', canWrite: true, diff: { same: true } }]);
  expect(acts).toEqual([]);
  pass(5 * MINUTE);
  expect(changes.apply(id, 'ann', 'in time')).toMatchObject({ who: 'ann', outcomes: [] });
  expect(() => changes.apply(id, 'ann', 'again')).toThrow(PoolRefusal);
});

test('after five minutes it is no more what would happen', () => {
  const { changes, acts, pass } = world();
  const { id } = changes.preview(['all']);
  pass(5 * MINUTE + 1);
  expect(() => changes.apply(id, 'ann', 'too late')).toThrow(/older than five minutes/);
  expect(acts).toEqual([]);
});

test('a target that nobody is named by is refused in words', () => {
  const { changes } = world();
  expect(() => changes.preview(['nobody'])).toThrow(/no miner, group or hall is named nobody/);
});

test('a preview is carried out by whoever looked at it', () => {
  const { changes } = world();
  const { id } = changes.preview(['a'], 'ann');
  expect(() => changes.apply(id, 'ben', 'mine')).toThrow(/somebody else/);
  expect(changes.apply(id, 'ann (token ci)', 'mine', 'ann')).toMatchObject({ who: 'ann (token ci)' });
});
