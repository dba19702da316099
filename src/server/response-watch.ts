import type { Reconciler } from '../control/reconciler.ts';
import type { Command } from '../model/index.ts';
import { wallNow } from './io.ts';

/** How long an act took, in wall milliseconds from the moment its cause was seen. */
export interface Response {
  readonly actId: string;
  readonly commands: number;
  readonly lastSentMs: number;
  readonly lastAcknowledgedMs: number;
  readonly lastSeenMs: number | undefined;
  readonly lastMeterMs: number | undefined;
}

/** Times each act from its cause to its last command sent, acknowledged, seen in a reading and seen at the meter. */
export function createResponseWatch(responses: Response[]) {
  const open = new Map<
    string,
    { since: number; ids: readonly string[]; sent: number; acknowledged: number; seen: number; meter: number }
  >();
  return {
    begin(actId: string, since: number, ids: readonly string[]): void {
      open.set(actId, { since, ids, sent: 0, acknowledged: 0, seen: 0, meter: 0 });
    },
    look(changed: readonly Command[], reconciler: Reconciler): void {
      const now = wallNow();
      for (const command of changed) {
        const act = open.get(command.batchId);
        if (act === undefined) continue;
        const ms = now - act.since;
        if (command.stage === 'sent') act.sent = ms;
        if (command.stage === 'acknowledged') act.acknowledged = ms;
        if (command.stage === 'seen-in-power') act.seen = ms;
        if (command.stage === 'seen-at-meter') act.meter = ms;
      }
      for (const [actId, act] of open) {
        const stages = act.ids
          .map((id) => reconciler.commandOf(id))
          .map((c) => (c?.batchId === actId ? c.stage : undefined));
        const waiting = stages.filter((stage) => stage === 'sent' || stage === 'acknowledged').length;
        // A machine that never obeys must not keep an act open for ever; what it did not do is counted as failed.
        if (now - act.since < 5_000 || (waiting > 0 && now - act.since < 600_000)) continue;
        if (stages.includes('seen-in-power') && now - act.since < 60_000) continue;
        open.delete(actId);
        responses.push({
          actId,
          commands: act.ids.length,
          lastSentMs: Math.round(act.sent),
          lastAcknowledgedMs: Math.round(Math.max(act.acknowledged, act.seen)),
          lastSeenMs: act.seen === 0 ? undefined : Math.round(act.seen),
          lastMeterMs: act.meter === 0 ? undefined : Math.round(act.meter),
        });
        if (responses.length > 500) responses.shift();
      }
    },
  };
}
