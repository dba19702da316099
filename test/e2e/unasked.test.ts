import { afterEach, expect, test } from 'vitest';
import { until } from '../support/site/until.ts';
import { live, modesOf, stopAll } from '../support/site/watched.ts';

afterEach(stopAll);

test(
  'machines that boot unasked after an outage are put back to sleep, and the act that wants it is on record',
  { timeout: 240_000 },
  async () => {
    // All asleep already when the price is high: the plan has nothing to change.
    const site = await live({
      offset: 11_360,
      from: '2026-03-24T00:31:00Z',
      speed: 60,
      awakePct: { 'a-s21': 0, 'd-s21xp': 0 },
      recloseMinutes: 3,
    });
    const { runtime, sim } = site;
    const asleep = () => modesOf(site, 'd-s21xp')['sleep'] === 30;
    await until('a plan that keeps them asleep', () => site.plans.length > 0 && asleep());
    // Nothing was told to anybody: all that is on record is the list of pools the site began with.
    expect(await runtime.store.acts(10)).toMatchObject([
      { who: 'busbar', what: expect.stringMatching(/^take the 2 pools/), byStage: {} },
    ]);

    sim.trip('d');
    // Stock firmware forgets its sleep without supply and comes back awake.
    await until('awake', () => {
      for (const { machine } of runtime.fleet.machines) if (machine.hallId === 'd') runtime.fleet.readSoon(machine.id);
      return (modesOf(site, 'd-s21xp')['normal'] ?? 0) > 0;
    });
    await until('asleep again', asleep);
    const act = await until('the act', async () =>
      (await runtime.store.acts(10)).find(({ byStage }) => (byStage['seen-in-power'] ?? 0) > 0),
    );
    expect(act).toMatchObject({ who: 'planner', why: expect.stringMatching(/price \$/) });
    // They boot one after the other, and each is put back.
    await until('all asleep in truth', () => {
      for (const { machine } of runtime.fleet.machines) if (machine.hallId === 'd') runtime.fleet.readSoon(machine.id);
      return sim.truth().machines.sleeping === 60;
    });
  },
);
