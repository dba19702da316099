import type { Trust } from '../../control/trust.ts';
import {
  CATALOGUE,
  coolingFacts,
  feederFacts,
  type GuardBrief,
  nameplateW,
  type Site,
  worstCoolingCurve,
} from '../../model/index.ts';
import { hallLimit } from '../../control/guard-law.ts';
import { type Fleet, type FleetMachine, worstCaseW } from '../fleet.ts';
import { usableConnectionW, usableHallW } from '../snapshot.ts';

const MW = 1e6;

export interface BriefSources {
  readonly site: Site;
  readonly fleet: Pick<Fleet, 'machines'>;
  unexplainedW(hallId: string): number;
  trust(groupId: string): Trust;
  /** Wall milliseconds in which a group was measured to sleep. */
  sleepMs(groupId: string): number | undefined;
  unixNow(): number;
}

/** What the guard goes by until it is told otherwise: limits, who measures them, and which machines sleep first. */
export function briefOf(sources: BriefSources): GuardBrief {
  const { site, fleet } = sources;
  const groupAt = new Map(site.machines.map(({ id }, n) => [id, n]));
  const path = fleet.machines
    .filter(({ device }) => device.sleep !== undefined)
    .map((member) => ({ member, worth: hashPerWatt(member) }))
    .sort((a, b) => a.worth - b.worth)
    .map(({ member }) => sheddableOf(member, groupAt.get(member.machine.groupId)!));
  return {
    kind: 'brief',
    site: site.name,
    madeAtUnixMs: sources.unixNow(),
    limits: limitsOf(site),
    halls: site.halls.map((hall) => hallOf(hall, sources)),
    meters: site.meters.map((meter) => ({
      id: meter.id,
      driver: meter.driver,
      modelId: meter.driver,
      address: meter.address,
      config: meter.settings,
      limits: limitsBy(meter, site),
    })),
    groups: site.machines.map((group) => ({
      id: group.id,
      driver: group.driver,
      modelId: group.model,
      config: group.settings,
      mayAct: sources.trust(group.id) !== 'shadow',
      sleepMs: sources.sleepMs(group.id),
    })),
    path,
  };
}

/** An owner's own limit has no margin below it, and is planned for to the last watt: the guard keeps what meters wobble by above it. */
const OWN_LIMIT_PLAY = 1.01;

function limitsOf(site: Site): GuardBrief['limits'] {
  const lossFraction = site.connection.lossPct / 100;
  const measures = new Set(site.meters.flatMap((meter) => limitsBy(meter, site)));
  const every = site.halls.map(({ id }) => id);
  return [
    {
      id: 'connection',
      limitW: Math.min(site.connection.limitMw, (site.limits.importMw ?? Infinity) * OWN_LIMIT_PLAY) * MW,
      targetW: usableConnectionW(site),
      halls: every,
      lossFraction,
      tripCurve: site.connection.tripCurve,
    },
    ...feederFacts(site).map(({ id, usableW, hallIds }) => {
      const { ratingMw, tripCurve } = site.feeders.find((feeder) => feeder.id === id)!;
      return {
        id: `feeder ${id}`,
        limitW: ratingMw * MW,
        targetW: usableW,
        halls: [...hallIds],
        lossFraction,
        tripCurve,
      };
    }),
    ...site.halls.map((hall) => ({
      id: hallLimit(hall.id),
      limitW: hall.breakerMw * MW,
      targetW: usableHallW(hall),
      halls: [hall.id],
      lossFraction: 0,
      tripCurve: hall.tripCurve,
    })),
  ].map((limit) => {
    const isSummed =
      limit.id !== hallLimit(limit.halls[0] ?? '') && limit.halls.every((id) => measures.has(hallLimit(id)));
    return { ...limit, by: measures.has(limit.id) ? 'meter' : isSummed ? 'halls' : 'nobody' };
  });
}

/** In a site of one hall the connection's meter is the hall's too. */
function limitsBy({ measures }: Site['meters'][number], { halls, meters }: Site): string[] {
  if (measures !== 'connection') return [hallLimit(measures.hall)];
  const [only, ...others] = halls;
  const hasOwn = meters.some((meter) => meter.measures !== 'connection');
  return only === undefined || others.length > 0 || hasOwn ? ['connection'] : ['connection', hallLimit(only.id)];
}

function hallOf(hall: Site['halls'][number], sources: BriefSources): GuardBrief['halls'][number] {
  const facts = coolingFacts(hall.cooling);
  const coolingPerW = Math.max(0, ...worstCoolingCurve(facts).map(({ perW }) => perW));
  const stays = sources.fleet.machines.filter(
    ({ machine, device }) => machine.hallId === hall.id && device.sleep === undefined,
  );
  const staysW = stays.reduce((sum, member) => sum + worstCaseW(member), 0);
  const fixedW = facts.baseW + staysW * (1 + coolingPerW) + sources.unexplainedW(hall.id);
  return { id: hall.id, fixedW, coolingPerW };
}

function sheddableOf(member: FleetMachine, group: number): GuardBrief['path'][number] {
  const { machine, reading } = member;
  const model = CATALOGUE.get(machine.modelId);
  const sleepW = model?.kind === 'asic' ? model.sleepW : 0;
  const worstW = Math.max(worstCaseW(member), sleepW);
  const runs = member.failures === 0 && reading?.mode?.kind === 'run';
  return {
    id: machine.id,
    group,
    hall: machine.hallId,
    address: machine.address,
    worstW,
    // What it draws is hoped for only where it said so: nothing of one that is silent, as much as its plate of one that tells no watts.
    freesW: runs ? Math.max(0, (reading.powerW ?? nameplateW(machine.modelId) ?? 0) - sleepW) : 0,
    sleepW,
  };
}

/** What a watt of a machine earns, in hash: what draws and hashes nothing goes first, then what hashes least. */
function hashPerWatt({ machine, reading }: FleetMachine): number {
  const { powerW, hashrateThs, mode } = reading ?? {};
  if (mode?.kind === 'run' && powerW !== undefined && powerW > 0 && hashrateThs !== undefined)
    return hashrateThs / powerW;
  const model = CATALOGUE.get(machine.modelId);
  const point = model?.kind === 'asic' ? model.points[0] : undefined;
  return point === undefined ? 0 : point.hashrateThs / point.powerW;
}
