import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { pino } from 'pino';
import { readFiles, startSim, type Sim } from '../../sim/site.ts';
import { bitaxe } from '../../src/drivers/bitaxe.ts';
import { snmpUplink } from '../../src/drivers/snmp-uplink.ts';
import { rehearsedMachines, rehearsedSite, siteClock } from '../../src/model/index.ts';
import { openWorld } from '../../src/server/io.ts';
import { checkSiteFile } from '../../src/server/offline/check.ts';
import { startRuntime, type Runtime } from '../../src/server/runtime.ts';
import { createSecrets } from '../../src/vault/secrets.ts';
import { ROOT } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** The examples that are no demo of their own run as rehearsals: their own file, emulated machines, recorded markets. */

const OFFSET = 17_600;
const LIMIT_MS = 120_000;
const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const exampleFile = (name: string): string => join(ROOT, 'examples', name, 'site.yaml');

async function rehearse(name: string, file = exampleFile(name)): Promise<{ sim: Sim; runtime: Runtime }> {
  const behaviour = join(dirname(file), 'sim.yaml');
  const { site, config, folder } = readFiles(file, existsSync(behaviour) ? behaviour : undefined);
  const clock = { epochSiteMs: Date.parse('2026-03-23T22:45:00Z'), epochUnixMs: Date.now(), speed: 60 };
  const about = { folder, clock, seed: 3, portOffset: OFFSET };
  const sim = await startSim({ site, config, ...about, unixNow: () => Date.now(), wallNow: () => performance.now() });
  closers.push(() => sim.close());
  const checked = await checkSiteFile(file);
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  const data = mkdtempSync(join(tmpdir(), 'busbar-rehearsal-'));
  const runtime = await startRuntime({
    site: rehearsedSite(checked.site, join(ROOT, 'examples', 'week-2026-03-23')),
    machines: rehearsedMachines(checked.machines),
    folder,
    secrets: createSecrets(folder, {}, () => undefined),
    storeFile: join(data, 'busbar.sqlite'),
    clock,
    emulated: true,
    portOffset: OFFSET,
    log: pino({ level: 'silent' }),
  });
  closers.push(() => rmSync(data, { recursive: true, force: true }));
  closers.push(() => runtime.close());
  return { sim, runtime };
}

test(
  'the garage: a Bitaxe that hashes, a workstation that works, one meter for both',
  { timeout: LIMIT_MS },
  async () => {
    const { sim, runtime } = await rehearse('garage');
    await until('a plan', () => runtime.plan());
    await until('both machines', () => runtime.picture().answering === 2);
    const { hashrateThs, importW, halls } = runtime.picture();
    expect(hashrateThs.value).toBeGreaterThan(0.9);
    expect(hashrateThs.value).toBeLessThan(1.4);
    // In a site of one hall the connection's meter is the hall's.
    expect(halls[0]!.meterW).toBe(importW);
    expect(Math.abs(importW! - sim.truth().feederW)).toBeLessThan(0.2 * sim.truth().feederW + 20);
    // A Bitaxe cannot sleep: at $320/MWh it hashes at a loss, and nothing is commanded.
    expect(runtime.reconciler.inFlight()).toBe(0);
    expect(runtime.plan()!.steps[0]!.priceUsdPerMwh).toBe(320);
  },
);

test('the container yard: uplinks are read, and inference keeps to its line', { timeout: LIMIT_MS }, async () => {
  const { runtime } = await rehearse('container-yard-2mw');
  await until('a plan', () => runtime.plan());
  const fibre = await until('rates of the fibre', () =>
    runtime.uplinks.list.find(({ uplink, outMbps }) => uplink.id === 'fibre' && outMbps !== undefined),
  );
  expect(fibre.link).toMatchObject({ up: true, speedMbps: 1000 });
  expect(fibre.outMbps! + fibre.inMbps!).toBeGreaterThan(50);
  expect(fibre.outMbps! + fibre.inMbps!).toBeLessThan(1500);
  expect(runtime.uplinks.capacityMbps('ai')).toBe(1000);
  const inference = runtime.plan()!.steps[0]!.work['inference']!;
  expect(inference * 6).toBeLessThanOrEqual(1000 + 1e-6);
  // What is signed for counts: 48 GPUs of simulation are committed.
  expect(runtime.picture().work.find(({ workClass }) => workClass.id === 'simulation')!.workClass.committedGpus).toBe(
    48,
  );
});

