import type { RaisedAlarm } from '../alarms/catalogue.ts';
import { createCoolingFirst, type CoolingFirst, type CoolingPlant } from '../control/cooling-first.ts';
import type { Change } from '../control/entry.ts';
import type { Reconciler } from '../control/reconciler.ts';
import type { SkipReason } from '../control/skips.ts';
import type { Trust } from '../control/trust.ts';
import { type Command, modeKey, type Site, type SiteMs, type WallMs } from '../model/index.ts';
import { worstCaseW, type Fleet, type FleetMachine } from './fleet.ts';
import type { Journal } from './journal.ts';
import type { PlantDevices } from './plant-devices.ts';

/** Fans and pumps first: plants that a site lets be started are, before the machines they cool. */
export interface CoolingControl {
  look(): void;
  /** Whether a hall's plants can be started from here. */
  commands(hallId: string): boolean;
  /** What speaks against so much more heat in a hall; undefined: nothing. */
  heldBack(change: Change): SkipReason | undefined;
  /** A change is made: its heat counts from now. */
  made(change: Change): void;
  /** Before each round of control: machines may draw otherwise now. */
  refresh(): void;
  alarms(): RaisedAlarm[];
  drainChanged(): Command[];
  /** Plants that were started and not let go, to outlive a restart; undefined where nothing has changed since the last call. */
  kept(): string | undefined;
}

export interface CoolingControlOptions {
  readonly journal: Pick<Journal, 'act'>;
  readonly devices: PlantDevices;
  /** Kept by the process before this one. */
  readonly before: string | undefined;
  site(): Site;
  fleet(): Fleet;
  reconciler(): Reconciler;
  /** What a machine draws in a mode. */
  expectW(member: FleetMachine, mode: string): number | undefined;
  trust(): Trust;
  siteNow(): SiteMs;
  wallNow(): WallMs;
}

/** A plant is read every ten seconds; one that has said nothing for so long proves nothing. */
export const PLANT_PROVEN_MS = 45_000;

export function createCoolingControl(options: CoolingControlOptions): CoolingControl {
  const { devices, journal, siteNow, wallNow } = options;
  const heats = new Map<string, { heatW: number; moreW: number }>();
  let lastKept = options.before;

  const cooling: CoolingFirst = createCoolingFirst({
    plants: () =>
      devices.list.flatMap(({ entry, device }): CoolingPlant[] => {
        if (entry.kind !== 'cooling') return [];
        const { demandCooling } = device;
        return [
          {
            id: entry.id,
            hallId: entry.hall,
            carriesW: 1e6 * (entry.carriesMw ?? breakerMw(entry.hall)),
            start: demandCooling && (() => demandCooling(true)),
            letGo: demandCooling && (() => demandCooling(false)),
          },
        ];
      }),
    seen(id) {
      const { reading, readWall } = devices.byId(id) ?? {};
      if (reading?.cooling === undefined || readWall === undefined) return undefined;
      return wallNow() - readWall > PLANT_PROVEN_MS ? undefined : { cooling: reading.cooling, at: reading.at };
    },
    heatW: (hallId) => heatOf(hallId).heatW,
    moreW: (hallId) => heatOf(hallId).moreW,
    frostBelowC: (hallId) => options.site().halls.find(({ id }) => id === hallId)?.cooling.frost?.belowC,
    trust: options.trust,
    siteNow,
    wallNow,
    begin({ id, hallId }, what, why) {
      const at = siteNow();
      const actId = `cooling-${id}-${at}`;
      journal.act({ id: actId, at, who: 'busbar', what: `${what} ${id}, cooling of hall ${hallId}`, why });
      return actId;
    },
    startedBefore: options.before === undefined ? [] : (JSON.parse(options.before) as string[]),
  });

  /** No hall has more heat than its breaker lets in. */
  const breakerMw = (hallId: string): number => options.site().halls.find(({ id }) => id === hallId)?.breakerMw ?? 0;

  function heatOf(hallId: string): { heatW: number; moreW: number } {
    const known = heats.get(hallId);
    if (known !== undefined) return known;
    const heat = { heatW: 0, moreW: 0 };
    for (const member of options.fleet().machines) {
      if (member.machine.hallId !== hallId) continue;
      const { nowW, thenW } = heatOfOne(member);
      heat.heatW += nowW;
      heat.moreW += Math.max(0, thenW - nowW);
    }
    heats.set(hallId, heat);
    return heat;
  }

  /** What a machine draws, or is about to, and what it would draw in the mode that is wanted of it. */
  function heatOfOne(member: FleetMachine): { nowW: number; thenW: number } {
    const { machine, reading, failures } = member;
    if (reading === undefined || failures > 0) return { nowW: worstCaseW(member), thenW: 0 };
    const drawsW = reading.powerW ?? worstCaseW(member);
    const command = options.reconciler().commandOf(machine.id);
    const isGoing = command?.stage === 'sent' || command?.stage === 'acknowledged';
    const goingW = isGoing && command.mode !== undefined ? options.expectW(member, command.mode) : undefined;
    const wanted = options.reconciler().desired(machine.id)?.mode;
    // One that is seen awake is on its way to its full draw.
    const awakeW = reading.mode?.kind === 'run' ? options.expectW(member, modeKey(reading.mode)) : undefined;
    const nowW = Math.max(drawsW, goingW ?? 0, awakeW ?? 0);
    return { nowW, thenW: wanted === undefined ? nowW : (options.expectW(member, wanted) ?? nowW) };
  }

  return {
    look: () => {
      heats.clear();
      cooling.look();
    },
    commands: (hallId) => cooling.commands(hallId),
    heldBack: ({ hallId, deltaW }) => cooling.heldBack(hallId, Math.max(0, deltaW)),
    made({ hallId, deltaW }) {
      const heat = heats.get(hallId);
      if (heat !== undefined) heat.heatW += Math.max(0, deltaW);
    },
    refresh: () => heats.clear(),
    alarms: () =>
      [...cooling.failures()].map(([subject, message]): RaisedAlarm => ({
        code: 'cooling-not-started',
        subject,
        message,
      })),
    drainChanged: () => cooling.drainChanged(),
    kept() {
      const now = JSON.stringify(cooling.started());
      if (now === (lastKept ?? '[]')) return undefined;
      lastKept = now;
      return now;
    },
  };
}
