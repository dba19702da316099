import fc from 'fast-check';
import type { Job } from 'kubernetes-types/batch/v1.js';
import type { Node, Pod } from 'kubernetes-types/core/v1.js';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import { gpuPart, gpusIn, kubeJob, kubeNode, kubePod, podGpus, quantity, type KubePodSpec } from './kube-shapes.ts';

test.each([
  ['1', 1],
  ['8', 8],
  ['0', 0],
  ['500m', 0.5],
  ['1k', 1000],
  ['2M', 2e6],
  ['1Ki', 1024],
  ['1.5Gi', 1.5 * 2 ** 30],
  ['1e3', 1000],
  ['1E3', 1000],
  ['1E', 1e18],
  ['12e-1', 1.2],
  ['+4', 4],
  ['.5', 0.5],
  ['5.', 5],
  [3, 3],
])('quantity %s is %d', (text, value) => expect(quantity(text)).toBeCloseTo(value, 9));

test.each(['', 'k', '1kk', '1 k', '0x10', '1K', 'NaN', 'Infinity', '--1', '1e', '1e1000', '١'])(
  '%j is no quantity',
  (text) => expect(quantity(text)).toBeUndefined(),
);

test('whatever is written, a quantity is a finite number or none; whole numbers are themselves', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const value = quantity(text);
      expect(value === undefined || Number.isFinite(value)).toBe(true);
    }),
  );
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom('', 'k', 'M', 'Ki'), (n, suffix) => {
      const unit = { '': 1, k: 1e3, M: 1e6, Ki: 1024 }[suffix];
      expect(quantity(`${n}${suffix}`)).toBe(n * unit);
    }),
  );
});

const GPU = 'nvidia.com/gpu';
const container = (gpus: number, over: object = {}) => ({
  name: 'c',
  restartPolicy: '',
  resources: { limits: { [GPU]: String(gpus) } },
  ...over,
});
const spec = (containers: object[], initContainers: object[] = []): KubePodSpec =>
  ({ nodeName: '', priorityClassName: '', containers, initContainers }) as KubePodSpec;

test('GPUs of a pod: containers together, or the largest of what comes before them', () => {
  expect(podGpus(spec([container(2), container(1)]), GPU)).toBe(3);
  expect(podGpus(spec([container(1)], [container(4), container(2)]), GPU)).toBe(4);
  const sidecar = container(1, { restartPolicy: 'Always' });
  expect(podGpus(spec([container(2)], [sidecar]), GPU)).toBe(3);
  expect(podGpus(spec([container(1)], [sidecar, container(4)]), GPU)).toBe(5);
  expect(podGpus(spec([container(0, { resources: { requests: { [GPU]: 2 } } })]), GPU)).toBe(2);
  expect(podGpus(spec([container(0, { resources: null })]), GPU)).toBe(0);
});

test('what is no whole number of GPUs is garbled', () => {
  expect(gpusIn({ [GPU]: '1k' }, GPU)).toBe(1000);
  for (const wrong of ['500m', '-1', 'two']) expect(() => gpusIn({ [GPU]: wrong }, GPU)).toThrow(/no number of nvidia/);
});

test.each([
  ['NVIDIA-H100-80GB-HBM3', 'h100'],
  ['NVIDIA-H100-PCIe', 'h100'],
  ['NVIDIA-H200', 'h200'],
  ['NVIDIA-A100-SXM4-80GB', 'a100'],
  ['NVIDIA-GeForce-RTX-4090', 'rtx4090'],
  ['NVIDIA-RTX-A6000', 'rtxa6000'],
  ['NVIDIA-RTX-6000-Ada-Generation', 'rtx6000ada'],
  ['NVIDIA-L40S', 'l40s'],
  ['Tesla-T4', 't4'],
  ['NVIDIA-H100-80GB-HBM3-MIG-1g.10gb', 'h100-mig-1g.10gb'],
  ['NVIDIA-L40S-SHARED', 'l40s-shared'],
  ['', undefined],
])('%s is the part %s', (product, part) => expect(gpuPart(product)).toBe(part));

/** Whatever the OpenAPI of Kubernetes lets a server write, the shapes read: the compiler checks it. */
type Written<T> = T & { readonly metadata: { readonly name: string } };
const READS = {
  node: (node: Written<Node>): z.input<typeof kubeNode> => node,
  pod: (pod: Written<Pod> & { readonly spec: object }): z.input<typeof kubePod> => pod,
  job: (
    job: Written<Job> & { readonly spec: { readonly template: { readonly spec: object } } },
  ): z.input<typeof kubeJob> => job,
};

test('objects as Kubernetes types them are read', () => {
  const metadata = {
    name: 'a',
    namespace: 'n',
    uid: 'u',
    labels: { l: '1' },
    creationTimestamp: '2026-03-24T12:00:00Z',
  };
  const containers = [{ name: 'c', resources: { limits: { [GPU]: '4' } } }];
  const node = READS.node({
    metadata,
    spec: { unschedulable: true, taints: [{ key: 'k', effect: 'NoSchedule' }] },
    status: {},
  });
  expect(kubeNode.parse(node)).toMatchObject({ spec: { unschedulable: true } });
  expect(podGpus(kubePod.parse(READS.pod({ metadata, spec: { containers } })).spec, GPU)).toBe(4);
  const job = READS.job({ metadata, spec: { suspend: true, template: { spec: { containers } } } });
  expect(kubeJob.parse(job).spec).toMatchObject({ suspend: true });
});
