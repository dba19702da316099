import { parentPort, workerData } from 'node:worker_threads';
import type { Forecast, Plan, Snapshot } from '../model/index.ts';
import { createWarmStart } from './basis.ts';
import { loadHighs } from './highs.ts';
import { planWith, type Scenario } from './plan.ts';
import { stepBack } from './thread-priority.ts';

/** What the planner hands the worker at its start. `newest` holds the number of the newest request. */
export interface WorkerSetting {
  readonly newest: Int32Array<SharedArrayBuffer>;
  readonly timeLimitMs: number;
}

export interface PlanRequest {
  readonly number: number;
  readonly snapshot: Snapshot;
  readonly forecast: Forecast;
  readonly notes: readonly string[];
  readonly scenarios: readonly Scenario[];
}

export type PlanReply =
  | { readonly number: number; readonly plan: Plan }
  | { readonly number: number; readonly failure: string };

if (parentPort !== null) {
  const port = parentPort;
  stepBack();
  const { newest, timeLimitMs } = workerData as WorkerSetting;
  const highs = loadHighs();
  const warm = createWarmStart();
  port.on('message', (request: PlanRequest) => void answer(request));

  async function answer({ number, snapshot, forecast, notes, scenarios }: PlanRequest): Promise<void> {
    const cancelled = (): boolean => Atomics.load(newest, 0) !== number;
    try {
      const plan = planWith(await highs, snapshot, forecast, { timeLimitMs, warm, notes, scenarios, cancelled });
      port.postMessage({ number, plan } satisfies PlanReply);
    } catch (error) {
      port.postMessage({ number, failure: error instanceof Error ? error.message : String(error) } satisfies PlanReply);
    }
  }
}
