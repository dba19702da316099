import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openRecorded, recordingsOf, replay, replyText } from '../../test/support/recordings.ts';
import { Fault } from '../model/index.ts';
import { modbusMeter } from './modbus-meter.ts';

const pac2200 = recordingsOf('modbus-meter').find(({ name }) => name === 'pac2200')!.recording;

test('a meter must be named: a map that does not exist is no config', () => {
  expect(modbusMeter.config.safeParse({}).success).toBe(false);
  expect(modbusMeter.config.safeParse({ map: 'janitza' }).success).toBe(false);
  expect(modbusMeter.config.parse({ map: 'schneider-iem3000' })).toEqual({
    map: 'schneider-iem3000',
    port: 502,
    unitId: 1,
    timeoutMs: 1500,
  });
});

test('counters keep every watt-hour of a large site, and one below zero is garbled', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: -1_000_000, max: 2 ** 50 }), async (wh) => {
      const counter = Buffer.alloc(8);
      counter.writeDoubleBE(wh);
      const { io } = replay(pac2200, (exchange) =>
        'modbus' in exchange && exchange.modbus.register === 801 ? counter.toString('hex') : replyText(exchange),
      );
      const given: unknown = await openRecorded(pac2200, io)
        .read()
        .catch((error: unknown) => error);
      if (wh < 0) expect(given).toMatchObject({ name: 'Fault', kind: 'garbled' });
      else expect(given).toMatchObject({ energyImportWh: wh });
    }),
  );
});

test('registers of the wrong number are garbled, with their bytes', async () => {
  for (const hex of ['', '44', '449a50', '449a5000aa']) {
    const { io } = replay(pac2200, () => hex);
    const given: unknown = await openRecorded(pac2200, io)
      .read()
      .catch((error: unknown) => error);
    expect(given).toBeInstanceOf(Fault);
    expect(given).toMatchObject({ kind: 'garbled', bytes: hex });
  }
});
