import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Device } from '../../src/drivers/driver.ts';
import { drivers } from '../../src/drivers/index.ts';
import { Fault, type Reading } from '../../src/model/index.ts';
import { damaged, mutations } from '../support/damage.ts';
import { AT, openRecorded, perform, recordingsOf, replay, replyText, requestOf } from '../support/recordings.ts';
import { faultsOf, zerosOf } from '../support/sane.ts';
import { hangingWorld, worldOf, WORLDS } from '../support/worlds.ts';

const FOLDER = new URL('../../src/drivers/', import.meta.url);
const NOT_DRIVERS = ['driver', 'index'];

/** Every method a device may have, with arguments that each of them would accept. */
const CALLS: Readonly<Record<Exclude<keyof Device, 'close'>, readonly unknown[]>> = {
  read: [],
  inspect: [],
  prepare: [],
  sleep: [],
  wake: [],
  setMode: ['low'],
  setPowerLimit: [6000],
  setClockLimit: [1200],
  setOutlet: [1, true],
  setAfterOutage: ['stay-off'],
  setOutletAfterOutage: [1, 'stay-off'],
  setSupplyC: [24],
  demandCooling: [true],
  setPools: [[{ url: 'stratum+tcp://pool.example:700', worker: 'site.0001', password: 'x' }]],
  reboot: [],
  locate: [true],
};
const callsOf = (device: Device): [string, ...unknown[]][] =>
  Object.entries(CALLS)
    .filter(([method]) => method in device)
    .map(([method, args]) => [method, ...args]);

/** A fault, or a reading; anything else that is thrown is a bug and is thrown on. */
async function outcome(read: Promise<unknown>): Promise<Fault | Reading> {
  try {
    return (await read) as Reading;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

test('the index lists every driver of the folder in file-name order', () => {
  const files = readdirSync(FOLDER)
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .filter((name) => !NOT_DRIVERS.includes(name));
  expect(drivers.map(({ name }) => name)).toEqual(files.sort());
});

test('every folder of recordings belongs to a driver', () => {
  const folders = readdirSync(new URL('../recordings/', import.meta.url)).filter(
    (name) => !name.endsWith('.md') && name !== 'feeds',
  );
  expect(drivers.map(({ name }) => name)).toEqual(expect.arrayContaining(folders));
});

describe.each(drivers)('$name', (driver) => {
  const recordings = recordingsOf(driver.name);
  const reads = recordings.filter(({ recording }) => recording.reading !== undefined);
  const first = reads[0]?.recording;

  test('says what it is, and has a recording of a read', () => {
    expect(driver.about).toMatch(/^[A-Z].{20,}$/);
    expect(reads.length).toBeGreaterThan(0);
  });

  test('its config fills in every default, keeps what is given and knows no other key', () => {
    const filled = driver.config.parse(first!.config) as Record<string, unknown>;
    expect(filled).toMatchObject(first!.config as object);
    expect(Number(filled['timeoutMs'])).toBeGreaterThan(0);
    expect(driver.config.safeParse({ ...(first!.config as object), prot: 4028 }).success).toBe(false);
  });

  test('recognises nothing in a fingerprint that shows nothing', () => {
    expect(driver.recognises({ openPorts: [], banners: new Map(), pages: new Map() })).toBe(false);
  });

  test.each(recordings)('replays $name', async ({ recording }) => {
    const { io, requests } = replay(recording);
    const call = recording.call ?? ['read'];
    const given = await outcome(perform(openRecorded(recording, io), call));
    expect(requests).toEqual(recording.exchanges.map(requestOf));
    if (recording.fault !== undefined) expect(given).toMatchObject({ name: 'Fault', kind: recording.fault });
    else if (recording.reading === undefined) expect(given).toBeUndefined();
    else {
      expect(given).toEqual({ at: AT, ...recording.reading });
      expect(faultsOf(given as Reading, recording.driver)).toEqual([]);
    }
  });

  test.each(WORLDS)('throws the right fault where the world $name', async ({ io, kinds }) => {
    const device = openRecorded(first!, io);
    for (const call of callsOf(device)) {
      const given = await outcome(perform(device, call));
      expect(given, call[0]).toBeInstanceOf(Fault);
      expect(kinds, call[0]).toContain((given as Fault).kind);
    }
    device.close();
  });

  test('gives up when told to, and never asks without a limit of time', async () => {
    const { io, signals, limits } = hangingWorld();
    const device = openRecorded(first!, io);
    for (const call of callsOf(device)) {
      const patience = new AbortController();
      const before = signals.length;
      const result = outcome(perform(device, [...call, patience.signal]));
      patience.abort();
      expect(await result, call[0]).toMatchObject({ name: 'Fault', kind: 'timeout' });
      expect([patience.signal, undefined]).toContain(signals[before]);
    }
    expect(limits.every((ms) => ms > 0 && ms <= 60_000)).toBe(true);
  });

  test.each(reads)('$name: a value that goes missing never becomes a zero', async ({ recording }) => {
    const zeros = zerosOf({ at: AT, ...recording.reading });
    for (const { what, mutant } of mutations(recording)) {
      const given = await outcome(perform(openRecorded(mutant, replay(mutant).io), mutant.call ?? ['read']));
      if (given instanceof Fault) continue;
      expect(faultsOf(given, recording.driver), what).toEqual([]);
      expect(zeros, what).toEqual(expect.arrayContaining(zerosOf(given)));
    }
  });

  test.each(reads)('$name: an answer cut short is garbled, or read for what it holds', async ({ recording }) => {
    const cuts = fc.tuple(fc.nat(recording.exchanges.length - 1), fc.double({ min: 0, max: 0.98, noNaN: true }));
    await fc.assert(
      fc.asyncProperty(cuts, async ([index, part]) => {
        const cut = recording.exchanges[index]!;
        const { io } = replay(recording, (exchange) => {
          const text = replyText(exchange);
          return exchange === cut ? text.slice(0, Math.floor(text.length * part)) : text;
        });
        const given = await outcome(perform(openRecorded(recording, io), recording.call ?? ['read']));
        if (given instanceof Fault) expect(given.kind).toBe('garbled');
        else expect([undefined, recording.reading?.powerW]).toContain(given.powerW);
      }),
      { numRuns: 60 },
    );
  });

  test.each(reads)(
    '$name: any value in the place of any other gives a fault or a sane reading',
    async ({ recording }) => {
      await fc.assert(
        fc.asyncProperty(damaged(recording), async (mutant) => {
          const given = await outcome(perform(openRecorded(mutant, replay(mutant).io), mutant.call ?? ['read']));
          expect(given instanceof Fault ? [] : faultsOf(given, recording.driver)).toEqual([]);
        }),
        { numRuns: 150 },
      );
    },
  );

  test('random bytes and random JSON give a fault or a sane reading', async () => {
    const bytes = fc.string({ unit: 'binary', maxLength: 200 });
    const texts = fc.infiniteStream(fc.oneof(bytes, fc.json()));
    const words = fc.infiniteStream(fc.uint8Array({ maxLength: 10 }));
    await fc.assert(
      fc.asyncProperty(texts, words, async (text, word) => {
        const io = worldOf({
          tcp: () => text.next().value,
          http: () => ({ status: 200, body: text.next().value }),
          modbus: () => Buffer.from(word.next().value),
          snmp: (count) => Array.from({ length: count }, () => text.next().value),
        });
        const given = await outcome(openRecorded(first!, io).read());
        expect(given instanceof Fault ? [] : faultsOf(given, first!.driver)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
