import { z } from 'zod';
import type { RaisedAlarm } from '../alarms/catalogue.ts';
import { MINUTE, isoUtc, modeKey, siteMs, type Reading, type SiteMs } from '../model/index.ts';
import type { FleetMachine } from './fleet.ts';
import type { Journal } from './journal.ts';

/**
 * When many miners boot together and nobody told them to, their supply was cut and came back: one outage, whatever their number. What it
 * takes to call it one stands here and nowhere else.
 */
export const OUTAGE = {
  /** Firmware boots within one to five minutes of its supply, breakers are closed one after the other: longer apart is another cause. */
  windowMs: 10 * MINUTE,
  /** Machines crash one by one, a percent of them on a bad day: a fifth of a hall within ten minutes does not. */
  hallShare: 0.2,
  hallLeast: 5,
  /** A PDU is one breaker: half of what hangs on it is more than chance, and less than three machines are none. */
  pduShare: 0.5,
  pduLeast: 3,
  /** A command or new pools may restart the mining program, and its running time with it, for so long after. */
  oursMs: 10 * MINUTE,
  /** The last to boot have booted by then. */
  quietMs: 3 * MINUTE,
  /** What is not back by then is a matter of single machines, which have alarms of their own. */
  longestMs: 60 * MINUTE,
  /** A hall whose meter reads less of its breaker is dark. */
  darkShare: 0.001,
} as const;

export interface Outages {
  /** A machine has answered. */
  observe(member: Pick<FleetMachine, 'machine' | 'reading'>): void;
  /** Once a second. */
  look(halls: readonly HallMeter[]): void;
  alarms(): RaisedAlarm[];
  /** What outlives a restart: outages that are not over, and that somebody was here to see. */
  kept(): string;
}

interface HallMeter {
  readonly hall: { readonly id: string; readonly breakerMw: number };
  readonly meterW: number | undefined;
}

export interface OutagesOptions {
  readonly journal: Pick<Journal, 'act'>;
  /** Kept by the process before this one. */
  readonly before: string | undefined;
  /** Keeps for the next one that an outage began or is over. */
  keep(text: string): void;
  machines(): readonly Pick<FleetMachine, 'machine' | 'reading' | 'failures'>[];
  pduOf(id: string): string | undefined;
  /** When it was last told something that may have restarted it and left it asleep or awake, as it is now. */
  touchedAt(id: string, isAsleep: boolean): SiteMs | undefined;
  /** Mode key wanted of it. */
  wanted(id: string): string | undefined;
  /** Site milliseconds from one reading of a machine to the next. */
  readEverySiteMs(): number;
  siteNow(): SiteMs;
}

interface Seen {
  readonly at: SiteMs;
  readonly mode: string | undefined;
  readonly uptimeS: number | undefined;
}

interface Boot {
  readonly at: SiteMs;
  readonly hallId: string;
  readonly pduId: string | undefined;
}

const keptOutage = z.object({
  id: z.string(),
  /** `hall d`, `PDU pdu-4`. */
  areas: z.array(z.string()),
  since: z.number().transform(siteMs),
  lastBootAt: z.number().transform(siteMs),
  booted: z.array(z.string()),
});
const keptState = z.object({ aliveAt: z.number().transform(siteMs), open: z.array(keptOutage) });
interface Outage {
  readonly id: string;
  readonly areas: Set<string>;
  since: SiteMs;
  lastBootAt: SiteMs;
  readonly booted: Set<string>;
}

/** Failures in a row after which a machine counts as silent. */
const SILENT_AFTER = 3;

