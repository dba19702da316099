import { fleetOf, type HallCase } from './hall.ts';
import type { GpuPart, NewAsic } from './hardware.ts';
import { type Retrofit, budgetMw } from './limits.ts';
import { baseUsd, displaced, fleetMonths, retireMonth, usedMinersUsd, type HallMonths } from './mining.ts';
import { intervalsBelow, marginalCooling, type CoolingCurve } from './power.ts';
import type { World } from './world.ts';

/** What may be done with a hall. */
export type Action =
  | { readonly kind: 'keep' }
  | { readonly kind: 'refit'; readonly asic: NewAsic }
  | { readonly kind: 'colocation'; readonly retrofit: Retrofit }
  | { readonly kind: 'cloud'; readonly part: GpuPart; readonly retrofit: Retrofit }
  | { readonly kind: 'power-down' };

/**
 * Money of one hall by month, in $; costs and spending are positive numbers that are taken off. Energy stands at what
 * one MWh more costs (real time), and the block's own gain or loss beside it.
 */
export interface Flow {
  readonly miningUsd: number[];
  readonly aiUsd: number[];
  /** Energy and running cost of the AI part, which `energyUsd` and `opexUsd` hold too. */
  readonly aiCostUsd: number[];
  readonly blockUsd: number[];
  readonly energyUsd: number[];
  readonly opexUsd: number[];
  readonly capexUsd: number[];
  readonly salvageUsd: number[];
  /** At the connection in the month's hottest hours: what cannot be turned off, and mining when all of it runs. */
  readonly firmMw: number[];
  readonly miningMw: number[];
  /** Hash less its energy: what is lost when mining must give way. */
  readonly miningMarginUsd: number[];
  readonly miningMwh: number[];
  readonly aiMwh: number[];
  /** Part of the hours in which today's miners ran, of those they could have, by month. */
  readonly runShare: number[];
  readonly parts: CapexParts;
}

export interface CapexParts {
  shellUsd: number;
  hardwareUsd: number;
  coolingUsd: number;
  uplinkUsd: number;
}

const zeros = (months: number): number[] => Array.from({ length: months }, () => 0);

export const emptyFlow = (months: number): Flow => ({
  miningUsd: zeros(months),
  aiUsd: zeros(months),
  aiCostUsd: zeros(months),
  blockUsd: zeros(months),
  energyUsd: zeros(months),
  opexUsd: zeros(months),
  capexUsd: zeros(months),
  salvageUsd: zeros(months),
  firmMw: zeros(months),
  miningMw: zeros(months),
  miningMarginUsd: zeros(months),
  miningMwh: zeros(months),
  aiMwh: zeros(months),
  runShare: zeros(months),
  parts: { shellUsd: 0, hardwareUsd: 0, coolingUsd: 0, uplinkUsd: 0 },
});

export const ebitdaUsd = (flow: Flow): number[] =>
  flow.miningUsd.map(
    (mining, m) => mining + flow.aiUsd[m]! + flow.blockUsd[m]! - flow.energyUsd[m]! - flow.opexUsd[m]!,
  );
export const cashUsd = (flow: Flow): number[] =>
  ebitdaUsd(flow).map((ebitda, m) => ebitda - flow.capexUsd[m]! + flow.salvageUsd[m]!);

/** Months from the start of a conversion to the first machine of the new kind at work. */
export function monthsToConvert(action: Action, world: World): number {
  const { values } = world;
  if (action.kind === 'refit') return Math.round(values.refitMonths);
  if (action.kind === 'colocation') return Math.round(values.coloMonths);
  return action.kind === 'cloud' ? Math.round(values.cloudMonths) : 0;
}

/** Money of a hall over the years when an action starts in a month; before it the hall goes on as today. */
export function simulate(world: World, facts: HallMonths, action: Action, startMonth = 0): Flow {
  const flow = emptyFlow(world.months);
  const { hall } = facts;
  const off = lastMonthLit(world, facts, action, startMonth);
  for (let m = 0; m < world.months; m++) {
    const live = m < off ? 1 : 0;
    flow.blockUsd[m]! += world.blockUsdPerMw(m) * hall.blockMw;
    flow.energyUsd[m]! += live * baseUsd(world, hall, m);
    flow.firmMw[m]! += live * hall.baseMw * (1 + world.lossFraction);
    if (live === 1) addGpusToday(world, flow, hall, m);
  }
  if (action.kind === 'keep') {
    addMining(world, flow, facts, () => 1);
    const sale = Math.min(facts.retire, world.months - 1);
    flow.salvageUsd[sale]! += usedMinersUsd(world, facts.fleet.hashrateThs, sale);
  }
  if (action.kind === 'power-down') powerDown(world, flow, facts, startMonth);
  if (action.kind === 'refit') refit(world, flow, facts, action.asic, startMonth);
  if (action.kind === 'colocation') colocate(world, flow, facts, action.retrofit, startMonth);
  if (action.kind === 'cloud') cloud(world, flow, facts, action.part, action.retrofit, startMonth);
  return flow;
}

