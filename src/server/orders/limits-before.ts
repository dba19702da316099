import { z } from 'zod';
import type { Desire } from '../../control/commands.ts';
import { createSettings, type SettingTarget } from '../../control/settings.ts';
import type { Trust } from '../../control/trust.ts';
import {
  Fault,
  HOUR,
  modeKey,
  powerText,
  siteMs,
  type Command,
  type Reading,
  type SiteMs,
  type WallMs,
} from '../../model/index.ts';
import type { Store } from '../../store/store.ts';
import type { Fleet, FleetMachine } from '../fleet.ts';
import type { Journal } from '../journal.ts';

/**
 * The power limits that machines kept to when an order began: targets of miners, caps of GPUs. A restart loses them on much firmware, and
 * sleep on some. Kept over restarts of theirs and ours, until each is seen to keep to its own again.
 */
export interface LimitsBefore {
  /** Before an order's desires are handed on: keeps the limit of each machine that it puts to sleep, and of servers, whose jobs it may move. */
  keep(desires: ReadonlyMap<string, Desire>): void;
  /** Writes what was lost, to machines that run again as they did. Called about once a second. */
  look(): void;
  drainChanged(): Command[];
}

interface LimitBefore {
  readonly powerLimitW: number;
  /** The mode it ran in: in another one it may keep to another limit. */
  readonly mode: string;
  readonly at: SiteMs;
}

export interface LimitsBeforeOptions {
  readonly store: Pick<Store, 'setMeta'>;
  /** Kept by the process before this one. */
  readonly before: string | undefined;
  readonly journal: Pick<Journal, 'act'>;
  fleet(): Pick<Fleet, 'machines' | 'byId' | 'readSoon' | 'inspectSoon'>;
  isOrdered(): boolean;
  desired(id: string): Desire | undefined;
  /** When a machine last changed mode by our hand. */
  changedAt(id: string): SiteMs | undefined;
  trustOf(groupId: string): Trust;
  givesWay(): boolean;
  /** May it draw so much more now? */
  mayIncrease(id: string, hallId: string, deltaW: number): boolean;
  siteNow(): SiteMs;
  wallNow(): WallMs;
}

export const LIMITS_KEY = 'power-limits-before-orders';
/** What is not restored by then is nobody's wish any more. */
const FORGOTTEN_AFTER_MS = 24 * HOUR;
const kept = z.record(
  z.string(),
  z.object({ powerLimitW: z.number(), mode: z.string(), at: z.number().transform(siteMs) }),
);

