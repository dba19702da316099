import { isDeepStrictEqual } from 'node:util';
import type { Device, DriverIo } from '../drivers/driver.ts';
import {
  asFault,
  CATALOGUE,
  HOUR,
  MINUTE,
  nameplateW,
  overSlow,
  PLAIN_PROFILES,
  run,
  wallMs,
  type Fault,
  type Machine,
  type Reading,
  type Site,
  type WallMs,
} from '../model/index.ts';
import { DRIVERS } from './registry.ts';

/** A machine of the site and what is known of it. */
export interface FleetMachine {
  machine: Machine;
  readonly device: Device;
  readonly settings: unknown;
  /** The last fast answer over the last slow one. */
  reading: Reading | undefined;
  /** The last slow answer: identity, boards, pools, profiles. */
  slow: Reading | undefined;
  /** When the slow read is wanted next; it waits for its turn in a sweep. */
  inspectDue: WallMs;
  /** When what its writes need is wanted next. */
  prepareDue: WallMs;
  readWall: WallMs | undefined;
  /** Tries in a row without an answer. */
  failures: number;
  fault: Fault | undefined;
  /** Last power it said, kept while it is silent. */
  lastPowerW: number | undefined;
  queued: boolean;
  /** The read under way: a machine is asked one thing at a time. */
  underway: Promise<boolean> | undefined;
}

export interface SweepReport {
  readonly machines: number;
  readonly answered: number;
  readonly tookMs: number;
}

export interface Fleet {
  readonly machines: readonly FleetMachine[];
  byId(id: string): FleetMachine | undefined;
  /**
   * Reads every machine once; resolves when all that answered last time have answered or run out of time. The others
   * are read beside them, in a lane of their own.
   */
  sweep(): Promise<SweepReport>;
  /** Reads one machine before the others. */
  readSoon(id: string): void;
  /** Goes on with what gave way. Called about twice a second. */
  goOn(): void;
  /** Wants the slow read of one machine in the next sweep. */
  inspectSoon(id: string): void;
  /** Follows a changed site file: a machine spoken to as before keeps its connection and all that is known of it. */
  reload(site: Site, machines: readonly Machine[]): void;
  close(): void;
}

/** The slow read, hourly; each machine at a time of its own, so that an hour's work is spread over the hour. */
const INSPECT_EVERY_MS = HOUR;
/** After a slow read that failed whole, it waits this long. */
const INSPECT_AGAIN_MS = HOUR / 12;
/** Tokens live half an hour on firmware that has them; what was refused is not asked for again soon. */
const PREPARE_EVERY_MS = 22 * MINUTE;
const PREPARE_AGAIN_MS = HOUR;
/** Machines made ready in one sweep at most, as a share of all. */
const PREPARE_SHARE = 1 / 4;
/** Machines inspected in one sweep at most, as a share of all: a start must not hold up the first sweeps. */
const INSPECT_SHARE = 1 / 20;
const INSPECT_LEAST = 100;

/** Of the requests in flight, those for machines that did not answer last time: their silence holds nobody else up. */
const SLOW_LANE_SHARE = 1 / 4;

