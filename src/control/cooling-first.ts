import {
  asFault,
  Fault,
  MINUTE,
  type Command,
  type CoolingReading,
  type SiteMs,
  type Trust,
  type WallMs,
} from '../model/index.ts';
import { later } from './entry.ts';
import { retryPauseMs } from './retry.ts';
import { mustAct } from './trust.ts';

/** A cooling plant of a hall, or a stage of one. */
export interface CoolingPlant {
  readonly id: string;
  readonly hallId: string;
  /** IT heat it carries when it runs. */
  readonly carriesW: number;
  /** Demands that it runs; absent: it cannot be started from here. @throws Fault */
  readonly start?: (() => Promise<void>) | undefined;
  /** Takes the demand back: its own program decides again, frost protection included. @throws Fault */
  readonly letGo?: (() => Promise<void>) | undefined;
}

export interface CoolingFirstOptions {
  /** In the order they are started in. */
  plants(): readonly CoolingPlant[];
  /** What a plant said lately, and when; undefined for one that is silent. */
  seen(id: string): { readonly cooling: CoolingReading; readonly at: SiteMs } | undefined;
  /** IT watts of a hall that must be carried: what draws now, what is silent at the worst, and what is on its way. */
  heatW(hallId: string): number;
  /** IT watts that would be added if every machine of the hall did as is wanted of it. */
  moreW(hallId: string): number;
  /** Below which a loop must not fall; undefined: it cannot freeze. */
  frostBelowC(hallId: string): number | undefined;
  trust(): Trust;
  siteNow(): SiteMs;
  wallNow(): WallMs;
  /** A decision: on record before anything is sent. @returns the act it is */
  begin(plant: CoolingPlant, what: 'start' | 'let go', why: string): string;
  /** Plants that were started before this process began. */
  readonly startedBefore: readonly string[];
}

export interface CoolingFirst {
  /** Starts what the heat to come needs, and lets go of what it needs no more. Called about once a second. */
  look(): void;
  /**
   * May a hall take so much more heat? Undefined where it may; `cooling-starts` while what carries it is being started, `cooling` where
   * nothing is, or can be.
   * @param addedW on top of what the hall draws and is about to
   */
  heldBack(hallId: string, addedW: number): 'cooling' | 'cooling-starts' | undefined;
  /** Halls whose plants can be started from here; the others are only read. */
  commands(hallId: string): boolean;
  /** Plants that were demanded and are not seen to run, with why. */
  failures(): ReadonlyMap<string, string>;
  started(): readonly string[];
  drainChanged(): Command[];
}

/** The same plant is not started for one machine more and let go for one machine less. */
const SPARE = 1.1;
/** Sleeping machines draw a few watts each: less than this of what a plant carries needs none. */
const NO_HEAT_SHARE = 0.02;
/** Water and heat sinks hold heat for minutes after the last machine slept. */
const HOLD_MS = 15 * MINUTE;
/** What comes back warmer than it went by more than this still carries heat. */
const HEAT_GONE_K = 1.5;
/** A loop that has not so much to spare above its frost limit is kept moving. */
const FROST_SPARE_K = 3;
/** Pumps and fans run up within a minute or two; later is a failure, to be tried again. */
const SETTLE_SITE_MS = 5 * MINUTE;
const SETTLE_WALL_MS = 30_000;

type Writable = { -readonly [K in keyof Command]: Command[K] };
interface State {
  isStarted: boolean;
  command: Writable | undefined;
  failure: string | undefined;
  retryAt: WallMs | undefined;
  sentWall: WallMs;
  neededAt: SiteMs;
}

