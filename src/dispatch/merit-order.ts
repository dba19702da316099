import type { Forecast, Plan, Snapshot } from '../model/index.ts';
import { coincidentUsdPerMwh } from './demand.ts';
import { planId } from './plan-id.ts';
import { type Decision, pose, type Problem, wakesAllowed } from './problem.ts';
import { roomBeside, uplinkRoomGpus } from './round.ts';
import { moneyOf, shapeSteps } from './shape.ts';

/** One thing more that could run: GPUs of a class, or machines one operating point up. */
interface Offer {
  /** What a MWh at the meter earns here. */
  readonly usdPerMwh: number;
  readonly hall: number;
  readonly wattsEach: number;
  /** How many the step allows, limits of power aside; `take` runs them. */
  most(): number;
  take(count: number): void;
}

/**
 * A safe plan without a solver, for when the solver is late or broken. Step by step: whatever must run, then AI and HPC
 * work, then miners' operating points by value per watt, each while it earns more than the price and every limit has
 * room. It looks neither ahead nor at what waking and interrupting cost, so it earns less than the optimiser.
 * All counts are whole.
 */
export function planByMeritOrder(snapshot: Snapshot, forecast: Forecast, notes: readonly string[] = []): Plan {
  const problem = pose(snapshot, forecast);
  const decisions: Decision[] = [];
  for (let t = 0; t < problem.steps.length; t += 1) decisions.push(decideStep(problem, t, decisions[t - 1]));
  return {
    id: planId('merit-order', snapshot, forecast),
    madeAt: forecast.madeAt,
    solver: 'merit-order',
    status: problem.exceeded.length > 0 ? 'limits-exceeded' : 'merit-order',
    solveMs: 0,
    objectiveUsd: moneyOf(problem, decisions),
    steps: shapeSteps(problem, decisions),
    notes: [...notes, ...problem.exceeded],
  };
}

function decideStep(problem: Problem, t: number, before: Decision | undefined): Decision {
  const step = problem.steps[t]!;
  const machines = problem.cohorts.map(({ facts, modes, now, pinned }) => {
    const kept = facts.held ? [...now] : step.pinned ? [...pinned] : modes.map(() => 0);
    kept[0]! += facts.machines - kept.reduce((sum, n) => sum + n, 0);
    return kept;
  });
  const gpus = problem.work.map(() => 0);
  const decision: Decision = { machines, gpus };
  const room = roomBeside(problem, t, decision);
  const offers = [...workOffers(problem, t, gpus), ...machineOffers(problem, t, machines, before)];
  const price = step.facts.priceUsdPerMwh + coincidentUsdPerMwh(problem, t);
  for (const offer of offers) {
    if (offer.usdPerMwh <= price) continue;
    const count = Math.floor(Math.min(offer.most(), room.most(offer.hall, offer.wattsEach)));
    if (count <= 0) continue;
    offer.take(count);
    room.take(offer.hall, offer.wattsEach * count);
  }
  return decision;
}

const dearestFirst = (a: Offer, b: Offer): number => b.usdPerMwh - a.usdPerMwh;

/** $/MWh at the meter of `usdPerHour` earned with `watts` of IT in a hall. */
function worth(problem: Problem, t: number, hall: number, usdPerHour: number, watts: number): number {
  if (watts <= 0) return usdPerHour > 0 ? Infinity : 0;
  const atMeter = (1 + problem.steps[t]!.coolingPerW[hall]!) * (1 + problem.snapshot.connection.lossFraction);
  return (usdPerHour * 1e6) / (watts * atMeter);
}

/** Two offers a class: the GPUs a contract reserves, worth their penalty too, and the rest. */
function workOffers(problem: Problem, t: number, gpus: number[]): Offer[] {
  const offers = problem.work.flatMap(({ facts, hall, demandGpus, reservedGpus }, i) => {
    const part = problem.parts.find(({ work }) => work.includes(i))!;
    const offer = (upTo: number, usdPerGpuHour: number): Offer => ({
      usdPerMwh: worth(problem, t, hall, usdPerGpuHour, facts.marginalWPerGpu),
      hall,
      wattsEach: facts.marginalWPerGpu,
      most: () =>
        Math.min(
          upTo - gpus[i]!,
          part.gpus - part.work.reduce((sum, j) => sum + gpus[j]!, 0),
          uplinkRoomGpus(problem, i, gpus),
        ),
      take: (count) => (gpus[i]! += count),
    });
    const { usdPerGpuHour, penaltyUsdPerGpuHour } = facts;
    return [offer(reservedGpus, usdPerGpuHour + penaltyUsdPerGpuHour), offer(demandGpus, usdPerGpuHour)];
  });
  return offers.sort(dearestFirst);
}

/** Each step up the concave envelope is an offer; the steps of one cohort come in their order by value. */
function machineOffers(problem: Problem, t: number, machines: number[][], before: Decision | undefined): Offer[] {
  const step = problem.steps[t]!;
  const wakesLeft = problem.halls.map((hall) => Math.floor(wakesAllowed(hall, step)));
  const offers = problem.cohorts.flatMap(({ facts, modes, hall, now, pinned }, g): Offer[] => {
    if (facts.held) return [];
    const counts = machines[g]!;
    const stays = (m: number): number => (step.pinned ? pinned[m]! : 0);
    const asleepBefore = before?.machines[g]?.[0] ?? now[0]!;
    /** Machines that were awake and are not yet placed: running them again is no wake. */
    const awakeLeft = (): number => Math.max(0, counts[0]! - asleepBefore);
    return modes.flatMap((mode, m): Offer[] => {
      const below = modes[m - 1];
      if (below === undefined || !mode.offered) return [];
      const wattsEach = mode.powerW - below.powerW;
      const usdPerHour = step.usdPerThHour * (mode.hashrateThs - below.hashrateThs);
      const free = (): number => counts[m - 1]! - stays(m - 1);
      return [
        {
          usdPerMwh: worth(problem, t, hall, usdPerHour, wattsEach),
          hall,
          wattsEach,
          most: () => (m === 1 ? Math.min(free(), awakeLeft() + wakesLeft[hall]!) : free()),
          take: (count) => {
            if (m === 1) wakesLeft[hall]! -= Math.max(0, count - awakeLeft());
            counts[m - 1]! -= count;
            counts[m]! += count;
          },
        },
      ];
    });
  });
  return offers.sort(dearestFirst);
}
