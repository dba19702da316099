import { expect, test } from 'vitest';
import { smallSite } from '../../../sim/small-site.ts';
import { gridSignal, notRehearsed, rehearsedSite } from '../../model/index.ts';
import { crossIssues } from '../site-rules.ts';

const stale = { seconds: 60, policy: 'hold' };
const vtn = {
  id: 'utility',
  kind: 'openadr',
  url: 'https://vtn.example/openadr3/3.1.0',
  clientId: 'site',
  clientSecret: { env: 'VTN' },
  venName: 'Site',
  emergencyMw: 1,
  stale,
};
const iso = { id: 'iso', kind: 'base-point', stale };
const told = (...gridSignals: readonly object[]) =>
  crossIssues({ gridSignals }).map(({ path, message }) => `${path.join('.')}: ${message}`);

test('plain Modbus and plain http are for loopback alone', () => {
  expect(told(iso, vtn, { ...vtn, id: 'b', url: 'http://127.0.0.1:80/x' })).toEqual([]);
  const tls = { certificate: 'a', key: 'b', clientCa: 'c' };
  expect(told({ ...iso, host: '10.0.0.5', tls })).toEqual([]);
  expect(told({ ...iso, host: '10.0.0.5' })).toEqual([expect.stringMatching(/^gridSignals\.0\.host: .*clientCa/)]);
  expect(told({ ...vtn, url: 'http://vtn.example/x' })).toEqual([
    expect.stringMatching(/^gridSignals\.0\.url: .*https/),
  ]);
  expect(told({ ...vtn, tokenUrl: 'http://auth.example/x' })).toEqual([expect.stringContaining('tokenUrl')]);
});

test('two controllers have a port each, and two sources a name', () => {
  expect(told(iso, { ...iso, id: 'other' })).toEqual([expect.stringContaining('is listened at for "iso" already')]);
  expect(told(iso, { ...iso, port: 1_803 })).toEqual([expect.stringContaining('used twice')]);
});

test('what holds in silence is declared, and a safe limit with its figure', () => {
  expect(gridSignal.safeParse({ ...iso, stale: undefined }).success).toBe(false);
  expect(gridSignal.safeParse({ ...iso, stale: { seconds: 5, policy: 'safe-limit' } }).success).toBe(false);
  expect(gridSignal.safeParse({ ...iso, stale: { ...stale, safeLimitMw: 3 } }).success).toBe(false);
  expect(gridSignal.safeParse({ ...iso, stale: { seconds: 5, policy: 'safe-limit', safeLimitMw: 3 } }).success).toBe(
    true,
  );
});

test('a rehearsal speaks to no real VTN and listens on loopback alone', () => {
  const local = { ...vtn, id: 'local', url: 'http://127.0.0.1:8000/openadr3/3.1.0' };
  const tls = { certificate: 'a', key: 'b', clientCa: 'c' };
  const gridSignals = [vtn, local, { ...iso, host: '10.0.0.5', tls }].map((one) => gridSignal.parse(one));
  const site = { ...smallSite(), gridSignals };
  const rehearsed = rehearsedSite(site, undefined).gridSignals;
  expect(rehearsed.map(({ id }) => id)).toEqual(['local', 'iso']);
  expect(rehearsed[1]).toMatchObject({ host: '127.0.0.1', tls: undefined });
  expect(notRehearsed(site)).toContain('the grid signal utility is left out: its VTN is real');
});
