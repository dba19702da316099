import { afterEach, expect, test } from 'vitest';
import { until } from '../support/site/until.ts';
import { live, modesOf, stopAll } from '../support/site/watched.ts';

afterEach(stopAll);

test(
  'two halls that lose their supply together are one outage, told until all are as wanted again',
  { timeout: 300_000 },
  async () => {
    // All asleep already when the price is high: the plan has nothing to change.
    const site = await live({
      offset: 11_310,
      from: '2026-03-24T00:31:00Z',
      speed: 60,
      awakePct: { 'a-s21': 0, 'd-s21xp': 0 },
      recloseMinutes: 3,
    });
    const { runtime, sim } = site;
    const asleep = (group: string) => modesOf(site, group)['sleep'] === 30;
    await until('a plan that keeps them asleep', () => site.plans.length > 0 && asleep('d-s21xp') && asleep('a-s21'));
    const readAll = () => {
      for (const { machine } of runtime.fleet.machines) runtime.fleet.readSoon(machine.id);
    };
    const outage = () => runtime.alarms().filter(({ code }) => code === 'outage');
    const seen: string[] = [];

    sim.trip('d');
    sim.trip('a');
    // Stock firmware forgets its sleep without supply; LuxOS sleeps on.
    await until('the alarm', () => {
      readAll();
      return outage().length > 0;
    });
    await until('the end of it', () => {
      readAll();
      expect(outage().length).toBeLessThanOrEqual(1);
      for (const { message } of outage()) if (seen.at(-1) !== message) seen.push(message);
      return outage().length === 0;
    });
    expect(sim.truth().machines.sleeping).toBe(60);
    expect(seen.at(-1)).toMatch(/hall d.*miners booted unasked, \d+ are as wanted again, 0 are not yet, 0 are silent$/);

    const acts = await runtime.store.acts(50);
    const told = acts.filter(({ id }) => id.startsWith('outage-')).map(({ what }) => what);
    expect(told).toHaveLength(2);
    expect(told[1]).toMatch(/^outage of hall [ad]: \d+ miners booted unasked so far, the first at 00:\d\d UTC$/);
    const [, booted, back] = /over after \d+ minutes: (\d+) miners booted unasked, (\d+) are as wanted/.exec(told[0]!)!;
    expect(Number(booted)).toBeGreaterThanOrEqual(30);
    expect(back).toBe(booted);
    // Whoever woke was put back by commands that are on record and proved.
    const putBack = acts.filter(({ byStage }) => (byStage['seen-in-power'] ?? 0) > 0);
    expect(putBack.length).toBeGreaterThan(0);
  },
);
