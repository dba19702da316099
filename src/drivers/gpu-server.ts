import { z } from 'zod';
import { Fault, type GpuReading, type Reading } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, fields, max, num, text } from './wire/fields.ts';
import {
  estimatedPower,
  gpuErrors,
  missingGpus,
  modelOfParts,
  serverModel,
  shareOfLimit,
  throttlesOf,
  withHost,
} from './wire/gpus.ts';
import { asFields, expectOk } from './wire/http.ts';
import { parts } from './wire/parts.ts';
import { parseMetrics, type Metric } from './wire/prometheus.ts';

const config = z.strictObject({
  dcgmPort: z.number().int().min(1).max(65535).default(9400),
  zeusdPort: z.number().int().min(1).max(65535).default(4938),
  timeoutMs: z.number().int().positive().default(3000),
});

/**
 * A GPU server: NVIDIA's DCGM exporter for reading, zeusd for limits of power and clocks. DCGM sees the GPUs only: the
 * server's power is their sum and the host of the catalogue, and marked as estimated.
 */
export const gpuServer = defineDriver({
  name: 'gpu-server',
  about: 'GPU servers with the DCGM exporter (9400) and zeusd for limits of power and clocks',
  serves: ['gpu-server'],
  config,
  ports: [9400],
  probes: [{ port: 9400, path: '/metrics' }],
  recognises: (seen) =>
    /DCGM_FI_DEV_/.test(seen.banners.get(9400) ?? '') || /DCGM_FI_DEV_/.test(seen.pages.get('9400/metrics') ?? ''),
  open({ address, modelId, config: { dcgmPort, zeusdPort, timeoutMs } }, io) {
    const server = serverModel(modelId);
    const zeusd = `http://${address}:${zeusdPort}/gpu`;

    async function metrics(signal?: AbortSignal): Promise<GpuFacts[]> {
      const where = `${address} metrics`;
      const url = `http://${address}:${dcgmPort}/metrics`;
      const reply = expectOk(await io.http.ask({ method: 'GET', url, timeoutMs, name: 'metrics', signal }), where);
      const gpus = toGpus(parseMetrics(reply.body, 'DCGM_FI_'));
      if (gpus.length === 0) throw new Fault('garbled', `${where}: no DCGM_FI_DEV_ metric`, { bytes: reply.body });
      return gpus;
    }

    /** What zeusd says of its GPUs, by their index. */
    async function ask(call: string, where: string, signal?: AbortSignal): Promise<[string, unknown][]> {
      const get = { method: 'GET', url: `${zeusd}/${call}`, name: call, timeoutMs, signal } as const;
      const told = Object.entries(asFields(expectOk(await io.http.ask(get), where), where));
      if (told.length === 0) throw new Fault('garbled', `${where}: zeusd names no GPU`, { bytes: '{}' });
      return told;
    }

    async function tell(call: string, query: Record<string, string>, where: string, signal?: AbortSignal) {
      const url = `${zeusd}/${call}?${new URLSearchParams(query)}`;
      expectOk(await io.http.ask({ method: 'POST', url, name: call, timeoutMs, signal }), where);
    }

    return {
      async read(signal) {
        const found = await metrics(signal);
        const gpus = found.map(({ gpu }) => gpu);
        const errors = [...missingGpus(gpus, server), ...found.flatMap((one) => one.errors)];
        return {
          at: io.siteNow(),
          gpus,
          ...estimatedPower(gpus, server),
          temperatureC: max(gpus.map((gpu) => gpu.temperatureC)),
          model: server?.name ?? modelOfParts(gpus.map((gpu) => gpu.name)),
          errors: errors.length === 0 ? undefined : errors,
        } satisfies Reading;
      },

      /** What only zeusd tells, and who the machine is; what is wrong now is for the fast read. */
      async inspect(signal) {
        const told = parts();
        const found = await told.get('gpus', () => metrics(signal));
        const limits = await told.get('limits', async () =>
          (await ask('get_power_limit', `${address} power limit`, signal)).map(([gpu, limit]) => {
            const mw = amount(fields(limit)['power_limit_mw']);
            if (mw === undefined) throw new Fault('garbled', `${address} power limit: none for GPU ${gpu}`);
            return { index: num(gpu), watts: mw / 1000 };
          }),
        );
        const gaps = told.gaps();
        return {
          at: io.siteNow(),
          model: server?.name ?? modelOfParts((found ?? []).map(({ gpu }) => gpu.name)),
          hostname: found?.map((one) => one.hostname).find((name) => name !== undefined),
          gpus: found?.map(({ gpu }) => ({
            ...gpu,
            powerLimitW: limits?.find(({ index }) => index === gpu.index)?.watts ?? gpu.powerLimitW,
          })),
          powerLimitW:
            limits === undefined
              ? undefined
              : withHost(
                  limits.map((one) => one.watts),
                  server,
                ),
          gaps,
        } satisfies Reading;
      },

      /** An equal share of the watts to each GPU, inside what zeusd says the parts allow. */
      async setPowerLimit(watts, signal) {
        const where = `${address} power limit`;
        const allowed = await ask('get_power_limit_constraints', where, signal);
        const ranges = allowed.map(([gpu, limits]) => ({
          gpu,
          leastW: inWatts(fields(limits)['min_power_limit_mw']),
          mostW: inWatts(fields(limits)['max_power_limit_mw']),
        }));
        const perGpuW = shareOfLimit(watts, server, ranges, where);
        const ids = Array.from({ length: server?.gpus ?? allowed.length }, (_, i) => i).join(',');
        const query = { gpu_ids: ids, power_limit_mw: String(Math.round(perGpuW * 1000)), block: 'true' };
        await tell('set_power_limit', query, where, signal);
      },

      /** zeusd wants every GPU named for a write; its own list of limits names those it has. */
      async setClockLimit(mhz, signal) {
        const where = `${address} clock limit`;
        const ids = (await ask('get_power_limit', where, signal)).map(([gpu]) => gpu).join(',');
        if (mhz === undefined) {
          await tell('reset_gpu_locked_clocks', { gpu_ids: ids, block: 'true' }, where, signal);
          return;
        }
        if (!(Number.isFinite(mhz) && mhz > 0)) throw new Fault('refused', `${where}: ${mhz} MHz is no clock`);
        // From 0: the part itself raises the lower end to the lowest clock it has.
        const range = { min_clock_mhz: '0', max_clock_mhz: String(Math.round(mhz)) };
        await tell('set_gpu_locked_clocks', { gpu_ids: ids, ...range, block: 'true' }, where, signal);
      },
      close() {},
    };
  },
});