/** Month from which nothing in the hall needs fans, pumps and lights any more. */
function lastMonthLit(world: World, { hall, retire }: HallMonths, action: Action, startMonth: number): number {
  if (action.kind === 'power-down') return startMonth;
  return action.kind === 'keep' && hall.gpusToday.length === 0 ? retire : world.months;
}

/** Miners, a share of them at work in each month, until they are retired. */
function addMining(world: World, flow: Flow, facts: HallMonths, share: (month: number) => number): void {
  const { hall, fleet, months } = facts;
  const opexPerMonth = (fleet.itMw * world.values.miningOpexUsdPerMwYear) / 12;
  const uptime = world.values.miningUptimePct / 100;
  for (let m = 0; m < Math.min(facts.retire, world.months); m++) {
    const by = share(m);
    const { revenueUsd, energyUsd, meterMwh, runShare } = months[m]!;
    const meterPerIt = (1 + world.lossFraction) * (1 + marginalCooling(hall.curve, world.hotWetBulbC(m)));
    flow.miningUsd[m]! += revenueUsd * by;
    flow.energyUsd[m]! += energyUsd * by;
    flow.miningMarginUsd[m]! += (revenueUsd - energyUsd) * by;
    flow.miningMwh[m]! += meterMwh * by;
    flow.opexUsd[m]! += opexPerMonth * by;
    flow.miningMw[m]! += fleet.itMw * uptime * meterPerIt * by;
    flow.runShare[m] = runShare;
  }
}

/** GPU servers the hall has already: part of their hours are sold, and they stop where power costs more than they earn. */
function addGpusToday(world: World, flow: Flow, hall: HallCase, m: number): void {
  for (const { gpuModel, gpus, busyW, idleW } of hall.gpusToday) {
    const part = world.partOf(gpuModel);
    if (part === undefined) continue;
    const sold = soldInTheEnd(world, part);
    addGpuMonth(world, flow, hall.aiCurve, m, {
      gpus,
      busyW,
      idleW,
      sold,
      usdPerGpuHour: world.gpuUsdPerHour(part, m),
    });
  }
}

const soldInTheEnd = ({ values }: World, { utilisationFactor }: GpuPart): number =>
  Math.min(1, (values.gpuUtilisationPct / 100) * utilisationFactor);

interface GpuMonth {
  readonly gpus: number;
  readonly busyW: number;
  readonly idleW: number;
  readonly sold: number;
  readonly usdPerGpuHour: number;
}

function addGpuMonth(world: World, flow: Flow, curve: CoolingCurve, m: number, one: GpuMonth): void {
  const { gpus, busyW, idleW, sold, usdPerGpuHour } = one;
  const table = world.table(curve, m);
  const scale = world.hours(m) / table.hours;
  const factor = world.priceFactor(m);
  const all = table.costUsdPerMwh.length;
  const worthUsdPerMwh = (usdPerGpuHour * 1e6) / (busyW - idleW);
  const n = intervalsBelow(table, worthUsdPerMwh / factor);
  const idleMw = (gpus * idleW) / 1e6;
  const workMw = (gpus * sold * (busyW - idleW)) / 1e6;
  const revenue = gpus * sold * usdPerGpuHour * table.sumHours[n]! * scale;
  const opex = (revenue * world.values.gpuCostSharePct) / 100;
  const energy = (idleMw * table.sumUsd[all]! + workMw * table.sumUsd[n]!) * factor * scale;
  flow.aiUsd[m]! += revenue;
  flow.opexUsd[m]! += opex;
  flow.energyUsd[m]! += energy;
  flow.aiCostUsd[m]! += opex + energy;
  flow.aiMwh[m]! += (idleMw * table.sumMeterMwh[all]! + workMw * table.sumMeterMwh[n]!) * scale;
  flow.firmMw[m]! += (idleMw + workMw) * (1 + world.lossFraction) * (1 + marginalCooling(curve, world.hotWetBulbC(m)));
}

function powerDown(world: World, flow: Flow, facts: HallMonths, startMonth: number): void {
  addMining(world, flow, facts, (m) => (m < startMonth ? 1 : 0));
  const sale = Math.min(startMonth, facts.retire);
  flow.salvageUsd[sale]! += usedMinersUsd(world, facts.fleet.hashrateThs, sale);
}

/** Worth of something bought, in the month `age` after: straight down to what is left at the end of its life. */
const worth = (age: number, lifeMonths: number, residual: number): number =>
  Math.max(residual, 1 - ((1 - residual) * age) / lifeMonths);

