/** Machines a study may buy. The site's catalogue lists what is spoken to; this lists what has a price. */

export interface NewAsic {
  readonly id: string;
  readonly name: string;
  readonly cooling: 'air' | 'hydro';
  readonly hashrateThs: number;
  readonly powerW: number;
  readonly usdPerTh: number;
  readonly source: string;
}

export const NEW_ASICS: readonly NewAsic[] = [
  {
    id: 'antminer-s21-xp',
    name: 'Antminer S21 XP',
    cooling: 'air',
    hashrateThs: 270,
    powerW: 3645,
    usdPerTh: 13,
    source:
      'Bitmain: 270 TH/s, 13.5 J/TH. Price by class: S21 at $14-17.5/TH in orders of 2023-24, S21 hydro $7-8/TH in the lists of Dec 2025 (TheMinerMag); taken between',
  },
  {
    id: 'antminer-s21-plus',
    name: 'Antminer S21+',
    cooling: 'air',
    hashrateThs: 216,
    powerW: 3564,
    usdPerTh: 9,
    source:
      'Bitmain: 216 TH/s, 16.5 J/TH. Price between S21 hydro lists of Dec 2025 ($7-8/TH, TheMinerMag) and the S21 orders of 2024 ($16/TH)',
  },
  {
    id: 'antminer-s23-hyd',
    name: 'Antminer S23 Hyd',
    cooling: 'hydro',
    hashrateThs: 580,
    powerW: 5510,
    usdPerTh: 20,
    source:
      'Bitmain: 580 TH/s, 9.5 J/TH, from early 2026. Price by class: direct-liquid U3S21EXPH at $23.9/TH (Blockspace, 4 Jun 2025), discounts since',
  },
  {
    id: 'antminer-s21-xp-hyd',
    name: 'Antminer S21 XP Hyd',
    cooling: 'hydro',
    hashrateThs: 473,
    powerW: 5676,
    usdPerTh: 10,
    source:
      'Bitmain: 473 TH/s, 12 J/TH. Price between the lists of Dec 2025 for S21 hydro ($7-8/TH) and $16/TH of 2024',
  },
];

/** Ways a hall can be cooled once it is an AI hall: liquid to the chip, or chilled air. */
export type AiCooling = 'chilled-air' | 'liquid';

export interface GpuPart {
  readonly id: string;
  readonly name: string;
  /** Draw per GPU with its share of the host, at the nameplate, at work and idle. */
  readonly nameplateW: number;
  readonly busyW: number;
  readonly idleW: number;
  /** GPUs that stand in one box, and what the box draws in its rack: a rack holds whole boxes. */
  readonly gpusPerBox: number;
  readonly boxKw: number;
  readonly cooling: AiCooling;
  /** Server and network, per GPU. */
  readonly usdPerGpu: number;
  readonly usdPerGpuHour: number;
  /** Series of the feeds that moves with this part, where there is one. */
  readonly series:
    | 'gpuUsdPerHour.h100'
    | 'gpuUsdPerHour.a100'
    | 'gpuUsdPerHour.rtx4090'
    | 'gpuUsdPerHour.rtxa6000'
    | undefined;
  /** GPU-hours sold in the end, against the common assumption: 1 where nothing sets the part apart. */
  readonly utilisationFactor: number;
  readonly source: string;
  readonly caveat?: string;
}

/** Draw per GPU of an 8-GPU server as the catalogue lists it. */
const perGpu = (tdpW: number, busyW: number, idleW: number, hostW: number) => ({
  nameplateW: tdpW + hostW / 8,
  busyW: busyW + hostW / 8,
  idleW: idleW + hostW / 8,
  gpusPerBox: 8,
  boxKw: (8 * tdpW + hostW) / 1000,
});

export const GPU_PARTS: readonly GpuPart[] = [
  {
    id: 'h100',
    name: 'H100 SXM',
    ...perGpu(700, 620, 70, 2600),
    cooling: 'chilled-air',
    usdPerGpu: 36_000,
    usdPerGpuHour: 2.1,
    series: 'gpuUsdPerHour.h100',
    utilisationFactor: 1,
    source:
      'Server $200,000-317,000 (2024-25), network about $5,000 a GPU: $36,000. Rent $1.70 (Oct 2025) to $2.35 (Mar 2026) by the year (SemiAnalysis)',
  },
  {
    id: 'a100',
    name: 'A100 SXM 80',
    ...perGpu(400, 350, 62, 1700),
    cooling: 'chilled-air',
    usdPerGpu: 11_000,
    usdPerGpuHour: 1.2,
    series: 'gpuUsdPerHour.a100',
    utilisationFactor: 0.8,
    source:
      'Card $7,000-15,000 (2025). Rent $0.80-1.50 outside the hyperscalers (Mercatus, May 2026); median of list prices $1.60 (gpurentalprices.com, Jul-Aug 2026, CC BY 4.0)',
    caveat: 'two generations old: the rent may fall faster than assumed',
  },
  {
    id: 'rtx4090',
    name: 'RTX 4090',
    ...perGpu(450, 393, 25, 700),
    cooling: 'chilled-air',
    usdPerGpu: 3_000,
    usdPerGpuHour: 0.35,
    series: 'gpuUsdPerHour.rtx4090',
    utilisationFactor: 0.57,
    source:
      'Card $1,500-1,800 (2025) and a share of its host. Rent: median of list prices $0.35 (gpurentalprices.com, Jul-Aug 2026, CC BY 4.0); marketplaces sell part of the hours',
    caveat:
      "NVIDIA's GeForce software licence does not allow data-centre use (clause 2.1.3, 2017), and megawatts of it meet a small market: ask first",
  },
  {
    id: 'gb300',
    name: 'GB300 NVL72',
    nameplateW: 2632,
    busyW: 2370,
    idleW: 900,
    gpusPerBox: 72,
    boxKw: 142,
    cooling: 'liquid',
    usdPerGpu: 76_300,
    usdPerGpuHour: 2.91,
    series: undefined,
    utilisationFactor: 1,
    source:
      'IREN/Microsoft Nov 2025: 76,000 GPUs in 200 MW of IT (2,632 W each, network and stores around them included; the rack itself draws up to 142 kW), $5.8bn of hardware, $9.7bn over 5 years: $2.91/GPU-h, take or pay',
    caveat: 'the rent is that of one contract with a hyperscaler',
  },
];