export function openFleet(
  site: Site,
  machines: readonly Machine[],
  io: DriverIo,
  options: {
    readonly maxInFlight: number;
    /** Of all machines, how many may be inspected in one sweep; 0 for none. */
    readonly inspectShare?: number;
    /** True while machines wait to be told to draw less: reads that nobody asked for give way to that. */
    givesWay?(): boolean;
    onRead(member: FleetMachine): void;
  },
): Fleet {
  let members = machines.map((machine) => openMember(site, machine, io));
  let byId = new Map(members.map((member) => [member.machine.id, member]));
  let urgent: FleetMachine[] = [];
  let nextUrgent = 0;
  let regular: FleetMachine[] = [];
  let next = 0;
  let busy = 0;
  /** Machines that did not answer last time, those that failed least often first; a sweep does not wait for them. */
  let slowLane: FleetMachine[] = [];
  let slowBusy = 0;
  const slowMost = Math.max(1, Math.ceil(options.maxInFlight * SLOW_LANE_SHARE));
  let closed = false;
  /** Slow reads that this sweep may still begin. */
  let inspections = 0;
  /** Machines that this sweep may still make ready. */
  let preparations = 0;
  let running: { left: number; answered: number; done: () => void } | undefined;

  /** Joins a read that is under way rather than asking the machine twice at once. */
  function readMember(member: FleetMachine): Promise<boolean> {
    if (member.underway !== undefined) return member.underway;
    const inspect = inspections > 0 && wantsInspection(member, io.wallNow());
    if (inspect) inspections -= 1;
    const prepare = preparations > 0 && wantsPreparation(member, io.wallNow());
    if (prepare) preparations -= 1;
    // It ends no sooner than the next turn (`begun`), so that what it clears is what is set here.
    member.underway = readOne(member, io, { inspect, prepare }, onRead);
    return member.underway;
  }

  function onRead(member: FleetMachine): void {
    // A machine that a changed site file took out is read no more, but what was under way ends here.
    if (!closed && byId.get(member.machine.id) === member) options.onRead(member);
  }

  /** The one that has waited longest of those somebody asked for. */
  function takeUrgent(): FleetMachine | undefined {
    const member = urgent[nextUrgent];
    if (member !== undefined) nextUrgent += 1;
    else if (nextUrgent > 0) {
      urgent = [];
      nextUrgent = 0;
    }
    return member;
  }

  function pump(): void {
    if (closed) return;
    while (busy < options.maxInFlight) {
      const soon = takeUrgent();
      if (soon === undefined && options.givesWay?.() === true) return;
      const member = soon ?? regular[next];
      if (member === undefined) return;
      if (soon === undefined) next += 1;
      else soon.queued = false;
      busy += 1;
      void readMember(member).then((answered) => {
        busy -= 1;
        if (closed) return;
        if (soon === undefined && running !== undefined) {
          running.left -= 1;
          if (answered) running.answered += 1;
          if (running.left === 0) running.done();
        }
        pump();
      });
    }
  }

  function pumpSlowLane(): void {
    if (closed) return;
    while (slowBusy < slowMost && options.givesWay?.() !== true) {
      const member = slowLane.pop();
      if (member === undefined) return;
      slowBusy += 1;
      void readMember(member).then(() => {
        slowBusy -= 1;
        pumpSlowLane();
      });
    }
  }

  return {
    get machines() {
      return members;
    },
    byId: (id) => byId.get(id),
    async sweep() {
      if (running !== undefined) throw new Error('a sweep is running already');
      const share = options.inspectShare ?? INSPECT_SHARE;
      inspections = share === 0 ? 0 : Math.max(INSPECT_LEAST, Math.ceil(members.length * share));
      preparations = share === 0 ? 0 : Math.max(INSPECT_LEAST, Math.ceil(members.length * PREPARE_SHARE));
      const started = io.wallNow();
      regular = members.filter(({ failures }) => failures === 0);
      next = 0;
      // What waits in the slow lane from before is in it again, where its failures put it now.
      slowLane = members.filter(({ failures, underway }) => failures > 0 && underway === undefined);
      slowLane.sort((a, b) => b.failures - a.failures);
      pumpSlowLane();
      const { promise, resolve } = Promise.withResolvers<void>();
      const mine = { left: regular.length, answered: 0, done: resolve };
      running = mine;
      if (regular.length === 0) resolve();
      pump();
      await promise;
      running = undefined;
      return { machines: regular.length, answered: mine.answered, tookMs: io.wallNow() - started };
    },
    readSoon(id) {
      const member = byId.get(id);
      if (member === undefined || member.queued || closed) return;
      member.queued = true;
      urgent.push(member);
      pump();
    },
    goOn() {
      pump();
      pumpSlowLane();
    },
    inspectSoon(id) {
      const member = byId.get(id);
      if (member !== undefined) member.inspectDue = io.wallNow();
    },
    reload(next, nextMachines) {
      const before = byId;
      members = nextMachines.map((machine) => {
        const known = before.get(machine.id);
        const settings = next.machines.find(({ id }) => id === machine.groupId)?.settings;
        if (known === undefined || !isDeepStrictEqual(spokenTo(known), spokenTo({ machine, settings })))
          return openMember(next, machine, io);
        // The hall may be another: what a machine is, it is by its address and settings.
        known.machine = machine;
        return known;
      });
      byId = new Map(members.map((member) => [member.machine.id, member]));
      for (const [id, member] of before) if (byId.get(id) !== member) member.device.close();
    },
    close() {
      closed = true;
      running?.done();
      for (const { device } of members) device.close();
    },
  };
}

function openMember(site: Site, machine: Machine, io: DriverIo): FleetMachine {
  const group = site.machines.find(({ id }) => id === machine.groupId);
  const driver = DRIVERS.get(machine.driver);
  if (group === undefined || driver === undefined) throw new Error(`${machine.id}: the site was not checked`);
  const device = driver.open({ address: machine.address, modelId: machine.modelId, config: group.settings }, io);
  return {
    machine,
    device,
    settings: group.settings,
    reading: undefined,
    slow: undefined,
    inspectDue: io.wallNow(),
    prepareDue: io.wallNow(),
    readWall: undefined,
    failures: 0,
    fault: undefined,
    lastPowerW: undefined,
    queued: false,
    underway: undefined,
  };
}

