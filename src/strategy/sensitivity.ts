import type { ConvertResult } from '../model/convert-api.ts';
import { hallMonths } from './mining.ts';
import type { HallCase } from './hall.ts';
import { optionsOf, value, type Option } from './options.ts';
import type { Replay } from './replay.ts';
import type { AssumptionKey } from './defaults.ts';
import type { Inputs, ResolvedAssumption, Study, Values } from './study.ts';
import { hottestWetBulbC, type World } from './world.ts';

/** What is needed to reckon one hall again with other values. */
export interface Lab {
  readonly inputs: Inputs;
  readonly study: Study;
  readonly replay: Replay;
  readonly assumptions: readonly ResolvedAssumption[];
  worldAt(values: Values): World;
}

/** Present value of an option and of going on as today, with some values changed; undefined where the option falls away. */
function both(
  lab: Lab,
  hall: HallCase,
  optionId: string,
  changed: Partial<Record<AssumptionKey, number>>,
): { aiUsd: number; keepUsd: number } | undefined {
  const values = { ...lab.inputs.values, ...changed };
  const world = lab.worldAt(values);
  const hotWetBulbC = hottestWetBulbC(lab.replay, values);
  const facts = hallMonths(world, hall, hotWetBulbC);
  const options = optionsOf(hall, { ...lab.inputs, values }, lab.study, hotWetBulbC);
  const find = (id: string) => options.find((option) => option.id === id && option.feasible);
  const [option, keep] = [find(optionId), find('keep')];
  const ai = option === undefined ? undefined : value(world, facts, option);
  const kept = keep === undefined ? undefined : value(world, facts, keep);
  return ai === undefined || kept === undefined ? undefined : { aiUsd: ai.npvUsd, keepUsd: kept.npvUsd };
}

interface Axis {
  readonly input: 'rent' | 'hashprice' | 'power' | 'utilisation';
  readonly label: string;
  readonly unit: string;
  /** Value of the assumption at a place on the axis, and the other way round. */
  readonly key: AssumptionKey;
  readonly perKey: number;
  readonly from: number;
  readonly to: number;
}

/** Points of a curve, from low to high. */
const POINTS = 17;

function axesOf({ inputs, replay }: Lab, { action }: Option): Axis[] {
  const { values } = inputs;
  const times = (key: AssumptionKey, low: number, high: number) => ({
    key,
    from: values[key] * low,
    to: values[key] * high,
  });
  const rent: Axis =
    action.kind === 'cloud'
      ? {
          input: 'rent',
          label: 'GPU rent',
          unit: '$/GPU-h',
          perKey: action.part.usdPerGpuHour,
          ...times('gpuRentFactor', 0.2, 2),
        }
      : {
          input: 'rent',
          label: 'Rent of AI colocation',
          unit: '$/kW/month',
          perKey: 1,
          ...times('coloRentUsdPerKwMonth', 0.2, 2),
        };
  const utilisation: Axis =
    action.kind === 'cloud'
      ? {
          input: 'utilisation',
          label: 'GPU-hours sold',
          unit: '%',
          key: 'gpuUtilisationPct',
          perKey: action.part.utilisationFactor,
          from: 5,
          to: 100 / Math.max(1, action.part.utilisationFactor),
        }
      : {
          input: 'utilisation',
          label: 'Share rented',
          unit: '%',
          key: 'coloOccupancyPct',
          perKey: 1,
          from: 5,
          to: 100,
        };
  return [
    rent,
    { input: 'hashprice', label: 'Hashprice', unit: '$/PH/day', perKey: 1, ...times('hashpriceUsdPerPhDay', 0.2, 5) },
    {
      input: 'power',
      label: 'Power price, mean',
      unit: '$/MWh',
      perKey: Math.max(1, replay.meanUsdPerMwh),
      ...times('powerPriceFactor', 0.2, 4),
    },
    utilisation,
  ];
}

/** How the two present values move with rent, hashprice, power price and utilisation, and where they meet. */
export function breakEvenCurves(lab: Lab, hall: HallCase, option: Option): ConvertResult['breakEven'] {
  return axesOf(lab, option).map(({ input, label, unit, key, perKey, from, to }) => {
    const at = (value: number) => both(lab, hall, option.id, { [key]: value });
    const keys = Array.from({ length: POINTS }, (_, i) => from + ((to - from) * i) / (POINTS - 1));
    const points = keys.flatMap((value) => {
      const found = at(value);
      return found === undefined ? [] : [{ value, ...found }];
    });
    const gain = (value: number): number => {
      const found = at(value);
      return found === undefined ? Number.NaN : found.aiUsd - found.keepUsd;
    };
    const crossings = points.slice(1).flatMap((right, i) => {
      const left = points[i]!;
      const [a, b] = [left.aiUsd - left.keepUsd, right.aiUsd - right.keepUsd];
      return a === 0 ? [left.value] : a * b < 0 ? [bisect(gain, left.value, right.value)] : [];
    });
    return {
      hallId: hall.id,
      optionId: option.id,
      input,
      label,
      unit,
      base: lab.inputs.values[key] * perKey,
      x: points.map(({ value }) => value * perKey),
      aiNpvUsd: points.map(({ aiUsd }) => aiUsd),
      keepNpvUsd: points.map(({ keepUsd }) => keepUsd),
      crossings: crossings.map((value) => value * perKey),
    };
  });
}

function bisect(gain: (value: number) => number, low: number, high: number): number {
  const rises = gain(high) > gain(low);
  let [a, b] = [low, high];
  for (let i = 0; i < 20; i++) {
    const middle = (a + b) / 2;
    if (gain(middle) > 0 === rises) b = middle;
    else a = middle;
  }
  return (a + b) / 2;
}

/** Bars that move the gain by less than this share of the longest are left out. */
const SHORTEST_BAR = 0.005;

/** What each assumption at its low and its high does to the gain of an option over going on as today, longest first. */
export function tornadoOf(lab: Lab, hall: HallCase, option: Option): ConvertResult['tornado'][number] {
  const gain = (changed: Partial<Record<AssumptionKey, number>>): number | undefined => {
    const found = both(lab, hall, option.id, changed);
    return found === undefined ? undefined : found.aiUsd - found.keepUsd;
  };
  const baseUsd = gain({}) ?? 0;
  const bars = lab.assumptions.flatMap(({ key, label, unit, low, high }) => {
    // Where a hall's own share is told the common one moves nothing; an option that falls away gains nothing.
    const [atLowUsd, atHighUsd] = [gain({ [key]: low }) ?? 0, gain({ [key]: high }) ?? 0];
    return atLowUsd === atHighUsd ? [] : [{ key, label, unit, low, high, atLowUsd, atHighUsd }];
  });
  const length = ({ atLowUsd, atHighUsd }: (typeof bars)[number]) => Math.abs(atHighUsd - atLowUsd);
  bars.sort((a, b) => length(b) - length(a));
  const longest = bars[0] === undefined ? 0 : length(bars[0]);
  return {
    hallId: hall.id,
    optionId: option.id,
    baseUsd,
    bars: bars.filter((bar) => length(bar) >= SHORTEST_BAR * longest),
  };
}
