import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** Between two plans miners take up what GPU servers drop, by the meters and through the reconciler as all else. */

let site: Small;
beforeAll(async () => {
  site = await startSmall({
    offset: 11_110,
    from: '2026-03-23T20:01:00Z',
    // A plan each half minute of the wall, and a minute in six seconds.
    speed: 10,
    adjust: (raw) => {
      Object.assign(raw, {
        ballast: { bandMw: 0.012, swingPct: 60, groups: ['a-s21', 'd-s21xp'] },
        limits: { importMw: 0.2 },
      });
    },
  });
}, 120_000);
afterAll(() => site?.close());

test(
  'GPU servers that fall dark are answered by miners that wake, and the act says why',
  { timeout: 240_000 },
  async () => {
    const { runtime, sim } = site;
    await until('a plan carried out below the limit', () => {
      const { importW } = runtime.picture();
      return runtime.plan() !== undefined && importW !== undefined && importW < 0.2e6;
    });
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    sim.inject({ target: 'e-h100', fault: 'dead' });
    const act = await until('an act of ballast', async () => {
      const acts = await runtime.store.acts(50);
      return acts.find(({ who, what }) => who === 'ballast' && what.endsWith(' up'));
    });
    expect(act.why).toMatch(/^AI and HPC draw .* less than the plan was made for, by the last minute$/);
    await until('miners that it woke', () =>
      runtime.fleet.machines.some(({ machine }) => {
        const command = runtime.reconciler.commandOf(machine.id);
        return command?.batchId === act.id && command.stage !== 'sent';
      }),
    );
  },
);
