import { expect, test } from 'vitest';
import { openRecorded, recordingsOf, replay, type Recording } from '../../test/support/recordings.ts';
import { luxos } from './luxos.ts';

const running = recordingsOf('luxos').find(({ name }) => name === 'running')!.recording;
const commandsOf = (requests: readonly unknown[]) =>
  requests.map((request) => (request as { tcp: { ask: { command: string } } }).tcp.ask.command);
/** The same recording with one text in its answers replaced by another. */
const changed = (from: string, to: string): Recording =>
  JSON.parse(JSON.stringify(running).replaceAll(from, to)) as Recording;

test('what changes slowly is asked once: a poll is one exchange', async () => {
  const { io, requests } = replay(running);
  const device = openRecorded(running, io);
  for (let i = 0; i < 3; i += 1) await device.read();
  expect(commandsOf(requests)).toEqual([
    'summary+power+config+temps',
    'version',
    'profiles',
    'summary+power+config+temps',
    'summary+power+config+temps',
  ]);
});

test('a profile that is not among those known has them asked again', async () => {
  const unknown = changed('"Profile":"290MHz"', '"Profile":"500MHz"');
  const { io, requests } = replay(unknown);
  const device = openRecorded(unknown, io);
  await device.read();
  await device.read();
  expect(commandsOf(requests).filter((command) => command === 'profiles')).toHaveLength(2);
});

test('a firmware that lists no profiles has none, not an empty list of them', async () => {
  const none = changed('"PROFILES":[{', '"PROFILES_":[{');
  expect(await openRecorded(none, replay(none).io).read()).toMatchObject({ points: undefined, powerW: 1051 });
});

test('asleep or awake is told by its curtail mode; without one the mode is not known', async () => {
  const silent = changed('"CurtailMode":"None",', '');
  expect((await openRecorded(silent, replay(silent).io).read()).mode).toBeUndefined();
});

test('recognises its banner on 4028 and no other', () => {
  const seen = (port: number, text: string) =>
    luxos.recognises({ openPorts: [port], banners: new Map([[port, text]]), pages: new Map() });
  expect(seen(4028, '{"VERSION":[{"LUXminer":"2025.4.8"}]}')).toBe(true);
  expect(seen(4028, '{"VERSION":[{"BMMiner":"1.0.0"}]}')).toBe(false);
  expect(seen(80, 'LUXminer')).toBe(false);
});
