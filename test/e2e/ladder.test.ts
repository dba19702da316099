import { afterEach, expect, test } from 'vitest';
import { jobsPage, ladderPage } from '../../src/model/jobs-api.ts';
import { askAs } from '../support/site/ask.ts';
import type { RawSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';
import { live, price, stopAll } from '../support/site/watched.ts';

/** The ladder of preemption over the wires of the emulated site: what it says beforehand, and what it learns. */

afterEach(stopAll);

/** Simulation work that earns less than its power costs when a megawatt-hour costs $860. */
const cheapSimulation = (raw: RawSite): void => {
  const one = raw.clusters[0]!.classes.find(({ id }) => id === 'rtx4090-simulation')!;
  one.usdPerGpuHour = 0.2;
  delete one.interruptUsdPerGpu;
  Object.assign(one, { checkpoint: { intervalMinutes: 10, seconds: 20 }, restoreSeconds: 60 });
};

test(
  'the preview names what would give way; what did is measured, and known from then on',
  { timeout: 240_000 },
  async () => {
    const site = await live({ offset: 12_440, from: '2026-03-24T01:48:00Z', speed: 60, adjust: cheapSimulation });
    const { runtime } = site;
    const ask = await askAs(site, 'vera', 'viewer');
    const preview = async (mw: number) => ladderPage.parse((await ask('GET', `/jobs/ladder?mw=${mw}`)).body);
    const before = await until('a preview with rungs', async () => {
      const page = await preview(0.001);
      return page.rungs.some(({ kind }) => kind === 'requeue') ? page : undefined;
    });
    // Simulation work on the RTX 4090 keeps checkpoints, the others lose all since their start.
    const simulation = before.rungs.filter(({ kind, lostBasis }) => kind === 'requeue' && lostBasis === 'interval');
    expect(simulation.length).toBeGreaterThan(0);
    for (const { class: className, lostSeconds, seconds } of simulation)
      expect({ className, lostSeconds, seconds }).toEqual({ className: 'batch', lostSeconds: 600, seconds: null });
    expect(
      before.rungs
        .filter(({ kind }) => kind === 'lock-clocks')
        .every(({ watts, by }) => watts === null && by === 'person'),
    ).toBe(true);
    expect((await ask('GET', '/jobs/ladder?mw=-1')).status).toBe(400);

    const learned = await until(
      'watts of simulation work that gave way',
      () =>
        runtime.gpus.effects
          .all()
          .find(({ kind, gpuModel, measured }) => kind === 'requeue' && gpuModel === 'rtx4090' && measured >= 1),
      200_000,
    );
    expect(price(site)!).toBeGreaterThan(400);
    // By the catalogue, 390 W busy and 15 W idle.
    expect(learned.wattsPerGpu).toBeGreaterThan(100);
    expect(learned.wattsPerGpu).toBeLessThan(450);
    expect(learned.seconds).toBeGreaterThan(0);

    // Whose job waits is told why, on its record and in the comment that Slurm shows.
    const { jobs } = jobsPage.parse((await ask('GET', '/jobs')).body);
    const waiting = jobs.filter(({ heldByBusbar, givesWay }) => heldByBusbar && givesWay !== null);
    expect(waiting.length).toBeGreaterThan(0);
    for (const { id, givesWay } of waiting) {
      expect(givesWay!.why).toMatch(/price \$\d/);
      expect(site.sim.world.jobs.state.list.get(Number(id))!.comment).toMatch(/^busbar: waits, to go on: .*price/);
    }
  },
);
