import { z } from 'zod';
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
/** Machines of a group whose way to sleep is remembered, the newest. */
const SLEEPS_KEPT = 400;
/** Fewer say nothing of a group, unless it has no more. */
const SLEEPS_WANTED = 10;
/** The slowest of so many in a hundred set what a group can promise; stragglers beyond are within what meters resolve. */
const SLEEPS_SHARE = 0.99;

/** Milliseconds by group; null for a machine that failed to, as text knows no infinity. */
const keptSleeps = z.record(z.string(), z.array(z.number().nullable()));

/**
 * Times each act from its cause to its commands sent, acknowledged, seen in a reading and seen at the meter.
 * @param groupOf the group of a machine
 * @param before what `kept` gave in an earlier life: what groups can promise is not measured anew after every restart
 */
export function createResponseWatch(
  responses: Response[],
  groupOf: (machineId: string) => string | undefined,
  before?: string,
) {
  const since = new Map<
    string,
    { readonly wall: number; readonly response: Response; lastSentAt: number; readonly slept: Set<string> }
  >();
  /** Milliseconds from cause to asleep by its own reading, by group; a machine that failed to took for ever. */
  const sleepsMs = new Map<string, number[]>(
    Object.entries(before === undefined ? {} : keptSleeps.parse(JSON.parse(before))).map(([group, ms]) => [
      group,
      ms.map((one) => one ?? Infinity),
    ]),
  );
  let measured = false;

  /** A machine counts once an act: one that woke by itself and is put to sleep again says nothing of the act's cause. */
  function slept({ slept: counted }: { readonly slept: Set<string> }, machineId: string, ms: number): void {
    const group = groupOf(machineId);
    if (group === undefined || counted.has(machineId)) return;
    counted.add(machineId);
    const kept = sleepsMs.get(group) ?? [];
    kept.push(ms);
    if (kept.length > SLEEPS_KEPT) kept.shift();
    sleepsMs.set(group, kept);
    measured = true;
  }

  /**
   * Wall milliseconds in which a group's machines were seen asleep after whatever asked for it, infinite where machines fail to; undefined
   * where too few of its `machines` were put to sleep to say.
   */
  function mostSleepMs(groupId: string, machines: number): number | undefined {
    const seen = (sleepsMs.get(groupId) ?? []).toSorted((a, b) => a - b);
    if (seen.length === 0 || seen.length < Math.min(SLEEPS_WANTED, machines)) return undefined;
    return seen[Math.ceil(SLEEPS_SHARE * seen.length) - 1]!;
  }

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
      since.set(actId, { wall: causeWall, response, lastSentAt: 0, slept: new Set() });
      responses.push(response);
      const dropped = responses.length > KEPT ? responses.shift() : undefined;
      if (dropped !== undefined) since.delete(dropped.actId);
    },
    look(changed: readonly Command[]): void {
      const now = wallNow();
      for (const { batchId, target, stage, attempts, action, sentAt } of changed) {
        const act = since.get(batchId);
        if (act === undefined) continue;
        const ms = Math.round(now - act.wall);
        if (stage === 'seen-in-power') act.response.seenMs.push(ms);
        if (stage === 'seen-at-meter') act.response.lastMeterMs = ms;
        if (action === 'sleep' && stage === 'seen-in-power') slept(act, target, ms);
        if (action === 'sleep' && stage === 'failed') slept(act, target, Infinity);
        if (attempts > 1) continue;
        // What was acknowledged between two looks was sent between them, too.
        if (sentAt > act.lastSentAt) act.response[action === 'wake' ? 'lastWakeSentMs' : 'lastSentMs'] = ms;
        act.lastSentAt = Math.max(act.lastSentAt, sentAt);
        if (stage === 'acknowledged' && action !== 'wake') act.response.lastAcknowledgedMs = ms;
      }
    },
    /** What was measured, to be kept; undefined where nothing was since the last call. */
    kept(): string | undefined {
      if (!measured) return undefined;
      measured = false;
      return JSON.stringify(Object.fromEntries(sleepsMs));
    },
    /** The same as `mostSleepMs`, and undefined where machines fail to. */
    sleepMs(groupId: string, machines: number): number | undefined {
      const ms = mostSleepMs(groupId, machines);
      return ms === Infinity ? undefined : ms;
    },
    mostSleepMs,
  };
}