interface Owned {
  priceUsd(month: number): number;
  readonly lifeYears: number;
  readonly residualPct: number;
  /** Month in which they are given up, if that is before their end. */
  readonly until?: number;
  /** How the market for them has moved since they were bought; absent: not at all but by age. */
  marketSince?(bought: number, sold: number): number;
}

/** Buys machines, buys them anew at the end of their life, and credits what is left of them. */
function own(
  world: World,
  flow: Flow,
  from: number,
  { priceUsd, lifeYears, residualPct, until = world.months, marketSince = () => 1 }: Owned,
): void {
  const life = Math.max(1, Math.round(lifeYears * 12));
  const last = world.months - 1;
  for (let bought = from; bought === from || bought < Math.min(until, world.months); bought += life) {
    const paid = priceUsd(bought);
    flow.capexUsd[bought]! += paid;
    if (bought === from) flow.parts.hardwareUsd += paid;
    const sold = Math.max(bought, Math.min(bought + life, until, world.months));
    const month = Math.min(sold, last);
    flow.salvageUsd[month]! += paid * worth(sold - bought, life, residualPct / 100) * marketSince(bought, month);
  }
}

function refit(world: World, flow: Flow, facts: HallMonths, asic: NewAsic, startMonth: number): void {
  const { hall, fleet, hotWetBulbC } = facts;
  const { values } = world;
  const done = startMonth + monthsToConvert({ kind: 'refit', asic }, world);
  const roomMw =
    fleet.itMw > 0 ? fleet.itMw : budgetMw(hall, hotWetBulbC) / (1 + marginalCooling(hall.curve, hotWetBulbC));
  const machines = Math.floor((roomMw * 1e6) / asic.powerW);
  const fresh = fleetOf(
    { sleepW: 0, points: [{ profile: 'default', powerW: asic.powerW, hashrateThs: asic.hashrateThs }] },
    machines,
  );
  addMining(world, flow, facts, (m) => (m < startMonth ? 1 : m < done ? values.miningDuringConversionPct / 100 : 0));
  const sale = Math.min(startMonth, facts.retire);
  flow.salvageUsd[sale]! += usedMinersUsd(world, fleet.hashrateThs, sale);
  const months = fleetMonths(world, fresh, hall.curve);
  const later = months.map((month, m) => (m < done ? { ...month, revenueUsd: 0, energyUsd: 0 } : month));
  const priceUsd = (m: number): number =>
    machines * asic.hashrateThs * asic.usdPerTh * values.asicPriceFactor * world.minerIndex(m);
  const left = (m: number): number =>
    m < done ? 0 : priceUsd(m) * worth(m - done, values.asicLifeYears * 12, values.asicResidualPct / 100);
  const retire = Math.max(done, retireMonth(world, fresh, later, left));
  addMining(world, flow, { hall, fleet: fresh, months, retire, hotWetBulbC }, (m) => (m >= done ? 1 : 0));
  own(world, flow, Math.min(done === startMonth ? startMonth : done - 1, world.months - 1), {
    priceUsd,
    until: retire,
    marketSince: (bought, sold) => world.minerIndex(sold) / world.minerIndex(bought),
    lifeYears: values.asicLifeYears,
    residualPct: values.asicResidualPct,
  });
}

/** Share of the final load that is rented, `since` months after the first machine works; 1 at the end of the ramp. */
const ramp = (since: number, rampMonths: number): number =>
  since < 0 ? 0 : Math.min(1, (since + 1) / Math.max(1, Math.round(rampMonths)));

/** Shell, cooling and uplinks: spread over the conversion, and worth nothing at the end of the shell's life. */
function buildShell(
  world: World,
  flow: Flow,
  retrofit: Retrofit,
  shellUsdPerMw: number,
  startMonth: number,
  done: number,
): void {
  const shellUsd = shellUsdPerMw * retrofit.aiItMw;
  const all = shellUsd + retrofit.coolingUsd + retrofit.uplinkUsd;
  const span = Math.max(1, done - startMonth);
  for (let m = startMonth; m < Math.min(startMonth + span, world.months); m++) flow.capexUsd[m]! += all / span;
  const ageAtEnd = Math.max(0, world.months - done);
  const life = world.values.shellLifeYears * 12;
  flow.salvageUsd[world.months - 1]! += all * worth(ageAtEnd, life, 0);
  Object.assign(flow.parts, { shellUsd, coolingUsd: retrofit.coolingUsd, uplinkUsd: retrofit.uplinkUsd });
  for (let m = done; m < world.months; m++) flow.opexUsd[m]! += retrofit.uplinkUsdPerMonth;
}

