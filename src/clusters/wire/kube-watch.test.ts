import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { kubeBench, nodeOf, podOf, type KubeBench } from '../../../test/support/kube.ts';
import { until } from '../../../test/support/site/until.ts';
import { Fault } from '../../model/index.ts';
import { watchParser } from './kube-watch.ts';

const event = fc.record({
  type: fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'),
  object: fc.jsonValue(),
});

/** Bytes cut into pieces at the places given. */
function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted].map((from, i) => bytes.subarray(from, sorted[i] ?? bytes.length));
}

test('events come out as they went in, wherever the bytes are cut, and half of one is not told', () => {
  fc.assert(
    fc.property(
      fc.array(event),
      fc.array(fc.nat(), { maxLength: 20 }),
      event,
      fc.constantFrom('\n', '\r\n', '\n\n'),
      (events, places, last, end) => {
        const whole = events.map((one) => JSON.stringify(one) + end).join('');
        const half = JSON.stringify(last).slice(0, -1);
        const parser = watchParser('test');
        const bytes = new TextEncoder().encode(whole + half);
        const told = cutAt(bytes, places).flatMap((piece) => parser.add(piece));
        expect(told).toEqual(JSON.parse(JSON.stringify(events)));
        expect(parser.add(new TextEncoder().encode('}\n'))).toEqual([JSON.parse(JSON.stringify(last))]);
      },
    ),
  );
});

test('garbage is a garbled fault, and whole events before it are not lost', () => {
  fc.assert(
    fc.property(fc.array(event), fc.string(), (events, garbage) => {
      fc.pre(!/[\n\r]/.test(garbage) && garbage.trim() !== '');
      let isEvent: boolean;
      try {
        const value: unknown = JSON.parse(garbage);
        isEvent = typeof value === 'object' && value !== null && 'type' in value;
      } catch {
        isEvent = false;
      }
      fc.pre(!isEvent);
      const parser = watchParser('test');
      const before = parser.add(new TextEncoder().encode(events.map((one) => `${JSON.stringify(one)}\n`).join('')));
      expect(before).toHaveLength(events.length);
      let thrown: unknown;
      try {
        parser.add(new TextEncoder().encode(`${garbage}\n`));
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(Fault);
      expect((thrown as Fault).kind).toBe('garbled');
    }),
  );
});

test('a line without an end is given up, and not kept for ever', () => {
  const parser = watchParser('test');
  const piece = new TextEncoder().encode('x'.repeat(1024 * 1024));
  expect(() => Array.from({ length: 10 }, () => parser.add(piece))).toThrow(/an event without an end/);
});

let bench: KubeBench;
afterEach(() => bench?.close());

const lists = () => bench.asked.filter((one) => one.startsWith('GET /api/v1/nodes?limit')).length;
const watches = () => bench.asked.filter((one) => one.startsWith('GET /api/v1/nodes?watch')).length;

test('what changes is told by the watch, and nothing is listed twice', async () => {
  bench = await kubeBench();
  bench.server.store.put('nodes', nodeOf('n1'));
  const cluster = bench.open();
  const names = async () => (await cluster.read()).nodes.map(({ name }) => name);
  expect(await names()).toEqual(['n1']);
  bench.server.store.put('nodes', nodeOf('n2'));
  await until('the new node', async () => (await names()).length === 2);
  bench.server.store.put('nodes', nodeOf('n2', { spec: { unschedulable: true } }));
  await until('the cordon', async () => (await cluster.read()).nodes.some(({ state }) => state === 'drained'));
  bench.server.store.remove('nodes', '', 'n1');
  await until('it is gone', async () => (await names()).join() === 'n2');
  expect(lists()).toBe(1);
});

test('a watch that ended is resumed where it was, and misses nothing of what came between', async () => {
  bench = await kubeBench();
  bench.server.store.put('nodes', nodeOf('n0'));
  const cluster = bench.open({ watchS: 1 });
  await cluster.read();
  for (let i = 1; i <= 40; i += 1) {
    bench.server.store.put('nodes', nodeOf(`n${i}`));
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 700));
  }
  await until('all of them', async () => (await cluster.read()).nodes.length === 41);
  expect(watches()).toBeGreaterThan(1);
  expect(lists()).toBe(1);
});

