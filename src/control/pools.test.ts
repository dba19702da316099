import { expect, test } from 'vitest';
import { Fault } from '../model/index.ts';
import { changePools, type PoolOutcome, type PoolTarget } from './pools.ts';

function machine(id: string, behaviour: 'obeys' | 'ignores' | 'refuses' | 'silent' | 'has it' | 'cannot') {
  const state = { has: behaviour === 'has it', writes: 0 };
  const target: PoolTarget = {
    id,
    seen: async () => state.has,
    write:
      behaviour === 'cannot'
        ? undefined
        : async () => {
            state.writes += 1;
            if (behaviour === 'refuses') throw new Fault('refused', 'busy');
            if (behaviour === 'obeys' || behaviour === 'silent') state.has = true;
            if (behaviour === 'silent') throw new Fault('timeout', 'it restarts');
          },
  };
  return { target, state };
}

async function run(
  targets: readonly PoolTarget[],
  mayGoOn: (id: string) => boolean = () => true,
): Promise<Map<string, PoolOutcome>> {
  const last = new Map<string, PoolOutcome>();
  await changePools(targets, {
    atOnce: 2,
    tries: 2,
    pauseMs: 0,
    pause: async () => {},
    mayGoOn,
    onOutcome: (outcome) => void last.set(outcome.id, outcome),
  });
  return last;
}

test('seen is what was read back, never what was answered', async () => {
  const one = machine('a', 'obeys');
  const two = machine('b', 'ignores');
  const three = machine('c', 'silent');
  const last = await run([one.target, two.target, three.target]);
  expect(last.get('a')).toMatchObject({ stage: 'seen' });
  expect(last.get('b')).toMatchObject({ stage: 'failed', why: expect.stringMatching(/not seen/) });
  expect(last.get('c')).toMatchObject({ stage: 'seen' });
});

test('what is there already is not written; what cannot be written says so', async () => {
  const has = machine('a', 'has it');
  const last = await run([has.target, machine('b', 'cannot').target, machine('c', 'refuses').target]);
  expect(has.state.writes).toBe(0);
  expect(last.get('a')).toMatchObject({ stage: 'seen' });
  expect(last.get('b')).toMatchObject({ stage: 'failed', why: expect.stringMatching(/cannot write pools/) });
  expect(last.get('c')).toMatchObject({ stage: 'failed', fault: { kind: 'refused' } });
});

test('the first three go alone: where none of them is seen with the pools, nobody else is written', async () => {
  const all = Array.from({ length: 8 }, (_, i) => machine(`m${i}`, 'ignores'));
  const last = await run(all.map(({ target }) => target));
  expect(all.map(({ state }) => state.writes)).toEqual([1, 1, 1, 0, 0, 0, 0, 0]);
  expect(last.get('m7')).toMatchObject({ stage: 'failed', why: expect.stringMatching(/not begun/) });
});

test('a site lowered to shadow stops where it is', async () => {
  const all = Array.from({ length: 6 }, (_, i) => machine(`m${i}`, 'obeys'));
  const last = await run(
    all.map(({ target }) => target),
    () => all.filter(({ state }) => state.has).length < 3,
  );
  expect(all.filter(({ state }) => state.writes > 0)).toHaveLength(3);
  expect([...last.values()].filter(({ stage }) => stage === 'seen')).toHaveLength(3);
  expect(last.get('m5')).toMatchObject({ stage: 'failed', why: expect.stringMatching(/shadow/) });
});

test('what is in shadow is never written, and keeps nobody else from it', async () => {
  const all = Array.from({ length: 6 }, (_, i) => machine(`m${i}`, 'obeys'));
  const last = await run(
    all.map(({ target }) => target),
    (id) => !['m0', 'm1', 'm2'].includes(id),
  );
  expect(all.map(({ state }) => state.writes)).toEqual([0, 0, 0, 1, 1, 1]);
  expect(last.get('m0')).toMatchObject({ stage: 'failed', why: expect.stringMatching(/shadow/) });
});
