import { z } from 'zod';
import type { RungKind } from '../../control/ladder.ts';
import { MINUTE, type Job, type SiteMs } from '../../model/index.ts';
import type { GpusOfServer, GpuTruth } from './truth.ts';

/** What a rung of the ladder was seen to do, for each GPU of a part: watts released, and seconds until they were. */
export interface RungEffects {
  /** A rung was taken: watched until the GPUs draw less, or somebody else has them. */
  begin(kind: RungKind, job: Job, gpus: readonly GpusOfServer[]): void;
  /** What a rung was seen to do to a job that goes on. */
  learn(kind: RungKind, gpuModel: string, wattsPerGpu: number, seconds: number): void;
  /** After readings of servers. */
  look(): void;
  /** Medians; undefined where too few were measured. */
  of(kind: RungKind, gpuModel: string): RungEffect | undefined;
  all(): readonly (RungEffect & { readonly kind: string; readonly gpuModel: string })[];
  /** Undefined where nothing was measured since the last call. */
  kept(): string | undefined;
}

export interface RungEffect {
  readonly wattsPerGpu: number;
  readonly seconds: number;
  readonly measured: number;
}

const kept = z.array(
  z.object({ kind: z.string(), gpuModel: z.string(), watts: z.array(z.number()), seconds: z.array(z.number()) }),
);
type Measured = z.infer<typeof kept>[number];

const KEPT = 200;
/** Fewer say nothing. */
const WANTED = 3;
/** What is not seen by then is not put down to it. */
const PATIENCE_MS = 15 * MINUTE;
/** A GPU that lost so much of its draw has stopped working: the rest is heat and clocks that settle. */
const SEEN_SHARE = 0.3;

export function createRungEffects(
  truth: Pick<GpuTruth, 'freeW'>,
  siteNow: () => SiteMs,
  before: string | undefined,
): RungEffects {
  const effects = new Map<string, Measured>();
  for (const one of before === undefined ? [] : kept.parse(JSON.parse(before))) effects.set(keyOf(one), one);
  const open = new Set<{ kind: RungKind; gpuModel: string; gpus: readonly GpusOfServer[]; at: SiteMs }>();
  let isChanged = false;

  function add(kind: RungKind, gpuModel: string, wattsPerGpu: number, seconds: number): void {
    const key = keyOf({ kind, gpuModel });
    const effect = effects.get(key) ?? { kind, gpuModel, watts: [], seconds: [] };
    effects.set(key, effect);
    effect.watts.push(wattsPerGpu);
    effect.seconds.push(seconds);
    if (effect.watts.length > KEPT) {
      effect.watts.shift();
      effect.seconds.shift();
    }
    isChanged = true;
  }

  return {
    begin: (kind, { gpuModel }, gpus) => void open.add({ kind, gpuModel, gpus, at: siteNow() }),
    learn: add,
    look() {
      for (const one of open) {
        const now = one.gpus.map(({ machineId, of }) => truth.freeW(machineId, of));
        const told = now.flatMap((each) => (each === undefined || each === 'taken' ? [] : [each]));
        const wasW = one.gpus.reduce((sum, { powerW }) => sum + powerW, 0);
        const isW = told.reduce((sum, { powerW }) => sum + powerW, 0);
        const isWhole = told.length === one.gpus.length && told.every(({ at }) => at > one.at);
        if (isWhole && isW < (1 - SEEN_SHARE) * wasW) {
          const gpus = one.gpus.reduce((sum, { of }) => sum + of.length, 0);
          add(one.kind, one.gpuModel, (wasW - isW) / gpus, (Math.max(...told.map(({ at }) => at)) - one.at) / 1000);
          open.delete(one);
        } else if (siteNow() - one.at > PATIENCE_MS) open.delete(one);
      }
    },
    of(kind, gpuModel) {
      const effect = effects.get(keyOf({ kind, gpuModel }));
      return effect === undefined || effect.watts.length < WANTED ? undefined : told(effect);
    },
    all: () => [...effects.values()].map((one) => ({ kind: one.kind, gpuModel: one.gpuModel, ...told(one) })),
    kept() {
      if (!isChanged) return undefined;
      isChanged = false;
      return JSON.stringify([...effects.values()]);
    },
  };
}

const keyOf = ({ kind, gpuModel }: { kind: string; gpuModel: string }): string => `${kind} ${gpuModel}`;
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const told = ({ watts, seconds }: Measured): RungEffect => ({
  wattsPerGpu: median(watts),
  seconds: median(seconds),
  measured: watts.length,
});
