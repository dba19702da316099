import { z } from 'zod';
import { Fault, type FaultKind, type GpuReading } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, max, num } from './wire/fields.ts';
import { estimatedPower, missingGpus, modelOfParts, serverModel, shareOfLimit, withHost } from './wire/gpus.ts';

const config = z.strictObject({ timeoutMs: z.number().int().positive().default(10_000) });

/** Fields of `nvidia-smi --help-query-gpu`, in the order they are asked. */
const FIELDS = [
  'index',
  'name',
  'uuid',
  'driver_version',
  'power.draw',
  'power.limit',
  'power.min_limit',
  'power.max_limit',
  'temperature.gpu',
  'utilization.gpu',
  'clocks.sm',
  'memory.used',
  'memory.total',
] as const;
type Row = Readonly<Record<(typeof FIELDS)[number], string>>;

/** Exit codes of nvidia-smi(1), RETURN VALUE; every other one is a refusal. */
const CODES: Readonly<Record<number, FaultKind>> = {
  3: 'unsupported',
  4: 'unauthorised',
  9: 'unreachable',
  12: 'unsupported',
};

/**
 * The NVIDIA GPUs of this very host, through the program that comes with their driver: for a workstation or a single
 * server with nothing else installed. Its address in the site file is the host's own.
 */
export const nvidiaSmi = defineDriver({
  name: 'nvidia-smi',
  about: 'GPUs of the host the server runs on, through nvidia-smi',
  serves: ['gpu-server'],
  config,
  recognises: () => false,
  open({ modelId, config: { timeoutMs } }, io) {
    const server = serverModel(modelId);

    async function call(args: readonly string[], signal?: AbortSignal): Promise<string> {
      const { code, stdout, stderr } = await io.program.run({ program: 'nvidia-smi', args, timeoutMs, signal });
      if (code === 0) return stdout;
      const said = `${stdout} ${stderr}`.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
      const hint = code === 4 ? '; it must run as root to change a limit' : '';
      throw new Fault(CODES[code] ?? 'refused', `nvidia-smi ${args.join(' ')}: exit ${code}, ${said}${hint}`);
    }

    async function query(signal?: AbortSignal): Promise<Row[]> {
      const text = await call([`--query-gpu=${FIELDS.join(',')}`, '--format=csv,noheader,nounits'], signal);
      const rows = rowsOf(text);
      if (rows.length === 0) throw new Fault('garbled', 'nvidia-smi: no row of a GPU', { bytes: text });
      return rows;
    }

    return {
      async read(signal) {
        const rows = await query(signal);
        const gpus = rows.map(toGpu);
        const errors = [...missingGpus(gpus, server), ...rows.flatMap(troubleOf)];
        return {
          at: io.siteNow(),
          gpus,
          ...estimatedPower(gpus, server),
          powerLimitW: withHost(
            gpus.map((gpu) => gpu.powerLimitW),
            server,
          ),
          temperatureC: max(gpus.map((gpu) => gpu.temperatureC)),
          model: server?.name ?? modelOfParts(gpus.map((gpu) => gpu.name)),
          firmware: known(rows[0]!['driver_version']),
          errors: errors.length === 0 ? undefined : errors,
        };
      },

      /** An equal share to each GPU, inside the range each of them tells now. */
      async setPowerLimit(watts, signal) {
        const rows = await query(signal);
        const ranges = rows.map((row) => ({
          gpu: row.index,
          leastW: amount(row['power.min_limit']),
          mostW: amount(row['power.max_limit']),
        }));
        if (ranges.some(({ leastW, mostW }) => leastW === undefined || mostW === undefined))
          throw new Fault('unsupported', 'nvidia-smi power limit: a GPU tells no range; its power can not be limited');
        const share = Math.floor(shareOfLimit(watts, server, ranges, 'nvidia-smi power limit'));
        for (const { gpu } of ranges) await call(['-i', gpu, '-pl', String(share)], signal);
      },

      async setClockLimit(mhz, signal) {
        const ids = (await query(signal)).map((row) => row.index).join(',');
        if (mhz === undefined) {
          await call(['-i', ids, '-rgc'], signal);
          return;
        }
        if (!(Number.isFinite(mhz) && mhz > 0)) throw new Fault('refused', `${mhz} MHz is no clock`);
        // From 0: the part itself raises the lower end to the lowest clock it has.
        await call(['-i', ids, '-lgc', `0,${Math.round(mhz)}`], signal);
      },
      close() {},
    };
  },
});

/** Whole lines of as many values as were asked for; the last line too has its line feed, or it was cut. */
function rowsOf(text: string): Row[] {
  return text
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => {
      const values = line.split(',').map((value) => value.trim());
      if (values.length !== FIELDS.length || !/^\d{1,3}$/.test(values[0]!)) return [];
      return [Object.fromEntries(FIELDS.map((field, i) => [field, values[i]!])) as unknown as Row];
    });
}

/** `[N/A]`, `[Not Supported]`, `[Unknown Error]` and `ERR!` stand where a GPU tells nothing. */
const known = (value: string): string | undefined =>
  value === '' || /^\[.*\]$|^N\/A$|^ERR!?$/i.test(value) ? undefined : value;

function toGpu(row: Row): GpuReading {
  const mib = (value: string): number | undefined => {
    const count = amount(value);
    return count === undefined ? undefined : count * 1024 * 1024;
  };
  return {
    index: Number(row.index),
    name: known(row.name),
    uuid: known(row.uuid),
    powerW: amount(row['power.draw']),
    // The program knows no counter of energy.
    energyMj: undefined,
    powerLimitW: amount(row['power.limit']),
    utilisationPct: amount(row['utilization.gpu']),
    temperatureC: num(row['temperature.gpu']),
    smClockMhz: amount(row['clocks.sm']),
    memoryUsedBytes: mib(row['memory.used']),
    memoryTotalBytes: mib(row['memory.total']),
  };
}

function troubleOf(row: Row): string[] {
  const said = Object.values(row).find((value) => /^ERR!?$|requires reset|Unknown Error|is lost/i.test(value));
  if (said === undefined) return [];
  const what = /requires reset/i.test(said) ? 'must be reset' : 'does not tell what it does: restart its driver';
  return [`GPU ${row.index}: ${what} (${said})`];
}
