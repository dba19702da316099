import { expect, test } from 'vitest';
import { openRecorded, recordingsOf, replay } from '../../test/support/recordings.ts';

test.each(['__proto__', 'constructor', 'sol/s'])('a hashrate in %s is none', async (unit) => {
  const plain = recordingsOf('proto-rig').find(({ name }) => name === 'inspect')!.recording;
  const strange = JSON.parse(JSON.stringify(plain).replaceAll('"TH/s"', JSON.stringify(unit))) as typeof plain;
  const reading = await openRecorded(strange, replay(strange).io).inspect!();
  expect(reading.boards).toHaveLength(4);
  expect(reading.boards!.map(({ hashrateThs }) => hashrateThs)).toEqual([undefined, undefined, undefined, undefined]);
});
