import { z } from 'zod';
import { CATALOGUE, Fault, type GpuReading, type Reading } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, fields, max, num } from './wire/fields.ts';
import { asFields, expectOk } from './wire/http.ts';
import { parseMetrics, type Metric } from './wire/prometheus.ts';

const config = z.strictObject({
  dcgmPort: z.number().int().min(1).max(65535).default(9400),
  zeusdPort: z.number().int().min(1).max(65535).default(4938),
  timeoutMs: z.number().int().positive().default(3000),
});

/**
 * A GPU server: NVIDIA's DCGM exporter for reading, zeusd for power limits. DCGM sees the GPUs only: the server's
 * power is their sum and the host of the catalogue, and marked as estimated.
 */
export const gpuServer = defineDriver({
  name: 'gpu-server',
  about: 'GPU servers with the DCGM exporter (9400) and zeusd for power limits',
  serves: ['gpu-server'],
  config,
  recognises: (seen) => /DCGM_FI_DEV_/.test(seen.banners.get(9400) ?? ''),
  open({ address, modelId, config: { dcgmPort, zeusdPort, timeoutMs } }, io) {
    const model = CATALOGUE.get(modelId);
    const server = model?.kind === 'gpu-server' ? model : undefined;
    const zeusd = `http://${address}:${zeusdPort}`;

    return {
      async read(signal) {
        const where = `${address} metrics`;
        const url = `http://${address}:${dcgmPort}/metrics`;
        const reply = expectOk(await io.http.ask({ method: 'GET', url, timeoutMs, signal }), where);
        const gpus = toGpus(parseMetrics(reply.body, 'DCGM_FI_DEV_'));
        if (gpus.length === 0) throw new Fault('garbled', `${where}: no DCGM_FI_DEV_ metric`, { bytes: reply.body });
        const watts = gpus.map((gpu) => gpu.powerW);
        // A sum that lacks a GPU would pass for a lower draw.
        const complete = watts.every((w) => w !== undefined) && (server === undefined || watts.length === server.gpus);
        const powerW =
          complete && server !== undefined ? watts.reduce((sum: number, w) => sum + (w ?? 0), server.hostW) : undefined;
        return {
          at: io.siteNow(),
          gpus,
          powerW,
          powerBasis: powerW === undefined ? undefined : 'estimated',
          temperatureC: max(gpus.map((gpu) => gpu.temperatureC)),
          model: server?.name,
          errors:
            gpus.length === (server?.gpus ?? gpus.length)
              ? undefined
              : [`${gpus.length} of ${server?.gpus} GPUs answer`],
        } satisfies Reading;
      },

      /** An equal share of the watts to each GPU, inside what zeusd says the parts allow. */
      async setPowerLimit(watts, signal) {
        const where = `${address} power limit`;
        const get = { method: 'GET', url: `${zeusd}/gpu/get_power_limit_constraints`, timeoutMs, signal } as const;
        const allowed = Object.entries(asFields(expectOk(await io.http.ask(get), where), where));
        if (allowed.length === 0) throw new Fault('garbled', `${where}: zeusd names no GPU`, { bytes: '{}' });
        const hostW = server?.hostW ?? 0;
        const perGpuMw = Math.round(((watts - hostW) / (server?.gpus ?? allowed.length)) * 1000);
        for (const [gpu, limits] of allowed) {
          const least = amount(fields(limits)['min_power_limit_mw']);
          const most = amount(fields(limits)['max_power_limit_mw']);
          if (least === undefined || most === undefined) {
            throw new Fault('garbled', `${where}: no limits for GPU ${gpu}`, { bytes: JSON.stringify(limits) });
          }
          if (!(perGpuMw >= least && perGpuMw <= most)) {
            throw new Fault('refused', `${where}: ${perGpuMw} mW is outside ${least} to ${most} mW of GPU ${gpu}`);
          }
        }
        const ids = Array.from({ length: server?.gpus ?? allowed.length }, (_, i) => i).join(',');
        const query = new URLSearchParams({ gpu_ids: ids, power_limit_mw: String(perGpuMw), block: 'true' });
        const post = { method: 'POST', url: `${zeusd}/gpu/set_power_limit?${query}`, timeoutMs, signal } as const;
        expectOk(await io.http.ask(post), where);
      },
      close() {},
    };
  },
});

function toGpus(metrics: readonly Metric[]): GpuReading[] {
  const byGpu = new Map<number, Map<string, number | undefined>>();
  for (const metric of metrics) {
    const index = num(metric.labels['gpu']);
    if (index === undefined) continue;
    const values = byGpu.get(index) ?? new Map<string, number | undefined>();
    values.set(metric.name, num(metric.value));
    byGpu.set(index, values);
  }
  return [...byGpu]
    .sort(([a], [b]) => a - b)
    .map(([index, values]) => ({
      index,
      powerW: watts(values.get('DCGM_FI_DEV_POWER_USAGE')),
      energyMj: amount(values.get('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION')),
      utilisationPct: amount(values.get('DCGM_FI_DEV_GPU_UTIL')),
      temperatureC: values.get('DCGM_FI_DEV_GPU_TEMP'),
    }));
}

/** DCGM marks a double it does not know with 2^47 and the numbers just after it (`DCGM_FP64_BLANK`, dcgm_structs.h). */
const FP64_BLANK = 2 ** 47;

function watts(value: number | undefined): number | undefined {
  const known = amount(value);
  return known !== undefined && known < FP64_BLANK ? known : undefined;
}
