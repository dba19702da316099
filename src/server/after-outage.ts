import type { RaisedAlarm } from '../alarms/catalogue.ts';
import { createSettings, type SettingTarget } from '../control/settings.ts';
import type { Trust } from '../control/trust.ts';
import { type AfterOutage, type Command, type Site, type SiteMs, type WallMs } from '../model/index.ts';
import type { AfterOutageView, ArmWord } from '../model/api.ts';
import type { Fleet, FleetMachine } from './fleet.ts';
import type { Journal } from './journal.ts';
import type { PlantDevices, SiteDevice } from './plant-devices.ts';
import { DRIVERS } from './registry.ts';

/** What machines and outlets do when their supply comes back with nobody there: what the site wants, what is armed, what cannot be. */
export interface AfterOutages {
  /** Arms what is not as the site file has it. Called about once a second. */
  look(): void;
  drainChanged(): Command[];
  machine(member: FleetMachine): AfterOutageView;
  outlet(pdu: SiteDevice, outlet: number): AfterOutageView;
  /** Machines by how they stand. */
  counts(): Readonly<Record<ArmWord, number>>;
  alarms(): RaisedAlarm[];
  /** The site file has changed. */
  follow(): void;
}

type ArmTarget = SettingTarget<AfterOutage>;

export interface AfterOutagesOptions {
  readonly journal: Journal;
  readonly devices: PlantDevices;
  site(): Site;
  fleet(): Fleet;
  /** Of a group of machines, and of what feeds it. */
  trustOf(groupId: string): Trust;
  /** Who holds a group out of the plan. */
  heldBy(groupId: string): string | undefined;
  givesWay(): boolean;
  siteNow(): SiteMs;
  wallNow(): WallMs;
}

/** A site that was just started, or just read the wish, has so long to arm it before an alarm says that it is not. */
const ALARM_AFTER_MS = 5 * 60_000;
const outletId = (pdu: string, outlet: number): string => `${pdu} outlet ${outlet}`;

