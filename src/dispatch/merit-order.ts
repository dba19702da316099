import { betweenPerW, type Forecast, MINUTE, type Plan, type Snapshot } from '../model/index.ts';
import { availabilityNotes, creditsAtStake, unservedGpus } from './availability.ts';
import { basePointAt } from './base-points.ts';
import { worthUpToW } from './calls.ts';
import { deadlinePart, lateUsd } from './deadline.ts';
import { coincidentUsdPerMwh } from './demand.ts';
import { heldLeases, leasedGpus, leaseProposals } from './leases.ts';
import { gpuHoursOf } from './months.ts';
import { planId } from './plan-id.ts';
import { type Decision, pose, type Problem, wakesAllowed } from './problem.ts';
import { type Room, roomBeside, uplinkRoomGpus } from './round.ts';
import { cheaperThan, withinUse } from './generation.ts';
import { loadOf, moneyOf, netOf, shapeSteps } from './shape.ts';
import { doneGpus } from './work-points.ts';

/** One thing more that could run: GPUs of a class, or machines one operating point up. */
interface Offer {
  /** What a MWh at the meter earns here before anything of the offers runs. */
  readonly usdPerMwh: number;
  /** What each of them earns. */
  readonly usdPerHour: number;
  readonly hall: number;
  readonly wattsEach: number;
  /** How many the step allows, limits of power aside; `take` runs them. */
  most(): number;
  take(count: number): void;
}

/**
 * A safe plan without a solver, for when the solver is late or broken. Step by step: whatever must run, then AI and HPC
 * work, then miners' operating points by value per watt, each while it earns more than the price and every limit has
 * room. The contract's ramp and minimum times are kept from step to step where the limits leave room for it. It looks
 * neither ahead nor at what waking and interrupting cost, and GPUs work at full power or not at all, so it earns less than the
 * optimiser.
 * All counts are whole.
 */
export function planByMeritOrder(snapshot: Snapshot, forecast: Forecast, notes: readonly string[] = []): Plan {
  const problem = pose(snapshot, forecast);
  const decisions: Decision[] = [];
  for (let t = 0; t < problem.steps.length; t += 1) decisions.push(decideStep(problem, t, decisions));
  return {
    id: planId('merit-order', snapshot, forecast),
    madeAt: forecast.madeAt,
    solver: 'merit-order',
    status: problem.exceeded.length > 0 ? 'limits-exceeded' : 'merit-order',
    solveMs: 0,
    objectiveUsd: moneyOf(problem, decisions),
    steps: shapeSteps(problem, decisions),
    notes: [...notes, ...problem.exceeded, ...availabilityNotes(problem, decisions)],
    ...(problem.leases.length === 0 ? {} : { proposals: leaseProposals(problem, decisions) }),
  };
}

