import {
  addressesOf,
  averagePerW,
  CATALOGUE,
  cooledW,
  coolingCurve,
  coolingFacts,
  heatLimitW,
  mostItW,
  type AsicModel,
  type GpuServerModel,
  type Hall,
  type Machine,
  type Site,
} from '../model/index.ts';
import { AI_COOLING } from './defaults.ts';
import type { CoolingCurve } from './power.ts';
import type { HallStudy } from './study.ts';

/** Miners that gain as much per further watt: the mode of operation is chosen anew in every interval. */
export interface Tranche {
  /** Beyond the tranche below, or beyond sleep. */
  readonly itMw: number;
  readonly hashrateThs: number;
}

export interface Fleet {
  readonly machines: number;
  /** At their highest operating point. */
  readonly itMw: number;
  readonly hashrateThs: number;
  readonly sleepMw: number;
  readonly tranches: readonly Tranche[];
}

export interface GpusToday {
  readonly gpuModel: string;
  readonly gpus: number;
  readonly busyW: number;
  readonly idleW: number;
}

/** What a study knows of a hall. Powers in MW; `usableMw` is what may be drawn through its breaker. */
export interface HallCase {
  readonly id: string;
  readonly name: string;
  readonly cooling: Hall['cooling']['kind'];
  readonly curve: CoolingCurve;
  /** Cooling of the converted part. */
  readonly aiCurve: CoolingCurve;
  readonly baseMw: number;
  readonly usableMw: number;
  readonly fleet: Fleet;
  readonly fleetNames: readonly string[];
  readonly gpusToday: readonly GpusToday[];
  readonly space: { readonly racks: number; readonly kwPerRack: number } | undefined;
  /** Undefined where neither site file nor study tells it. */
  readonly uplinkGbps: number | undefined;
  /** Share of the site's block that stands against this hall, in MW. */
  readonly blockMw: number;
  readonly suitableSharePct: number | undefined;
  readonly options: HallStudy['options'];
}

/** @param machines as the checked site lists them; absent: counted from the addresses of the groups. */
export function hallCases(
  site: Site,
  studies: Readonly<Record<string, HallStudy>>,
  machines?: readonly Machine[],
): HallCase[] {
  const usable = (hall: Hall) => loadedMw(hall).usableMw;
  const allUsable = site.halls.reduce((total, hall) => total + usable(hall), 0);
  const blockMw = site.tariff.kind === 'block-and-real-time' ? site.tariff.blockMw : 0;
  const chilled = site.halls.find((hall) => hall.cooling.kind === 'chilled');
  const perGroup = machines === undefined ? undefined : Map.groupBy(machines, ({ groupId }) => groupId);
  return site.halls.map((hall) => {
    const told = studies[hall.id];
    const { usableMw, curve } = loadedMw(hall);
    const groups = site.machines
      .filter((group) => group.hall === hall.id)
      .map((group) => ({
        group,
        count: perGroup?.get(group.id)?.length ?? addressesOf(group.addresses).length,
        model: CATALOGUE.get(group.model),
      }));
    const asics = groups.flatMap(({ count, model }) => (model?.kind === 'asic' ? [{ count, model }] : []));
    const servers = groups.flatMap(({ count, model }) => (model?.kind === 'gpu-server' ? [{ count, model }] : []));
    const links = site.uplinks.filter((link) => link.hall === hall.id);
    const uplinkGbps =
      links.length === 0 ? undefined : links.reduce((total, link) => total + link.capacityMbps, 0) / 1000;
    return {
      id: hall.id,
      name: hall.name,
      cooling: hall.cooling.kind,
      curve,
      aiCurve:
        hall.cooling.kind === 'chilled' ? curve : chilled === undefined ? AI_COOLING.marginal : loadedMw(chilled).curve,
      baseMw: hall.cooling.baseKw / 1000,
      usableMw,
      fleet: joinFleets(asics.map(({ count, model }) => fleetOf(model, count))),
      fleetNames: asics.map(({ count, model }) => `${count.toLocaleString('en-US')} ${model.name}`),
      gpusToday: servers.map(({ count, model }) => gpusOf(model, count)),
      space: told?.space ?? hall.space,
      uplinkGbps: told?.uplinkGbps ?? uplinkGbps,
      blockMw: (blockMw * usable(hall)) / allUsable,
      suitableSharePct: told?.suitableSharePct,
      options: told?.options,
    };
  });
}