export function createOutages(options: OutagesOptions): Outages {
  const before = options.before === undefined ? undefined : keptState.parse(JSON.parse(options.before));
  const open: Outage[] = (before?.open ?? []).map((one) => ({
    ...one,
    areas: new Set(one.areas),
    booted: new Set(one.booted),
  }));
  const seen = new Map<string, Seen>();
  const boots = new Map<string, Boot>();
  const darkAt = new Map<string, SiteMs>();

  /** When it booted without being told to; undefined: it did not, as far as it shows. */
  function bootOf(id: string, hallId: string, reading: Reading): SiteMs | undefined {
    const { at, mode, uptimeS } = reading;
    // A process that was away itself compares with when it was last there.
    const last =
      seen.get(id) ?? (before === undefined ? undefined : { at: before.aliveAt, mode: undefined, uptimeS: undefined });
    if (last === undefined) return undefined;
    const bootedAt = uptimeS === undefined || uptimeS <= 0 ? undefined : siteMs(at - uptimeS * 1000);
    if (!hasBooted(bootedAt)) return undefined;
    const when = bootedAt ?? at;
    const touchedAt = options.touchedAt(id, mode?.kind === 'sleep');
    return touchedAt !== undefined && when >= touchedAt && when - touchedAt < OUTAGE.oursMs ? undefined : when;

    function hasBooted(told: SiteMs | undefined): boolean {
      const wasAway = at - last!.at > 2.5 * options.readEverySiteMs();
      // The running time of one that sleeps may stand still: it counts only where it fell, or after a silence.
      const isTold = mode?.kind === 'run' || wasAway || (uptimeS ?? 0) < (last!.uptimeS ?? 0);
      if (told !== undefined && isTold) return told > last!.at;
      const isAwakeAgain = last!.mode === 'sleep' && mode?.kind === 'run';
      return isAwakeAgain || (wasAway && (darkAt.get(hallId) ?? -Infinity) > last!.at);
    }
  }

  const windowMs = (): number => Math.max(OUTAGE.windowMs, 3 * options.readEverySiteMs());

  /** Areas in which so many booted together, each with how many machines it has; a PDU counts only where its hall does not. */
  function areasHit(): { area: string; of: (boot: Boot) => boolean }[] {
    const total = new Map<string, number>();
    const hit = new Map<string, number>();
    const add = (to: Map<string, number>, key: string) => to.set(key, (to.get(key) ?? 0) + 1);
    for (const { machine } of options.machines()) {
      if (machine.kind !== 'asic') continue;
      add(total, `hall ${machine.hallId}`);
      const pdu = options.pduOf(machine.id);
      if (pdu !== undefined) add(total, `PDU ${pdu}`);
    }
    for (const { hallId, pduId } of boots.values()) {
      add(hit, `hall ${hallId}`);
      if (pduId !== undefined) add(hit, `PDU ${pduId}`);
    }
    const isHit = (area: string, share: number, least: number) =>
      (hit.get(area) ?? 0) >= Math.max(least, share * (total.get(area) ?? 0));
    const halls = new Set([...boots.values()].map(({ hallId }) => hallId));
    const hitHalls = [...halls].filter((id) => isHit(`hall ${id}`, OUTAGE.hallShare, OUTAGE.hallLeast));
    const pdus = new Set(
      [...boots.values()].flatMap(({ hallId, pduId }) =>
        pduId === undefined || hitHalls.includes(hallId) ? [] : [pduId],
      ),
    );
    const hitPdus = [...pdus].filter((id) => isHit(`PDU ${id}`, OUTAGE.pduShare, OUTAGE.pduLeast));
    return [
      ...hitHalls.map((id) => ({ area: `hall ${id}`, of: ({ hallId }: Boot) => hallId === id })),
      ...hitPdus.map((id) => ({ area: `PDU ${id}`, of: ({ pduId }: Boot) => pduId === id })),
    ];
  }

  function gather(): void {
    const now = options.siteNow();
    for (const { area, of } of areasHit()) {
      const mine = [...boots].filter(([, boot]) => of(boot));
      const first = siteMs(Math.min(...mine.map(([, { at }]) => at)));
      let outage =
        open.find(({ areas }) => areas.has(area)) ?? open.find(({ lastBootAt }) => now - lastBootAt < windowMs());
      if (outage === undefined) {
        outage = { id: `outage-${now}`, areas: new Set([area]), since: first, lastBootAt: now, booted: new Set() };
        open.push(outage);
        begin(outage, area, mine.length);
      }
      outage.areas.add(area);
      outage.since = siteMs(Math.min(outage.since, first));
      for (const [id, { at }] of mine) {
        outage.booted.add(id);
        outage.lastBootAt = siteMs(Math.max(outage.lastBootAt, at));
        boots.delete(id);
      }
    }
    // Those that boot after the others belong to the same.
    for (const [id, boot] of boots) {
      const outage = open.find(({ areas }) => areas.has(`hall ${boot.hallId}`) || areas.has(`PDU ${boot.pduId}`));
      if (outage === undefined) continue;
      outage.booted.add(id);
      outage.lastBootAt = siteMs(Math.max(outage.lastBootAt, boot.at));
      boots.delete(id);
    }
  }

  function begin({ id, since }: Outage, area: string, count: number): void {
    options.journal.act({
      id,
      at: options.siteNow(),
      who: 'busbar',
      what: `outage of ${area}: ${count} miners booted unasked so far, the first at ${clockOf(since)}`,
      why: 'they run for less long than since they were last seen, and nobody told them to',
    });
  }

  function finish(outage: Outage): void {
    const now = options.siteNow();
    const minutes = Math.round((now - outage.since) / MINUTE);
    options.journal.act({
      // A process that dies before this is kept finishes the outage again in its next life, and counts anew.
      id: `${outage.id}-over-${now}`,
      at: now,
      who: 'busbar',
      what: `outage of ${namesOf(outage)} over after ${minutes} minutes: ${told(outage)}`,
      why: `it began at ${clockOf(outage.since)}`,
    });
  }

  function standing({ areas, booted }: Outage): { back: number; away: number; silent: number } {
    let [back, away, silent] = [0, 0, 0];
    for (const { machine, reading, failures } of options.machines()) {
      const { id, hallId } = machine;
      const isSilent = failures >= SILENT_AFTER || reading === undefined;
      if (!booted.has(id)) {
        const isHere = areas.has(`hall ${hallId}`) || areas.has(`PDU ${options.pduOf(id)}`);
        if (isHere && isSilent && machine.kind === 'asic') silent += 1;
      } else if (isSilent) silent += 1;
      else if (isAsWanted(id, reading)) back += 1;
      else away += 1;
    }
    return { back, away, silent };
  }

  function isAsWanted(id: string, { mode }: Reading): boolean {
    const wanted = options.wanted(id);
    return wanted === undefined || (mode !== undefined && modeKey(mode) === wanted);
  }

  function told(outage: Outage): string {
    const { back, away, silent } = standing(outage);
    return `${outage.booted.size} miners booted unasked, ${back} are as wanted again, ${away} are not yet, ${silent} are silent`;
  }

  const kept = (): string =>
    JSON.stringify({
      aliveAt: options.siteNow(),
      open: open.map((one) => ({ ...one, areas: [...one.areas], booted: [...one.booted] })),
    });

  return {
    observe({ machine: { id, kind, hallId }, reading }) {
      if (kind !== 'asic' || reading === undefined) return;
      const at = bootOf(id, hallId, reading);
      seen.set(id, { at: reading.at, mode: reading.mode && modeKey(reading.mode), uptimeS: reading.uptimeS });
      if (at !== undefined) boots.set(id, { at, hallId, pduId: options.pduOf(id) });
    },
    look(halls) {
      const now = options.siteNow();
      for (const { hall, meterW } of halls)
        if (meterW !== undefined && meterW < OUTAGE.darkShare * hall.breakerMw * 1e6) darkAt.set(hall.id, now);
      for (const [id, { at }] of boots) if (now - at > windowMs()) boots.delete(id);
      const stood = open.length;
      if (boots.size > 0) gather();
      const begun = open.length - stood;
      for (const outage of open.splice(0)) {
        const quietMs = now - outage.lastBootAt;
        const isOver = quietMs > OUTAGE.quietMs && standing(outage).away === 0;
        if (isOver || quietMs > OUTAGE.longestMs) finish(outage);
        else open.push(outage);
      }
      if (begun > 0 || open.length < stood) options.keep(kept());
    },
    alarms: () =>
      open.map((outage): RaisedAlarm => ({
        code: 'outage',
        subject: [...outage.areas][0]!,
        message: `${namesOf(outage)}, since ${clockOf(outage.since)}: ${told(outage)}`,
      })),
    kept,
  };
}

const namesOf = ({ areas }: Outage): string => [...areas].join(', ');
const clockOf = (at: SiteMs): string => `${isoUtc(at).slice(11, 16)} UTC`;