function decideStep(problem: Problem, t: number, earlier: readonly Decision[]): Decision {
  const step = problem.steps[t]!;
  const before = earlier.at(-1);
  const lately = problem.cohorts.map((_, g) => changedLately(problem, earlier, g, step.facts.start));
  const machines = problem.cohorts.map(({ facts, modes, now, pinned }) => {
    const kept = facts.held ? [...now] : step.pinned ? [...pinned] : modes.map(() => 0);
    kept[0]! += facts.machines - kept.reduce((sum, n) => sum + n, 0);
    return kept;
  });
  const gpus: number[] = problem.work.map(() => 0);
  keepRunning(problem, t, { machines, gpus });
  const price = step.facts.priceUsdPerMwh + coincidentUsdPerMwh(problem, t);
  const idle: Decision = { machines, gpus, generationW: [] };
  const generationW = cheaperThan(problem, t, price, loadOf(problem, t, idle) - step.limits.connectionW);
  const decision: Decision = { machines, gpus, generationW };
  const ramp = rampOf(problem, t, before);
  const room = roomBeside(problem, t, decision, ramp.mostW);
  keepWoken(problem, machines, before, lately, room);
  /** Watts at the connection's meter of one thing more of `watts` of IT in a hall. */
  const atMeterW = (hall: number, watts: number): number => {
    const perW = betweenPerW(step.cooling[hall]!, room.itW(hall), room.itW(hall) + watts);
    return watts * (1 + perW) * (1 + problem.snapshot.connection.lossFraction);
  };
  /** $/MWh at the meter of one thing more. */
  const worth: Worth = (hall, usdPerHour, watts) => {
    if (watts <= 0) return usdPerHour > 0 ? Infinity : 0;
    return (usdPerHour * 1e6) / atMeterW(hall, watts);
  };
  const offers = [
    ...workOffers(problem, t, gpus, earlier, worth),
    ...machineOffers(problem, t, machines, before, (g) => lately[g]!.slept, worth),
  ];
  const run = (offer: Offer, atMost: number): number => {
    const count = Math.floor(Math.min(offer.most(), room.most(offer.hall, offer.wattsEach), atMost));
    if (count <= 0) return 0;
    offer.take(count);
    room.take(offer.hall, offer.wattsEach * count);
    return count;
  };
  /** Runs an offer as far as it goes, `atMost` of it asked anew wherever cooling turns dearer. */
  const runOn = (offer: Offer, atMost: () => number): void => {
    let alike: number;
    do alike = room.alike(offer.hall, offer.wattsEach);
    while (run(offer, Math.min(alike, atMost())) === alike);
  };
  for (const offer of offers) {
    const { hall, usdPerHour, wattsEach } = offer;
    runOn(offer, () => {
      const gainUsdPerMwh = worth(hall, usdPerHour, wattsEach) - price;
      if (gainUsdPerMwh <= 0) return 0;
      const mostW = Math.min(worthUpToW(problem, t, gainUsdPerMwh), basePointAt(problem, t)?.mostW ?? Infinity);
      if (mostW === Infinity || wattsEach <= 0) return Infinity;
      return (mostW - netOf(problem, t, decision)) / atMeterW(hall, wattsEach);
    });
  }
  // The contract has import fall no faster than this, or the grid wants as much drawn: what loses least runs on.
  const leastW = Math.max(ramp.leastW, basePointAt(problem, t)?.leastW ?? -Infinity);
  for (const offer of offers.sort(dearestFirst)) {
    if (leastW - netOf(problem, t, decision) <= 0) break;
    if (offer.wattsEach > 0)
      runOn(offer, () =>
        Math.ceil(Math.max(0, leastW - netOf(problem, t, decision)) / atMeterW(offer.hall, offer.wattsEach)),
      );
  }
  return {
    ...decision,
    ...heldLeases(problem, t, gpus),
    generationW: withinUse(problem, loadOf(problem, t, decision), generationW),
  };
}

/** Machines that this plan woke, and put to sleep, too lately for them to change again at `start`. */
function changedLately(
  { snapshot: { mining }, steps, cohorts }: Problem,
  earlier: readonly Decision[],
  g: number,
  start: number,
): { readonly woken: number; readonly slept: number } {
  let asleep = cohorts[g]!.now[0]!;
  let woken = 0;
  let slept = 0;
  earlier.forEach(({ machines }, s) => {
    const change = machines[g]![0]! - asleep;
    const age = start - steps[s]!.facts.start;
    if (age < (mining.minimumOnMs ?? 0)) woken += Math.max(0, -change);
    if (age < (mining.minimumOffMs ?? 0)) slept += Math.max(0, change);
    asleep = machines[g]![0]!;
  });
  return { woken, slept };
}

/** Work that may not be interrupted keeps its GPUs, as far as the physical limits and all that can be made on site leave room. */
function keepRunning(problem: Problem, t: number, { machines, gpus }: { machines: number[][]; gpus: number[] }): void {
  const room = roomBeside(problem, t, { machines, gpus, generationW: problem.steps[t]!.availableW });
  problem.work.forEach(({ facts, hall, demandGpus }, i) => {
    if (facts.preemptible !== false) return;
    const part = problem.parts.find(({ work }) => work.includes(i))!;
    const free = part.gpus - part.work.reduce((sum, j) => sum + gpus[j]!, 0);
    const fits = Math.min(free, uplinkRoomGpus(problem, i, gpus), room.most(hall, facts.marginalWPerGpu));
    gpus[i] = Math.floor(Math.min(facts.runningGpus, demandGpus[t]!, fits));
    room.take(hall, facts.marginalWPerGpu * gpus[i]);
  });
}

/** Whoever was woken lately and still runs does so on, at the lowest point, as far as the physical limits leave room. */
function keepWoken(
  problem: Problem,
  machines: readonly number[][],
  before: Decision | undefined,
  lately: readonly { readonly woken: number }[],
  room: Room,
): void {
  problem.cohorts.forEach(({ facts, hall, modes, now }, g) => {
    const counts = machines[g]!;
    // Whom a limit sent back to sleep since would have to be woken again, as the wake rate allows.
    const awake = facts.machines - (before?.machines[g]?.[0] ?? now[0]!);
    const missing = Math.min(lately[g]!.woken, awake) - (facts.machines - counts[0]!);
    if (facts.held || missing <= 0) return;
    const wattsEach = modes[1]!.powerW - modes[0]!.powerW;
    const kept = Math.floor(Math.min(missing, counts[0]!, room.most(hall, wattsEach)));
    counts[0]! -= kept;
    counts[1]! += kept;
    room.take(hall, wattsEach * kept);
  });
}

