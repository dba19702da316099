import type { GpuServerModel } from '../src/model/index.ts';
import { gpuPart } from './gpu-parts.ts';
import type { StepContext } from './miners.ts';
import { PURPOSE, bellAt, unitAt } from './random.ts';

/** All GPU servers of the site, column by column; GPU g of server n is at `n * 8 + g`. */
export interface Servers {
  readonly count: number;
  readonly models: readonly GpuServerModel[];
  readonly model: Uint8Array;
  readonly hall: Uint8Array;
  readonly spread: Float32Array;
  readonly state: ServerState;
  /** Job on each GPU (0 none) and how hard it works, 0 to 1; follows from the jobs, so it is not saved. */
  readonly job: Int32Array;
  readonly intensity: Float32Array;
  /** Speed of each GPU against an uncapped one. */
  readonly speed: Float32Array;
}

export interface ServerState {
  /** Site time from which the server is up; Infinity without supply. */
  readonly upAt: Float64Array;
  readonly failure: Uint8Array;
  readonly failureUntil: Float64Array;
  readonly serverW: Float32Array;
  readonly gpuLimitW: Float32Array;
  /** Highest clock somebody locked a GPU to; 0 where it is free. */
  readonly gpuClockMhz: Float32Array;
  /** Last fault the GPU's driver reports. */
  readonly gpuXid: Uint16Array;
  readonly gpuW: Float32Array;
  readonly gpuC: Float32Array;
  /** Counter since the driver was loaded. */
  readonly gpuEnergyMj: Float64Array;
}

/** Places for GPUs in every server; those a smaller model lacks are `ABSENT`: never free, and without power. */
export const GPUS = 8;
export const ABSENT = -1;

/** GPUs a server really has. */
export const gpusOf = (servers: Servers, n: number): number => servers.models[servers.model[n]!]!.gpus;

/** Every GPU free, and the places a smaller model lacks taken for good. */
export function freeAll(servers: Servers): void {
  servers.job.fill(0);
  for (let n = 0; n < servers.count; n += 1) servers.job.fill(ABSENT, n * GPUS + gpusOf(servers, n), (n + 1) * GPUS);
}

export function createServers(
  models: readonly GpuServerModel[],
  members: readonly { model: number; hall: number }[],
  seed: number,
): Servers {
  const n = members.length;
  const gpus = n * GPUS;
  const model = Uint8Array.from(members, (m) => m.model);
  const servers: Servers = {
    count: n,
    models,
    model,
    hall: Uint8Array.from(members, (m) => m.hall),
    spread: Float32Array.from({ length: gpus }, (_, g) => 1 + 0.03 * bellAt(seed, PURPOSE.gpu, g)),
    job: new Int32Array(gpus),
    intensity: new Float32Array(gpus),
    speed: new Float32Array(gpus).fill(1),
    state: {
      upAt: new Float64Array(n),
      failure: new Uint8Array(n),
      failureUntil: new Float64Array(n).fill(-Infinity),
      serverW: new Float32Array(n),
      gpuLimitW: Float32Array.from({ length: gpus }, (_, g) => models[model[Math.floor(g / GPUS)]!]!.gpuTdpW),
      gpuClockMhz: new Float32Array(gpus),
      gpuXid: new Uint16Array(gpus),
      gpuW: new Float32Array(gpus),
      gpuC: new Float32Array(gpus).fill(35),
      gpuEnergyMj: Float64Array.from({ length: gpus }, (_, g) => Math.floor(2e12 * unitAt(seed, PURPOSE.gpu, g, 1))),
    },
  };
  freeAll(servers);
  return servers;
}

/**
 * What a cap does to a GPU at full work, by cap as a share of the stock limit: measured power and throughput as
 * shares of uncapped (Zeus sweep of A40 training for the data-centre parts, club-3090's 4090 decode for the RTX cards).
 */
const SWEEP = {
  datacentre: { power: [0.64, 0.74, 0.84, 0.93, 1], speed: [0.8, 0.92, 0.96, 0.99, 1] },
  rtx: { power: [0.69, 0.8, 0.91, 1, 1], speed: [0.94, 0.97, 0.99, 1, 1] },
} as const;

/** Linear in a table at 0.6, 0.7 .. 1.0; below it, in proportion. */
function sweep(table: readonly number[], share: number): number {
  if (share >= 1) return 1;
  if (share <= 0.6) return (table[0]! * share) / 0.6;
  const place = (share - 0.6) * 10;
  const low = Math.min(table.length - 2, Math.floor(place));
  return table[low]! + (table[low + 1]! - table[low]!) * (place - low);
}

/** Lowest limit a card accepts: 30 % of stock, an assumption near what NVIDIA parts report (an H100 SXM: 200 of 700 W). */
export const minimumLimitW = (model: GpuServerModel): number => Math.round(model.gpuTdpW * 0.3);

