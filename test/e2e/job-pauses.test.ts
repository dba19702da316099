import { afterAll, beforeAll, expect, test } from 'vitest';
import { activityPage } from '../../src/model/api.ts';
import { jobsPage, type ClusterJobView } from '../../src/model/jobs-api.ts';
import { askAs } from '../support/site/ask.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** A job is paused by a person, over the wires of the emulated Slurm and servers: what it releases is measured, and it goes on. */

let site: Small;
beforeAll(async () => {
  site = await startSmall({ offset: 13_280, from: '2026-03-24T01:00:00Z', speed: 20 });
}, 60_000);
afterAll(() => site?.close());

test(
  'a job stops where it is and keeps its GPUs; its watts are measured, and it goes on',
  { timeout: 180_000 },
  async () => {
    const ask = await askAs(site, 'oskar', 'operator');
    const jobs = async (): Promise<ClusterJobView[]> => jobsPage.parse((await ask('GET', '/jobs')).body).jobs;
    const job = await until('a batch job that works', async () =>
      (await jobs()).find(
        ({ class: name, gpuModel, state, measured }) =>
          name === 'batch' && gpuModel === 'rtx4090' && state === 'running' && (measured.powerW ?? 0) > 200,
      ),
    );
    const path = `/jobs/${job.cluster}/${job.id}`;
    const now = async () => (await jobs()).find(({ id, cluster }) => id === job.id && cluster === job.cluster)!;
    const held = site.sim.world.jobs.state.list.get(Number(job.id))!;
    const slots = [...held.slots];

    // What is signed is not stopped, a viewer stops nothing, and what was not paused from here is not let go on from here.
    const signed = (await jobs()).find(({ class: name, state }) => name === 'reserved' && state === 'running')!;
    expect(await ask('POST', `/jobs/${signed.cluster}/${signed.id}/pause`, { why: 'the hall is hot' })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('what is signed') as string },
    });
    const look = await askAs(site, 'vera', 'viewer');
    expect(await look('POST', `${path}/pause`, { why: 'the hall is hot' })).toMatchObject({ status: 403 });
    expect(await ask('POST', `${path}/continue`, { why: 'nothing' })).toMatchObject({ status: 409 });
    expect(await ask('POST', `${path}/pause`, {})).toMatchObject({ status: 400 });

    const paused = await ask('POST', `${path}/pause`, { why: 'the hall is hot' });
    expect(paused).toMatchObject({ status: 202, body: { cluster: job.cluster, id: job.id } });
    await until('it is read as paused', async () => (await now()).state === 'paused');
    const seen = await until('it is seen to draw less', async () => {
      const { pause } = await now();
      return pause?.releasedW === null ? undefined : pause;
    });
    expect(seen).toMatchObject({ who: 'oskar', why: 'the hall is hot' });
    expect(seen.releasedW).toBeGreaterThan(0.3 * job.measured.powerW!);
    expect(held.slots).toEqual(slots);
    const learned = site.runtime.gpus.effects.all().find(({ kind }) => kind === 'pause')!;
    expect(learned).toMatchObject({ gpuModel: 'rtx4090', measured: 1 });
    expect(learned.wattsPerGpu).toBeCloseTo(seen.releasedW! / job.gpus);
    const doneS = held.doneS;
    const work = () =>
      site.runtime
        .picture()
        .work.find((one) => one.clusterId === job.cluster && one.workClass.id === 'rtx4090-simulation')!;
    expect(work().pausedGpus).toBe(job.gpus);
    expect((await now()).measured).toMatchObject({ isStuck: null, idleGpus: null });
    expect(held.doneS).toBe(doneS);

    expect(await ask('POST', `${path}/continue`, { why: 'cool again' })).toMatchObject({ status: 202 });
    const again = await until('it works again', async () => {
      const one = await now();
      return one.state === 'running' && (one.measured.powerW ?? 0) > job.measured.powerW! / 2 ? one : undefined;
    });
    expect(again.pause).toBeNull();
    expect(again.requeues).toBe(job.requeues);
    await until('its work goes on', () => held.doneS > doneS);
    expect(work().pausedGpus).toBe(0);

    // No other job takes its GPUs, or nobody could say what its end released.
    for (const n of new Set(slots.map((slot) => Math.floor(slot / 8))))
      site.sim.send({ op: 'node-cordon', n, on: true });
    // Whoever ends somebody else's job says why to its owner, and what it releases is learned.
    expect(await ask('POST', `${path}/cancel`, { why: 'the disk is full' })).toMatchObject({ status: 202 });
    await until('it has ended', () => held.state === 'CANCELLED');
    expect(held.comment).toMatch(/^busbar: is ended by the site: the disk is full/);
    await until('what it released', () => site.runtime.gpus.effects.all().find(({ kind }) => kind === 'kill'));

    const { activity } = activityPage.parse((await ask('GET', '/activity')).body);
    const acts = (what: string) => activity.find((one) => one.what === `${what} job ${job.cluster}/${job.id}`);
    expect(acts('pause')).toMatchObject({ who: 'oskar', why: 'the hall is hot' });
    expect(activity.find(({ what }) => what === `let job ${job.cluster}/${job.id} go on`)).toMatchObject({
      who: 'oskar',
    });
  },
);
