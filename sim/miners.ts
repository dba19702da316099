import type { AsicModel } from '../src/model/index.ts';
import type { Firmware } from './firmware.ts';
import type { PointTable } from './points.ts';
import { PURPOSE, bellAt, unitAt } from './random.ts';
import type { SimConfig } from './sim-schema.ts';

/** Where a miner is in its life. A `down` miner ramps to sleep; a `boot` miner's control board does not answer yet. */
export const PHASE = { off: 0, boot: 1, wake: 2, run: 3, down: 4, asleep: 5 } as const;

/** What is wrong with a miner; 0 is nothing. `dead` and `dark` answer nothing, `dark` still draws. */
export const FAILURE = { none: 0, dead: 1, dark: 2, board: 3, hot: 4 } as const;

/** Work modes of Antminer's stock firmware, as its configuration writes them. */
export const WORK_MODE = { normal: 0, sleep: 1, low: 3 } as const;

export interface MinerGroup {
  readonly id: string;
  readonly model: AsicModel;
  readonly firmware: Firmware;
  readonly table: PointTable;
}

/** All miners of the site, column by column; index = order in the site file. */
export interface Miners {
  readonly count: number;
  readonly groups: readonly MinerGroup[];
  readonly group: Uint8Array;
  readonly hall: Uint8Array;
  /** From waking to full power, fans first. */
  readonly wakeMs: Float64Array;
  readonly spreadPower: Float32Array;
  readonly spreadHash: Float32Array;
  readonly sleepW: Float32Array;
  /** What the miner reports over what it draws. */
  readonly bias: Float32Array;
  readonly state: MinerState;
}

/** What changes, and so is saved. Times are site milliseconds. */
export interface MinerState {
  readonly phase: Uint8Array;
  readonly point: Uint8Array;
  /** Watts it was told to keep to; 0 for none. */
  readonly limitW: Float32Array;
  /** The lamp that shows where it stands. */
  readonly locate: Uint8Array;
  /** LuxOS: survives a reboot. Stock: asleep by work mode, forgotten without supply. */
  readonly curtailed: Uint8Array;
  readonly failure: Uint8Array;
  readonly failureUntil: Float64Array;
  readonly since: Float64Array;
  readonly until: Float64Array;
  /** Stock: until then the miner process reloads and 4028 refuses. */
  readonly busyUntil: Float64Array;
  readonly fromW: Float32Array;
  readonly powerW: Float32Array;
  readonly hashThs: Float32Array;
  /** Mean hashrate of the last minutes. */
  readonly averageThs: Float32Array;
  readonly chipC: Float32Array;
  readonly bootedAt: Float64Array;
  /** Work done since boot, in TH. */
  readonly workTh: Float64Array;
}

export interface StepContext {
  readonly seed: number;
  /** Site time this step ends at, and its number on the site's grid. */
  readonly t: number;
  readonly dtMs: number;
  readonly step: number;
  /** By hall: whether its feed is live, and the air or water that reaches its machines. */
  readonly live: readonly boolean[];
  readonly inletC: readonly number[];
}

export function createMiners(
  groups: readonly MinerGroup[],
  members: readonly { group: number; hall: number }[],
  config: SimConfig,
  seed: number,
  start: number,
): Miners {
  const n = members.length;
  const miners: Miners = {
    count: n,
    groups,
    group: Uint8Array.from(members, (m) => m.group),
    hall: Uint8Array.from(members, (m) => m.hall),
    wakeMs: new Float64Array(n),
    spreadPower: new Float32Array(n),
    spreadHash: new Float32Array(n),
    sleepW: new Float32Array(n),
    bias: new Float32Array(n),
    state: emptyState(n),
  };
  for (let i = 0; i < n; i += 1) {
    const group = groups[miners.group[i]!]!;
    const wakeS = group.table.wakeS * (1 + 0.3 * bellAt(seed, PURPOSE.wakeTime, i));
    miners.wakeMs[i] = 1000 * Math.min(240, Math.max(60, wakeS));
    miners.spreadPower[i] = 1 + 0.035 * bellAt(seed, PURPOSE.spreadPower, i);
    miners.spreadHash[i] = 1 + 0.03 * bellAt(seed, PURPOSE.spreadHash, i);
    miners.sleepW[i] = group.model.sleepW * (1 + 0.2 * bellAt(seed, PURPOSE.spreadSleep, i));
    miners.bias[i] = 1 + config.reportBiasPct / 100 + 0.03 * bellAt(seed, PURPOSE.reportBias, i);
    const awakePct = config.awakePct[group.id] ?? 100;
    const awake = unitAt(seed, PURPOSE.initialMode, i) * 100 < awakePct;
    const s = miners.state;
    s.point[i] = group.table.stock;
    s.curtailed[i] = awake ? 0 : 1;
    s.phase[i] = awake ? PHASE.run : PHASE.asleep;
    s.chipC[i] = awake ? 62 : 28;
    s.bootedAt[i] = start - 3_600_000 * (2 + 300 * unitAt(seed, PURPOSE.uptime, i));
    const point = group.table.points[group.table.stock]!;
    s.averageThs[i] = awake ? point.hashThs * miners.spreadHash[i]! : 0;
    s.workTh[i] = awake ? (s.averageThs[i]! * (start - s.bootedAt[i]!)) / 1000 : 0;
  }
  return miners;
}

