import { afterEach, expect, test } from 'vitest';
import { EMULATED_PORTS } from '../../src/model/rehearsal.ts';
import type { RawSite, SmallOptions } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';
import { live, stopAll } from '../support/site/watched.ts';

afterEach(stopAll);

/** Two servers behind their BMC, and a PDU that feeds three others. */
function adjust(raw: RawSite): void {
  for (const group of raw.machines as (RawSite['machines'][number] & Record<string, unknown>)[])
    if (group.id === 'e-a100')
      Object.assign(group, {
        driver: 'redfish',
        settings: { port: EMULATED_PORTS.redfish, scheme: 'http' },
        afterOutage: 'stay-off',
      });
  raw.plant = [
    {
      id: 'pdu-e',
      kind: 'pdu',
      hall: 'e',
      driver: 'snmp-pdu',
      address: '127.5.9.1',
      feeds: { group: 'e-rtx4090', count: 3 },
      afterOutage: 'stay-off',
      settings: { port: EMULATED_PORTS.snmp },
    },
  ];
}
const start = (more: Pick<SmallOptions, 'offset' | 'trust'>) =>
  live({ from: '2026-03-24T00:31:00Z', speed: 60, recloseMinutes: 3, adjust, ...more });
const A100 = ['e-a100-0001', 'e-a100-0002'];

test(
  'what shall happen after an outage is armed on BMCs and outlets, armed again where somebody undid it, and happens',
  { timeout: 240_000 },
  async () => {
    const site = await start({ offset: 11_250 });
    const { runtime, sim } = site;
    const armed = (ids: readonly string[]) =>
      ids.every((id) => runtime.afterOutages.machine(runtime.fleet.byId(id)!).state === 'armed');
    await until('armed', () => armed(A100));
    const servers = A100.map((id) => sim.world.endpoints.find((one) => one.id === id)!.index);
    expect(servers.map((n) => sim.world.state.restores.get(n))).toEqual(['stay-off', 'stay-off']);
    const outlets = () => runtime.devices.byId('pdu-e')!.reading!.outletsAfterOutage!.slice(0, 4);
    await until('outlets armed', () => outlets().filter(({ afterOutage }) => afterOutage === 'stay-off').length === 3);
    // The fourth feeds nothing that is known, and is left.
    expect(outlets()[3]).toEqual({ index: 4, afterOutage: 'start' });

    const acts = async () => (await runtime.store.acts(20)).filter(({ what }) => what.startsWith('arm '));
    await until('both acts proved', async () =>
      (await acts()).every(({ byStage }) => Object.keys(byStage).join() === 'seen-in-power'),
    );
    expect(await acts()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          who: 'busbar',
          what: 'arm e-a100: after an outage it stays off until it is told',
          why: 'the site file has afterOutage: stay-off for e-a100',
          byStage: { 'seen-in-power': 2 },
        }),
        expect.objectContaining({ what: expect.stringMatching(/^arm pdu-e: /), byStage: { 'seen-in-power': 3 } }),
      ]),
    );
    const detail = await (await fetch(`${site.url}/api/v1/machines/e-a100-0001`)).json();
    expect(detail).toMatchObject({ afterOutage: { wanted: 'stay-off', is: 'stay-off', state: 'armed', why: null } });
    const miner = await (await fetch(`${site.url}/api/v1/machines/d-s21xp-0001`)).json();
    expect(miner).toMatchObject({ afterOutage: { wanted: null, is: null, state: 'cannot' } });

    // Somebody sets one otherwise at the machine itself.
    sim.world.state.restores.set(servers[0]!, 'start');
    await until('seen otherwise', () => !armed(A100));
    await until('armed again', () => armed(A100));
    expect(sim.world.state.restores.get(servers[0]!)).toBe('stay-off');

    sim.trip('e');
    await until('dark', () => servers.every((n) => sim.world.servers.state.serverW[n] === 0));
    await until('supply is back', () => sim.world.state.darkHalls.size === 0);
    await until('off by themselves', () =>
      A100.every((id) => {
        runtime.fleet.readSoon(id);
        return runtime.fleet.byId(id)!.reading?.mode?.kind === 'sleep';
      }),
    );
    expect(sim.world.unpluggedServers.reduce((sum, one) => sum + one, 0)).toBe(3);
  },
);

test('in shadow nothing is armed, and every page says so', { timeout: 120_000 }, async () => {
  const site = await start({ offset: 11_290, trust: 'shadow' });
  const { runtime, sim } = site;
  await until('read', () => A100.every((id) => runtime.fleet.byId(id)!.reading?.afterOutage !== undefined));
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(sim.world.state.restores.size + sim.world.state.outletSeconds.size).toBe(0);
  const detail = await (await fetch(`${site.url}/api/v1/machines/e-a100-0001`)).json();
  expect(detail).toMatchObject({
    afterOutage: { wanted: 'stay-off', is: 'last-state', state: 'not-armed', why: 'in shadow nothing is written' },
  });
  const overview = (await (await fetch(`${site.url}/api/v1/overview`)).json()) as { afterOutage: object };
  expect(overview.afterOutage).toMatchObject({ 'not-armed': 2 });
});
