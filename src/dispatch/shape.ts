import { averagePerW, type Line, type PlanStep } from '../model/index.ts';
import { awardsAt, awardsUsd, reservesW } from './awards.ts';
import { creditsLost, unservedGpus } from './availability.ts';
import { basePointUsd } from './base-points.ts';
import { callsUsd } from './calls.ts';
import { sparedUsd } from './curtailment.ts';
import { deadlinePart, lateUsd } from './deadline.ts';
import { coincidentUsd, demandOf, demandUsd } from './demand.ts';
import { leasedGpus, leasesOf, leaseUsd } from './leases.ts';
import { type Decision, decidedByHallW, endedGpus, hallLoadW, type Problem, undecidedW, wakeUsd } from './problem.ts';
import { doneGpus, gpusAtLimitW, paidGpus, servingGpus, workW } from './work-points.ts';

/**
 * The decisions of a horizon as the steps of a plan. Each line carries its machines' power with the cooling and the
 * losses that come with it, AI and HPC also the servers that hold their GPUs; idle servers, silent machines and the
 * bases of cooling are `otherW`.
 * @param shadows shadow prices in $/MWh, by step.
 */
export function shapeSteps(
  problem: Problem,
  decisions: readonly Decision[],
  shadows: readonly Readonly<Record<string, number>>[] = [],
): PlanStep[] {
  const hostsW = problem.halls.map((_, h) => hostWPerGpu(problem, h));
  return decisions.map((decision, t) => {
    const { facts } = problem.steps[t]!;
    const decidedW = decidedByHallW(problem, decision);
    const loadW = loadWith(problem, t, decidedW);
    const importW = Math.max(0, loadW - madeW(decision));
    const lines = linesOf(problem, t, decision, decidedW, hostsW);
    const atLimit = gpusAtLimitW(problem, decision);
    return {
      start: facts.start,
      durationMs: facts.durationMs,
      priceUsdPerMwh: facts.priceUsdPerMwh,
      known: facts.known,
      importW,
      ...madeOnSite(problem, t, decision),
      linePowerW: { ...lines, grid: Math.max(0, problem.snapshot.tariff.blockW - importW) },
      otherW: loadW - lines.mining - lines.ai - lines.hpc,
      cohorts: countsOf(problem, decision),
      work: Object.fromEntries(problem.work.map(({ facts }, i) => [facts.id, decision.gpus[i]!])),
      ...(atLimit === undefined ? {} : { gpusAtLimitW: atLimit }),
      ...reserveOf(problem, t, decision),
      ...leasesOf(problem, decision),
      shadowUsdPerMwh: shadows[t] ?? {},
    };
  });
}

function madeOnSite(problem: Problem, t: number, decision: Decision): Pick<PlanStep, 'exportW' | 'generationW'> {
  const { generators } = problem;
  if (generators.length === 0) return {};
  return {
    exportW: Math.max(0, -netOf(problem, t, decision)),
    generationW: Object.fromEntries(generators.map(({ id }, i) => [id, decision.generationW[i]!])),
  };
}

function reserveOf(problem: Problem, t: number, decision: Decision): Pick<PlanStep, 'reserveW'> {
  const held = awardsAt(problem, t);
  if (held.length === 0) return {};
  const watts = reservesW(problem, t, decision, held);
  return { reserveW: Object.fromEntries(held.map(({ facts }, k) => [facts.id, watts[k]!])) };
}

/** Machines by cohort and mode key; modes that nobody is in are absent. */
function countsOf({ cohorts }: Problem, { machines }: Decision): Record<string, Record<string, number>> {
  const counts: Record<string, Record<string, number>> = {};
  for (let g = 0; g < cohorts.length; g += 1) {
    const { facts, modes } = cohorts[g]!;
    const own: Record<string, number> = {};
    for (let m = 0; m < modes.length; m += 1) {
      const count = machines[g]![m]!;
      if (count !== 0) own[modes[m]!.key] = count;
    }
    counts[facts.id] = own;
  }
  return counts;
}

/** Power of all halls with losses under a decision, in W. */
export const loadOf = (problem: Problem, t: number, decision: Decision): number =>
  loadWith(problem, t, decidedByHallW(problem, decision));

function loadWith({ steps, halls, snapshot }: Problem, t: number, decidedW: readonly number[]): number {
  const { cooling } = steps[t]!;
  const loadW = halls.reduce((sum, hall, h) => sum + hallLoadW(hall, cooling[h]!, decidedW[h]!), 0);
  return loadW * (1 + snapshot.connection.lossFraction);
}

/** What the site draws less what it makes, in W: below zero it feeds in. */
export const netOf = (problem: Problem, t: number, decision: Decision): number =>
  loadOf(problem, t, decision) - madeW(decision);

const madeW = ({ generationW }: Decision): number => generationW.reduce((sum, watts) => sum + watts, 0);

