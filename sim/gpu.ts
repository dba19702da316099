import type { Server } from 'node:net';
import { gpuPart, isTpu } from './gpu-parts.ts';
import { httpServer, type Host, type HttpAnswer } from './net.ts';
import { PURPOSE, hash32, unitAt } from './random.ts';
import { GPUS, gpusOf, isSupplied, minimumLimitW, serverUp } from './servers.ts';
import type { Endpoint, World } from './world.ts';

/** GPU servers: NVIDIA's DCGM exporter (text for Prometheus) and zeusd, which sets power limits. */

/** What DCGM gives for a value it could not read (DCGM_INT64_BLANK and above). */
const SENTINELS = ['9223372036854775794', '9223372036854775792', '9.223372036854776e+18'];

/** A server that is off or dead says nothing; one of TPUs refuses, as nothing of NVIDIA's runs on it, and so does a BMC. */
const alive =
  (host: Host) =>
  (endpoint: Endpoint): 'yes' | 'silent' | 'refused' => {
    const { servers } = host.world;
    const up = serverUp(servers, endpoint.index, host.siteNow()) && isSupplied(servers, endpoint.index, host.world);
    if (!up) return 'silent';
    if (endpoint.driver === 'redfish' || endpoint.driver === 'ipmi') return 'refused';
    return isTpu(servers.models[servers.model[endpoint.index]!]!.gpuModel) ? 'refused' : 'yes';
  };

const TEXT = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };

export function dcgmServer(host: Host): Server {
  return httpServer(host, ['server'], alive(host), (request, _body, endpoint) => {
    if (request.method !== 'GET' || request.url !== '/metrics')
      return { status: 404, headers: TEXT, body: '404 page not found\n' };
    return { status: 200, headers: TEXT, body: metrics(host.world, endpoint) };
  });
}

interface Gauge {
  readonly name: string;
  readonly kind: 'gauge' | 'counter';
  readonly help: string;
  value(world: World, g: number): string;
}

const specOf = ({ servers }: World, g: number): ReturnType<typeof gpuPart> =>
  gpuPart(servers.models[servers.model[Math.floor(g / GPUS)]!]!.gpuModel);

const usedMib = (world: World, g: number): number =>
  world.servers.job[g] === 0 ? 4 : Math.round(specOf(world, g).memoryMib * (0.5 + 0.45 * world.servers.intensity[g]!));

/** Bits of NVML's `nvmlClocksEventReasons`: idle, held by its power limit, and nothing. */
const THROTTLE = { none: 0, idle: 1, powerCap: 4 } as const;

const GAUGES: readonly Gauge[] = [
  {
    name: 'DCGM_FI_DEV_SM_CLOCK',
    kind: 'gauge',
    help: 'SM clock frequency (in MHz).',
    value: (world, g) => {
      const { servers } = world;
      const clock = servers.job[g] === 0 ? 345 : specOf(world, g).smMhz * servers.speed[g]!;
      return String(Math.round(clock / 15) * 15);
    },
  },
  {
    name: 'DCGM_FI_DEV_GPU_TEMP',
    kind: 'gauge',
    help: 'GPU temperature (in C).',
    value: (world, g) => String(Math.round(world.servers.state.gpuC[g]!)),
  },
  {
    name: 'DCGM_FI_DEV_POWER_USAGE',
    kind: 'gauge',
    help: 'Power draw (in W).',
    value: (world, g) => world.servers.state.gpuW[g]!.toFixed(3),
  },
  {
    name: 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION',
    kind: 'counter',
    help: 'Total energy consumption since boot (in mJ).',
    value: (world, g) => String(Math.floor(world.servers.state.gpuEnergyMj[g]!)),
  },
  {
    name: 'DCGM_FI_DEV_GPU_UTIL',
    kind: 'gauge',
    help: 'GPU utilization (in %).',
    value: (world, g) =>
      String(world.servers.intensity[g] === 0 ? 0 : Math.min(100, Math.round(88 + 12 * world.servers.intensity[g]!))),
  },
  {
    name: 'DCGM_FI_DEV_FB_USED',
    kind: 'gauge',
    help: 'Framebuffer memory used (in MiB).',
    value: (world, g) => String(usedMib(world, g)),
  },
  {
    name: 'DCGM_FI_DEV_FB_FREE',
    kind: 'gauge',
    help: 'Framebuffer memory free (in MiB).',
    value: (world, g) => String(specOf(world, g).memoryMib - usedMib(world, g)),
  },
  {
    name: 'DCGM_FI_DEV_CLOCK_THROTTLE_REASONS',
    kind: 'gauge',
    help: 'Current clock throttle reasons (bitmask of DCGM_CLOCKS_THROTTLE_REASON_*).',
    value: ({ servers }, g) => {
      if (servers.job[g] === 0) return String(THROTTLE.idle);
      const locked = servers.state.gpuClockMhz[g]! > 0;
      return String(servers.speed[g]! < 1 && !locked ? THROTTLE.powerCap : THROTTLE.none);
    },
  },
  {
    name: 'DCGM_FI_DEV_XID_ERRORS',
    kind: 'gauge',
    help: 'Value of the last XID error encountered.',
    value: (world, g) => String(world.servers.state.gpuXid[g]),
  },
  {
    name: 'DCGM_FI_PROF_PIPE_TENSOR_ACTIVE',
    kind: 'gauge',
    help: 'Ratio of cycles the tensor (HMMA) pipe is active.',
    value: (world, g) =>
      world.servers.job[g] === 0
        ? '0.000000'
        : (0.45 * world.servers.intensity[g]! * world.servers.speed[g]!).toFixed(6),
  },
];