const inWatts = (mw: unknown): number | undefined => {
  const known = amount(mw);
  return known === undefined ? undefined : known / 1000;
};

interface GpuFacts {
  readonly gpu: GpuReading;
  readonly hostname: string | undefined;
  readonly errors: readonly string[];
}

interface Found {
  readonly values: Map<string, number | undefined>;
  readonly jobs: Set<string>;
  readonly labels: Metric['labels'];
}

function toGpus(metrics: readonly Metric[]): GpuFacts[] {
  const byGpu = new Map<number, Found>();
  for (const { name, labels, value } of metrics) {
    const index = amount(labels['gpu']);
    if (index === undefined) continue;
    const found = byGpu.get(index) ?? { values: new Map(), jobs: new Set(), labels };
    found.values.set(name, num(value));
    const job = text(labels['hpc_job']);
    if (job !== undefined) found.jobs.add(job);
    byGpu.set(index, found);
  }
  // A profiling metric alone says nothing of who draws what.
  return [...byGpu]
    .filter(([, { values }]) => [...values.keys()].some((name) => name.startsWith('DCGM_FI_DEV_')))
    .sort(([a], [b]) => a - b)
    .map(([index, found]) => toGpu(index, found));
}

/** Fields by the names of NVIDIA's `dcgm_fields.h`, as its exporter's default list gives them. */
function toGpu(index: number, { values, jobs, labels }: Found): GpuFacts {
  const dev = (name: string) => values.get(`DCGM_FI_DEV_${name}`);
  const used = mib(dev('FB_USED'));
  const free = mib(dev('FB_FREE'));
  const tensorActive = double(values.get('DCGM_FI_PROF_PIPE_TENSOR_ACTIVE'));
  const xid = int(dev('XID_ERRORS'));
  // Renamed in DCGM 3.3; older exporters have the first name.
  const throttledBy = throttlesOf(int(dev('CLOCK_THROTTLE_REASONS')) ?? int(dev('CLOCKS_EVENT_REASONS')));
  const gpu: GpuReading = {
    index,
    powerW: double(dev('POWER_USAGE')),
    energyMj: amount(dev('TOTAL_ENERGY_CONSUMPTION')),
    utilisationPct: int(dev('GPU_UTIL')),
    temperatureC: signed(dev('GPU_TEMP')),
    name: text(labels['modelName']),
    uuid: text(labels['UUID']),
    powerLimitW: double(dev('POWER_MGMT_LIMIT')),
    smClockMhz: int(dev('SM_CLOCK')),
    memoryUsedBytes: used,
    // What programs can have; the few hundred MiB the driver keeps for itself are exported by newer versions alone.
    memoryTotalBytes: used === undefined || free === undefined ? undefined : used + free,
    tensorActive: tensorActive !== undefined && tensorActive <= 1 ? tensorActive : undefined,
    xid,
    throttledBy,
    job: jobs.size === 0 ? undefined : [...jobs].join(','),
  };
  const errors = gpuErrors(index, xid, throttledBy?.includes('heat') === true);
  return { gpu, hostname: text(labels['Hostname']), errors };
}

/** DCGM marks what it does not know with these numbers and those just after them (`DCGM_*_BLANK`, dcgm_structs.h). */
const FP64_BLANK = 2 ** 47;
const INT32_BLANK = 0x7f_ff_ff_f0;

function double(value: number | undefined): number | undefined {
  const known = amount(value);
  return known !== undefined && known < FP64_BLANK ? known : undefined;
}

function signed(value: number | undefined): number | undefined {
  return value !== undefined && Math.abs(value) < INT32_BLANK ? value : undefined;
}

function int(value: number | undefined): number | undefined {
  return amount(signed(value));
}

function mib(value: number | undefined): number | undefined {
  const known = int(value);
  return known === undefined ? undefined : known * 1024 * 1024;
}
