import { expect, test } from 'vitest';
import { siteMs, type GpuReading, type Reading } from '../model/index.ts';
import type { History } from '../store/history/history.ts';
import type { Sample } from '../store/history/samples.ts';
import type { Plant } from './plant.ts';
import { createTelemetry } from './telemetry.ts';
import type { Uplinks } from './uplinks.ts';

const gpu = (more: Partial<GpuReading>): GpuReading => ({
  index: 0,
  powerW: 300,
  energyMj: 3_600_000,
  utilisationPct: 50,
  temperatureC: 60,
  ...more,
});

function setUp(meters: { meter: { id: string }; reading: Reading | undefined }[] = []) {
  const taken: Sample[] = [];
  const history = { add: (samples: readonly Sample[]) => void taken.push(...samples) } as History;
  const telemetry = createTelemetry(history, { meters } as unknown as Plant, { list: [] } as unknown as Uplinks);
  return { taken, telemetry };
}

test('a reading becomes a sample of what it says, and of nothing it does not', () => {
  const { taken, telemetry } = setUp();
  telemetry.machine('m1', { at: siteMs(5), powerW: 3000, hashrateThs: 200, mode: { kind: 'run', profile: 'low' } });
  telemetry.handOver();
  expect(taken).toEqual([
    expect.objectContaining({ id: 'm1', at: 5, powerW: 3000, hashrateThs: 200, mode: 'low', energyWh: undefined }),
  ]);
});

test('the energy of GPUs is a sum of all of them, or unknown', () => {
  const { taken, telemetry } = setUp();
  telemetry.machine('all', { at: siteMs(5), gpus: [gpu({}), gpu({ energyMj: 7_200_000, utilisationPct: 100 })] });
  telemetry.machine('one missing', { at: siteMs(5), gpus: [gpu({}), gpu({ energyMj: undefined })] });
  telemetry.handOver();
  expect(taken[0]).toMatchObject({ energyWh: 3, utilisationPct: 75 });
  expect(taken[1]!.energyWh).toBeUndefined();
});

test('an answer of a meter counts once, however often it is looked at', () => {
  const reading: Reading = { at: siteMs(5), powerW: 1e6, energyImportWh: 42 };
  const meters = [{ meter: { id: 'feeder' }, reading: reading as Reading | undefined }];
  const { taken, telemetry } = setUp(meters);
  telemetry.handOver();
  telemetry.handOver();
  meters[0]!.reading = { ...reading, at: siteMs(6) };
  telemetry.handOver();
  meters[0]!.reading = undefined;
  telemetry.handOver();
  expect(taken.map(({ at, energyWh }) => [at, energyWh])).toEqual([
    [5, 42],
    [6, 42],
  ]);
});

test('a disk that does not take it is told in words', async () => {
  const history = { save: () => Promise.reject(new Error('history: no space left on device')) } as unknown as History;
  const telemetry = createTelemetry(history, { meters: [] } as unknown as Plant, { list: [] } as unknown as Uplinks);
  expect(await telemetry.save(siteMs(0))).toBe('history: no space left on device');
});
