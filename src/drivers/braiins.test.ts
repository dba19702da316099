import { expect, test } from 'vitest';
import { openRecorded, recordingsOf, replay } from '../../test/support/recordings.ts';

test('a board of which the tuner says nothing hides no other', async () => {
  const { recording } = recordingsOf('braiins').find(({ name }) => name === 'rpc-inspect')!;
  const holed = JSON.parse(
    JSON.stringify(recording).replaceAll('"TunerChainStatus":[', '"TunerChainStatus":[null,'),
  ) as typeof recording;
  const reading = await openRecorded(holed, replay(holed).io).inspect!();
  expect(reading.errors).toEqual(recording.reading!['errors']);
  expect(reading.errors).not.toHaveLength(0);
});