export function createCoolingFirst(options: CoolingFirstOptions): CoolingFirst {
  const { siteNow, wallNow } = options;
  const states = new Map<string, State>();
  const changed = new Set<Writable>();
  let counter = 0;

  function stateOf(id: string): State {
    const known = states.get(id);
    if (known !== undefined) return known;
    const state: State = {
      isStarted: options.startedBefore.includes(id),
      command: undefined,
      failure: undefined,
      retryAt: undefined,
      sentWall: wallNow(),
      neededAt: siteNow(),
    };
    states.set(id, state);
    return state;
  }

  const plantsOf = (hallId: string): readonly CoolingPlant[] =>
    options.plants().filter((plant) => plant.hallId === hallId);
  const runs = ({ id }: CoolingPlant): boolean => isMoving(options.seen(id)?.cooling);
  /** What was let go may run on by its own program, and waits for nothing. */
  const isUnderway = ({ command }: State): boolean =>
    command?.stage === 'sent' || (command?.stage === 'acknowledged' && command.action === 'start-plant');

  /** The first plants of a hall that together carry so much; those that cannot be started count where they run. */
  function neededFor(hallId: string, heatW: number): ReadonlySet<string> {
    const needed = new Set<string>();
    let carriedW = 0;
    for (const plant of plantsOf(hallId)) if (plant.start === undefined && runs(plant)) carriedW += plant.carriesW;
    for (const plant of plantsOf(hallId)) {
      if (plant.start === undefined) continue;
      if (carriedW >= heatW || heatW < NO_HEAT_SHARE * plant.carriesW) break;
      needed.add(plant.id);
      carriedW += plant.carriesW;
    }
    return needed;
  }

  function tell(plant: CoolingPlant, state: State, what: 'start' | 'let go', why: string): void {
    const call = what === 'start' ? plant.start : plant.letGo;
    if (call === undefined) return;
    const action = what === 'start' ? 'start-plant' : 'let-go-plant';
    const { command: last } = state;
    const isAgain = last?.stage === 'failed' && last.action === action;
    counter += 1;
    const batchId = isAgain ? last.batchId : options.begin(plant, what, why);
    const command: Writable = isAgain
      ? last
      : {
          id: `${batchId}-${counter}`,
          batchId,
          target: plant.id,
          action,
          mode: undefined,
          who: 'busbar',
          why,
          stage: 'sent',
          attempts: 0,
          fault: undefined,
          sentAt: siteNow(),
          acknowledgedAt: undefined,
          seenInPowerAt: undefined,
          seenAtMeterAt: undefined,
        };
    command.attempts += 1;
    command.acknowledgedAt = undefined;
    state.command = command;
    state.sentWall = wallNow();
    state.isStarted = what === 'start';
    if (what === 'let go') state.failure = undefined;
    setStage(command, 'sent');
    send(plant, what, call).then(
      () => {
        command.acknowledgedAt = siteNow();
        if (command.stage === 'sent') setStage(command, 'acknowledged');
      },
      (error: unknown) => {
        const fault = asFault(error);
        // It may have come all the same: what was asked stands until it is read otherwise.
        if (what === 'let go') state.isStarted = true;
        fail(state, command, fault);
      },
    );
  }

  async function send({ id }: CoolingPlant, what: string, call: () => Promise<void>): Promise<void> {
    mustAct(options.trust(), `${what} ${id}`);
    return call();
  }

  function setStage(command: Writable, stage: Command['stage']): void {
    command.stage = stage;
    changed.add(command);
  }

  function fail(state: State, command: Writable, fault: Fault): void {
    command.fault = fault.kind;
    state.failure = fault.message;
    state.retryAt = later(wallNow(), retryPauseMs(fault.kind, command.attempts));
    setStage(command, 'failed');
  }

  /** Read back, or overdue. What was let go may run on by its own program: that is no failure. */
  function follow(plant: CoolingPlant, state: State): void {
    const { command } = state;
    if (command === undefined || (command.stage !== 'acknowledged' && command.stage !== 'failed')) return;
    const seen = options.seen(plant.id);
    const isNew = seen !== undefined && seen.at > (command.acknowledgedAt ?? command.sentAt);
    if (isNew && isMoving(seen.cooling) === (command.action === 'start-plant')) {
      command.seenInPowerAt = seen.at;
      state.failure = undefined;
      return setStage(command, 'seen-in-power');
    }
    if (command.stage !== 'acknowledged' || command.action !== 'start-plant') return;
    const isLate =
      siteNow() - (command.acknowledgedAt ?? command.sentAt) > SETTLE_SITE_MS &&
      wallNow() - state.sentWall > SETTLE_WALL_MS;
    if (isLate) fail(state, command, new Fault('timeout', 'acknowledged, and no flow or fan is read back'));
  }

  function mayStop(plant: CoolingPlant, { neededAt }: State): boolean {
    if (siteNow() - neededAt < HOLD_MS) return false;
    const cooling = options.seen(plant.id)?.cooling;
    // Nobody knows whether the heat has gone, or whether the loop is cold.
    if (cooling === undefined) return false;
    const { supplyC, returnC } = cooling;
    if (supplyC !== undefined && returnC !== undefined && returnC - supplyC > HEAT_GONE_K) return false;
    const belowC = options.frostBelowC(plant.hallId);
    if (belowC === undefined) return true;
    const known = [supplyC, returnC].filter((celsius) => celsius !== undefined);
    return known.length > 0 && Math.min(...known) >= belowC + FROST_SPARE_K;
  }

  function lookAtHall(hallId: string): void {
    const heatW = options.heatW(hallId) + options.moreW(hallId);
    const needed = neededFor(hallId, heatW);
    const spare = neededFor(hallId, SPARE * heatW);
    for (const plant of plantsOf(hallId)) {
      if (plant.start === undefined) continue;
      const state = stateOf(plant.id);
      follow(plant, state);
      if (spare.has(plant.id)) state.neededAt = siteNow();
      if (options.trust() !== 'auto' || isUnderway(state)) continue;
      if (state.retryAt !== undefined && wallNow() < state.retryAt && state.command?.stage === 'failed') continue;
      // One that is silent is not commanded blindly: its reading comes first.
      if (options.seen(plant.id) === undefined) continue;
      if (needed.has(plant.id) && !runs(plant)) tell(plant, state, 'start', `${hallId} has ${kw(heatW)} to be carried`);
      else if (state.isStarted && !spare.has(plant.id) && mayStop(plant, state))
        tell(plant, state, 'let go', `${hallId} has ${kw(heatW)} to be carried, and its heat has gone`);
    }
  }

  const commands = (hallId: string): boolean => plantsOf(hallId).some(({ start }) => start !== undefined);

  return {
    look() {
      for (const hallId of new Set(options.plants().map((plant) => plant.hallId)))
        if (commands(hallId)) lookAtHall(hallId);
    },
    heldBack(hallId, addedW) {
      const plants = plantsOf(hallId);
      const heatW = options.heatW(hallId) + addedW;
      const carriedW = plants.filter(runs).reduce((sum, { carriesW }) => sum + carriesW, 0);
      if (carriedW >= heatW) return undefined;
      const isStarting = plants.some(({ id, start }) => {
        const state = states.get(id);
        return start !== undefined && state !== undefined && isUnderway(state);
      });
      return isStarting ? 'cooling-starts' : 'cooling';
    },
    commands,
    failures: () => new Map([...states].flatMap(([id, { failure }]) => (failure === undefined ? [] : [[id, failure]]))),
    started: () => [...states].flatMap(([id, { isStarted }]) => (isStarted ? [id] : [])),
    drainChanged() {
      const list = [...changed].map((command) => ({ ...command }));
      changed.clear();
      return list;
    },
  };
}

const kw = (watts: number): string => `${Math.round(watts / 1000)} kW`;

/** What moves the heat away is read back: flow where it is measured, else the pump, else the fans. A dry cooler's fans may rest. */
export function isMoving(plant: CoolingReading | undefined): boolean {
  if (plant === undefined || plant.running === false) return false;
  const moved = plant.flowLpm ?? plant.pumpPct ?? plant.fanPct;
  return moved === undefined || moved > 0;
}
