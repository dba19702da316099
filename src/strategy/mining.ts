import { breakEvenUsdPerMwh, usdPerThHour } from '../dispatch/economics.ts';
import type { Fleet, HallCase } from './hall.ts';
import { budgetMw } from './limits.ts';
import { intervalsBelow, marginalCooling, type CoolingCurve } from './power.ts';
import type { World } from './world.ts';

/** What a fleet that runs all month earns, in every interval only where it pays. */
export interface MiningMonth {
  readonly revenueUsd: number;
  readonly energyUsd: number;
  readonly meterMwh: number;
  readonly runShare: number;
}

export function mineMonth(world: World, fleet: Fleet, curve: CoolingCurve, month: number): MiningMonth {
  const table = world.table(curve, month);
  const scale = world.hours(month) / table.hours;
  const factor = world.priceFactor(month);
  const uptime = world.values.miningUptimePct / 100;
  const hashprice = world.hashpriceUsdPerPhDay(month);
  const usdPerHour = usdPerThHour(hashprice, world.keptFraction);
  const all = table.costUsdPerMwh.length;
  let revenueUsd = 0;
  // Asleep or not, this much is drawn in every interval.
  let energyUsd = fleet.sleepMw * table.sumUsd[all]! * factor;
  let meterMwh = fleet.sleepMw * table.sumMeterMwh[all]!;
  let ranMwh = 0;
  let couldMwh = 0;
  for (const { itMw, hashrateThs } of fleet.tranches) {
    const breakEven = breakEvenUsdPerMwh(hashprice, world.keptFraction, (itMw * 1e6) / hashrateThs, 1);
    const n = intervalsBelow(table, breakEven / factor);
    revenueUsd += table.sumHours[n]! * usdPerHour * hashrateThs;
    energyUsd += table.sumUsd[n]! * factor * itMw;
    meterMwh += table.sumMeterMwh[n]! * itMw;
    ranMwh += table.sumHours[n]! * itMw;
    couldMwh += table.hours * itMw;
  }
  const by = scale * uptime;
  return {
    revenueUsd: revenueUsd * by,
    energyUsd: energyUsd * by,
    meterMwh: meterMwh * by,
    runShare: couldMwh === 0 ? 0 : ranMwh / couldMwh,
  };
}

/** Months of today's fleet, made once for all options of a hall. */
export type FleetMonths = readonly MiningMonth[];
export const fleetMonths = (world: World, fleet: Fleet, curve: CoolingCurve): FleetMonths =>
  Array.from({ length: world.months }, (_, month) => mineMonth(world, fleet, curve, month));

/** Today's fleet, cut down to what its hall's breaker bears in the hottest hours. */
export function fittingFleet(hall: HallCase, hotWetBulbC: number): Fleet {
  const perIt = 1 + marginalCooling(hall.curve, hotWetBulbC);
  const fits = Math.min(1, budgetMw(hall, hotWetBulbC) / (hall.fleet.itMw * perIt || 1));
  return fits === 1 ? hall.fleet : scaled(hall.fleet, fits);
}

const scaled = (fleet: Fleet, by: number): Fleet => ({
  machines: fleet.machines * by,
  itMw: fleet.itMw * by,
  hashrateThs: fleet.hashrateThs * by,
  sleepMw: fleet.sleepMw * by,
  tranches: fleet.tranches.map((one) => ({ itMw: one.itMw * by, hashrateThs: one.hashrateThs * by })),
});

/**
 * Month in which a fleet is best sold: what it earned until then, discounted, and its resale are worth most together.
 * @param litUsd what the hall costs by month while it is lit for the fleet alone: base load that goes when the fleet does.
 */
export function retireMonth(
  world: World,
  fleet: Fleet,
  months: FleetMonths,
  resaleUsd: (month: number) => number,
  litUsd: (month: number) => number = () => 0,
): number {
  const opexPerMonth = (fleet.itMw * world.values.miningOpexUsdPerMwYear) / 12;
  const perMonth = (1 + world.values.discountPct / 100) ** (-1 / 12);
  const last = world.months - 1;
  let earned = 0;
  let most = resaleUsd(0) * perMonth;
  let retire = 0;
  for (const [month, { revenueUsd, energyUsd }] of months.entries()) {
    earned += (revenueUsd - energyUsd - opexPerMonth - litUsd(month)) * perMonth ** (month + 1);
    const sale = Math.min(month + 1, last);
    const worth = earned + resaleUsd(sale) * perMonth ** (sale + 1);
    if (worth <= most) continue;
    most = worth;
    retire = month + 1;
  }
  return retire;
}

export interface HallMonths {
  readonly hall: HallCase;
  readonly fleet: Fleet;
  readonly months: FleetMonths;
  readonly retire: number;
  readonly hotWetBulbC: number;
}

export function hallMonths(world: World, hall: HallCase, hotWetBulbC: number): HallMonths {
  const fleet = fittingFleet(hall, hotWetBulbC);
  const months = fleetMonths(world, fleet, hall.curve);
  const resale = (month: number): number => usedMinersUsd(world, fleet.hashrateThs, month);
  const lit = hall.gpusToday.length > 0 ? undefined : (month: number): number => baseUsd(world, hall, month);
  return { hall, fleet, months, retire: retireMonth(world, fleet, months, resale, lit), hotWetBulbC };
}

/** Energy of what a hall needs to be lit at all: fans at their least, pumps, lights. */
export function baseUsd(world: World, hall: HallCase, month: number): number {
  const table = world.table(hall.curve, month);
  return (hall.baseMw * table.flatUsd * world.priceFactor(month) * world.hours(month)) / table.hours;
}

/** How much of today's mining an AI part of a hall takes the place of, 0 to 1: room that is free is taken first. */
export function displaced({ hall, fleet, hotWetBulbC }: HallMonths, aiItMw: number): number {
  if (fleet.itMw === 0) return 0;
  const budget = budgetMw(hall, hotWetBulbC);
  const mining = fleet.itMw * (1 + marginalCooling(hall.curve, hotWetBulbC));
  const ai = aiItMw * (1 + marginalCooling(hall.aiCurve, hotWetBulbC));
  return Math.min(1, Math.max(0, (ai - (budget - mining)) / mining));
}

/** What miners of a kind that is used are worth; it moves with hashprice. */
export const usedMinersUsd = (world: World, hashrateThs: number, month: number): number =>
  hashrateThs * world.values.usedAsicUsdPerTh * world.minerIndex(month);