function emptyState(n: number): MinerState {
  return {
    phase: new Uint8Array(n),
    point: new Uint8Array(n),
    limitW: new Float32Array(n),
    locate: new Uint8Array(n),
    curtailed: new Uint8Array(n),
    failure: new Uint8Array(n),
    failureUntil: new Float64Array(n).fill(-Infinity),
    since: new Float64Array(n),
    until: new Float64Array(n),
    busyUntil: new Float64Array(n),
    fromW: new Float32Array(n),
    powerW: new Float32Array(n),
    hashThs: new Float32Array(n),
    averageThs: new Float32Array(n),
    chipC: new Float32Array(n),
    bootedAt: new Float64Array(n),
    workTh: new Float64Array(n),
  };
}

const FAN_SHARE = 0.4;
const BOARD_W = 12;

/** Moves every miner to `context.t`. One pass over plain arrays: about a tenth of a microsecond each. */
export function stepMiners(
  miners: Miners,
  context: StepContext,
  config: SimConfig,
  forcedDead: Uint8Array,
  unplugged: Uint8Array,
): void {
  const { state: s } = miners;
  const dtS = context.dtMs / 1000;
  const warming = 1 - Math.exp(-dtS / 90);
  const averaging = 1 - Math.exp(-dtS / 300);
  for (let i = 0; i < miners.count; i += 1) {
    if (context.t >= s.failureUntil[i]!) drawFailure(miners, i, context, config);
    const failure = forcedDead[i] === 1 ? FAILURE.dead : s.failure[i]!;
    const supplied = context.live[miners.hall[i]!]! && failure !== FAILURE.dead && unplugged[i] === 0;
    movePhase(miners, i, supplied, context);
    const inletC = context.inletC[miners.hall[i]!]!;
    drawPower(miners, i, failure, inletC, context);
    s.averageThs[i]! += (s.hashThs[i]! - s.averageThs[i]!) * averaging;
    s.workTh[i]! += s.hashThs[i]! * dtS;
    const load = s.powerW[i]! / miners.groups[miners.group[i]!]!.model.nameplateW;
    const rise = (miners.groups[miners.group[i]!]!.model.cooling === 'hydro' ? 24 : 36) * load;
    const chipC = inletC + rise + (failure === FAILURE.hot ? 26 * load : 0);
    s.chipC[i]! += (chipC - s.chipC[i]!) * warming;
  }
}

/** Failures last one repair time each, and begin at an hour of the machine's own: no state but the seed. */
function drawFailure(miners: Miners, i: number, context: StepContext, config: SimConfig): void {
  const { state: s } = miners;
  const { failures } = config;
  const lastsMs = failures.repairHours * 3_600_000;
  const offset = unitAt(context.seed, PURPOSE.failurePhase, i) * lastsMs;
  const turn = Math.floor((context.t - offset) / lastsMs);
  s.failureUntil[i] = (turn + 1) * lastsMs + offset;
  let draw = unitAt(context.seed, PURPOSE.failure, i, turn) * 100;
  const kinds = [
    [failures.deadPct, FAILURE.dead],
    [failures.darkPct, FAILURE.dark],
    [failures.boardPct, FAILURE.board],
    [failures.hotPct, FAILURE.hot],
  ] as const;
  s.failure[i] = FAILURE.none;
  for (const [pct, kind] of kinds) {
    if (draw < pct) {
      s.failure[i] = kind;
      return;
    }
    draw -= pct;
  }
}

