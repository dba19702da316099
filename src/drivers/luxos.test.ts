import { expect, test } from 'vitest';
import { openRecorded, recordingsOf, replay, type Recording } from '../../test/support/recordings.ts';
import { luxos } from './luxos.ts';

const running = recordingsOf('luxos').find(({ name }) => name === 'running')!.recording;
const commandsOf = (requests: readonly unknown[]) =>
  requests.map((request) => (request as { tcp: { ask: { command: string } } }).tcp.ask.command);
/** The same recording with one text in its answers replaced by another. */
const changed = (from: string, to: string): Recording =>
  JSON.parse(JSON.stringify(running).replaceAll(from, to)) as Recording;

test('a poll is one exchange', async () => {
  const { io, requests } = replay(running);
  const device = openRecorded(running, io);
  for (let i = 0; i < 3; i += 1) await device.read();
  expect(commandsOf(requests)).toEqual(Array.from({ length: 3 }, () => 'summary+power+config+temps'));
});

test('a firmware that lists no profiles has none, not an empty list of them', async () => {
  const inspected = recordingsOf('luxos').find(({ name }) => name === 'inspect')!.recording;
  const none = JSON.parse(JSON.stringify(inspected).replaceAll('"PROFILES":[{', '"PROFILES_":[{')) as Recording;
  expect(await openRecorded(none, replay(none).io).inspect!()).toMatchObject({
    points: undefined,
    firmware: '2025.4.8.220305-57b389c7',
  });
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