/** Every miner has told its pools, they are those of the site file, and each pool answers the site itself. */
async function expectPools({ fleet, pools, alarms }: Runtime): Promise<void> {
  const miners = fleet.machines.filter(({ machine }) => machine.kind === 'asic');
  // So many are read in depth in one sweep; one that the emulation keeps dead tells nothing.
  await until('the pools of nearly every miner', () => {
    const told = miners.filter(({ reading }) => reading?.pools !== undefined).length;
    return told > 0.9 * miners.length;
  });
  expect(Object.fromEntries(pools.strangers())).toEqual({});
  await until('every pool', () => pools.health().every(({ alive, jobAt }) => alive === true && jobAt !== undefined));
  expect(alarms().filter(({ code }) => code.startsWith('pool-'))).toEqual([]);
}

test('the pools of the garage and the yard answer, and nobody works elsewhere', { timeout: 2 * LIMIT_MS }, async () => {
  await expectPools((await rehearse('garage')).runtime);
  for (const close of closers.splice(0).toReversed()) await close();
  const { runtime } = await rehearse('container-yard-2mw');
  await expectPools(runtime);
  // A customer's machines work for the customer's pool alone.
  const hosted = runtime.fleet.byId('south-s21-hosted-0001')!.reading!.pools!;
  expect(hosted.map(({ worker }) => worker)).toEqual(['prairie.3x1']);
});

test(
  'every firmware: each miner tells the pools it was given, PDU and chiller are read, and nothing is wrong',
  { timeout: 2 * LIMIT_MS },
  async () => {
    const { runtime } = await rehearse('every-firmware');
    await expectPools(runtime);
    const device = (id: string) => runtime.devices.byId(id)?.reading;
    await until('PDU and chiller', () => device('pdu-1') !== undefined && device('chiller-1') !== undefined);
    expect(device('pdu-1')!.outlets!.length).toBeGreaterThan(0);
    expect(device('chiller-1')!.cooling).toMatchObject({ running: true, supplyC: expect.any(Number) });
    await until('a plan', () => runtime.plan());
  },
);

test(
  'servers that are read by ipmitool show their power in a rehearsal, as the emulated BMC measures it',
  { timeout: LIMIT_MS },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'busbar-ipmi-'));
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'site.yaml');
    const text = readFileSync(exampleFile('every-firmware'), 'utf8');
    const week = join(ROOT, 'examples', 'week-2026-03-23');
    writeFileSync(file, text.replace('driver: redfish', 'driver: ipmi').replace('../week-2026-03-23', week));
    const { runtime, sim } = await rehearse('ipmi', file);
    const server = await until('its power', () => {
      const member = runtime.fleet.byId('h100-bmc-0001');
      return member?.reading?.powerW !== undefined && member;
    });
    expect(server.reading!.powerBasis).toBe('measured');
    const endpoint = sim.world.byAddress.get(server.machine.address)!;
    const trueW = sim.world.servers.state.serverW[endpoint.index]!;
    expect(Math.abs(server.reading!.powerW! / trueW - 1)).toBeLessThan(0.05);
  },
);

describe('devices of the examples, through their drivers', () => {
  test(
    'a Bitaxe restarts when told to; a switch tells no interface it does not have',
    { timeout: LIMIT_MS },
    async () => {
      const { runtime } = await rehearse('garage');
      const clock = siteClock({ epochSiteMs: 0, epochUnixMs: 0, speed: 1 }, Date.now);
      const world = openWorld(
        clock,
        '.',
        createSecrets('.', {}, () => undefined),
        OFFSET,
      );
      closers.push(() => world.close());
      const { site } = runtime;
      const group = site.machines.find(({ id }) => id === 'bitaxe')!;
      const device = bitaxe.open(
        { address: group.addresses, modelId: group.model, config: bitaxe.config.parse(group.settings) },
        world.drivers,
      );
      const before = await device.read();
      expect(before).toMatchObject({ model: 'Bitaxe Gamma', powerBasis: 'measured', errors: [] });
      await device.reboot!();
      const config = snmpUplink.config.parse({ interface: 3, port: 1161, timeoutMs: 600 });
      const nobody = snmpUplink.open({ address: '127.20.0.77', modelId: 'uplink', config }, world.drivers);
      await expect(nobody.read()).rejects.toMatchObject({ kind: expect.stringMatching(/timeout|unreachable/) });
    },
  );
});

test('every example passes its own check', async () => {
  for (const name of ['garage', 'container-yard-2mw', 'demo-40mw']) {
    const file = join(ROOT, 'examples', name, 'site.yaml');
    expect(await checkSiteFile(file), name).toMatchObject({ ok: true });
    expect(
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.trim().startsWith('#')).length,
    ).toBeGreaterThan(8);
  }
});
