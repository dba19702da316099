import { alikeW, cooledW, type CoolingCurve, fitting } from '../model/index.ts';
import { basePointAt } from './base-points.ts';
import { callsAt } from './calls.ts';
import { withinUse } from './generation.ts';
import { leasedGpus } from './leases.ts';
import { loadOf, netOf } from './shape.ts';
import {
  type Decision,
  decidedByHallW,
  feederLoadW,
  hallLoadW,
  type Problem,
  undecidedW,
  wakesAllowed,
} from './problem.ts';
import { atPoints } from './work-points.ts';

const NEARLY = 1e-6;

/** What is left of the limits of one step while machines and GPUs are being placed. */
export interface Room {
  /** How many things of `watts` more each fit in a hall and its cooling, in the feeders above it and in the connection. */
  most(hall: number, watts: number): number;
  take(hall: number, watts: number): void;
  /** IT power of a hall so far. */
  itW(hall: number): number;
  /** How many things of `watts` more each are cooled alike: with one of them more cooling turns dearer. At least one. */
  alike(hall: number, watts: number): number;
}

/** What may still be drawn, base of the cooling and losses included, and what IT power is there already. */
export interface Left {
  readonly cooling: readonly CoolingCurve[];
  readonly itW: readonly number[];
  /** IT power that each hall's cooling carries. */
  readonly heatW: readonly number[];
  readonly hallW: readonly number[];
  readonly feederW: readonly number[];
  readonly siteW: number;
  /** Feeders above each hall. */
  readonly above: readonly (readonly number[])[];
  readonly lossFraction: number;
}

/** Room below limits of halls, feeders and site. Watts are IT watts; cooling and losses come on top here. */
export function roomWithin({ cooling, heatW, above, lossFraction, ...left }: Left): Room {
  const withLosses = 1 + lossFraction;
  const itW = [...left.itW];
  const hallLeft = [...left.hallW];
  const feederLeft = [...left.feederW];
  let siteLeft = left.siteW;
  return {
    most(hall, watts) {
      if (watts <= 0) return Infinity;
      const curve = cooling[hall]!;
      const leftAbove = above[hall]!.reduce((least, f) => Math.min(least, feederLeft[f]!), siteLeft);
      return Math.max(
        0,
        Math.min(
          fitting(curve, itW[hall]!, watts, hallLeft[hall]!),
          fitting(curve, itW[hall]!, watts, leftAbove, withLosses),
          (heatW[hall]! - itW[hall]!) / watts,
        ),
      );
    },
    take(hall, watts) {
      const curve = cooling[hall]!;
      const beforeW = itW[hall]!;
      itW[hall] = beforeW + watts;
      const atHall = curve.length === 1 ? cooledW(curve, watts) : cooledW(curve, itW[hall]) - cooledW(curve, beforeW);
      hallLeft[hall]! -= atHall;
      siteLeft -= atHall * withLosses;
      for (const f of above[hall]!) feederLeft[f]! -= atHall * withLosses;
    },
    itW: (hall) => itW[hall]!,
    alike: (hall, watts) =>
      watts <= 0 ? Infinity : Math.max(1, Math.floor(alikeW(cooling[hall]!, itW[hall]!) / watts)),
  };
}

/**
 * Room left in step `t` beside a decision. Watts are IT watts; cooling and losses come on top here.
 * @param mostW what the site draws less what it makes that is not to be exceeded beside the limits
 */
export function roomBeside(problem: Problem, t: number, decision: Decision, mostW = Infinity): Room {
  const { cooling, limits } = problem.steps[t]!;
  const { lossFraction } = problem.snapshot.connection;
  const decided = decidedByHallW(problem, decision);
  const loads = problem.halls.map((hall, h) => hallLoadW(hall, cooling[h]!, decided[h]!));
  const madeW = decision.generationW.reduce((sum, watts) => sum + watts, 0);
  return roomWithin({
    cooling,
    itW: problem.halls.map((hall, h) => undecidedW(hall) + decided[h]!),
    heatW: limits.heatW,
    hallW: loads.map((load, h) => limits.hallW[h]! - load),
    feederW: problem.feeders.map(({ halls }, f) => limits.feederW[f]! - feederLoadW(halls, loads, lossFraction)),
    siteW:
      Math.min(limits.connectionW, mostW) + madeW - loads.reduce((sum, load) => sum + load, 0) * (1 + lossFraction),
    above: problem.halls.map((_, h) =>
      [...problem.feeders.keys()].filter((f) => problem.feeders[f]!.halls.includes(h)),
    ),
    lossFraction,
  });
}

/** GPUs of class `i` that the uplink of its hall still has room for beside `gpus`, a fraction included. */
export function uplinkRoomGpus({ work, halls }: Problem, i: number, gpus: readonly number[]): number {
  const { facts, hall } = work[i]!;
  const capacity = halls[hall]!.uplinkMbps;
  const each = facts.uplinkMbpsPerGpu ?? 0;
  if (capacity === undefined || each === 0) return Infinity;
  const used = work.reduce(
    (sum, one, j) => sum + (one.hall === hall ? (one.facts.uplinkMbpsPerGpu ?? 0) * gpus[j]! : 0),
    0,
  );
  return Math.max(0, (capacity - used) / each);
}

/**
 * Whole machines and GPUs for the first step, within every limit. Counts are cut to whole ones with the rest asleep
 * or idle, which draws no more than the fractions did; then the rest is placed again, largest fraction first,
 * wherever limits and wakes leave room. Whole counts come through unchanged.
 */