/** The management controller of a server that is off: an assumption for one with its fans still. */
export const BMC_W = 15;

/** What is done to servers from outside: killed by a fault, off at the outlet, off at the BMC. */
export interface ServerSupply {
  readonly deadServers: Uint8Array;
  readonly unpluggedServers: Uint8Array;
  readonly state: { readonly serversOff: ReadonlySet<number> };
}

export const isSupplied = ({ state: s }: Servers, n: number, supply: ServerSupply): boolean =>
  s.failure[n] === 0 && supply.deadServers[n] === 0 && supply.unpluggedServers[n] === 0;

export function stepServers(
  servers: Servers,
  context: StepContext,
  deadPct: number,
  repairHours: number,
  supply: ServerSupply,
): void {
  const { state: s } = servers;
  const { serversOff } = supply.state;
  const dtS = context.dtMs / 1000;
  const warming = 1 - Math.exp(-dtS / 60);
  for (let n = 0; n < servers.count; n += 1) {
    const model = servers.models[servers.model[n]!]!;
    if (context.t >= s.failureUntil[n]!) drawServerFailure(servers, n, context, deadPct, repairHours);
    const supplied = context.live[servers.hall[n]!]! && isSupplied(servers, n, supply);
    const on = supplied && !serversOff.has(n);
    if (!on) s.upAt[n] = Infinity;
    else if (s.upAt[n] === Infinity) {
      // A server's memory test and start take four to seven minutes.
      s.upAt[n] = context.t + 1000 * (240 + 180 * unitAt(context.seed, PURPOSE.bootTime, n, 3));
    }
    const up = on && context.t >= s.upAt[n]!;
    let watts = on ? model.hostW * (up ? 0.72 : 0.4) : supplied ? BMC_W : 0;
    for (let g = n * GPUS; g < (n + 1) * GPUS; g += 1) {
      const gpuW = up ? drawGpu(servers, g, model, context) : 0;
      s.gpuW[g] = gpuW;
      s.gpuEnergyMj[g]! += gpuW * dtS * 1000;
      s.gpuC[g]! += (context.inletC[servers.hall[n]!]! + 6 + (38 * gpuW) / model.gpuTdpW - s.gpuC[g]!) * warming;
      // Processors, memory and fans follow the work of the GPUs.
      watts += gpuW + (up ? (0.28 * model.hostW * servers.intensity[g]!) / model.gpus : 0);
    }
    s.serverW[n] = watts;
  }
}

function drawGpu(servers: Servers, g: number, model: GpuServerModel, context: StepContext): number {
  const noise = bellAt(context.seed, PURPOSE.gpu, g, context.step);
  if (servers.job[g] === ABSENT) return 0;
  const intensity = servers.job[g] === 0 ? 0 : servers.intensity[g]!;
  const wantedW =
    (model.gpuIdleW + (model.gpuBusyW - model.gpuIdleW) * intensity) * servers.spread[g]! * (1 + 0.015 * noise);
  const clock = clockShare(servers, g, model);
  const share = servers.state.gpuLimitW[g]! / model.gpuTdpW;
  const table = model.gpuModel.startsWith('rtx') ? SWEEP.rtx : SWEEP.datacentre;
  const roomW = Math.max(model.gpuIdleW, model.gpuBusyW * servers.spread[g]! * sweep(table.power, share));
  // Voltage falls with the clock: dynamic power goes with more than its square.
  const clockedW = Math.min(wantedW, model.gpuIdleW + Math.max(0, wantedW - model.gpuIdleW) * clock ** 2.4);
  if (share >= 1 || clockedW <= roomW) {
    servers.speed[g] = clock;
    return clockedW;
  }
  servers.speed[g] = Math.min(clock, sweep(table.speed, share));
  return roomW;
}

function clockShare(servers: Servers, g: number, model: GpuServerModel): number {
  const locked = servers.state.gpuClockMhz[g]!;
  return locked === 0 ? 1 : Math.min(1, locked / gpuPart(model.gpuModel).smMhz);
}

function drawServerFailure(
  servers: Servers,
  n: number,
  context: StepContext,
  deadPct: number,
  repairHours: number,
): void {
  const lastsMs = repairHours * 3_600_000;
  const offset = unitAt(context.seed, PURPOSE.failurePhase, n, 1) * lastsMs;
  const turn = Math.floor((context.t - offset) / lastsMs);
  servers.state.failureUntil[n] = (turn + 1) * lastsMs + offset;
  servers.state.failure[n] = unitAt(context.seed, PURPOSE.failure, 1_000_000 + n, turn) * 100 < deadPct ? 1 : 0;
}

export const serverUp = (servers: Servers, n: number, t: number): boolean =>
  servers.state.failure[n] === 0 && t >= servers.state.upAt[n]!;
