import { expect, test } from 'vitest';
import { CATALOGUE } from './catalogue.ts';
import { ACCELERATORS } from './parts.ts';

const servers = [...CATALOGUE.values()].filter((model) => model.kind === 'gpu-server');

test('every GPU server of the catalogue is made of parts that are known, at their stock power', () => {
  expect(servers.length).toBeGreaterThan(7);
  for (const { id, gpuModel, gpuTdpW, gpuBusyW, gpuIdleW } of servers) {
    expect(ACCELERATORS.get(gpuModel)?.tdpW, id).toBe(gpuTdpW);
    expect(gpuBusyW, id).toBeLessThanOrEqual(gpuTdpW);
    expect(gpuIdleW, id).toBeLessThan(gpuBusyW);
  }
});

test('a TPU whose power is not published has none, and no server in the catalogue', () => {
  const unknown = [...ACCELERATORS.values()].filter(({ tdpW }) => tdpW === undefined).map(({ key }) => key);
  expect(unknown).toEqual(['tpu-v5e', 'tpu-v5p', 'tpu-v6e']);
  expect(servers.filter(({ gpuModel }) => unknown.includes(gpuModel))).toEqual([]);
});
