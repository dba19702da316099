import { expect, test } from 'vitest';
import { createQueue, StoreFailure, type Op, type Outcome, type QueueOptions } from './queue.ts';

/** A disk that can be full, a thread that can die; it writes down what it was told, in order. */
function world(options: Partial<QueueOptions> = {}) {
  const disk: string[] = [];
  const messages: number[] = [];
  const bugs: Error[] = [];
  const state: { failure?: string | undefined; dies?: boolean } = {};
  const send = async (ops: readonly Op[], kind: 'read' | 'write'): Promise<Outcome> => {
    await Promise.resolve();
    messages.push(ops.length);
    if (state.dies === true) throw new Error('the thread has ended');
    if (kind === 'write' && state.failure !== undefined) return { failure: state.failure };
    return {
      answers: ops.map(({ name, args }) => {
        if (name === 'bug') return { bug: new Error('CHECK constraint failed') };
        if (kind === 'write') disk.push(`${name} ${String(args[0])}`);
        return { value: kind === 'read' ? disk.length : args[0] };
      }),
    };
  };
  const queue = createQueue({ send, retryMs: 5, onBug: (bug) => bugs.push(bug), ...options });
  const post = (name: string, arg: unknown = name) => void queue.add('posted', { name, args: [arg] });
  const keep = (name: string) => queue.add('kept', { name, args: [name] });
  const ask = (name: string) => queue.add('asked', { name, args: [name] });
  const read = () => queue.add('read', { name: 'read', args: [] });
  return { queue, disk, messages, bugs, state, post, keep, ask, read };
}

test('what is asked is done in order, several writes in one message, and a question sees what came before it', async () => {
  const { post, keep, read, disk, messages } = world();
  post('a');
  post('b');
  const seen = read();
  post('c');
  const kept = keep('d');
  expect(await seen).toBe(2);
  expect(await kept).toBe('d');
  expect(disk).toEqual(['a a', 'b b', 'c c', 'd d']);
  expect(messages).toEqual([1, 1, 1, 2]);
});

test('while the disk takes nothing all is kept in order, people are told, questions are answered, and it goes on by itself', async () => {
  const { queue, state, post, keep, ask, read, disk } = world();
  state.failure = 'database or disk is full';
  post('act');
  post('commands');
  const booked = keep('interval');
  await expect(ask('hold')).rejects.toThrow(StoreFailure);
  expect(queue.problem()).toBe('database or disk is full');
  expect(await read()).toBe(0);
  post('later');
  state.failure = undefined;
  expect(await booked).toBe('interval');
  await queue.drain();
  expect(disk).toEqual(['act act', 'commands commands', 'interval interval', 'later later']);
  expect(queue.problem()).toBeUndefined();
});

test('a thread that dies is tried again, and what it had in hand is not lost', async () => {
  const { queue, state, keep, ask, read, disk } = world();
  state.dies = true;
  const booked = keep('interval');
  const asked = expect(ask('hold')).rejects.toThrow(/thread has ended/);
  await expect(read()).rejects.toThrow(StoreFailure);
  await asked;
  expect(queue.problem()).toMatch(/thread has ended/);
  state.dies = false;
  await booked;
  expect(disk).toEqual(['interval interval']);
});

test('a bug is told to who waits, else it is not passed over, and holds nothing up', async () => {
  const { post, ask, keep, disk, bugs, queue } = world();
  post('bug');
  await expect(keep('bug')).rejects.toThrow(/CHECK/);
  await expect(ask('bug')).rejects.toThrow(/CHECK/);
  await keep('after');
  expect(bugs).toHaveLength(1);
  expect(disk).toEqual(['after after']);
  expect(queue.problem()).toBeUndefined();
});

test('past the bound plans go first, then commands; acts and intervals are all kept', async () => {
  const { queue, state, post, keep, disk } = world({ mostRows: 250 });
  state.failure = 'disk full';
  post('recordAct', 'act-1');
  post('savePlan', 'old');
  post('savePlan', 'new');
  post(
    'saveCommands',
    Array.from({ length: 60 }, () => 'c'),
  );
  const booked = keep('bookInterval');
  post('savePlan', 'newest');
  await expect(queue.add('asked', { name: 'flush', args: [] })).rejects.toThrow(/disk full/);
  expect(queue.problem()).toMatch(/disk full; 2 plans/);
  state.failure = undefined;
  await booked;
  await queue.drain();
  expect(disk.map((line) => line.slice(0, 20))).toEqual([
    'recordAct act-1',
    'saveCommands c,c,c,c',
    'bookInterval bookInt',
    'savePlan newest',
  ]);
});

test('checkpoints replace one another while they wait', async () => {
  const { queue, state, disk, ask } = world();
  state.failure = 'disk full';
  await expect(ask('x')).rejects.toThrow(StoreFailure);
  for (let n = 0; n < 5; n += 1) void queue.add('posted', { name: 'setMeta', args: ['book', n] });
  state.failure = undefined;
  await queue.drain();
  expect(disk).toEqual(['setMeta book']);
});

test('an end with a full disk says how much is lost', async () => {
  const { queue, state, post, keep } = world();
  state.failure = 'disk full';
  post('act');
  const booked = expect(keep('interval')).rejects.toThrow(/not on disk/);
  await expect(queue.drain()).rejects.toThrow(/2 writes are not on disk: disk full/);
  await booked;
});
