import type { GpuPart } from './hardware.ts';
import { gpuBusyMw, type HallCase } from './hall.ts';
import { marginalCooling } from './power.ts';
import type { Values } from './study.ts';

/** What stands between a hall and an AI option: how many MW of IT each limit lets through, and what lifting it costs. */
export interface Limit {
  readonly what: 'power' | 'density' | 'uplink' | 'market' | 'cooling';
  /** Undefined where the limit could not be checked, or does not limit. */
  readonly allowsMw: number | undefined;
  readonly note: string;
}

export interface Retrofit {
  /** MW of IT the hall can host; 0 when it can host none. */
  readonly aiItMw: number;
  readonly binding: Limit['what'] | undefined;
  readonly limits: readonly Limit[];
  /** $ beside shell and machines: cooling, uplinks. */
  readonly coolingUsd: number;
  readonly uplinkUsd: number;
  readonly uplinkUsdPerMonth: number;
}

export interface Need {
  /** A box as it stands in a rack; undefined for colocation, where the tenant fills racks of a given power. */
  readonly box: { readonly rackKw: number; readonly itKw: number } | undefined;
  readonly rackKw: number;
  readonly gbpsPerMw: number;
  readonly liquid: boolean;
  readonly mostMw: number | undefined;
}

export const needOfColocation = (values: Values): Need => ({
  box: undefined,
  rackKw: values.coloRackKw,
  gbpsPerMw: values.coloGbpsPerMw,
  liquid: values.coloRackKw > 50,
  mostMw: undefined,
});

export function needOfCloud(part: GpuPart & { readonly mostGpus?: number | undefined }, values: Values): Need {
  return {
    box: { rackKw: part.boxKw, itKw: (part.gpusPerBox * part.nameplateW) / 1000 },
    rackKw: part.boxKw,
    gbpsPerMw: values.cloudGbpsPerMw,
    liquid: part.cooling === 'liquid',
    mostMw: part.mostGpus === undefined ? undefined : (part.mostGpus * part.nameplateW) / 1e6,
  };
}

/** Power that the converted part and the miners of the hall share: its breaker less what runs anyhow, MW. */
export const budgetMw = (hall: HallCase, hotWetBulbC: number): number =>
  Math.max(0, hall.usableMw - hall.baseMw - gpuBusyMw(hall) * (1 + marginalCooling(hall.aiCurve, hotWetBulbC)));

/** @param hotWetBulbC wet bulb at which the hall must still keep within its breaker. */
export function retrofit(
  hall: HallCase,
  need: Need,
  values: Values,
  hotWetBulbC: number,
  buyUplinks: boolean,
): Retrofit {
  const share = (hall.suitableSharePct ?? values.suitableSharePct) / 100;
  const perIt = 1 + marginalCooling(hall.aiCurve, hotWetBulbC);
  const limits: Limit[] = [
    {
      what: 'power',
      allowsMw: (share * budgetMw(hall, hotWetBulbC)) / perIt,
      note: `${round(share * 100)} % of the hall's power, cooling at a wet bulb of ${round(hotWetBulbC)} C included`,
    },
    densityLimit(hall, need, share),
  ];
  if (need.mostMw !== undefined)
    limits.push({ what: 'market', allowsMw: need.mostMw, note: 'GPUs there is a market for, as the study says' });
  limits.push(uplinkLimit(hall, need, buyUplinks), {
    what: 'cooling',
    allowsMw: undefined,
    note: coolingNote(hall, need),
  });
  const tightest = limits.reduce((low, one) => ((one.allowsMw ?? Infinity) < (low.allowsMw ?? Infinity) ? one : low));
  const wholeMw = tightest.allowsMw ?? 0;
  const aiItMw =
    need.box === undefined ? wholeMw : (Math.floor((wholeMw * 1000) / need.box.itKw + 1e-9) * need.box.itKw) / 1000;
  const missingGbps = buyUplinks ? Math.max(0, aiItMw * need.gbpsPerMw - (hall.uplinkGbps ?? 0)) : 0;
  return {
    aiItMw,
    binding: tightest.what,
    limits,
    coolingUsd: aiItMw * coolingUsdPerMw(hall, need, values),
    uplinkUsd: missingGbps * values.uplinkUsdPerGbps,
    uplinkUsdPerMonth: missingGbps * values.uplinkUsdPerGbpsMonth,
  };
}

function densityLimit({ space }: HallCase, { box, rackKw }: Need, share: number): Limit {
  if (space === undefined)
    return {
      what: 'density',
      allowsMw: undefined,
      note: `not checked: racks and kW per rack of the hall are not told (${round(rackKw)} kW a rack are wanted)`,
    };
  const { racks, kwPerRack } = space;
  const suited = Math.floor(racks * share + 1e-9);
  if (kwPerRack + 1e-9 < rackKw)
    return { what: 'density', allowsMw: 0, note: `${round(kwPerRack)} kW a rack, ${round(rackKw)} wanted` };
  if (box === undefined)
    return {
      what: 'density',
      allowsMw: (suited * kwPerRack) / 1000,
      note: `${suited} of ${racks} racks with ${round(kwPerRack)} kW each`,
    };
  const boxes = Math.floor(kwPerRack / box.rackKw + 1e-9);
  return {
    what: 'density',
    allowsMw: (suited * boxes * box.itKw) / 1000,
    note: `${suited} of ${racks} racks, ${boxes} ${boxes === 1 ? 'box' : 'boxes'} of ${round(box.rackKw)} kW in each`,
  };
}

function uplinkLimit({ uplinkGbps }: HallCase, { gbpsPerMw }: Need, buyUplinks: boolean): Limit {
  const wants = `${round(gbpsPerMw)} Gbps per MW wanted`;
  const has = uplinkGbps === undefined ? 'uplinks not told' : `${round(uplinkGbps)} Gbps there`;
  if (buyUplinks) return { what: 'uplink', allowsMw: undefined, note: `${has}, ${wants}: what is missing is bought` };
  if (uplinkGbps === undefined) return { what: 'uplink', allowsMw: undefined, note: `not checked: ${has}, ${wants}` };
  return {
    what: 'uplink',
    allowsMw: gbpsPerMw === 0 ? undefined : uplinkGbps / gbpsPerMw,
    note: `${has}, ${wants}, none is bought`,
  };
}

function coolingUsdPerMw({ cooling }: HallCase, { liquid }: Need, values: Values): number {
  if (cooling === 'air') return values.airCoolingUsdPerMw;
  // Chillers for air are of little use to machines that want liquid: no more than a water loop is.
  return cooling === 'hydro' || liquid ? values.hydroCoolingUsdPerMw : values.chilledCoolingUsdPerMw;
}

function coolingNote({ cooling }: HallCase, { liquid }: Need): string {
  const wants = liquid ? 'liquid to the chip' : 'chilled air';
  return cooling === 'chilled' && !liquid
    ? `chilled already, as wanted`
    : `${cooling} today, ${wants} wanted: retrofit is in the cost`;
}

const round = (n: number): string => n.toLocaleString('en-US', { maximumFractionDigits: 1 });
