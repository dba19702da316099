import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SLURM_USERS } from '../../scripts/slurm/config.ts';
import { startSlurm, type Slurm } from '../../scripts/slurm/start.ts';
import type { ClusterHandle } from '../../src/clusters/cluster.ts';
import { slurm } from '../../src/clusters/slurm.ts';
import { httpPort } from '../../src/drivers/wire/http.ts';
import { programPort } from '../../src/drivers/wire/program.ts';
import { Fault, siteMs, type Site, type WorkClass } from '../../src/model/index.ts';
import { createJobPauses } from '../../src/server/gpu/job-pauses.ts';
import { createNodePower } from '../../src/server/node-power.ts';
import { bareHost } from '../support/cluster-io.ts';
import { until } from '../support/site/until.ts';

/** Rungs that a person takes, on Debian's Slurm: a job that is paused, and a node that is switched off. */
const LIMIT = { timeout: 60_000 };
const CLASSES = [
  { id: 'training', class: 'batch', gpu: 'h100', match: { partition: 'train', qos: 'batch' } },
] as unknown as WorkClass[];

/** Part of slurm.test.ts: two Slurms at once on one host are in each other's way. */
export const rungsOnSlurm = (): void => {
  describe('rungs on a Slurm of its own', () => {
    let site: Slurm;
    let handle: ClusterHandle;
    const http = httpPort();
    const now = () => siteMs(Date.now());
    const acts: string[] = [];
    const cluster = {
      id: 'hpc',
      failure: undefined,
      movingTo: new Map(),
      get handle() {
        return handle;
      },
      reading: undefined as Awaited<ReturnType<ClusterHandle['read']>> | undefined,
    };
    const common = {
      site: () => ({ clusters: [{ id: 'hpc', classes: CLASSES }], machines: [], contracts: [] }) as unknown as Site,
      fleet: { machines: [], byId: () => undefined, readSoon() {} },
      clusters: () => [cluster as never],
      gpus: { truth: { gpusOf: () => undefined }, effects: {} } as never,
      journal: { act: ({ who, what }: { who: string; what: string }) => acts.push(`${who}: ${what}`) },
      trust: () => 'auto' as const,
      siteNow: now,
      before: undefined,
      keep() {},
    };
    const pauses = createJobPauses({ ...common, curtailment: () => undefined, isLimited: () => false });
    const power = createNodePower(common);
    const look = async () => {
      cluster.reading = await handle.read();
      pauses.look();
      power.look();
      return cluster.reading;
    };

    beforeAll(async () => {
      site = await startSlurm({ portBase: 7900, nodes: { train: 2, infer: 1, sim: 1 } });
      const scontrol = { conf: site.conf, makesTokens: true };
      const settings = { url: site.urls[0], user: SLURM_USERS.busbar, scontrol, powerLicence: 'site_kw' };
      const io = { ...bareHost(), http, program: programPort(), siteNow: now, secret: () => 'none' };
      handle = slurm.open({ id: 'hpc', config: slurm.config.parse(settings), classes: CLASSES }, io);
    }, 60_000);
    afterAll(async () => {
      await site?.stop();
      await http.close();
    });

    test('a paused job does nothing, keeps its GPUs and its node, and goes on where it was', LIMIT, async () => {
      const licences = handle.powerLicence!(8 * 610);
      expect(licences).toBe('site_kw:5');
      const id = await handle.submit!({
        name: 'ticks',
        script: '#!/bin/sh\nwhile :; do echo tick >> ticks; sleep 0.2; done\n',
        partition: 'train',
        qos: 'batch',
        account: 'acme',
        gpus: 8,
        timeLimitMinutes: 10,
        folder: site.jobsFolder,
        licences,
      });
      const asked = { clusterId: 'hpc', jobId: id, who: 'ann', why: 'the hall is hot' };
      const file = join(site.jobsFolder, 'ticks');
      const ticks = () => (existsSync(file) ? readFileSync(file, 'utf8').length : 0);
      const jobNow = async () => (await look()).jobs.find((job) => job.id === id)!;
      await until('it works', async () => (await jobNow()).state === 'running' && ticks() > 0, 30_000);
      const { nodes, gpuIndexes } = await jobNow();

      await pauses.pause(asked);
      await until('it is paused', async () => (await jobNow()).state === 'paused');
      await until('it is known so', async () => (await look()) && pauses.of('hpc', id)?.stage === 'paused');
      const before = ticks();
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(ticks()).toBe(before);
      expect(await jobNow()).toMatchObject({ nodes, gpuIndexes, requeues: 0 });
      const node = cluster.reading!.nodes.find(({ name }) => name === nodes[0])!;
      expect(node).toMatchObject({ state: 'mixed', gpusUsed: 8 });
      await expect(power.off({ clusterId: 'hpc', node: node.name, who: 'ann', why: 'idle?' })).rejects.toThrow(
        `${node.name} runs ${id}`,
      );

      await pauses.goOn({ ...asked, why: 'cool again' });
      await until('it works again', async () => (await jobNow()).state === 'running' && ticks() > before, 30_000);
      await until('nothing is paused', async () => (await look()) && pauses.of('hpc', id) === undefined);
      await handle.cancel!(id);
      await expect(handle.pause!('99999')).rejects.toBeInstanceOf(Fault);
    });

    test('an idle node is switched off, seen to be off, and switched on again', LIMIT, async () => {
      const asked = { clusterId: 'hpc', node: 'infer001', who: 'ann', why: 'nobody needs it' };
      await look();
      await power.off(asked);
      await until('it is off', async () => (await look()) && power.of('hpc', 'infer001')?.stage === 'off');
      await until('its slurmd is gone', async () =>
        (await site.scontrol('show', 'node', 'infer001')).includes('POWERED_DOWN'),
      );
      await expect(power.off(asked)).rejects.toThrow(/off already/);
      await expect(power.on({ ...asked, node: 'sim001' })).rejects.toThrow(/did not switch sim001 off/);
      await power.on({ ...asked, why: 'needed' });
      await until('it is back', async () => (await look()) && power.of('hpc', 'infer001') === undefined, 40_000);
      expect(cluster.reading!.nodes.find(({ name }) => name === 'infer001')).toMatchObject({
        state: 'idle',
        isOff: false,
      });
      expect(acts.slice(-2)).toEqual(['ann: switch node hpc/infer001 off', 'ann: switch node hpc/infer001 on']);
    });
  });
};
