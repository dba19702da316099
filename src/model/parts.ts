/**
 * Accelerators as data, by the key the catalogue, prices and jobs know them by. Makers' data sheets; a figure that is
 * not published is not there.
 */
export interface AcceleratorPart {
  readonly key: string;
  readonly name: string;
  readonly maker: 'nvidia' | 'google';
  /** Board or chip power at its stock limit. */
  readonly tdpW: number | undefined;
  /** Draw of one that waits for work, as measured. */
  readonly idleW: number | undefined;
  readonly memoryGb: number;
  /** Dense BF16, in TFLOP/s. */
  readonly bf16Tflops: number;
}

const part = (
  key: string,
  name: string,
  maker: AcceleratorPart['maker'],
  tdpW: number | undefined,
  idleW: number | undefined,
  memoryGb: number,
  bf16Tflops: number,
): AcceleratorPart => ({ key, name, maker, tdpW, idleW, memoryGb, bf16Tflops });

/**
 * Power, memory and throughput: NVIDIA's data sheets of each part, Google's "TPU versions" pages (of the TPUs only the
 * v4's 192 W are published). Idle: A100 60 to 66 W and H100 and H200 about 64 W as measured on running clusters.
 */
export const ACCELERATORS: ReadonlyMap<string, AcceleratorPart> = new Map(
  [
    part('a100', 'A100 SXM 80', 'nvidia', 400, 63, 80, 312),
    part('h100', 'H100 SXM', 'nvidia', 700, 64, 80, 989),
    part('h200', 'H200', 'nvidia', 700, 64, 141, 989),
    part('rtx4090', 'RTX 4090', 'nvidia', 450, undefined, 24, 165),
    part('rtxa6000', 'RTX A6000', 'nvidia', 300, undefined, 48, 155),
    part('l40s', 'L40S', 'nvidia', 350, undefined, 48, 362),
    part('tpu-v4', 'TPU v4', 'google', 192, undefined, 32, 275),
    part('tpu-v5e', 'TPU v5e', 'google', undefined, undefined, 16, 197),
    part('tpu-v5p', 'TPU v5p', 'google', undefined, undefined, 95, 459),
    part('tpu-v6e', 'TPU v6e', 'google', undefined, undefined, 32, 918),
  ].map((one) => [one.key, one]),
);
