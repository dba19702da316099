import { afterAll, beforeAll, expect, test } from 'vitest';
import { redfish } from '../src/drivers/redfish.ts';
import { tpuExporter } from '../src/drivers/tpu-exporter.ts';
import { siteSchema } from '../src/model/index.ts';
import { deviceWorld } from '../test/support/device-world.ts';
import { CALM, calmConfig, smallSite, talk, testSim, type TestSim } from './small-site.ts';

const ADDRESS = '127.21.7.1';
const BMC_ADDRESS = '127.21.7.2';
const base = smallSite();
const site = siteSchema.parse({
  ...base,
  machines: [
    ...base.machines,
    {
      id: 'tpu',
      kind: 'gpu-server',
      model: 'tpu-4x-v4',
      driver: 'tpu-exporter',
      hall: 'g',
      addresses: ADDRESS,
      settings: {},
    },
    {
      id: 'tpu-bmc',
      kind: 'gpu-server',
      model: 'tpu-4x-v4',
      driver: 'redfish',
      hall: 'g',
      addresses: BMC_ADDRESS,
      settings: {},
    },
  ],
  clusters: base.clusters.map((cluster) => ({
    ...cluster,
    classes: [
      ...cluster.classes,
      {
        id: 'tpu-batch',
        class: 'batch',
        line: 'ai',
        gpu: 'tpu-v4',
        match: { partition: 'tpu', qos: 'batch' },
        usdPerGpuHour: 1,
      },
    ],
  })),
});
let t: TestSim;
const world = deviceWorld();
beforeAll(async () => {
  const work = { ...CALM.work, 'tpu-batch': { gpus: 2, sizes: [2], medianHours: 5 } };
  t = await testSim(22_160, { site, config: calmConfig({ work }) });
});
afterAll(async () => {
  await world.close();
  await t.sim.close();
});
const open = (address = ADDRESS) => {
  const config = tpuExporter.config.parse({ port: t.sim.ports.tpu });
  return tpuExporter.open({ address, modelId: 'tpu-4x-v4', config }, world.io);
};

test('four chips of one host, busy where a job runs on them, and no watts', async () => {
  t.pass(60);
  const reading = await open().read();
  expect(reading.tpus!.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  expect(reading).toMatchObject({ model: '4x TPU v4', errors: undefined });
  expect('powerW' in reading).toBe(false);
  const { job } = t.sim.world.servers;
  const first = 5 * 8;
  reading.tpus!.forEach((chip, i) => {
    const busy = job[first + i]! > 0;
    expect(chip).toMatchObject({ model: 'tpu-v4-podslice', memoryTotalBytes: 32 * 2 ** 30 });
    expect([chip.dutyCyclePct! > 50, chip.memoryUsedBytes! > 1e9]).toEqual([busy, busy]);
  });
  expect(reading.tpus!.some(({ dutyCyclePct }) => dutyCyclePct! > 50)).toBe(true);
});

test('a host of TPUs has no DCGM, a host of GPUs no TPU metrics; its BMC measures the watts', async () => {
  const get = 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n';
  expect(await talk(ADDRESS, t.sim.ports.dcgm, get)).toMatchObject({ end: 'reset' });
  await expect(open('127.21.5.1').read()).rejects.toMatchObject({ kind: 'unreachable' });
  expect(await talk(ADDRESS, t.sim.ports.redfish, get)).toMatchObject({ end: 'reset' });
  const config = redfish.config.parse({ port: t.sim.ports.redfish, scheme: 'http' });
  const bmc = redfish.open({ address: BMC_ADDRESS, modelId: 'tpu-4x-v4', config }, world.io);
  expect((await bmc.read()).powerW!).toBeGreaterThan(300);
  await expect(bmc.setPowerLimit!(1000)).rejects.toMatchObject({ kind: 'unsupported' });
});
