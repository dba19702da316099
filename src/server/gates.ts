import { isMoving } from '../control/cooling-first.ts';
import type { Change } from '../control/entry.ts';
import { createRamp } from '../control/ramp.ts';
import type { SkipReason } from '../control/skips.ts';
import {
  cooledW,
  coolingFacts,
  worstCoolingCurve,
  type CoolingCurve,
  type Hall,
  type Reading,
  type Site,
  type SiteMs,
  type WallMs,
} from '../model/index.ts';
import { PLANT_PROVEN_MS, type CoolingControl } from './cooling-control.ts';

/** What speaks against a change beside the meters: cooling that does not run, a loop that would freeze, the contract's ramp. */
export interface Gates {
  /** @returns undefined: nothing. A shed never asks. */
  of(change: Change): SkipReason | undefined;
  /** A change is made: it counts against the ramp, and one less machine heats its loop. */
  made(change: Change): void;
  /** Before each round of control: which machines of a hall are awake may have changed. */
  refresh(): void;
}

/** A cooling plant of the site and its last answer. */
interface CoolingDevice {
  readonly entry: { readonly kind: string; readonly hall: string };
  readonly reading: Reading | undefined;
  readonly readWall: WallMs | undefined;
}

export interface GatesOptions {
  site(): Site;
  devices(): readonly CoolingDevice[];
  /** Plants that can be started from here; absent: they are only read. */
  readonly cooling?: Pick<CoolingControl, 'commands' | 'heldBack' | 'made' | 'refresh'>;
  /** Miners of a hall that run, those on their way to sleep not counted. */
  awake(hallId: string): number;
  siteNow(): SiteMs;
  wallNow(): WallMs;
}

export function createGates(options: GatesOptions): Gates {
  const ramp = createRamp(() => {
    const { rampMwPerMinute } = options.site().connection;
    return rampMwPerMinute === undefined ? undefined : rampMwPerMinute * 1e6;
  }, options.siteNow);
  const awake = new Map<string, number>();
  const worstCurves = new WeakMap<Hall, CoolingCurve>();
  const hallOf = (id: string): Hall | undefined => options.site().halls.find((hall) => hall.id === id);

  /** What the hall's plants said lately; undefined for one that is silent. */
  const plantsOf = (hallId: string): (Reading['cooling'] | undefined)[] =>
    options
      .devices()
      .filter(({ entry }) => entry.kind === 'cooling' && entry.hall === hallId)
      .map(({ reading, readWall }) =>
        readWall !== undefined && options.wallNow() - readWall <= PLANT_PROVEN_MS ? reading?.cooling : undefined,
      );

  /** Before machines are woken, fans and pumps are seen to run, where the hall has a plant that tells. */
  function coolingRuns(hallId: string): boolean {
    const plants = plantsOf(hallId);
    return plants.length === 0 || plants.some(isMoving);
  }

  /** A hall whose plants can be started draws no more than they are seen to carry; the others wake once one is seen to run. */
  function heldByCooling(change: Change): SkipReason | undefined {
    if (options.cooling?.commands(change.hallId) === true)
      return change.deltaW > 0 ? options.cooling.heldBack(change) : undefined;
    return change.isWake && !coolingRuns(change.hallId) ? 'cooling' : undefined;
  }

  /** A loop that is cold, or that nobody knows the temperature of, keeps so many machines as heaters. */
  function isFrost(hallId: string): boolean {
    const frost = hallOf(hallId)?.cooling.frost;
    if (frost === undefined) return false;
    const sensors = plantsOf(hallId).flatMap((plant) => [plant?.supplyC, plant?.returnC]);
    const known = sensors.filter((celsius) => celsius !== undefined);
    if (known.length > 0 && Math.min(...known) >= frost.belowC) return false;
    const running = awake.get(hallId) ?? options.awake(hallId);
    awake.set(hallId, running);
    return running <= frost.keepMachines;
  }

  function importW({ hallId, deltaW }: Change): number {
    const { site } = options;
    const hall = hallOf(hallId);
    const loss = 1 + site().connection.lossPct / 100;
    if (hall === undefined) return deltaW * loss;
    // A shed asks for thousands of machines in a moment.
    const curve = worstCurves.get(hall) ?? worstCoolingCurve(coolingFacts(hall.cooling));
    worstCurves.set(hall, curve);
    const atHallW = cooledW(curve, Math.abs(deltaW));
    return Math.sign(deltaW) * atHallW * loss;
  }

  return {
    of(change) {
      if (!ramp.mayChange(change.deltaW > 0 ? 'up' : 'down')) return 'ramp';
      const held = heldByCooling(change);
      if (held !== undefined) return held;
      return change.mode === 'sleep' && isFrost(change.hallId) ? 'frost' : undefined;
    },
    made(change) {
      ramp.spend(importW(change));
      options.cooling?.made(change);
      const running = awake.get(change.hallId);
      if (change.mode === 'sleep' && running !== undefined) awake.set(change.hallId, running - 1);
    },
    refresh() {
      awake.clear();
      options.cooling?.refresh();
    },
  };
}
