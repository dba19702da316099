import type { Server } from 'node:net';
import { isTpu } from './gpu-parts.ts';
import { httpServer, type Host } from './net.ts';
import { PURPOSE, bellAt, hash32 } from './random.ts';
import { GPUS, gpusOf, isSupplied, serverUp } from './servers.ts';
import type { Endpoint, World } from './world.ts';

/**
 * Hosts of TPU chips: the metrics of their device plugin, as text for Prometheus. Shares are in per cent, memory is in
 * bytes; no watts. A host of GPUs refuses connections here.
 */
const MEMORY_BYTES: Readonly<Record<string, number>> = {
  'tpu-v4': 32 * 2 ** 30,
  'tpu-v5e': 16 * 2 ** 30,
  'tpu-v5p': 95 * 2 ** 30,
  'tpu-v6e': 32 * 2 ** 30,
};
const MODELS: Readonly<Record<string, string>> = {
  'tpu-v4': 'tpu-v4-podslice',
  'tpu-v5e': 'tpu-v5-lite-podslice',
  'tpu-v5p': 'tpu-v5p-slice',
  'tpu-v6e': 'tpu-v6e-slice',
};
const TEXT = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };

const partOf = ({ servers }: World, n: number): string => servers.models[servers.model[n]!]!.gpuModel;

export function tpuServer(host: Host): Server {
  const alive = ({ index }: Endpoint): 'yes' | 'silent' | 'refused' => {
    const { world } = host;
    if (!serverUp(world.servers, index, host.siteNow()) || !isSupplied(world.servers, index, world)) return 'silent';
    return isTpu(partOf(world, index)) ? 'yes' : 'refused';
  };
  return httpServer(host, ['server'], alive, (request, _body, endpoint) =>
    request.method === 'GET' && request.url === '/metrics'
      ? { status: 200, headers: TEXT, body: metrics(host.world, endpoint) }
      : { status: 404, headers: TEXT, body: '404 page not found\n' },
  );
}

const GAUGES: readonly { readonly name: string; readonly help: string; value(world: World, g: number): number }[] = [
  {
    name: 'duty_cycle',
    help: 'Percent of time over the sample period during which the accelerator was actively processing.',
    value: (world, g) => share(world, g, 96),
  },
  {
    name: 'tensorcore_utilization',
    help: 'Current percentage of the TensorCore that is utilized.',
    value: (world, g) => share(world, g, 55),
  },
  {
    name: 'memory_bandwidth_utilization',
    help: 'Current percentage of the accelerator memory bandwidth that is being used.',
    value: (world, g) => share(world, g, 38),
  },
  {
    name: 'memory_used',
    help: 'Total accelerator memory allocated in bytes.',
    value: (world, g) => {
      const total = MEMORY_BYTES[partOf(world, Math.floor(g / GPUS))] ?? 0;
      return world.servers.job[g]! > 0 ? Math.round(total * (0.5 + 0.4 * world.servers.intensity[g]!)) : 0;
    },
  },
  {
    name: 'memory_total',
    help: 'Total accelerator memory in bytes.',
    value: (world, g) => MEMORY_BYTES[partOf(world, Math.floor(g / GPUS))] ?? 0,
  },
];

function share(world: World, g: number, full: number): number {
  if (world.servers.job[g]! <= 0) return 0;
  const noise = 1 + 0.02 * bellAt(world.seed, PURPOSE.gpu, g, Math.round(world.state.t / world.stepMs));
  return Math.min(100, Number((full * world.servers.intensity[g]! * noise).toFixed(2)));
}

function metrics(world: World, endpoint: Endpoint): string {
  const host = hash32(world.seed, PURPOSE.identity, endpoint.number) * 1000 + 17;
  const model = MODELS[partOf(world, endpoint.index)] ?? partOf(world, endpoint.index);
  let text = '';
  for (const { name, help, value } of GAUGES) {
    text += `# HELP ${name} ${help}\n# TYPE ${name} gauge\n`;
    for (let chip = 0; chip < gpusOf(world.servers, endpoint.index); chip += 1) {
      const labels = `accelerator_id="${host}-${chip}",make="cloud-tpu",model="${model}"`;
      text += `${name}{${labels}} ${value(world, endpoint.index * GPUS + chip)}\n`;
    }
  }
  return text;
}
