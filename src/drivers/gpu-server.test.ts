import { expect, test } from 'vitest';
import { openRecorded, recordingsOf, replay } from '../../test/support/recordings.ts';
import { Fault } from '../model/index.ts';
import { gpuServer } from './gpu-server.ts';

const caseOf = (name: string) => recordingsOf('gpu-server').find((found) => found.name === name)!.recording;

test('a server the catalogue does not know has GPUs, but no sum: its host is not known', async () => {
  const unknown = { ...caseOf('h100-8x'), modelId: 'gpu-16x-b200' };
  const reading = await openRecorded(unknown, replay(unknown).io).read();
  expect(reading).toMatchObject({ powerW: undefined, powerBasis: undefined, errors: undefined });
  expect(reading.model).toMatch(/^8x NVIDIA H100/);
  expect(reading.gpus).toHaveLength(8);
});

test('a limit is the same for every GPU, and the whole stays at what was asked', async () => {
  const recording = caseOf('power-limit');
  const { io, requests } = replay(recording);
  await openRecorded(recording, io).setPowerLimit!(6000);
  const { path } = (requests[1] as { http: { path: string } }).http;
  const query = new URL(path, 'http://x').searchParams;
  expect(query.get('gpu_ids')).toBe('0,1,2,3,4,5,6,7');
  expect(8 * (Number(query.get('power_limit_mw')) / 1000) + 2600).toBe(6000);
});

test.each([0, 2600, 4000, NaN])(
  '%d W leaves less for a GPU than it can be held to: refused, and nothing is written',
  async (watts) => {
    const recording = caseOf('power-limit');
    const { io, requests } = replay(recording);
    const given: unknown = await openRecorded(recording, io).setPowerLimit!(watts).catch((error: unknown) => error);
    expect(given).toBeInstanceOf(Fault);
    expect(given).toMatchObject({ kind: 'refused' });
    expect(requests).toHaveLength(1);
  },
);

test('recognises a page of DCGM metrics', () => {
  const seen = (text: string) =>
    gpuServer.recognises({ openPorts: [9400], banners: new Map([[9400, text]]), pages: new Map() });
  expect(seen('DCGM_FI_DEV_GPU_TEMP{gpu="0"} 30')).toBe(true);
  expect(seen('node_cpu_seconds_total{cpu="0"} 1')).toBe(false);
});