/**
 * What may be drawn through a hall, and its cooling by wet bulb, whatever the load: of a plant in stages the average with the hall
 * full, which is more than it takes at any lower load, and no more power than its heat limit leaves in any weather.
 */
function loadedMw({ breakerMw, marginPct, cooling }: Hall): {
  readonly usableMw: number;
  readonly curve: CoolingCurve;
} {
  const breakerW = breakerMw * 1e6 * (1 - marginPct / 100);
  const { baseW, marginal, stages } = coolingFacts(cooling);
  if (stages === undefined) return { usableMw: breakerMw * (1 - marginPct / 100), curve: marginal! };
  const weather = [...new Set(stages.flatMap((stage) => stage.marginal.map(({ wetBulbC }) => wetBulbC)))];
  const curves = weather
    .sort((a, b) => a - b)
    .map((wetBulbC) => ({ wetBulbC, curve: coolingCurve({ baseW, stages }, wetBulbC) }));
  const mostW = Math.min(breakerW - baseW, ...curves.map(({ curve }) => cooledW(curve, heatLimitW(curve))));
  return {
    usableMw: (baseW + mostW) / 1e6,
    curve: curves.map(({ wetBulbC, curve }) => ({ wetBulbC, marginalW: averagePerW(curve, mostItW(curve, mostW)) })),
  };
}

/** Operating points on the upper concave envelope of power and hash, as steps from sleep upwards. */
export function fleetOf(model: Pick<AsicModel, 'points' | 'sleepW'>, machines: number): Fleet {
  const hull: { powerW: number; hashrateThs: number }[] = [{ powerW: model.sleepW, hashrateThs: 0 }];
  const slope = (a: { powerW: number; hashrateThs: number }, b: { powerW: number; hashrateThs: number }) =>
    (b.hashrateThs - a.hashrateThs) / (b.powerW - a.powerW);
  for (const point of model.points.toSorted((a, b) => a.powerW - b.powerW)) {
    if (point.powerW <= hull.at(-1)!.powerW || point.hashrateThs <= hull.at(-1)!.hashrateThs) continue;
    while (hull.length > 1 && slope(hull.at(-2)!, hull.at(-1)!) <= slope(hull.at(-1)!, point)) hull.pop();
    hull.push(point);
  }
  const top = hull.at(-1)!;
  return {
    machines,
    itMw: (machines * top.powerW) / 1e6,
    hashrateThs: machines * top.hashrateThs,
    sleepMw: (machines * model.sleepW) / 1e6,
    tranches: hull.slice(1).map((point, i) => ({
      itMw: (machines * (point.powerW - hull[i]!.powerW)) / 1e6,
      hashrateThs: machines * (point.hashrateThs - hull[i]!.hashrateThs),
    })),
  };
}

function joinFleets(fleets: readonly Fleet[]): Fleet {
  const total = (of: (fleet: Fleet) => number) => fleets.reduce((all, fleet) => all + of(fleet), 0);
  return {
    machines: total(({ machines }) => machines),
    itMw: total(({ itMw }) => itMw),
    hashrateThs: total(({ hashrateThs }) => hashrateThs),
    sleepMw: total(({ sleepMw }) => sleepMw),
    tranches: fleets.flatMap(({ tranches }) => tranches),
  };
}

function gpusOf(model: GpuServerModel, servers: number): GpusToday {
  const host = model.hostW / model.gpus;
  return {
    gpuModel: model.gpuModel,
    gpus: servers * model.gpus,
    busyW: model.gpuBusyW + host,
    idleW: model.gpuIdleW + host,
  };
}

/** Draw of today's GPU servers when all of them work, MW of IT. */
export const gpuBusyMw = ({ gpusToday }: HallCase): number =>
  gpusToday.reduce((total, { gpus, busyW }) => total + (gpus * busyW) / 1e6, 0);
