import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { discover } from '../../src/server/offline/discover/discover.ts';
import { openOfflineIo } from '../../src/server/offline/io.ts';
import { readFiles, startSim, type Sim } from '../../sim/site.ts';
import { simSchema } from '../../sim/sim-schema.ts';

/** Discovery of a whole emulated site with one of every firmware, over real sockets. */
const ROOT = join(import.meta.dirname, '../..');
const OFFSET = 17_000;
const LIMIT_MS = 120_000;

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Nothing fails by chance: what is not found was not recognised. */
const CALM = simSchema.parse({
  failures: { deadPct: 0, darkPct: 0, boardPct: 0, hotPct: 0 },
  requests: { garbledPct: 0, latePct: 0, refusedPct: 0, silentPct: 0, sentinelPct: 0 },
});

async function everyFirmware(): Promise<Sim> {
  const { site, folder } = readFiles(join(ROOT, 'examples/every-firmware/site.yaml'), undefined);
  const now = Date.now();
  const sim = await startSim({
    site,
    config: CALM,
    folder,
    clock: { epochSiteMs: now, epochUnixMs: now, speed: 1 },
    seed: 5,
    portOffset: OFFSET,
    unixNow: () => Date.now(),
    wallNow: () => performance.now(),
  });
  closers.push(() => sim.close());
  return sim;
}

async function run(tryDefaults: boolean) {
  const world = openOfflineIo(OFFSET);
  closers.push(() => world.close());
  return discover({
    // The first two machines of each group, and an address where nobody is.
    targets: Array.from({ length: 14 }, (_, group) => [
      `127.50.${group + 1}.1-127.50.${group + 1}.2`,
      `127.50.${group + 1}.9`,
    ]).flat(),
    hall: 'miners',
    tryDefaults,
    addressesPerSecond: 500,
    atOnce: 40,
    connectMs: 5_000,
    answerMs: 5_000,
    io: world.io,
    portOf: world.portOf,
    now: () => performance.now(),
    onProgress() {},
  });
}

/** Driver and model of the first machine of each group of the example. */
const EXPECTED = [
  ['antminer-stock', 'antminer-s21'],
  ['luxos', 'antminer-s19k-pro'],
  ['braiins', 'antminer-s21'],
  ['braiins', 'antminer-s19-xp'],
  ['vnish', 'antminer-s21-pro'],
  ['epic', 'antminer-s19j-pro'],
  ['whatsminer-v2', 'whatsminer-m50s'],
  ['whatsminer-v3', 'whatsminer-m60s'],
  ['avalon', 'avalon-a1566'],
  ['auradine', 'auradine-at2880'],
  ['sealminer', 'sealminer-a2'],
  ['proto-rig', 'proto-rig'],
  ['bitaxe', 'bitaxe-gamma'],
  ['gpu-server', 'gpu-8x-h100'],
] as const;

test('every firmware is recognised, and nobody is found where nobody is', { timeout: LIMIT_MS }, async () => {
  await everyFirmware();
  const result = await run(false);
  expect(result.unrecognised).toEqual([]);
  expect(result.securityFindings).toEqual([]);
  const firsts = result.machines.filter(({ address }) => address.endsWith('.1'));
  expect(firsts.map(({ driver }) => driver)).toEqual(EXPECTED.map(([driver]) => driver));
  expect(result.machines).toHaveLength(28);
  // Without a password some say less of themselves; none says another model than it is.
  for (const [i, { modelId }] of firsts.entries()) if (modelId !== null) expect(modelId).toBe(EXPECTED[i]![1]);
});

test(
  'with factory passwords each machine tells all, and each that takes one is a finding',
  { timeout: LIMIT_MS },
  async () => {
    const sim = await everyFirmware();
    const before = sim.truth();
    const result = await run(true);
    const firsts = result.machines.filter(({ address }) => address.endsWith('.1'));
    expect(firsts.map(({ driver, modelId }) => [driver, modelId])).toEqual(EXPECTED);
    for (const { driver, hashrateThs, powerW, pool } of firsts.slice(0, -1)) {
      expect(hashrateThs, driver).toBeGreaterThan(0);
      expect(powerW, driver).toBeGreaterThan(0);
      expect(pool, driver).toMatch(/^stratum/);
    }
    const letsIn = new Set(result.securityFindings.map(({ driver }) => driver));
    // Those with a sign-in whose factory password the emulated machines still have.
    for (const driver of ['antminer-stock', 'braiins', 'auradine', 'sealminer', 'proto-rig'])
      expect(letsIn).toContain(driver);
    for (const driver of ['luxos', 'bitaxe', 'gpu-server']) expect(letsIn).not.toContain(driver);
    // Nothing was written: every machine runs as it did.
    expect(sim.truth().machines).toEqual(before.machines);
  },
);
