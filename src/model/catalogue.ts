import type { ModePoint } from './machine.ts';

/**
 * Machine models are data, never classes. Nameplate figures are seeds (third-party lists): what a machine
 * itself reports or a meter measures takes their place as soon as it is known.
 */
export interface AsicModel {
  readonly id: string;
  readonly kind: 'asic';
  readonly name: string;
  readonly nameplateW: number;
  readonly nameplateThs: number;
  /** What the machine draws asleep: control board, and fans at idle. */
  readonly sleepW: number;
  readonly cooling: 'air' | 'hydro';
  /** Operating points assumed until the machine reports its own. */
  readonly points: readonly ModePoint[];
}

export interface GpuServerModel {
  readonly id: string;
  readonly kind: 'gpu-server';
  readonly name: string;
  /** Key of the GPU part in prices and jobs. */
  readonly gpuModel: string;
  readonly gpus: number;
  readonly gpuTdpW: number;
  /** Draw of one GPU at full work; a stock 4090 draws 393 W, not its 450 W limit. */
  readonly gpuBusyW: number;
  readonly gpuIdleW: number;
  /** Host without its GPUs: processors, memory, disks, fans. An assumption until a PDU or Redfish measures it. */
  readonly hostW: number;
  readonly nameplateW: number;
}

export type MachineModel = AsicModel | GpuServerModel;

/** Stock Antminer firmware has work modes and no watt limit; low-power figures are seeds, to be learned per site. */
const ASICS: readonly AsicModel[] = [
  {
    id: 'antminer-s21',
    kind: 'asic',
    name: 'Antminer S21',
    nameplateW: 3500,
    nameplateThs: 200,
    sleepW: 25,
    cooling: 'air',
    points: [{ profile: 'default', powerW: 3500, hashrateThs: 200 }],
  },
  {
    id: 'antminer-s19j-pro',
    kind: 'asic',
    name: 'Antminer S19j Pro',
    nameplateW: 3068,
    nameplateThs: 104,
    sleepW: 20,
    cooling: 'air',
    points: [
      { profile: 'low', powerW: 2180, hashrateThs: 80 },
      { profile: 'normal', powerW: 3068, hashrateThs: 104 },
    ],
  },
  {
    id: 'antminer-s19k-pro',
    kind: 'asic',
    name: 'Antminer S19k Pro',
    nameplateW: 2794,
    nameplateThs: 121.8,
    sleepW: 25,
    cooling: 'air',
    points: [{ profile: 'default', powerW: 2794, hashrateThs: 121.8 }],
  },
  {
    id: 'antminer-s21-xp-hyd',
    kind: 'asic',
    name: 'Antminer S21 XP Hyd',
    nameplateW: 5676,
    nameplateThs: 473,
    sleepW: 30,
    cooling: 'hydro',
    points: [
      { profile: 'low', powerW: 4250, hashrateThs: 378 },
      { profile: 'normal', powerW: 5676, hashrateThs: 473 },
    ],
  },
  // Nameplate of the Bitaxe Gamma 601/602 (one BM1370) at its factory setting, bitaxe.org. It cannot sleep.
  {
    id: 'bitaxe-gamma',
    kind: 'asic',
    name: 'Bitaxe Gamma',
    nameplateW: 18,
    nameplateThs: 1.2,
    sleepW: 18,
    cooling: 'air',
    points: [{ profile: 'default', powerW: 18, hashrateThs: 1.2 }],
  },
  // Nameplate figures of makers' and third-party lists; what they draw asleep is assumed until it is measured.
  plain('antminer-s19', 'Antminer S19', 3250, 95, 20, 'air'),
  plain('antminer-s19-xp', 'Antminer S19 XP', 3010, 140, 20, 'air'),
  plain('antminer-s21-plus', 'Antminer S21+', 3564, 216, 25, 'air'),
  plain('antminer-s21-pro', 'Antminer S21 Pro', 3510, 234, 25, 'air'),
  plain('antminer-s21-xp', 'Antminer S21 XP', 3645, 270, 25, 'air'),
  plain('antminer-s23', 'Antminer S23', 3498, 318, 25, 'air'),
  plain('whatsminer-m50s', 'Whatsminer M50S', 3276, 126, 30, 'air', 'normal'),
  plain('whatsminer-m60s', 'Whatsminer M60S', 3422, 186, 30, 'air', 'normal'),
  plain('whatsminer-m66', 'Whatsminer M66', 5492, 276, 40, 'hydro', 'normal'),
  plain('whatsminer-m79s', 'Whatsminer M79S', 12555, 930, 60, 'hydro', 'normal'),
  plain('avalon-a1566', 'Avalon A1566', 3420, 185, 30, 'air', 'normal'),
  plain('proto-rig', 'Proto Rig', 12000, 819, 60, 'air'),
  plain('auradine-at2880', 'Auradine Teraflux AT2880', 4160, 260, 40, 'air'),
  plain('sealminer-a2', 'SealMiner A2', 3730, 226, 30, 'air'),
];

/** A model of which only the nameplate is known. */
function plain(
  id: string,
  name: string,
  watts: number,
  ths: number,
  sleepW: number,
  cooling: AsicModel['cooling'],
  profile = 'default',
): AsicModel {
  const points = [{ profile, powerW: watts, hashrateThs: ths }];
  return { id, kind: 'asic', name, nameplateW: watts, nameplateThs: ths, sleepW, cooling, points };
}

const GPU_SERVERS: readonly GpuServerModel[] = [
  gpuServer('gpu-8x-h100', '8x H100 SXM', 'h100', 700, 620, 70, 2600),
  gpuServer('gpu-8x-a100', '8x A100 SXM 80', 'a100', 400, 350, 62, 1700),
  gpuServer('gpu-8x-rtx4090', '8x RTX 4090', 'rtx4090', 450, 393, 25, 700),
  gpuServer('gpu-8x-rtxa6000', '8x RTX A6000', 'rtxa6000', 300, 270, 22, 650),
  gpuServer('gpu-8x-h200', '8x H200 SXM', 'h200', 700, 620, 64, 2800),
  gpuServer('gpu-8x-l40s', '8x L40S', 'l40s', 350, 315, 33, 900),
  // A TPU v4 host carries four chips of 192 W (Google's "TPU v4"); what they draw idle and the host are assumed.
  gpuServer('tpu-4x-v4', '4x TPU v4', 'tpu-v4', 192, 170, 55, 400, 4),
  gpuServer('gpu-1x-rtx4090', 'Workstation, RTX 4090', 'rtx4090', 450, 393, 25, 160, 1),
];

function gpuServer(
  id: string,
  name: string,
  gpuModel: string,
  gpuTdpW: number,
  gpuBusyW: number,
  gpuIdleW: number,
  hostW: number,
  gpus = 8,
): GpuServerModel {
  return {
    id,
    kind: 'gpu-server',
    name,
    gpuModel,
    gpus,
    gpuTdpW,
    gpuBusyW,
    gpuIdleW,
    hostW,
    nameplateW: gpus * gpuTdpW + hostW,
  };
}

export const CATALOGUE: ReadonlyMap<string, MachineModel> = new Map(
  [...ASICS, ...GPU_SERVERS].map((model) => [model.id, model]),
);

/** Watts counted for a machine that stays silent and has never been seen. */
export const nameplateW = (modelId: string): number | undefined => CATALOGUE.get(modelId)?.nameplateW;
