import { afterEach, expect, test } from 'vitest';
import { jobsPage, type ClusterJobView } from '../../src/model/jobs-api.ts';
import { askAs } from '../support/site/ask.ts';
import { until } from '../support/site/until.ts';
import { live, stopAll } from '../support/site/watched.ts';

/** What GPUs tell of themselves, joined with the jobs Slurm has on them, over the wires of the emulated site. */

const LIMIT_MS = 240_000;
afterEach(stopAll);

test(
  'jobs are measured; one that hangs is found; a GPU that failed leaves the plan until it is repaired',
  {
    timeout: LIMIT_MS,
  },
  async () => {
    const site = await live({ offset: 12_410, from: '2026-03-24T01:00:00Z', speed: 20 });
    const { runtime, sim } = site;
    const ask = await askAs(site, 'olga', 'operator');
    const page = async () => jobsPage.parse((await ask('GET', '/jobs')).body);
    const running = async () => (await page()).jobs.filter(({ state }) => state === 'running');
    const measured = await until(
      'jobs with watts, energy and a floor',
      async () => {
        const found = (await running()).filter(
          ({ measured: { energyWh, floorW } }) => energyWh !== null && floorW !== null,
        );
        return found.length > 0 ? found : undefined;
      },
      120_000,
    );
    for (const job of measured) {
      const slots = sim.world.jobs.state.list.get(Number(job.id))!.slots;
      const trueW = slots.reduce((sum, slot) => sum + sim.world.servers.state.gpuW[slot]!, 0);
      const { powerW, floorW, flexibleW, energyBasis, isEstimated } = job.measured;
      expect(Math.abs(powerW! - trueW)).toBeLessThan(0.1 * trueW);
      expect(flexibleW).toBeCloseTo(powerW! - floorW!);
      expect({ energyBasis, isEstimated }).toEqual({ energyBasis: 'counters', isEstimated: false });
    }

    const hung = measured[0]!;
    sim.send({ op: 'job-intensity', id: Number(hung.id), intensity: 0 });
    const find = (jobs: readonly ClusterJobView[]) => jobs.find(({ id }) => id === hung.id);
    await until('it is seen to be stuck', async () => find(await running())?.measured.isStuck === true, 90_000);
    expect(find(await running())!.measured.idleGpus).toBe(hung.gpus);
    await until('the alarm', () => runtime.alarms().find(({ code }) => code === 'jobs-stuck'));

    const gpus = () =>
      runtime.clusters.byId.get(hung.cluster)!.reading!.nodes.filter(({ isFaulty }) => isFaulty === true);
    const n = sim.world.nodes.findIndex(({ name }) => name === hung.nodes[0]);
    const { id: machine } = sim.world.endpoints.find(({ kind, index }) => kind === 'server' && index === n)!;
    expect(gpus()).toEqual([]);
    sim.send({ op: 'gpu-xid', n, gpu: 1, xid: 79 });
    await until('the node out of the plan', () => gpus().length === 1, 60_000);
    expect(gpus()[0]!.name).toBe(hung.nodes[0]);
    // Alarms are looked at once a second.
    const alarm = await until('the alarm', () => runtime.alarms().find(({ code }) => code === 'gpu-fault'), 30_000);
    expect(alarm).toMatchObject({ subject: `${machine} GPU 1` });
    expect((await page()).gpuFaults).toMatchObject([{ machine, gpu: 1, xid: 79 }]);

    expect(await ask('POST', '/machines/nobody/repaired', { why: 'a test' })).toMatchObject({ status: 404 });
    expect(await ask('POST', `/machines/${machine}/repaired`, { why: 'GPU exchanged' })).toMatchObject({ status: 204 });
    expect(await ask('POST', `/machines/${machine}/repaired`, { why: 'again' })).toMatchObject({ status: 409 });
    await until('the node back in the plan', () => gpus().length === 0);
    const acts = await runtime.store.acts(200);
    expect(acts.filter(({ who }) => who === 'olga').map(({ what }) => what)).toContain(
      `take ${machine} back into the plan: GPU 1`,
    );
  },
);
