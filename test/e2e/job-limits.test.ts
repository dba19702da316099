import { afterAll, beforeAll, expect, test } from 'vitest';
import { activityPage } from '../../src/model/api.ts';
import { jobsPage, type ClusterJobView } from '../../src/model/jobs-api.ts';
import { askAs } from '../support/site/ask.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** A job is slowed down by a person, over the wires of the emulated servers: what it releases is measured, and given back. */

let site: Small;
beforeAll(async () => {
  site = await startSmall({ offset: 12_530, from: '2026-03-24T01:00:00Z', speed: 20 });
}, 60_000);
afterAll(() => site?.close());

test('all GPUs of a job are limited, measured, on record, and let go', { timeout: 180_000 }, async () => {
  const ask = await askAs(site, 'oskar', 'operator');
  const jobs = async (): Promise<ClusterJobView[]> => jobsPage.parse((await ask('GET', '/jobs')).body).jobs;
  const job = await until('a batch job that has its servers to itself and works', async () =>
    (await jobs()).find(
      ({ class: name, gpuModel, state, gpus, measured }) =>
        name === 'batch' &&
        gpuModel === 'rtx4090' &&
        state === 'running' &&
        gpus === 8 &&
        (measured.powerW ?? 0) > 1_500,
    ),
  );
  const path = `/jobs/${job.cluster}/${job.id}`;
  const now = async () => (await jobs()).find(({ id, cluster }) => id === job.id && cluster === job.cluster)!;
  const limited = await until('the servers have told their limits', async () => {
    const answer = await ask('POST', `${path}/limit`, { powerPct: 70, why: 'the hall is hot' });
    if (answer.status === 202) return answer;
    expect(answer).toMatchObject({
      status: 409,
      body: { detail: expect.stringMatching(/power limit yet|not told yet/) as string },
    });
    return undefined;
  });
  expect(limited.body).toEqual({ cluster: job.cluster, id: job.id });
  expect(await ask('POST', `${path}/limit`, { clockMhz: 1_200, why: 'again' })).toMatchObject({ status: 409 });
  expect(await ask('POST', `${path}/limit`, { why: 'by nothing' })).toMatchObject({ status: 400 });
  const seen = await until('it is seen to draw less', async () => {
    const { limit } = await now();
    return limit?.releasedW === null ? undefined : limit;
  });
  expect(seen).toMatchObject({ kind: 'cap-power', value: 70, who: 'oskar', why: 'the hall is hot' });
  expect(seen.releasedW).toBeGreaterThan(0.04 * job.measured.powerW!);
  const low = (await now()).measured.powerW!;
  expect(await ask('POST', `${path}/unlimit`, { why: 'cool again' })).toMatchObject({ status: 202 });
  await until('it draws more again', async () => ((await now()).measured.powerW ?? 0) > low + seen.releasedW! / 2);
  expect((await now()).limit).toBeNull();
  const { activity } = activityPage.parse((await ask('GET', '/activity')).body);
  const what = `limit power to 70 % of job ${job.cluster}/${job.id}`;
  expect(activity.find((one) => one.what === what)).toMatchObject({ who: 'oskar', why: 'the hall is hot' });
});
