import { afterEach, expect, test } from 'vitest';
import { EMULATED_PORTS } from '../../src/model/rehearsal.ts';
import { until } from '../support/site/until.ts';
import { live, stopAll } from '../support/site/watched.ts';

afterEach(stopAll);

/** Two pumps of a hydro hall that stand until they are demanded; either carries a part of what its 30 miners give. */
const points = {
  supply: 'analog-input,1',
  return: 'analog-input,2',
  flow: 'analog-input,3',
  running: 'binary-input,1',
  start: 'binary-output,1',
};
const pump = (id: string, last: number) => ({
  id,
  kind: 'cooling',
  hall: 'd',
  driver: 'bacnet-cooling',
  address: `127.4.9.${last}`,
  carriesMw: 0.08,
  settings: { port: EMULATED_PORTS.bacnet, points },
});

test(
  'fans and pumps first: a hall wakes once the plant that carries its heat is started and its flow is read back',
  { timeout: 300_000 },
  async () => {
    const site = await live({
      offset: 11_330,
      from: '2026-03-24T06:31:00Z',
      speed: 20,
      awakePct: { 'a-s21': 0, 'd-s21xp': 0 },
      adjust(raw) {
        raw.plant = [pump('pump-1', 1), pump('pump-2', 2)];
      },
    });
    const { runtime, sim } = site;
    /** Whether any miner of the hall woke before water moved. */
    let wokeDry = false;
    const hallD = sim.world.halls.findIndex(({ config }) => config.id === 'd');
    const isAwake = () => {
      const { state, hall } = sim.world.miners;
      return [...state.curtailed].filter((asleep, i) => asleep === 0 && hall[i] === hallD).length;
    };
    const flowLpm = (id: string) => runtime.devices.byId(id)?.reading?.cooling?.flowLpm ?? 0;
    const timer = setInterval(() => {
      if (isAwake() > 0 && flowLpm('pump-1') === 0) wokeDry = true;
    }, 50);
    try {
      await until('the first miners of the hall awake', () => isAwake() > 0, 90_000);
      await until('the hall awake', () => isAwake() >= 25, 60_000);
    } finally {
      clearInterval(timer);
    }
    expect(wokeDry).toBe(false);
    expect(sim.world.state.demands.size).toBe(2);
    const acts = (await runtime.store.acts(30)).filter(({ id }) => id.startsWith('cooling-'));
    expect(acts).toHaveLength(2);
    expect(acts).toEqual(
      expect.arrayContaining(
        ['pump-1', 'pump-2'].map((id) =>
          expect.objectContaining({
            who: 'busbar',
            what: `start ${id}, cooling of hall d`,
            why: expect.stringMatching(/^d has \d+ kW to be carried$/),
            byStage: { 'seen-in-power': 1 },
          }),
        ),
      ),
    );
  },
);