/** Mining beside and before an AI part: all of it, then part while rebuilding, then what the rented load leaves power for. */
function mineBeside(
  world: World,
  flow: Flow,
  facts: HallMonths,
  aiItMw: number,
  startMonth: number,
  done: number,
  rented: (month: number) => number,
): void {
  const part = displaced(facts, aiItMw);
  const { miningDuringConversionPct, ballastSharePct } = world.values;
  addMining(world, flow, facts, (m) => {
    if (m < startMonth) return 1;
    const kept = m < done ? miningDuringConversionPct / 100 : (ballastSharePct / 100) * (1 - rented(m));
    return 1 - part + part * kept;
  });
  // Miners that no longer have power are sold once the load is rented; the others when they retire, or at the end.
  const last = world.months - 1;
  const full = Array.from({ length: last }, (_, m) => m).find((m) => m >= done && rented(m) >= rented(last)) ?? last;
  const sale = ballastSharePct > 0 ? full : Math.min(done, last);
  const gone = part * (1 - (ballastSharePct / 100) * (1 - rented(last)));
  for (const [share, month] of [
    [gone, Math.min(sale, facts.retire)],
    [1 - gone, Math.min(last, facts.retire)],
  ] as const)
    flow.salvageUsd[month]! += usedMinersUsd(world, facts.fleet.hashrateThs * share, month);
}

function colocate(world: World, flow: Flow, facts: HallMonths, retrofit: Retrofit, startMonth: number): void {
  const { values } = world;
  const { aiItMw } = retrofit;
  const curve = facts.hall.aiCurve;
  const done = startMonth + monthsToConvert({ kind: 'colocation', retrofit }, world);
  const rented = (m: number): number => (ramp(m - done, values.coloRampMonths) * values.coloOccupancyPct) / 100;
  buildShell(world, flow, retrofit, values.coloShellUsdPerMw, startMonth, done);
  mineBeside(world, flow, facts, aiItMw, startMonth, done, rented);
  for (let m = done; m < world.months; m++) {
    const table = world.table(curve, m);
    const all = table.costUsdPerMwh.length;
    const scale = world.hours(m) / table.hours;
    const mw = aiItMw * rented(m);
    const rent = mw * 1000 * values.coloRentUsdPerKwMonth * (1 + values.coloEscalatorPctPerYear / 100) ** (m / 12);
    const energy = mw * table.sumUsd[all]! * world.priceFactor(m) * scale * (1 - values.coloPassThroughPct / 100);
    const opex = (rent * values.coloCostSharePct) / 100;
    flow.aiUsd[m]! += rent;
    flow.opexUsd[m]! += opex;
    flow.energyUsd[m]! += energy;
    flow.aiCostUsd[m]! += opex + energy;
    flow.aiMwh[m]! += mw * table.sumMeterMwh[all]! * scale;
    flow.firmMw[m]! += mw * (1 + world.lossFraction) * (1 + marginalCooling(curve, world.hotWetBulbC(m)));
  }
}

function cloud(
  world: World,
  flow: Flow,
  facts: HallMonths,
  part: GpuPart,
  retrofit: Retrofit,
  startMonth: number,
): void {
  const { values } = world;
  const done = startMonth + monthsToConvert({ kind: 'cloud', part, retrofit }, world);
  const gpus = Math.round((retrofit.aiItMw * 1e6) / part.nameplateW);
  const inTheEnd = soldInTheEnd(world, part);
  const sold = (m: number): number => ramp(m - done, values.cloudRampMonths) * inTheEnd;
  const drawn = (m: number): number => (part.idleW + (part.busyW - part.idleW) * sold(m)) / part.nameplateW;
  buildShell(world, flow, retrofit, values.cloudShellUsdPerMw, startMonth, done);
  own(world, flow, Math.min(Math.max(startMonth, done - 1), world.months - 1), {
    priceUsd: (m) => gpus * part.usdPerGpu * values.gpuPriceFactor * world.gpuIndex(m),
    lifeYears: values.gpuLifeYears,
    residualPct: values.gpuResidualPct,
  });
  // What is not rented yet mines; once all is rented, idle hours are the customer's or the market's and not ballast's.
  const rented = (m: number): number => Math.max(ramp(m - done, values.cloudRampMonths), Math.min(1, drawn(m)));
  mineBeside(world, flow, facts, retrofit.aiItMw, startMonth, done, rented);
  for (let m = done; m < world.months; m++) {
    const usdPerGpuHour = world.gpuUsdPerHour(part, m);
    addGpuMonth(world, flow, facts.hall.aiCurve, m, {
      gpus,
      busyW: part.busyW,
      idleW: part.idleW,
      sold: sold(m),
      usdPerGpuHour,
    });
  }
}
