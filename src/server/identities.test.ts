import { expect, test } from 'vitest';
import { siteMs, type Reading } from '../model/index.ts';
import type { FleetMachine } from './fleet.ts';
import { createIdentities, identityOf } from './identities.ts';

const reading = (told: Partial<Reading>): Reading => ({ at: siteMs(0), ...told });
const member = (id: string, told: Partial<Reading>): FleetMachine =>
  ({ machine: { id }, reading: reading(told) }) as FleetMachine;

async function open(meta = new Map<string, string>()) {
  const acts: { what: string }[] = [];
  const identities = await createIdentities({
    store: {
      getMeta: async (key: string) => meta.get(key),
      setMeta: (key: string, value: string) => void meta.set(key, value),
    } as never,
    journal: { act: (act: { what: string }) => void acts.push(act) } as never,
    siteNow: () => siteMs(0),
  });
  return { identities, acts };
}

test('identity is the serial, else the MAC, else unknown', () => {
  expect(identityOf(reading({ serial: 'S1', mac: 'AA:BB' }))).toBe('serial S1');
  expect(identityOf(reading({ mac: 'AA:BB' }))).toBe('MAC aa:bb');
  expect(identityOf(reading({}))).toBeUndefined();
});

test('two machines that changed places are told, each with where the other is now', async () => {
  const { identities } = await open();
  identities.observe(member('m1', { serial: 'S1' }));
  identities.observe(member('m2', { serial: 'S2' }));
  expect(identities.alarms()).toEqual([]);
  identities.observe(member('m1', { serial: 'S2' }));
  identities.observe(member('m2', { serial: 'S1' }));
  expect(Object.fromEntries(identities.changed())).toEqual({
    m1: { was: 'serial S1', is: 'serial S2', nowAt: 'm2' },
    m2: { was: 'serial S2', is: 'serial S1', nowAt: 'm1' },
  });
  expect(identities.alarms()).toMatchObject([
    { code: 'machine-moved', message: expect.stringMatching(/m1 answers as serial S2.*m2/) },
  ]);
});

test('back at its place, or taken as the new one, the alarm ends; silence and a first serial are no change', async () => {
  const { identities, acts } = await open();
  identities.observe(member('m1', { mac: 'aa' }));
  identities.observe(member('m1', { serial: 'S1', mac: 'aa' }));
  expect(identities.changed().size).toBe(0);
  identities.observe(member('m2', { serial: 'S2' }));
  identities.observe(member('m2', { serial: 'S9' }));
  identities.observe(member('m2', {}));
  expect(identities.changed().size).toBe(1);
  expect(identities.adopt('m2', 'ann', 'swapped by hand')).toBe(true);
  expect(identities.adopt('m2', 'ann', 'again')).toBe(false);
  expect(identities.changed().size).toBe(0);
  expect(acts).toHaveLength(1);
});
