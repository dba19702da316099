import type { Reading, SiteMs } from '../model/index.ts';
import { modeKey } from '../model/index.ts';
import type { History } from '../store/history/history.ts';
import type { HistoryUsage, Sample } from '../store/history/samples.ts';
import type { Plant } from './plant.ts';
import type { Uplinks } from './uplinks.ts';

/** From readings to history: gathered as they come, handed over once a second, saved once a minute. */
export interface Telemetry {
  /** A machine has answered. */
  machine(id: string, reading: Reading): void;
  /** Hands over what came since the last call, meters and uplinks included. */
  handOver(): void;
  /** @returns why the disk did not take it, in words */
  save(now: SiteMs): Promise<string | undefined>;
  /** As last asked; undefined before the first save. */
  usage(): HistoryUsage | undefined;
}

const MJ_PER_WH = 3_600_000;

export function createTelemetry(history: History, plant: Plant, uplinks: Uplinks): Telemetry {
  let gathered: Sample[] = [];
  let usage: HistoryUsage | undefined;
  const told = new Map<string, unknown>();
  /** A meter is read every second and history is asked by minutes: each answer counts once. */
  const isNew = (id: string, answer: unknown): boolean => {
    if (told.get(id) === answer) return false;
    told.set(id, answer);
    return true;
  };

  return {
    machine(id, reading) {
      gathered.push(sampleOf(id, reading));
    },
    handOver() {
      for (const { meter, reading } of plant.meters)
        if (reading !== undefined && isNew(meter.id, reading)) gathered.push(sampleOf(meter.id, reading));
      for (const { uplink, readWall, inMbps, outMbps, readAt } of uplinks.list)
        if (readAt !== undefined && isNew(uplink.id, readWall))
          gathered.push({ id: uplink.id, at: readAt, inMbps, outMbps });
      if (gathered.length === 0) return;
      history.add(gathered);
      gathered = [];
    },
    async save(now) {
      try {
        await history.save(now);
        usage = await history.usage();
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
    usage: () => usage,
  };
}

function sampleOf(id: string, reading: Reading): Sample {
  const { gpus } = reading;
  return {
    id,
    at: reading.at,
    powerW: reading.powerW,
    hashrateThs: reading.hashrateThs,
    temperatureC: reading.temperatureC,
    utilisationPct: mean(gpus?.map((gpu) => gpu.utilisationPct)),
    energyWh: reading.energyImportWh ?? gpuEnergyWh(gpus),
    mode: reading.mode === undefined ? undefined : modeKey(reading.mode),
  };
}

/** Undefined unless every GPU told it: the mean of some is no figure of the server. */
function mean(values: readonly (number | undefined)[] | undefined): number | undefined {
  if (values === undefined || values.length === 0) return undefined;
  let sum = 0;
  for (const value of values) {
    if (value === undefined) return undefined;
    sum += value;
  }
  return sum / values.length;
}

function gpuEnergyWh(gpus: Reading['gpus']): number | undefined {
  const perGpu = mean(gpus?.map((gpu) => gpu.energyMj));
  return perGpu === undefined || gpus === undefined ? undefined : (perGpu * gpus.length) / MJ_PER_WH;
}
