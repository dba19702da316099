import type { Command } from '../model/index.ts';
import { wallNow } from './io.ts';

/** How an act went, in wall milliseconds from the moment its cause was seen. */
export interface Response {
  readonly actId: string;
  readonly commands: number;
  /** First attempts only: what a machine refused is told again much later. Wakes apart: they wait for room by design. */
  lastSentMs: number;
  lastWakeSentMs: number;
  lastAcknowledgedMs: number;
  /** One entry a machine whose own reading shows the change, in order. */
  readonly seenMs: number[];
  lastMeterMs: number | undefined;
}

const KEPT = 50;

/** Times each act from its cause to its commands sent, acknowledged, seen in a reading and seen at the meter. */
export function createResponseWatch(responses: Response[]) {
  const since = new Map<string, { readonly wall: number; readonly response: Response; lastSentAt: number }>();
  return {
    begin(actId: string, causeWall: number, commands: number): void {
      const response: Response = {
        actId,
        commands,
        lastSentMs: 0,
        lastWakeSentMs: 0,
        lastAcknowledgedMs: 0,
        seenMs: [],
        lastMeterMs: undefined,
      };
      since.set(actId, { wall: causeWall, response, lastSentAt: 0 });
      responses.push(response);
      const dropped = responses.length > KEPT ? responses.shift() : undefined;
      if (dropped !== undefined) since.delete(dropped.actId);
    },
    look(changed: readonly Command[]): void {
      const now = wallNow();
      for (const { batchId, stage, attempts, action, sentAt } of changed) {
        const act = since.get(batchId);
        if (act === undefined) continue;
        const ms = Math.round(now - act.wall);
        if (stage === 'seen-in-power') act.response.seenMs.push(ms);
        if (stage === 'seen-at-meter') act.response.lastMeterMs = ms;
        if (attempts > 1) continue;
        // What was acknowledged between two looks was sent between them, too.
        if (sentAt > act.lastSentAt) act.response[action === 'wake' ? 'lastWakeSentMs' : 'lastSentMs'] = ms;
        act.lastSentAt = Math.max(act.lastSentAt, sentAt);
        if (stage === 'acknowledged' && action !== 'wake') act.response.lastAcknowledgedMs = ms;
      }
    },
  };
}