/** @param decidedW IT power of the decision, by hall @param hostsW fixed draw per GPU, by hall */
function linesOf(
  problem: Problem,
  t: number,
  decision: Decision,
  decidedW: readonly number[],
  hostsW: readonly number[],
): Record<Exclude<Line, 'grid'>, number> {
  const { cooling } = problem.steps[t]!;
  const lines = { mining: 0, ai: 0, hpc: 0 };
  // Whoever is in a hall bears its cooling alike.
  const perW = problem.halls.map((hall, h) => averagePerW(cooling[h]!, undecidedW(hall) + decidedW[h]!));
  const atMeter = (hall: number): number => (1 + perW[hall]!) * (1 + problem.snapshot.connection.lossFraction);
  problem.cohorts.forEach((cohort, g) => {
    const machines = decision.machines[g]!;
    let watts = 0;
    for (let m = 0; m < machines.length; m += 1) watts += cohort.modes[m]!.powerW * machines[m]!;
    lines.mining += watts * atMeter(cohort.hall);
  });
  problem.work.forEach((work, i) => {
    const watts = workW(problem, decision, i) + hostsW[work.hall]! * decision.gpus[i]!;
    lines[work.facts.line] += watts * atMeter(work.hall);
  });
  return lines;
}

/** Fixed draw of a hall (hosts, idle GPUs) per GPU in it: the share that a working GPU carries with it. */
function hostWPerGpu({ halls, parts, work }: Problem, hall: number): number {
  const inHall = parts.filter((part) => part.work.some((i) => work[i]!.hall === hall));
  const gpus = inHall.reduce((sum, part) => sum + part.gpus, 0);
  return gpus === 0 ? 0 : halls[hall]!.fixedW / gpus;
}

/** Money no decision changes: the block bought at its price and credited at real time. */
export const fixedUsd = ({ snapshot: { tariff }, steps }: Problem): number =>
  steps.reduce(
    (sum, { hours, facts }) => sum + ((hours * tariff.blockW) / 1e6) * (facts.priceUsdPerMwh - tariff.blockUsdPerMwh),
    0,
  );

/** Money of the decisions over the horizon by the forecast, wakes, interruptions and penalties paid, in $. */
export function moneyOf(problem: Problem, decisions: readonly Decision[]): number {
  const { mining, connection } = problem.snapshot;
  const netW = decisions.map((decision, t) => netOf(problem, t, decision));
  const importW = netW.map((watts) => Math.max(0, watts));
  let usd = fixedUsd(problem);
  decisions.forEach((decision, t) => {
    const { hours, facts, usdPerThHour } = problem.steps[t]!;
    const before = decisions[t - 1];
    const fedInW = Math.max(0, -netW[t]!);
    let perHour = (-facts.priceUsdPerMwh * importW[t]!) / 1e6;
    perHour += ((facts.priceUsdPerMwh - (connection.exportAdderUsdPerMwh ?? 0)) * fedInW) / 1e6;
    for (const [i, { usdPerMwh }] of problem.generators.entries())
      perHour -= (usdPerMwh * decision.generationW[i]!) / 1e6;
    problem.cohorts.forEach((cohort, g) => {
      const { modes, now } = cohort;
      const machines = decision.machines[g]!;
      const machinesBefore = before?.machines[g] ?? now;
      usd -= Math.max(0, machinesBefore[0]! - machines[0]!) * wakeUsd(problem, cohort, t);
      for (let m = 0; m < modes.length; m += 1) {
        const mode = modes[m]!;
        perHour += usdPerThHour * mode.hashrateThs * machines[m]!;
        if (mode.key === 'sleep') continue;
        usd -= Math.max(0, machines[m]! - machinesBefore[m]!) * mining.retuneUsdPerMachine;
      }
    });
    problem.work.forEach((work, i) => {
      const { facts, reservedGpus } = work;
      const serving = servingGpus(problem, decision, i) + leasedGpus(problem, decision, i);
      perHour += facts.usdPerGpuHour * paidGpus(problem, decision, i);
      perHour -= facts.penaltyUsdPerGpuHour * Math.max(0, reservedGpus[t]! - serving);
      const runningBefore = (before?.gpus[i] ?? facts.runningGpus) - endedGpus(work, t);
      usd -= facts.interruptUsdPerGpu * Math.max(0, runningBefore - decision.gpus[i]!);
    });
    usd += hours * perHour + awardsUsd(problem, t, decision) - callsUsd(problem, t, importW[t]!);
    usd -= basePointUsd(problem, t, importW[t]!);
  });
  problem.work.forEach((_, i) => {
    const unserved = unservedGpus(problem, i, decisions);
    usd += sparedUsd(problem, i, unserved);
    for (const lost of creditsLost(problem, i, decisions)) usd -= lost.usd;
  });
  problem.work.forEach((_, i) => {
    const part = deadlinePart(problem, i);
    if (part !== undefined)
      usd -= lateUsd(
        part,
        decisions.map((decision) => doneGpus(problem, decision, i) + leasedGpus(problem, decision, i)),
      );
  });
  if (problem.leases.length > 0) for (const t of problem.steps.keys()) usd += leaseUsd(problem, t, decisions);
  const demand = demandOf(problem);
  const hours = problem.steps.map((step) => step.hours);
  return usd - coincidentUsd(problem, importW) - (demand === undefined ? 0 : demandUsd(demand, hours, importW));
}
