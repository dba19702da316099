import { expect, test } from 'vitest';
import { openRecorded, recordingsOf, replay } from '../../test/support/recordings.ts';
import { MINUTE, wallMs } from '../model/index.ts';
import { whatsminerV2 } from './whatsminer-v2.ts';

const caseOf = (name: string) => recordingsOf('whatsminer-v2').find((found) => found.name === name)!.recording;
const seen = (port: number, text: string, openPorts: readonly number[] = [port]) =>
  whatsminerV2.recognises({ openPorts, banners: new Map([[port, text]]), pages: new Map() });

test('recognises the manner of btminer, and no other miner on 4028', () => {
  expect(seen(4028, '{"STATUS":"E","When":1,"Code":14,"Msg":"invalid cmd","Description":""}\0')).toBe(true);
  expect(seen(4028, '{"STATUS":"S","Code":131,"Msg":{"api_ver":"2.0.5","fw_ver":"20230803.11.REL"}}')).toBe(true);
  expect(
    seen(4028, '{"STATUS":[{"STATUS":"S","Code":22,"Msg":"CGMiner versions"}],"VERSION":[{"CGMiner":"4.9"}]}'),
  ).toBe(false);
  expect(seen(4028, '{"STATUS":"E","Code":14,"Msg":"invalid cmd"}', [4028, 4433])).toBe(false);
});

test('its status is asked once in five minutes: a poll is one exchange', async () => {
  const recording = caseOf('running');
  const { io, requests } = replay(recording);
  let now = 0;
  const device = openRecorded(recording, { ...io, wallNow: () => wallMs(now) });
  const commands = () => requests.map((request) => (request as { tcp: { ask: { cmd: string } } }).tcp.ask.cmd);
  await device.read();
  now = 4 * MINUTE;
  await device.read();
  expect(commands()).toEqual(['summary', 'status', 'summary']);
  now = 6 * MINUTE;
  await device.read();
  expect(commands().slice(3)).toEqual(['summary', 'status']);
});

test('a token is kept for the next write and got again when it is old', async () => {
  const recording = caseOf('locate');
  const { io, requests } = replay(recording);
  let now = 0;
  const device = openRecorded(recording, { ...io, wallNow: () => wallMs(now) });
  const tokens = () => requests.filter((request) => JSON.stringify(request).includes('get_token')).length;
  await device.locate!(true);
  await device.locate!(true);
  expect(tokens()).toBe(1);
  now = 29 * MINUTE;
  await device.locate!(true);
  expect(tokens()).toBe(2);
});
