import { afterAll, beforeAll, expect, test } from 'vitest';
import { luxos } from '../../src/drivers/luxos.ts';
import { machinePage, type MachineRow } from '../../src/model/api.ts';
import { EMULATED_PORTS } from '../../src/model/index.ts';
import * as shapes from '../../src/model/orders-api.ts';
import { deviceWorld } from '../support/device-world.ts';
import { localToken, runBusbar } from '../support/site/cli.ts';
import {
  startServerProcess,
  startSimProcess,
  type ServerProcess,
  type Settings,
  type SimProcess,
} from '../support/site/processes.ts';
import { freePort, writeSmallSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** What machines did before a safe stop is what they do after it, though the server was killed and a machine restarted in between. */

const OFFSET = 12_343;
const ODD: Readonly<Record<string, string>> = {
  'a-s21-0001': '390MHz',
  'a-s21-0002': '430MHz',
  'a-s21-0003': '510MHz',
};
let settings: Settings;
let sim: SimProcess;
let server: ServerProcess;
const world = deviceWorld();

beforeAll(async () => {
  const files = writeSmallSite({ awakePct: { 'a-s21': 100, 'd-s21xp': 100 } });
  const clock = { epochSiteMs: Date.parse('2026-03-23T20:01:00Z'), epochUnixMs: Date.now() + 1_000, speed: 20 };
  settings = { files, clock, offset: OFFSET, port: await freePort() };
  sim = await startSimProcess(settings);
  server = await startServerProcess(settings);
}, 120_000);
afterAll(async () => {
  await server?.kill();
  await sim?.kill();
  await world.close();
  settings?.files.remove();
});

async function busbar(...args: readonly string[]): Promise<string> {
  const { status, out, err } = await runBusbar(args, { url: server.url, token: localToken(settings) });
  if (status !== 0) throw new Error(err);
  return out;
}
const hallA = async (): Promise<MachineRow[]> =>
  machinePage.parse(JSON.parse(await busbar('machines', '--hall', 'a', '--json'))).machines;
const device = (address: string) =>
  luxos.open(
    { address, modelId: 'antminer-s21', config: luxos.config.parse({ port: EMULATED_PORTS.cgminer + OFFSET }) },
    world.io,
  );

test('each machine of a stopped hall is back in the profile it had', { timeout: 480_000 }, async () => {
  await until(
    'thirty machines that run',
    async () => (await hallA().catch(() => [])).filter(({ mode }) => mode !== null && mode !== 'sleep').length === 30,
  );
  // No plan would choose these; held, nobody takes them away.
  await busbar('hold', 'a-s21', '--why', 'a test asks');
  const addressOf = new Map((await hallA()).map(({ id, address }) => [id, address]));
  for (const [id, profile] of Object.entries(ODD)) await device(addressOf.get(id)!).setMode!(profile);
  const before = await until('the odd profiles', async () => {
    const rows = await hallA();
    return Object.entries(ODD).every(([id, profile]) => rows.find((row) => row.id === id)?.mode === profile)
      ? new Map(rows.map(({ id, mode }) => [id, mode]))
      : undefined;
  });

  const stop = shapes.orderState.parse(JSON.parse(await busbar('stop', '--yes', '--why', 'a test asks', '--json')));
  await until('all asleep', async () =>
    (await hallA()).every(({ mode, skipped }) => mode === 'sleep' && skipped === null),
  );
  const [inForce] = shapes.ordersPage.parse(JSON.parse(await busbar('orders', '--json'))).orders;
  // What the meter shows, what machines say and the rest are told beside each other.
  expect(inForce!.machinesDownW).toBeGreaterThan(0.5 * inForce!.deliveredW!);
  expect(inForce!.unexplainedW).toBeCloseTo(inForce!.deliveredW! - inForce!.machinesDownW!, 0);
  await server.kill();
  await device(addressOf.get('a-s21-0001')!).reboot!();
  server = await startServerProcess(settings);
  await until('the order after the restart', async () => {
    const rows = await hallA().catch(() => []);
    return rows.length === 30 && rows.every(({ mode, wanted }) => mode === 'sleep' && wanted === 'sleep');
  });

  await busbar('release', stop.id, '--why', 'a test asks');
  await until('each as it was', async () => (await hallA()).every(({ id, mode }) => mode === before.get(id)));
});
