import { chooseMoves, createBallastLaw, type BallastLaw, type Movable } from '../control/ballast.ts';
import type { Desire } from '../control/commands.ts';
import type { Reconciler } from '../control/reconciler.ts';
import { ballastOf, CATALOGUE, modeFromKey, modeKey, powerText, type Site, type SiteMs } from '../model/index.ts';
import type { Fleet, FleetMachine } from './fleet.ts';
import type { Journal } from './journal.ts';
import type { Picture } from './picture.ts';

/** Miners that move against what AI and HPC swing between two plans. A site that keeps no ballast pays nothing for it. */
export interface SiteBallast {
  /** A plan was made for the load as it is: its wishes stand. One that is told of again changes nothing. */
  rebase(planId: string): void;
  /** Once a second. */
  look(picture: Picture): void;
}

export interface SiteBallastOptions {
  site(): Site;
  readonly fleet: Pick<Fleet, 'machines'>;
  readonly reconciler: Pick<Reconciler, 'want'>;
  readonly journal: Pick<Journal, 'act'>;
  /** What the plan in force wants of machines; empty before the first. */
  desires(): ReadonlyMap<string, Desire>;
  /** Groups that a person holds, and those that may not be moved without one. */
  isHeld(groupId: string): boolean;
}

export function createBallast(options: SiteBallastOptions): SiteBallast {
  let law: BallastLaw | undefined;
  let lawFor: Site | undefined;
  let basedOn: string | undefined;

  function lawOf(site: Site): BallastLaw | undefined {
    if (lawFor === site) return law;
    lawFor = site;
    const facts = ballastOf(site);
    law = facts === undefined ? undefined : createBallastLaw(facts.bandW);
    return law;
  }

  function move(site: Site, at: SiteMs, byW: number, swingW: number): void {
    const desires = options.desires();
    const groups = site.ballast!.groups.filter((id) => !options.isHeld(id));
    const movables = options.fleet.machines.flatMap((member) =>
      groups.includes(member.machine.groupId) ? movable(member, desires.get(member.machine.id)) : [],
    );
    const moves = chooseMoves(movables, byW);
    const id = `ballast-${at}`;
    const why = `AI and HPC draw ${powerText(Math.abs(swingW))} ${swingW > 0 ? 'more' : 'less'} than the plan was made for, by the last minute`;
    const act = { actId: id, who: 'ballast', why };
    const wanted = new Map(desires);
    for (const [machine, mode] of moves) wanted.set(machine, { ...act, mode });
    const to = byW < 0 ? 'to sleep' : 'up';
    const what = moves.size === 0 ? 'give ballast back to the plan' : `move ${moves.size} miners ${to}`;
    options.journal.act({ id, at, who: act.who, what, why });
    options.reconciler.want(wanted);
  }

  return {
    rebase(planId) {
      if (planId !== basedOn) lawOf(options.site())?.rebase();
      basedOn = planId;
    },
    look(picture) {
      const site = options.site();
      const mine = lawOf(site);
      if (mine === undefined) return;
      const byW = mine.look(picture.at, workLoadW(site, picture, options.fleet));
      if (byW !== undefined) move(site, picture.at, byW, mine.swingW() ?? 0);
    },
  };
}

/**
 * What halls with GPU servers draw, less what miners in them say they draw: by their meters, which tell each second where servers are asked twice a
 * minute. Undefined while a meter among them is silent.
 */
function workLoadW(site: Site, picture: Picture, fleet: Pick<Fleet, 'machines'>): number | undefined {
  const halls = new Set(site.machines.flatMap(({ kind, hall }) => (kind === 'gpu-server' ? [hall] : [])));
  let loadW = 0;
  for (const { hall, meterW } of picture.halls) {
    if (!halls.has(hall.id)) continue;
    if (meterW === undefined) return undefined;
    loadW += meterW;
  }
  for (const { machine, reading } of fleet.machines)
    if (halls.has(machine.hallId) && CATALOGUE.get(machine.modelId)?.kind === 'asic') loadW -= reading?.powerW ?? 0;
  return loadW;
}

function movable({ machine, reading, failures, device }: FleetMachine, desire: Desire | undefined): Movable[] {
  const model = CATALOGUE.get(machine.modelId);
  if (model?.kind !== 'asic' || failures > 0 || reading?.mode === undefined || device.sleep === undefined) return [];
  const mode = desire?.mode ?? modeKey(reading.mode);
  const points = reading.points ?? model.points;
  const wattsIn = (key: string): number | undefined => {
    const parsed = modeFromKey(key);
    return parsed.kind === 'sleep' ? model.sleepW : points.find(({ profile }) => profile === parsed.profile)?.powerW;
  };
  const powerW = wattsIn(mode) ?? reading.powerW;
  if (powerW === undefined) return [];
  const highest = points.toSorted((a, b) => b.powerW - a.powerW)[0];
  const up =
    highest === undefined || highest.powerW <= powerW
      ? undefined
      : { mode: modeKey({ kind: 'run', profile: highest.profile }), powerW: highest.powerW };
  return [{ id: machine.id, mode, powerW, sleepW: model.sleepW, up }];
}