/** Import that the contract's ramp allows in step `t`, in W. */
function rampOf(
  problem: Problem,
  t: number,
  before: Decision | undefined,
): { readonly leastW: number; readonly mostW: number } {
  const { rampWPerMinute, importW } = problem.snapshot.connection;
  const fromW = before === undefined ? importW : netOf(problem, t - 1, before);
  if (rampWPerMinute === undefined || fromW === undefined) return { leastW: -Infinity, mostW: Infinity };
  const byW = (rampWPerMinute * problem.steps[t]!.facts.durationMs) / MINUTE;
  return { leastW: fromW - byW, mostW: fromW + byW };
}

const dearestFirst = (a: Offer, b: Offer): number => b.usdPerMwh - a.usdPerMwh;

/** $/MWh at the meter of one thing more that earns `usdPerHour` with `watts` of IT in a hall. */
type Worth = (hall: number, usdPerHour: number, watts: number) => number;

/**
 * Two offers a class: the GPUs a contract reserves, worth their penalty too, and the rest. Work with a deadline is worth
 * what it would cost late until it is done: it does not wait for a better hour that only who looks ahead sees.
 */
function workOffers(problem: Problem, t: number, gpus: number[], earlier: readonly Decision[], worth: Worth): Offer[] {
  const offers = problem.work.flatMap(({ facts, hall, demandGpus, reservedGpus }, i) => {
    const part = problem.parts.find(({ work }) => work.includes(i))!;
    const offer = (upTo: number, usdPerGpuHour: number): Offer => ({
      usdPerMwh: worth(hall, usdPerGpuHour, facts.marginalWPerGpu),
      usdPerHour: usdPerGpuHour,
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
    const deadline = deadlinePart(problem, i);
    const counts = deadline !== undefined && deadline.hours[t]! > 0;
    const isLate =
      counts &&
      lateUsd(
        deadline,
        earlier.map((one) => doneGpus(problem, one, i) + leasedGpus(problem, one, i)),
      ) > 0;
    const usdPerGpuHour = facts.usdPerGpuHour + (isLate ? deadline.usdPerGpuHour : 0);
    const owedUsdPerGpuHour = facts.penaltyUsdPerGpuHour + creditUsdPerGpuHour(problem, i, t, earlier);
    return [offer(reservedGpus[t]!, usdPerGpuHour + owedUsdPerGpuHour), offer(demandGpus[t]!, usdPerGpuHour)];
  });
  return offers.sort(dearestFirst);
}

/** What credits a reserved GPU-hour of step `t` bears when all that would be lost by leaving them are shared out to the step's. */
function creditUsdPerGpuHour(problem: Problem, i: number, t: number, earlier: readonly Decision[]): number {
  if (problem.work[i]!.facts.availability === undefined) return 0;
  const { hours } = problem.steps[t]!;
  const wantedGpuHours = hours * problem.work[i]!.reservedGpus[t]!;
  if (wantedGpuHours === 0) return 0;
  const missed = unservedGpus(problem, i, earlier);
  const usd = creditsAtStake(problem, i).reduce((sum, { steps, leftGpuHours, usd: credit }) => {
    if (!steps.includes(t)) return sum;
    const before = gpuHoursOf(
      problem,
      steps.filter((s) => s < t),
      missed,
    );
    return before <= leftGpuHours && before + wantedGpuHours > leftGpuHours ? sum + credit : sum;
  }, 0);
  return usd / wantedGpuHours;
}

/** Each step up the concave envelope is an offer; the steps of one cohort come in their order by value. */
function machineOffers(
  problem: Problem,
  t: number,
  machines: number[][],
  before: Decision | undefined,
  sleepsOn: (g: number) => number,
  worth: Worth,
): Offer[] {
  const step = problem.steps[t]!;
  const wakesLeft = problem.halls.map((hall) => Math.floor(wakesAllowed(hall, step)));
  const offers = problem.cohorts.flatMap(({ facts, modes, hall, now, pinned }, g): Offer[] => {
    if (facts.held) return [];
    const counts = machines[g]!;
    const stays = (m: number): number => Math.max(step.pinned ? pinned[m]! : 0, m === 0 ? sleepsOn(g) : 0);
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
          usdPerMwh: worth(hall, usdPerHour, wattsEach),
          usdPerHour,
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
