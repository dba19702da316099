import {
  CATALOGUE,
  Fault,
  xidWords,
  type GpuReading,
  type GpuServerModel,
  type GpuThrottle,
  type Reading,
} from '../../model/index.ts';

/** What the drivers of GPU servers have in common, whichever way they read the GPUs. */

export function serverModel(modelId: string): GpuServerModel | undefined {
  const model = CATALOGUE.get(modelId);
  return model?.kind === 'gpu-server' ? model : undefined;
}

/** What a host is by its accelerators, in their maker's words: `8x NVIDIA H100 80GB HBM3`. Of mixed parts nothing. */
export function modelOfParts(names: readonly (string | undefined)[]): string | undefined {
  const [first] = names;
  return first !== undefined && names.every((name) => name === first) ? `${names.length}x ${first}` : undefined;
}

/**
 * Draw of the server from that of its GPUs: their sum and the host of the catalogue. None where a GPU does not tell,
 * as a sum that lacks one would pass for a lower draw, nor for a model whose host is not known.
 */
export function estimatedPower(
  gpus: readonly GpuReading[],
  server: GpuServerModel | undefined,
): Pick<Reading, 'powerW' | 'powerBasis'> {
  const watts = gpus.map((gpu) => gpu.powerW);
  const powerW = withHost(watts, server);
  return { powerW, powerBasis: powerW === undefined ? undefined : 'estimated' };
}

export function missingGpus(gpus: readonly GpuReading[], server: GpuServerModel | undefined): string[] {
  return server === undefined || gpus.length === server.gpus ? [] : [`${gpus.length} of ${server.gpus} GPUs answer`];
}

/** Watts of every GPU and of the host, or undefined where one of them is not known. */
export function withHost(
  watts: readonly (number | undefined)[],
  server: GpuServerModel | undefined,
): number | undefined {
  if (server === undefined || watts.length !== server.gpus) return undefined;
  return watts.reduce<number | undefined>(
    (sum, w) => (sum === undefined || w === undefined ? undefined : sum + w),
    server.hostW,
  );
}

export interface LimitRange {
  readonly gpu: string;
  readonly leastW: number | undefined;
  readonly mostW: number | undefined;
}

/**
 * An equal share of a server's watts for each GPU, what the host draws taken off first.
 * @throws Fault refused where a GPU can not be held to it; garbled where one tells no range
 */
export function shareOfLimit(
  watts: number,
  server: GpuServerModel | undefined,
  ranges: readonly LimitRange[],
  where: string,
): number {
  const share = (watts - (server?.hostW ?? 0)) / (server?.gpus ?? ranges.length);
  const perGpuW = Math.round(share * 1000) / 1000;
  for (const { gpu, leastW, mostW } of ranges) {
    if (leastW === undefined || mostW === undefined) throw new Fault('garbled', `${where}: no limits for GPU ${gpu}`);
    if (!(perGpuW >= leastW && perGpuW <= mostW))
      throw new Fault(
        'refused',
        `${where}: ${perGpuW} W for each GPU is outside the ${leastW} to ${mostW} W of GPU ${gpu}`,
      );
  }
  return perGpuW;
}

/** @param thermal true where the part slows itself for its heat */
export function gpuErrors(gpu: number, xid: number | undefined, thermal: boolean): string[] {
  const errors: string[] = [];
  if (xid !== undefined && xid !== 0) errors.push(`GPU ${gpu}: ${xidWords(xid)}`);
  if (thermal) errors.push(`GPU ${gpu}: slowed down because it is too hot`);
  return errors;
}

/** Bits of NVML's `nvmlClocksEventReasons` (nvml.h) that mean trouble: slowed by heat, by the board, by the supply. */
const THROTTLES: readonly (readonly [number, GpuThrottle])[] = [
  [0x08, 'hardware'],
  [0x20, 'heat'],
  [0x40, 'heat'],
  [0x80, 'power-brake'],
];

/** Why a GPU slows itself down against its will; undefined where nothing is told of it. A limit of power is no trouble. */
export function throttlesOf(reasons: number | undefined): GpuThrottle[] | undefined {
  if (reasons === undefined || !Number.isSafeInteger(reasons) || reasons >= 2 ** 31) return undefined;
  return [...new Set(THROTTLES.flatMap(([bit, what]) => ((reasons & bit) === 0 ? [] : [what])))];
}