test('a pod that ends leaves the watch of those that have not', async () => {
  bench = await kubeBench();
  bench.server.store.put('nodes', nodeOf('n1'));
  bench.server.store.put('pods', podOf('p1', 4, 'n1'));
  const cluster = bench.open();
  const used = async () => (await cluster.read()).nodes[0]!.gpusUsed;
  expect(await used()).toBe(4);
  const pod = bench.server.store.get('pods', 'team-a', 'p1')!;
  bench.server.store.put('pods', { ...pod, status: { phase: 'Succeeded' } });
  await until('its GPUs are free', async () => (await used()) === 0);
});

test.each([
  ['as an event', false],
  ['as an answer', true],
])('a history that is gone, told %s, is listed anew', async (_, goneAsStatus) => {
  bench = await kubeBench();
  bench.server.goneAsStatus = goneAsStatus;
  bench.server.store.put('nodes', nodeOf('n1'));
  let isGone = false;
  // The first watch ends at once and in order; what happens before the next is forgotten by then.
  const compacting = (path: string) => {
    if (isGone || !path.includes('nodes?watch')) return undefined;
    isGone = true;
    bench.server.store.put('nodes', nodeOf('n2'));
    bench.server.store.compact();
    return { status: 200, body: '' };
  };
  bench.instead.push(...Array.from({ length: 8 }, () => compacting));
  const cluster = bench.open();
  await cluster.read();
  await until('the watch has ended', () => isGone);
  expect((await cluster.read()).nodes).toHaveLength(1);
  expect(lists()).toBe(1);
  await until('the new node', async () => (await cluster.read()).nodes.length === 2);
  expect(watches()).toBe(2);
  expect(lists()).toBe(2);
  bench.server.store.put('nodes', nodeOf('n3'));
  await until('it watches on', async () => (await cluster.read()).nodes.length === 3);
  expect(lists()).toBe(2);
});

test('a silent watch is not taken for fresh: it is listed anew, and what failed is told', async () => {
  bench = await kubeBench();
  bench.server.isSilent = true;
  bench.server.store.put('nodes', nodeOf('n1'));
  const cluster = bench.open({ watchS: 1 });
  const first = await cluster.read();
  await until('it watches', () => watches() > 0);
  bench.server.store.put('nodes', nodeOf('n2'));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const second = await cluster.read();
  // The silence has not lasted yet; what is known is as old as it says.
  expect(second.nodes).toHaveLength(1);
  expect(second.at - first.at).toBeLessThan(300);
  bench.pass(12_000);
  expect((await cluster.read()).nodes).toHaveLength(2);
  bench.pass(12_000);
  bench.instead.push(...Array.from({ length: 12 }, () => () => ({ status: 503, body: 'etcd is down' })));
  await expect(cluster.read()).rejects.toMatchObject({
    kind: 'unreachable',
    message: expect.stringMatching(/etcd is down/),
  });
});

test('a connection that broke is told by the next who reads, while the server is away', async () => {
  bench = await kubeBench();
  bench.server.store.put('nodes', nodeOf('n1'));
  const cluster = bench.open({ timeoutMs: 1_000 });
  await cluster.read();
  await until('it watches', () => watches() > 0);
  await bench.close();
  const failed = () =>
    cluster.read().then(
      () => undefined,
      (error: unknown) => error,
    );
  expect(await until('it is told', failed)).toBeInstanceOf(Fault);
});

test('garbage on a watch ends it, and everything is listed anew', async () => {
  bench = await kubeBench();
  bench.server.store.put('nodes', nodeOf('n1'));
  const isWatch = (path: string) => path.includes('nodes?watch');
  const garbage = (path: string) => (isWatch(path) ? { status: 200, body: '{"type":"ADDED"\n<html>\n' } : undefined);
  bench.instead.push(...Array.from({ length: 8 }, () => garbage));
  const cluster = bench.open();
  await cluster.read();
  await until('the watch has ended', () => watches() > 0);
  bench.server.store.put('nodes', nodeOf('n2'));
  await until('the new node', async () => (await cluster.read()).nodes.length === 2);
  expect(lists()).toBeGreaterThan(1);
});
