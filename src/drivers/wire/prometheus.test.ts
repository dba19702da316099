import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseMetrics } from './prometheus.ts';

const P = 'DCGM_FI_DEV_';

test('reads names, labels and values, and passes over the rest', () => {
  const body = [
    '# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).',
    '# TYPE DCGM_FI_DEV_POWER_USAGE gauge',
    'DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-1",modelName="NVIDIA H100 80GB HBM3"} 612.250000',
    'DCGM_FI_DEV_GPU_TEMP{gpu="1"} 61 1774224000000',
    'DCGM_FI_DEV_GPU_UTIL{gpu="0"} NaN',
    'DCGM_FI_DEV_XID_ERRORS{} 0',
    'DCGM_FI_DEV_NO_LABELS 3',
    'DCGM_FI_DEV_OPEN{gpu="0" 3',
    'go_goroutines{gpu="0"} 12',
    '',
  ].join('\n');
  expect(parseMetrics(body, P)).toEqual([
    {
      name: 'DCGM_FI_DEV_POWER_USAGE',
      labels: { gpu: '0', UUID: 'GPU-1', modelName: 'NVIDIA H100 80GB HBM3' },
      value: '612.250000',
    },
    { name: 'DCGM_FI_DEV_GPU_TEMP', labels: { gpu: '1' }, value: '61' },
    { name: 'DCGM_FI_DEV_GPU_UTIL', labels: { gpu: '0' }, value: 'NaN' },
    { name: 'DCGM_FI_DEV_XID_ERRORS', labels: {}, value: '0' },
  ]);
});

test('a label may hold braces, commas, spaces and escaped quotes', () => {
  const body = 'DCGM_FI_DEV_GPU_TEMP{a="x}y{z, \\"q\\"",gpu="3"} 40\n';
  expect(parseMetrics(body, P)[0]).toMatchObject({ labels: { gpu: '3' }, value: '40' });
});

test('Windows line ends do no harm', () => {
  expect(parseMetrics('DCGM_FI_DEV_GPU_TEMP{gpu="3"} 40\r\n', P)[0]?.value).toBe('40');
});

test('a body cut anywhere gives some of its samples, each of them whole', () => {
  const body = Array.from({ length: 8 }, (_, i) => `DCGM_FI_DEV_POWER_USAGE{gpu="${i}"} 31${i}.25\n`).join('');
  const all = parseMetrics(body, P);
  expect(all).toHaveLength(8);
  for (let end = 0; end < body.length; end += 1) {
    const some = parseMetrics(body.slice(0, end), P);
    expect(some).toEqual(all.slice(0, some.length));
  }
});

test('any text is read without complaint', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(parseMetrics(`${P}${text}\n`, P)).toBeInstanceOf(Array);
    }),
  );
});