function movePhase(miners: Miners, i: number, supplied: boolean, context: StepContext): void {
  const { state: s } = miners;
  if (!supplied) {
    if (s.phase[i] !== PHASE.off) enter(s, i, PHASE.off, context.t, Infinity);
    if (miners.groups[miners.group[i]!]!.firmware.forgetsSleep === true) {
      // Such firmware comes back awake: its sleep is no curtailment that survives.
      s.curtailed[i] = 0;
      s.point[i] = miners.groups[miners.group[i]!]!.table.stock;
    }
    return;
  }
  if (s.phase[i] === PHASE.off) {
    const bootMs = 1000 * (40 + 30 * unitAt(context.seed, PURPOSE.bootTime, i));
    const staggerMs = 100_000 * unitAt(context.seed, PURPOSE.bootTime, i, context.step);
    enter(s, i, PHASE.boot, context.t, context.t + staggerMs + bootMs);
  }
  while (context.t >= s.until[i]!) {
    const ended = s.until[i]!;
    if (s.phase[i] === PHASE.boot) {
      s.bootedAt[i] = ended;
      s.workTh[i] = 0;
      if (s.curtailed[i] === 1) enter(s, i, PHASE.asleep, ended, Infinity);
      else enter(s, i, PHASE.wake, ended, ended + miners.wakeMs[i]!);
    } else if (s.phase[i] === PHASE.wake) enter(s, i, PHASE.run, ended, ended);
    else if (s.phase[i] === PHASE.down) enter(s, i, PHASE.asleep, ended, Infinity);
    else return;
  }
}

/** Least share of a point's power that a limit can reach: below it the boards would not start. */
const LEAST_LIMIT = 0.4;

/** Fewer watts at a better ratio: hashrate falls with the power of 0.8 (an assumption). */
function limitOf(s: MinerState, i: number, pointW: number): { power: number; hash: number } {
  const limitW = s.limitW[i]!;
  if (limitW === 0) return { power: 1, hash: 1 };
  const power = Math.min(1.25, Math.max(LEAST_LIMIT, limitW / pointW));
  return { power, hash: power ** 0.8 };
}

export function enter(s: MinerState, i: number, phase: number, since: number, until: number): void {
  s.phase[i] = phase;
  s.since[i] = since;
  s.until[i] = until;
}

function drawPower(miners: Miners, i: number, failure: number, inletC: number, context: StepContext): void {
  const { state: s } = miners;
  const phase = s.phase[i]!;
  s.hashThs[i] = 0;
  if (phase === PHASE.off) s.powerW[i] = 0;
  else if (phase === PHASE.boot) s.powerW[i] = BOARD_W;
  else if (phase === PHASE.asleep) s.powerW[i] = miners.sleepW[i]!;
  else {
    const elapsed = context.t - s.since[i]!;
    const span = s.until[i]! - s.since[i]!;
    const done = span > 0 ? Math.min(1, Math.max(0, elapsed / span)) : 1;
    if (phase === PHASE.down) {
      s.powerW[i] = s.fromW[i]! + (miners.sleepW[i]! - s.fromW[i]!) * done;
      return;
    }
    const group = miners.groups[miners.group[i]!]!;
    const point = group.table.points[s.point[i]!]!;
    const noise = bellAt(context.seed, PURPOSE.noise, i, context.step);
    const derate = failure === FAILURE.board ? 2 / 3 : failure === FAILURE.hot ? 0.78 : 1;
    // Leakage rises with chip temperature, about 0.15 % of power for a kelvin of inlet.
    const limited = limitOf(s, i, point.powerW);
    const targetW =
      point.powerW *
      limited.power *
      miners.spreadPower[i]! *
      (1 + 0.0015 * (inletC - 25)) *
      (0.04 + 0.96 * derate) *
      (1 + 0.004 * noise);
    const targetThs = point.hashThs * limited.hash * miners.spreadHash[i]! * derate * (1 + 0.012 * noise);
    if (phase === PHASE.wake) {
      const fansW = miners.sleepW[i]! + (group.model.cooling === 'air' ? 110 : 40);
      const ramp = Math.max(0, (done - FAN_SHARE) / (1 - FAN_SHARE));
      s.powerW[i] = fansW + (targetW - fansW) * ramp;
      s.hashThs[i] = targetThs * ramp * ramp;
      return;
    }
    // A running miner that was given another profile moves to it over `span`.
    const moving = span > 0 && done < 1;
    s.powerW[i] = moving ? s.fromW[i]! + (targetW - s.fromW[i]!) * done : targetW;
    s.hashThs[i] = moving ? targetThs * Math.min(1, s.powerW[i] / targetW) : targetThs;
  }
}

/** True while a machine answers on the network at all. */
export const minerAnswers = (miners: Miners, i: number): boolean =>
  miners.state.phase[i]! > PHASE.boot &&
  miners.state.failure[i] !== FAILURE.dead &&
  miners.state.failure[i] !== FAILURE.dark;
