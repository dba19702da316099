import { afterEach, expect, test } from 'vitest';
import { EMULATED_PORTS } from '../../src/model/rehearsal.ts';
import type { RawSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';
import { live, modesOf, stopAll } from '../support/site/watched.ts';

afterEach(stopAll);

test(
  'a power limit that a machine lost in a safe stop is set back after it, and one that nobody lost is left',
  { timeout: 300_000 },
  async () => {
    const site = await live({
      offset: 11_350,
      from: '2026-03-24T06:31:00Z',
      speed: 20,
      awakePct: { 'a-s21': 0, 'd-s21xp': 100 },
      adjust(raw) {
        const group = raw.machines.find(({ id }) => id === 'd-s21xp') as RawSite['machines'][number] & object;
        Object.assign(group, {
          model: 'whatsminer-m66',
          driver: 'whatsminer-v3',
          settings: { port: EMULATED_PORTS.whatsminer },
        });
      },
    });
    const { runtime, sim } = site;
    const ids = ['d-s21xp-0001', 'd-s21xp-0002', 'd-s21xp-0003'];
    const limits = () =>
      ids.map((id) => {
        runtime.fleet.readSoon(id);
        return runtime.fleet.byId(id)!.reading?.powerLimitW;
      });
    await until('all of them run', () => (modesOf(site, 'd-s21xp')['normal'] ?? 0) === 30);
    await runtime.fleet.byId(ids[0]!)!.device.setPowerLimit!(4_800);
    await runtime.fleet.byId(ids[1]!)!.device.setPowerLimit!(5_000);
    const before = await until('their limits', () => {
      const told = limits();
      return told[0] === 4_800 && told[1] === 5_000 && told[2] !== undefined && told;
    });
    await until('all of them run again', () => (modesOf(site, 'd-s21xp')['normal'] ?? 0) === 30);

    const { id } = await runtime.orders.preview({ kind: 'stop' }, 'sam');
    await runtime.orders.apply(id, { who: 'sam', name: 'sam', via: 'session' }, 'a test asks');
    await until('all asleep', () => modesOf(site, 'd-s21xp')['sleep'] === 30);
    // Its firmware lost it meanwhile.
    const lost = sim.world.endpoints.find((one) => one.id === ids[0])!.index;
    sim.world.miners.state.limitW[lost] = 0;
    await runtime.orders.release(id, 'sam', 'a test asks');
    await until('awake without it', () => (limits()[0] ?? 0) > 5_000);
    await until('each as it was', () => limits().every((limitW, i) => limitW === before[i]));
    expect(sim.world.miners.state.limitW[lost]).toBe(4_800);

    const acts = await until('the act proved', async () => {
      const found = (await runtime.store.acts(50)).filter((act) => act.id.startsWith('limits-'));
      return found.every(({ byStage }) => (byStage['seen-in-power'] ?? 0) > 0) && found.length > 0 && found;
    });
    expect(acts).toEqual([
      expect.objectContaining({
        who: 'busbar',
        what: 'set d-s21xp back to the power limits its machines kept to before the order',
        why: 'they were lost while an order held',
        byStage: { 'seen-in-power': 1 },
      }),
    ]);
  },
);