export function createLimitsBefore(options: LimitsBeforeOptions): LimitsBefore {
  const limits = new Map<string, LimitBefore>(
    Object.entries(options.before === undefined ? {} : kept.parse(JSON.parse(options.before))),
  );
  /** When machines that run again were asked for a reading in depth: what they told before proves nothing. */
  const asked = new Map<string, SiteMs>();
  const save = (): void => options.store.setMeta(LIMITS_KEY, JSON.stringify(Object.fromEntries(limits)));

  const settings = createSettings<number>({
    action: 'set-power-limit',
    isSame,
    siteNow: options.siteNow,
    wallNow: options.wallNow,
    givesWay: options.givesWay,
    // Where a person confirms, whoever released the order has.
    trust: ({ cohort }) => (options.trustOf(cohort) === 'suggest' ? 'auto' : options.trustOf(cohort)),
    leave: () => undefined,
    begin(group) {
      const at = options.siteNow();
      const act = {
        id: `limits-${group}-${at}`,
        at,
        who: 'busbar',
        why: 'they were lost while an order held',
      };
      options.journal.act({
        ...act,
        what: `set ${group} back to the power limits its machines kept to before the order`,
      });
      return act;
    },
  });

  function targetOf(id: string, { powerLimitW }: LimitBefore): SettingTarget<number>[] {
    const member = options.fleet().byId(id);
    const { setPowerLimit } = member?.device ?? {};
    if (member === undefined || setPowerLimit === undefined) return [];
    const { groupId, hallId } = member.machine;
    return [
      {
        id,
        group: groupId,
        cohort: groupId,
        wanted: powerLimitW,
        seen: () => toldBy(options.fleet().byId(id), Math.max(options.changedAt(id) ?? 0, asked.get(id) ?? 0)),
        async write() {
          const deltaW = powerLimitW - (options.fleet().byId(id)?.reading?.powerLimitW ?? 0);
          if (deltaW > 0 && !options.mayIncrease(id, hallId, deltaW))
            throw new Fault('refused', `${id}: the meters leave no room for a limit of ${powerText(powerLimitW)}`);
          await setPowerLimit(powerLimitW);
        },
        readAgain: () => readAgain(id),
      },
    ];
  }

  function readAgain(id: string): void {
    options.fleet().inspectSoon(id);
    options.fleet().readSoon(id);
  }

  /** Runs again as it did, and no order keeps it otherwise. */
  function isBack(id: string, { mode }: LimitBefore): boolean {
    const member = options.fleet().byId(id);
    if (member?.reading?.mode === undefined || member.failures > 0) return false;
    if (member.machine.kind === 'gpu-server') return !options.isOrdered() && member.reading.mode.kind === 'run';
    return options.desired(id)?.isShed !== true && modeKey(member.reading.mode) === mode;
  }

  return {
    keep(desires) {
      const { size } = limits;
      for (const { machine, reading, device } of options.fleet().machines) {
        const { id, kind } = machine;
        const powerLimitW = reading && limitOf(reading);
        if (device.setPowerLimit === undefined || powerLimitW === undefined || limits.has(id)) continue;
        // The first order counts: what it finds is what somebody wanted.
        if (reading?.mode?.kind !== 'run') continue;
        const { mode, isShed } = desires.get(id) ?? {};
        if (kind === 'gpu-server' ? options.isOrdered() : mode === 'sleep' && isShed === true)
          limits.set(id, { powerLimitW, mode: modeKey(reading.mode), at: options.siteNow() });
      }
      if (limits.size > size) save();
    },
    look() {
      if (limits.size === 0) return;
      const before = limits.size;
      const back: SettingTarget<number>[] = [];
      for (const [id, limit] of limits) {
        if (options.siteNow() - limit.at > FORGOTTEN_AFTER_MS && !options.isOrdered()) limits.delete(id);
        if (!isBack(id, limit)) {
          asked.delete(id);
          continue;
        }
        if (!asked.has(id)) {
          asked.set(id, options.siteNow());
          readAgain(id);
        }
        back.push(...targetOf(id, limit));
      }
      settings.follow(back);
      settings.look();
      for (const { id } of back) {
        const state = settings.stateOf(id)?.state;
        if (state === 'armed' || state === 'cannot') limits.delete(id);
      }
      if (limits.size < before) save();
    },
    drainChanged: () => settings.drainChanged(),
  };
}

/** Drivers and machines round to whole watts, servers to whole watts of each GPU. */
function isSame(a: number, b: number): boolean {
  return Math.abs(a - b) <= Math.max(1, 0.002 * b);
}

/** One limit for the whole machine: GPUs with caps of their own could not be told apart when they are set back. */
function limitOf({ powerLimitW, gpus }: Reading): number | undefined {
  const caps = new Set((gpus ?? []).map((gpu) => gpu.powerLimitW));
  return caps.size > 1 ? undefined : powerLimitW;
}

/** What it told since a moment. Some tell it in their slow answer alone. */
function toldBy(member: FleetMachine | undefined, since: number): ReturnType<SettingTarget<number>['seen']> {
  if (member?.reading === undefined) return undefined;
  const { reading, slow } = member;
  const at = slow?.powerLimitW === undefined ? reading.at : slow.at;
  return at <= since ? undefined : { is: limitOf(reading), at };
}