const spokenTo = ({ machine: { driver, address, modelId }, settings }: Pick<FleetMachine, 'machine' | 'settings'>) => ({
  driver,
  address,
  modelId,
  settings,
});

/** A driver that fails before it has asked fails as one that asked. */
function begun(device: Device): Promise<Reading> {
  try {
    return device.read();
  } catch (error) {
    return Promise.reject(asFault(error));
  }
}

/** One machine's garbage, silence or lateness is its own: it never stops the others, and never counts as zero. */
async function readOne(
  member: FleetMachine,
  io: DriverIo,
  also: { readonly inspect: boolean; readonly prepare: boolean },
  onRead: (member: FleetMachine) => void,
): Promise<boolean> {
  try {
    const fast = await begun(member.device);
    if (also.inspect) await inspectOne(member, io);
    if (also.prepare) await prepareOne(member, io);
    const reading = inPlansWords(overSlow(fast, member.slow), member.machine.modelId);
    member.reading = reading;
    member.readWall = io.wallNow();
    member.failures = 0;
    member.fault = undefined;
    if (reading.powerW !== undefined) member.lastPowerW = reading.powerW;
  } catch (error) {
    member.fault = asFault(error);
    member.failures += 1;
  } finally {
    member.underway = undefined;
  }
  onRead(member);
  return member.fault === undefined;
}

/** The mode in the word that the plan has for it: else a machine would never be seen to do as it was told. */
function inPlansWords(reading: Reading, modelId: string): Reading {
  const { mode, points } = reading;
  if (mode?.kind !== 'run' || !PLAIN_PROFILES.includes(mode.profile)) return reading;
  const model = CATALOGUE.get(modelId);
  // The plan takes what a machine reports where that is a choice, else the catalogue's.
  const known = (points?.length ?? 0) > 1 ? points : model?.kind === 'asic' ? model.points : undefined;
  const has = (profile: string) => known?.some((point) => point.profile === profile) === true;
  const other = PLAIN_PROFILES.find((word) => word !== mode.profile && has(word));
  return has(mode.profile) || other === undefined ? reading : { ...reading, mode: run(other) };
}

/** Due by the clock, or running at an operating point that it has not told us of. */
function wantsInspection({ device, inspectDue, reading, slow }: FleetMachine, now: WallMs): boolean {
  if (device.inspect === undefined) return false;
  const { mode, points } = reading ?? {};
  const unknownPoint = mode?.kind === 'run' && points !== undefined && points.every((p) => p.profile !== mode.profile);
  return (
    now >= inspectDue || (unknownPoint && now >= inspectDue - INSPECT_EVERY_MS + INSPECT_AGAIN_MS && slow !== undefined)
  );
}

/** What fails here leaves the last slow answer standing, with its age; the fast read is not spoilt by it. */
async function inspectOne(member: FleetMachine, io: DriverIo): Promise<void> {
  try {
    member.slow = await member.device.inspect?.();
    member.inspectDue = wallMs(io.wallNow() + INSPECT_EVERY_MS * spread(member.machine.id));
  } catch (error) {
    asFault(error);
    member.inspectDue = wallMs(io.wallNow() + INSPECT_AGAIN_MS);
  }
}

const wantsPreparation = ({ device, prepareDue }: FleetMachine, now: WallMs): boolean =>
  device.prepare !== undefined && now >= prepareDue;

/** A machine that cannot be made ready is told in more exchanges, and tells then why it cannot be. */
async function prepareOne(member: FleetMachine, io: DriverIo): Promise<void> {
  try {
    await member.device.prepare?.();
    member.prepareDue = wallMs(io.wallNow() + PREPARE_EVERY_MS * spread(member.machine.id));
  } catch (error) {
    asFault(error);
    member.prepareDue = wallMs(io.wallNow() + PREPARE_AGAIN_MS);
  }
}

/** 0.9 to 1.1, by name: machines that started together drift apart. */
function spread(id: string): number {
  let hash = 0;
  for (const letter of id) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0;
  return 0.9 + 0.2 * ((hash >>> 0) / 2 ** 32);
}

/** What a machine that stays silent must be taken to draw: the greater of last seen and nameplate. */
export function worstCaseW(member: FleetMachine): number {
  return Math.max(member.lastPowerW ?? 0, nameplateW(member.machine.modelId) ?? 0);
}
