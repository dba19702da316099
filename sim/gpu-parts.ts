/** GPU parts as NVIDIA's tools name them; by the key of the catalogue. */
interface GpuPart {
  readonly name: string;
  readonly memoryMib: number;
  /** Highest clock of the streaming multiprocessors. */
  readonly smMhz: number;
}

const PARTS: Readonly<Record<string, GpuPart>> = {
  h100: { name: 'NVIDIA H100 80GB HBM3', memoryMib: 81_559, smMhz: 1980 },
  h200: { name: 'NVIDIA H200', memoryMib: 143_771, smMhz: 1980 },
  a100: { name: 'NVIDIA A100-SXM4-80GB', memoryMib: 81_920, smMhz: 1410 },
  rtx4090: { name: 'NVIDIA GeForce RTX 4090', memoryMib: 24_564, smMhz: 2520 },
  rtxa6000: { name: 'NVIDIA RTX A6000', memoryMib: 49_140, smMhz: 1800 },
  l40s: { name: 'NVIDIA L40S', memoryMib: 46_068, smMhz: 2520 },
};

export const gpuPart = (gpuModel: string): GpuPart =>
  PARTS[gpuModel] ?? { name: gpuModel, memoryMib: 24_564, smMhz: 1800 };

/** Google's chips have no NVIDIA tools beside them: their hosts speak by other means. */
export const isTpu = (gpuModel: string): boolean => gpuModel.startsWith('tpu-');