function metrics(world: World, endpoint: Endpoint): string {
  const { seed, config, servers } = world;
  const first = endpoint.index * GPUS;
  const step = Math.round(world.state.t / world.stepMs);
  const isOdd = unitAt(seed, PURPOSE.gpu, endpoint.number, step ^ 0x5e47) * 100 < config.requests.sentinelPct;
  const odd = isOdd ? hash32(seed, endpoint.number, step) % (GAUGES.length * GPUS) : -1;
  const count = gpusOf(servers, endpoint.index);
  const labels = Array.from({ length: count }, (_, gpu) => {
    const g = first + gpu;
    const id = hash32(seed, PURPOSE.identity, g).toString(16).padStart(8, '0');
    const uuid = `GPU-${id}-${id.slice(0, 4)}-4${id.slice(1, 4)}-8${id.slice(2, 5)}-${id}${id.slice(0, 4)}`;
    const job = servers.job[g] === 0 ? '' : `,hpc_job="${servers.job[g]}"`;
    return `gpu="${gpu}",UUID="${uuid}",device="nvidia${gpu}",modelName="${specOf(world, g).name}",Hostname="${world.nodes[endpoint.index]!.name}"${job}`;
  });
  let text = '';
  GAUGES.forEach((gauge, k) => {
    text += `# HELP ${gauge.name} ${gauge.help}\n# TYPE ${gauge.name} ${gauge.kind}\n`;
    for (let gpu = 0; gpu < count; gpu += 1) {
      const value = k * GPUS + gpu === odd ? SENTINELS[step % SENTINELS.length]! : gauge.value(world, first + gpu);
      text += `${gauge.name}{${labels[gpu]}} ${value}\n`;
    }
  });
  return text;
}

const JSON_HEADERS = { 'content-type': 'application/json' };

/**
 * zeusd (ml-energy/zeus, docs/zeusd/api.md): `POST /gpu/set_power_limit` with `gpu_ids` (comma-separated),
 * `power_limit_mw` and `block`, `set_gpu_locked_clocks` with `min_clock_mhz` and `max_clock_mhz`; taken from the query as
 * the daemon has it or from a JSON body. Reads answer keyed by GPU index.
 */
