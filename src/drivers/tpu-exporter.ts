import { z } from 'zod';
import { Fault, type TpuReading } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, num, text } from './wire/fields.ts';
import { modelOfParts, serverModel } from './wire/gpus.ts';
import { expectOk } from './wire/http.ts';
import { parseMetrics, type Metric } from './wire/prometheus.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(2112),
  path: z.string().startsWith('/').default('/metrics'),
  timeoutMs: z.number().int().positive().default(3000),
});

/**
 * Metrics of the TPU device plugin (Google, "TPU monitoring in GKE"): those of a container, and the same of the node
 * with `_node` behind their names. Shares are in per cent, memory is in bytes.
 */
const NAMES = ['duty_cycle', 'tensorcore_utilization', 'memory_bandwidth_utilization', 'memory_used', 'memory_total'];

/** A host of TPU chips. No exporter tells their watts and none are made up here: its power is what a PDU measures. */
export const tpuExporter = defineDriver({
  name: 'tpu-exporter',
  about: 'Hosts of TPU chips, through the Prometheus metrics of their device plugin (2112)',
  serves: ['gpu-server'],
  config,
  ports: [2112],
  probes: [{ port: 2112, path: '/metrics' }],
  recognises: (seen) => /^tensorcore_utilization(_node)?\{/m.test(seen.pages.get('2112/metrics') ?? ''),
  open({ address, modelId, config: { port, path, timeoutMs } }, io) {
    const model = serverModel(modelId);
    return {
      async read(signal) {
        const where = `${address} metrics`;
        const url = `http://${address}:${port}${path}`;
        const reply = expectOk(await io.http.ask({ method: 'GET', url, name: 'metrics', timeoutMs, signal }), where);
        const tpus = toTpus(parseMetrics(reply.body, ''));
        if (tpus.length === 0) throw new Fault('garbled', `${where}: no metric of a TPU`, { bytes: reply.body });
        const missing = model !== undefined && tpus.length !== model.gpus;
        return {
          at: io.siteNow(),
          tpus,
          model: model?.name ?? modelOfParts(tpus.map((tpu) => tpu.model)),
          errors: missing ? [`${tpus.length} of ${model.gpus} TPU chips answer`] : undefined,
        };
      },
      close() {},
    };
  },
});

function toTpus(metrics: readonly Metric[]): TpuReading[] {
  const chips = new Map<string, { model: string | undefined; values: Map<string, number | undefined> }>();
  for (const { name, labels, value } of metrics) {
    const plain = name.replace(/_node$/, '');
    const id = text(labels['accelerator_id']);
    if (id === undefined || !NAMES.includes(plain)) continue;
    const chip = chips.get(id) ?? { model: undefined, values: new Map<string, number | undefined>() };
    chip.model ??= text(labels['model']);
    // A container's metric and the node's are of one chip: the first that tells a number stands.
    chip.values.set(plain, chip.values.get(plain) ?? num(value));
    chips.set(id, chip);
  }
  return [...chips]
    .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .map(([id, { model, values }], place) => ({
      // `4804027349104432743-2` is chip 2 of the host; an id without a number takes its place in the list.
      index: Number(/(?:^|-)(\d{1,3})$/.exec(id)?.[1] ?? place),
      model,
      dutyCyclePct: percent(values.get('duty_cycle')),
      tensorcorePct: percent(values.get('tensorcore_utilization')),
      memoryBandwidthPct: percent(values.get('memory_bandwidth_utilization')),
      memoryUsedBytes: amount(values.get('memory_used')),
      memoryTotalBytes: amount(values.get('memory_total')),
    }));
}

function percent(value: number | undefined): number | undefined {
  const known = amount(value);
  return known !== undefined && known <= 100 ? known : undefined;
}
