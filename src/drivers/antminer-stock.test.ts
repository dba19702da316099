import { expect, test } from 'vitest';
import { openRecorded, recordingsOf, replay, requestOf, type Recording } from '../../test/support/recordings.ts';
import { MINUTE, wallMs } from '../model/index.ts';
import { antminerStock } from './antminer-stock.ts';
import type { DriverIo } from './driver.ts';

const caseOf = (name: string) => recordingsOf('antminer-stock').find((found) => found.name === name)!.recording;
const running = caseOf('miner-mode-running');
const asleep = caseOf('miner-mode-asleep');
const sleep = caseOf('sleep-miner-mode');

/** One world of several recordings, one after the other where they answer the same request. */
const joined = (...recordings: readonly Recording[]): Recording => ({
  ...recordings[0]!,
  exchanges: recordings.flatMap(({ exchanges }) => exchanges),
});

const pagesOf = (requests: readonly unknown[]) =>
  requests.map(
    (request) => (request as { http?: { path: string } }).http?.path.replace(/.*\/(\w+)\.cgi/, '$1') ?? 'stats',
  );

function withClock(io: DriverIo) {
  let now = 0;
  return { io: { ...io, wallNow: () => wallMs(now) }, pass: (ms: number) => void (now += ms) };
}

test('a configuration that was read is believed for five minutes', async () => {
  const { io, requests } = replay(running);
  const clock = withClock(io);
  const device = openRecorded(running, clock.io);
  await device.read();
  clock.pass(4 * MINUTE);
  await device.read();
  clock.pass(MINUTE);
  await device.read();
  const first = ['stats', 'get_miner_conf'];
  expect(pagesOf(requests)).toEqual([...first, 'stats', 'stats', 'get_miner_conf']);
});

test('hash that stops is looked into at once: somebody may have put it to sleep', async () => {
  const world = joined(running, asleep);
  const { io, requests } = replay(world);
  const device = openRecorded(world, io);
  expect((await device.read()).mode).toEqual({ kind: 'run', profile: 'low' });
  expect((await device.read()).mode).toEqual({ kind: 'sleep' });
  expect(pagesOf(requests).slice(2)).toEqual(['stats', 'get_miner_conf']);
});

test('after a write the configuration is read anew, and the read tells what became of it', async () => {
  const world = joined(asleep, { ...sleep, exchanges: sleep.exchanges.slice(1) }, running);
  const { io, requests } = replay(world);
  const device = openRecorded(world, io);
  await device.read();
  await device.sleep!();
  await device.read();
  // The write reads for itself; what it finds is the second answer, a machine that runs.
  expect(pagesOf(requests)).toEqual([
    'stats',
    'get_miner_conf',
    'get_miner_conf',
    'set_miner_conf',
    'stats',
    'get_miner_conf',
  ]);
});

test('a write changes the mode under both names and nothing else', () => {
  for (const name of ['sleep-work-mode', 'sleep-miner-mode', 'set-mode-low', 'wake']) {
    const [before, after] = caseOf(name).exchanges;
    const was = (before as { reply: { body: Record<string, unknown> } }).reply.body;
    const written = (requestOf(after!) as { http: { body: Record<string, unknown> } }).http.body;
    const { 'bitmain-work-mode': a, 'miner-mode': b, ...rest } = written;
    const { 'bitmain-work-mode': _, 'miner-mode': __, ...others } = was;
    expect(a).toEqual(b);
    expect(rest).toEqual(others);
  }
});

test('a model the catalogue does not know has no estimate of its watts', async () => {
  const unknown = { ...running, modelId: 'antminer-s99' };
  const reading = await openRecorded(unknown, replay(unknown).io).read();
  expect(reading).toMatchObject({ powerW: undefined, powerBasis: undefined, hashrateThs: 80, points: undefined });
});

test('recognises the realm of its page and the name of its miner', () => {
  const seen = (port: number, text: string) =>
    antminerStock.recognises({ openPorts: [port], banners: new Map([[port, text]]), pages: new Map() });
  expect(seen(80, 'www-authenticate: Digest realm="antMiner Configuration"')).toBe(true);
  expect(seen(4028, '{"VERSION":[{"BMMiner":"1.0.0"}]}')).toBe(true);
  expect(seen(4028, '{"VERSION":[{"LUXminer":"2025.4.8"}]}')).toBe(false);
});

test('the watts of a meter may come bare; one that is not there is not asked again for an hour', async () => {
  const measured = caseOf('s21-measured');
  const bare = JSON.parse(JSON.stringify(measured).replace('"{\\"power\\": 3487}"', '"3502.5"')) as Recording;
  expect(await openRecorded(bare, replay(bare).io).read()).toMatchObject({ powerW: 3502.5, powerBasis: 'measured' });
  const without = caseOf('work-mode-running');
  const { io, requests } = replay(without);
  const clock = withClock(io);
  const device = openRecorded(without, clock.io);
  const asked = () => requests.filter((request) => JSON.stringify(request).includes('miner_power')).length;
  await device.read();
  clock.pass(59 * MINUTE);
  await device.read();
  expect(asked()).toBe(1);
  clock.pass(2 * MINUTE);
  await device.read();
  expect(asked()).toBe(2);
});
