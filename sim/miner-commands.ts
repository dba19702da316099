import { PHASE, WORK_MODE, enter, type Miners } from './miners.ts';
import { PURPOSE, unitAt } from './random.ts';

/**
 * What a miner does when it is told something. Each function is the effect of a write at site time `at`; the
 * answer on the wire is the protocol's affair.
 */

/** How long power takes to fall, seconds: the least of any machine, and how much more the slowest takes. */
export const RAMP_DOWN_S = { least: 3, more: 12 } as const;

/** Hashing stops at once; power falls in a time of the machine's own. */
export function sleepMiner(miners: Miners, i: number, at: number, seed: number): void {
  const { state: s } = miners;
  s.curtailed[i] = 1;
  if (s.phase[i] !== PHASE.run && s.phase[i] !== PHASE.wake) return;
  const rampS = RAMP_DOWN_S.least + RAMP_DOWN_S.more * unitAt(seed, PURPOSE.rampDown, i);
  s.fromW[i] = s.powerW[i]!;
  enter(s, i, PHASE.down, at, at + rampS * 1000);
}

/** Fans first, then boards: 60 to 240 s to full power. */
export function wakeMiner(miners: Miners, i: number, at: number): void {
  const { state: s } = miners;
  s.curtailed[i] = 0;
  if (s.phase[i] !== PHASE.asleep && s.phase[i] !== PHASE.down) return;
  enter(s, i, PHASE.wake, at, at + miners.wakeMs[i]!);
}

/** A running miner moves to another profile within 20 to 60 s and goes on hashing; a sleeping one keeps it for later. */
export function setMinerPoint(miners: Miners, i: number, point: number, at: number, seed: number): void {
  const { state: s } = miners;
  const changed = s.point[i] !== point;
  s.point[i] = point;
  if (!changed || s.phase[i] !== PHASE.run) return;
  s.fromW[i] = s.powerW[i]!;
  enter(s, i, PHASE.run, at, at + 1000 * (20 + 40 * unitAt(seed, PURPOSE.wakeTime, i, 1)));
}

/** A running miner moves to the limit within 20 to 60 s. @param watts 0 takes the limit away */
export function limitMiner(miners: Miners, i: number, watts: number, at: number, seed: number): void {
  const { state: s } = miners;
  const changed = s.limitW[i] !== watts;
  s.limitW[i] = watts;
  if (!changed || s.phase[i] !== PHASE.run) return;
  s.fromW[i] = s.powerW[i]!;
  enter(s, i, PHASE.run, at, at + 1000 * (20 + 40 * unitAt(seed, PURPOSE.wakeTime, i, 2)));
}

/** How long the stock firmware's program takes to start again, seconds. */
export const RELOAD_S = { least: 8, more: 12 } as const;

/** Stock firmware: any write of the configuration reloads the miner, and it starts from fans again. */
export function setWorkMode(miners: Miners, i: number, mode: number, at: number, seed: number): void {
  const { state: s } = miners;
  const { table } = miners.groups[miners.group[i]!]!;
  const reloadMs = 1000 * (RELOAD_S.least + RELOAD_S.more * unitAt(seed, PURPOSE.bootTime, i, 2));
  s.busyUntil[i] = at + reloadMs;
  if (mode === WORK_MODE.sleep) {
    sleepMiner(miners, i, at, seed);
    return;
  }
  s.point[i] = mode === WORK_MODE.low ? 0 : table.stock;
  s.curtailed[i] = 0;
  if (s.phase[i] === PHASE.off || s.phase[i] === PHASE.boot) return;
  enter(s, i, PHASE.wake, at, at + reloadMs + miners.wakeMs[i]!);
}

export function rebootMiner(miners: Miners, i: number, at: number, seed: number): void {
  const { state: s } = miners;
  if (s.phase[i] === PHASE.off) return;
  enter(s, i, PHASE.boot, at, at + 1000 * (40 + 30 * unitAt(seed, PURPOSE.bootTime, i)));
}

/** The work mode in a stock miner's configuration. */
export function workModeOf(miners: Miners, i: number): number {
  const { state: s } = miners;
  if (s.curtailed[i] === 1) return WORK_MODE.sleep;
  const { table } = miners.groups[miners.group[i]!]!;
  return s.point[i] === table.stock ? WORK_MODE.normal : WORK_MODE.low;
}