export function roundFirst(problem: Problem, decision: Decision): Decision {
  const machines = decision.machines.map((counts, g) => {
    const whole = counts.map((count) => Math.floor(count + NEARLY));
    const rest = problem.cohorts[g]!.facts.machines - whole.reduce((sum, n) => sum + n, 0);
    whole[0]! += rest;
    return whole;
  });
  const gpusAt = problem.work.map((_, i) => atPoints(problem, decision, i).map((at) => Math.floor(at.gpus + NEARLY)));
  const gpus = gpusAt.map((counts) => counts.reduce((sum, count) => sum + count, 0));
  const whole: Decision = { ...decision, machines, gpus, gpusAt };
  const room = placesBeside(problem, decision, whole);
  placeGpus(problem, decision, gpus, gpusAt, room);
  placeMachines(problem, decision, machines, room);
  const cutGpus = gpus.map((count, i) => Math.max(0, decision.gpus[i]! - count));
  return { ...whole, cutGpus, generationW: withinUse(problem, loadOf(problem, 0, whole), whole.generationW) };
}

/** Where whole things may still be placed. */
interface Places {
  fits(hall: number, watts: number): boolean;
  take(hall: number, watts: number): void;
}

/**
 * Half a machine more than was decided would be a new peak to pay for, a ramp too steep, or above a firm level. Beside a base point it is as
 * good as half a machine less: there the nearest whole one counts, below every limit all the same.
 */
function placesBeside(problem: Problem, decision: Decision, whole: Decision): Places {
  const { tariff, connection } = problem.snapshot;
  const isFollowed = basePointAt(problem, 0) !== undefined;
  const isFirm = connection.rampWPerMinute !== undefined || callsAt(problem, 0).length > 0;
  const isAimed = isFollowed || isFirm || tariff.demand !== undefined;
  const limits = roomBeside(problem, 0, whole);
  const aim = roomBeside(problem, 0, whole, isAimed ? netOf(problem, 0, decision) : Infinity);
  const least = isFollowed && !isFirm ? 0.5 : 1;
  return {
    fits: (hall, watts) => limits.most(hall, watts) >= 1 && aim.most(hall, watts) >= least,
    take(hall, watts) {
      limits.take(hall, watts);
      aim.take(hall, watts);
    },
  };
}

interface Fraction {
  readonly owner: number;
  readonly mode: number;
  readonly part: number;
}

const largestFirst = (a: Fraction, b: Fraction): number => b.part - a.part || a.owner - b.owner || a.mode - b.mode;

function placeGpus(
  problem: Problem,
  wanted: Decision,
  gpus: number[],
  gpusAt: readonly number[][],
  room: Places,
): void {
  const fractions = gpusAt.flatMap((counts, owner) =>
    atPoints(problem, wanted, owner).map(({ gpus: count, point }, mode) => ({
      owner,
      mode,
      part: count - counts[mode]!,
      watts: point.marginalW,
    })),
  );
  for (const { owner, mode, part, watts } of fractions.sort(largestFirst)) {
    if (part <= NEARLY) continue;
    const { hall, demandGpus } = problem.work[owner]!;
    // Fractions at several power limits may be those of one GPU.
    if (gpus[owner]! >= Math.ceil(wanted.gpus[owner]! - NEARLY)) continue;
    const shared = problem.parts.find(({ work }) => work.includes(owner))!;
    const used = shared.work.reduce((sum, i) => sum + gpus[i]!, 0);
    if (
      used >= shared.gpus ||
      gpus[owner]! + 1 > demandGpus[0]! - leasedGpus(problem, wanted, owner) + NEARLY ||
      !room.fits(hall, watts)
    )
      continue;
    if (uplinkRoomGpus(problem, owner, gpus) < 1) continue;
    gpus[owner]! += 1;
    gpusAt[owner]![mode]! += 1;
    room.take(hall, watts);
  }
}

function placeMachines(problem: Problem, wanted: Decision, machines: number[][], room: Places): void {
  const step = problem.steps[0]!;
  const fractions = machines.flatMap((counts, owner) =>
    counts.map((count, mode) => ({ owner, mode, part: mode === 0 ? 0 : wanted.machines[owner]![mode]! - count })),
  );
  const wakesLeft = problem.halls.map((hall) => Math.floor(wakesAllowed(hall, step) + NEARLY));
  const wakesOf = (g: number): number => Math.max(0, problem.cohorts[g]!.now[0]! - machines[g]![0]!);
  problem.cohorts.forEach(({ hall }, g) => (wakesLeft[hall]! -= wakesOf(g)));
  const spare = machines.map((counts, g) => counts[0]! - Math.floor(wanted.machines[g]![0]! + NEARLY));
  for (const { owner, mode, part } of fractions.sort(largestFirst)) {
    if (part <= NEARLY || spare[owner]! <= 0) continue;
    const { hall, modes, now } = problem.cohorts[owner]!;
    const wakes = machines[owner]![0]! <= now[0]!;
    const watts = modes[mode]!.powerW - modes[0]!.powerW;
    if ((wakes && wakesLeft[hall]! < 1) || !room.fits(hall, watts)) continue;
    machines[owner]![0]! -= 1;
    machines[owner]![mode]! += 1;
    spare[owner]! -= 1;
    if (wakes) wakesLeft[hall]! -= 1;
    room.take(hall, watts);
  }
}