export function createAfterOutages(options: AfterOutagesOptions): AfterOutages {
  const { journal, devices, siteNow, wallNow } = options;
  let wishedSince = wallNow();
  let targets: readonly ArmTarget[] = [];
  let wishes: ReadonlyMap<string, AfterOutage | undefined> = new Map();

  const arming = createSettings<AfterOutage>({
    action: 'arm-outage',
    isSame: (a, b) => a === b,
    siteNow,
    wallNow,
    givesWay: options.givesWay,
    trust: (target) => options.trustOf(target.cohort),
    leave(target) {
      const who = options.heldBy(target.cohort);
      return who === undefined ? undefined : `${who} holds it out of the plan`;
    },
    begin(group, wanted) {
      const at = siteNow();
      const act = {
        id: `arm-${group}-${at}`,
        at,
        who: 'busbar',
        why: `the site file has afterOutage: ${wanted} for ${group}`,
      };
      journal.act({ ...act, what: `arm ${group}: after an outage ${WORDS[wanted]}` });
      return act;
    },
  });

  const machineTargets = (): ArmTarget[] =>
    options.site().machines.flatMap((group) => {
      const { afterOutage: wanted } = group;
      if (wanted === undefined) return [];
      return options.fleet().machines.flatMap(({ machine, device }): ArmTarget[] => {
        const { setAfterOutage } = device;
        if (machine.groupId !== group.id || setAfterOutage === undefined) return [];
        const { id } = machine;
        return [
          {
            id,
            group: group.id,
            cohort: group.id,
            wanted,
            seen: () => toldBy(options.fleet().byId(id)),
            write: () => setAfterOutage(wanted),
            readAgain() {
              options.fleet().inspectSoon(id);
              options.fleet().readSoon(id);
            },
          },
        ];
      });
    });

  const outletTargets = (): ArmTarget[] =>
    devices.list.flatMap(({ entry, device }) => {
      const { feeds, afterOutage: wanted } = entry;
      const { setOutletAfterOutage } = device;
      if (feeds === undefined || wanted === undefined || setOutletAfterOutage === undefined) return [];
      return Array.from({ length: feeds.count }, (_, n): ArmTarget => ({
        id: outletId(entry.id, n + 1),
        group: entry.id,
        cohort: feeds.group,
        wanted,
        seen: () => outletTold(devices.byId(entry.id), n + 1),
        write: () => setOutletAfterOutage(n + 1, wanted),
        // PDUs are read whole every few seconds.
        readAgain() {},
      }));
    });

  function follow(): void {
    wishes = new Map(options.site().machines.map(({ id, afterOutage }) => [id, afterOutage]));
    targets = [...machineTargets(), ...outletTargets()];
    wishedSince = wallNow();
    arming.follow(targets);
  }
  follow();

  /** @param told what it is set to, as it says; @param driver its driver's name */
  function view(
    id: string,
    driver: string,
    wanted: AfterOutage | undefined,
    told: AfterOutage | undefined,
  ): AfterOutageView {
    const can = DRIVERS.get(driver)?.afterOutage;
    if (can !== undefined && 'always' in can)
      return { wanted: wanted ?? null, is: can.always, state: 'armed', why: 'its firmware always does' };
    const is = told ?? null;
    if (can === undefined) return { wanted: null, is, state: 'cannot', why: 'nothing can be armed through its driver' };
    if (wanted === undefined) return { wanted: null, is, state: 'not-asked', why: null };
    const state = arming.stateOf(id) ?? { state: 'not-armed' as const, why: 'its turn has not come' };
    return { wanted, is, state: state.state, why: state.state === 'armed' ? null : state.why };
  }

  const machine = ({ machine: { id, groupId, driver }, reading }: FleetMachine): AfterOutageView =>
    view(id, driver, wishes.get(groupId), reading?.afterOutage);

  return {
    look: () => arming.look(),
    drainChanged: () => arming.drainChanged(),
    machine,
    outlet({ entry, reading }, outlet) {
      const told = reading?.outletsAfterOutage?.find(({ index }) => index === outlet)?.afterOutage;
      const isFed = entry.feeds !== undefined && outlet <= entry.feeds.count;
      return view(outletId(entry.id, outlet), entry.driver, isFed ? entry.afterOutage : undefined, told);
    },
    counts() {
      const counts: Record<ArmWord, number> = { armed: 0, 'not-armed': 0, cannot: 0, 'not-asked': 0 };
      for (const member of options.fleet().machines) counts[machine(member).state] += 1;
      return counts;
    },
    alarms() {
      if (wallNow() - wishedSince < ALARM_AFTER_MS) return [];
      const groups = new Map<string, { readonly first: string; readonly why: string; count: number }>();
      for (const { id, group } of targets) {
        const state = arming.stateOf(id);
        if (state === undefined || state.state === 'armed') continue;
        const known = groups.get(group) ?? { first: id, why: state.why, count: 0 };
        known.count += 1;
        groups.set(group, known);
      }
      return [...groups].map(([group, { first, why, count }]): RaisedAlarm => ({
        code: 'outage-not-armed',
        subject: group,
        message: `${count} of ${targets.filter((target) => target.group === group).length}, ${first} first: ${why}`,
      }));
    },
    follow,
  };
}

const WORDS: Readonly<Record<AfterOutage, string>> = {
  'stay-off': 'it stays off until it is told',
  'last-state': 'it does what it did before',
  start: 'it starts',
};

/** What a machine's last reading says of it, and when that was read: some tell it in their slow answer alone. */
function toldBy(member: FleetMachine | undefined): ReturnType<ArmTarget['seen']> {
  if (member?.reading === undefined) return undefined;
  const { reading, slow, device } = member;
  if (slow?.afterOutage !== undefined) return { is: slow.afterOutage, at: slow.at };
  if (reading.afterOutage === undefined && device.inspect !== undefined && slow === undefined) return undefined;
  return { is: reading.afterOutage, at: reading.at };
}

function outletTold(pdu: SiteDevice | undefined, outlet: number): ReturnType<ArmTarget['seen']> {
  const { reading } = pdu ?? {};
  if (reading === undefined) return undefined;
  return { is: reading.outletsAfterOutage?.find(({ index }) => index === outlet)?.afterOutage, at: reading.at };
}