export function zeusdServer(host: Host): Server {
  return httpServer(host, ['server'], alive(host), (request, body, endpoint) => {
    const url = new URL(request.url ?? '/', 'http://zeusd');
    const fields = { ...Object.fromEntries(url.searchParams), ...parseBody(body) };
    const ids = gpuIds(fields['gpu_ids'], request.method === 'GET', gpusOf(host.world.servers, endpoint.index));
    if (ids === undefined) return { status: 400, headers: TEXT, body: 'Invalid GPU ids' };
    switch (`${request.method} ${url.pathname}`) {
      case 'POST /gpu/set_power_limit':
        return setLimit(host, endpoint, ids, fields);
      case 'POST /gpu/set_gpu_locked_clocks':
        return setClock(host, endpoint, ids, fields);
      case 'POST /gpu/reset_gpu_locked_clocks':
      case 'POST /gpu/reset_locked_clocks':
        return writeClock(host, endpoint, ids, 0);
      case 'GET /gpu/get_power_limit':
        return limits(endpoint, ids, (g) => ({
          power_limit_mw: Math.round(host.world.servers.state.gpuLimitW[g]! * 1000),
        }));
      case 'GET /gpu/get_power_limit_constraints': {
        const model = host.world.servers.models[host.world.servers.model[endpoint.index]!]!;
        const range = { min_power_limit_mw: minimumLimitW(model) * 1000, max_power_limit_mw: model.gpuTdpW * 1000 };
        return limits(endpoint, ids, () => range);
      }
      default:
        return { status: 404, body: '' };
    }
  });
}

function limits(endpoint: Endpoint, ids: readonly number[], of: (g: number) => object): HttpAnswer {
  const reply = Object.fromEntries(ids.map((id) => [String(id), of(endpoint.index * GPUS + id)]));
  return { status: 200, headers: JSON_HEADERS, body: JSON.stringify(reply) };
}

function setLimit(
  host: Host,
  endpoint: Endpoint,
  gpus: readonly number[],
  fields: Record<string, unknown>,
): HttpAnswer {
  const watts = Number(fields['power_limit_mw']) / 1000;
  const { servers } = host.world;
  const model = servers.models[servers.model[endpoint.index]!]!;
  if (!Number.isFinite(watts))
    return { status: 400, headers: TEXT, body: 'Query deserialize error: missing field `power_limit_mw`' };
  if (watts < minimumLimitW(model) || watts > model.gpuTdpW) {
    return { status: 400, headers: TEXT, body: 'NVML error: An argument to the function is invalid' };
  }
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return { status: 500, headers: TEXT, body: 'NVML error: An internal driver error occurred' };
  if (fault === undefined) host.send({ op: 'gpu-limit', n: endpoint.index, gpus, watts });
  return { status: 200, body: '' };
}

/** The part runs at the highest clock it has where more is asked for, as NVML does. */
function setClock(
  host: Host,
  endpoint: Endpoint,
  gpus: readonly number[],
  fields: Record<string, unknown>,
): HttpAnswer {
  const [least, most] = ['min_clock_mhz', 'max_clock_mhz'].map((key) => Number(fields[key] ?? NaN));
  if (!Number.isInteger(least) || !Number.isInteger(most))
    return { status: 400, headers: TEXT, body: 'Query deserialize error: missing field `max_clock_mhz`' };
  if (least! < 0 || most! <= 0 || least! > most!)
    return { status: 400, headers: TEXT, body: 'NVML error: An argument to the function is invalid' };
  return writeClock(host, endpoint, gpus, most!);
}

function writeClock(host: Host, endpoint: Endpoint, gpus: readonly number[], mhz: number): HttpAnswer {
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return { status: 500, headers: TEXT, body: 'NVML error: An internal driver error occurred' };
  if (fault === undefined) host.send({ op: 'gpu-clock', n: endpoint.index, gpus, mhz });
  return { status: 200, body: '' };
}

/** @param all true where no list means every GPU */
function gpuIds(given: unknown, all: boolean, count: number): number[] | undefined {
  if (given === undefined) return all ? Array.from({ length: count }, (_, id) => id) : undefined;
  const ids = (Array.isArray(given) ? given : typeof given === 'string' ? given.split(',') : [given]).map(Number);
  return ids.length > 0 && ids.every((id) => Number.isInteger(id) && id >= 0 && id < count) ? ids : undefined;
}

function parseBody(body: string): Record<string, unknown> {
  try {
    const parsed: unknown = body === '' ? {} : JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
