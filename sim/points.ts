import type { AsicModel } from '../src/model/index.ts';
import type { Firmware } from './firmware.ts';

/** One operating point of a firmware, as it lists it. */
export interface SimPoint {
  readonly name: string;
  readonly powerW: number;
  readonly hashThs: number;
  readonly frequencyMhz: number;
  readonly voltage: number;
  /** LuxOS: distance from the default profile. */
  readonly step: number;
}

export interface PointTable {
  readonly points: readonly SimPoint[];
  /** The one a factory-fresh machine runs. */
  readonly stock: number;
  /** Typical seconds from a wake to full power; each machine has its own around it. */
  readonly wakeS: number;
}

/** Watts of the 25 profiles that a LuxOS S19k Pro lists, from step -16 to step 8. */
const S19K_WATTS = [
  784, 879, 978, 1080, 1188, 1299, 1414, 1533, 1657, 1785, 1916, 2052, 2192, 2336, 2485, 2637, 2794, 2954, 3119, 3288,
  3461, 3638, 3820, 4005, 4195,
];

/**
 * LuxOS profiles: hashrate goes with frequency, voltage is flat at the low end and rises by 0.15 V a step.
 * Other models than the S19k Pro get a set of the same shape, scaled on their nameplate (an assumption).
 */
export function luxPoints(model: AsicModel): SimPoint[] {
  const isS19k = model.id === 'antminer-s19k-pro';
  const { defaultMhz, stepMhz, defaultV } = isS19k
    ? { defaultMhz: 590, stepMhz: 25, defaultV: 13.5 }
    : { defaultMhz: 490, stepMhz: 20, defaultV: 13.8 };
  const floorV = defaultV * 0.88;
  return Array.from({ length: 25 }, (_, i) => {
    const step = i - 16;
    const frequencyMhz = defaultMhz + step * stepMhz;
    const ratio = frequencyMhz / defaultMhz;
    const voltage = Math.round(Math.max(floorV, defaultV + step * 0.15) * 100) / 100;
    const scaledW = model.nameplateW * ratio * (0.45 + 0.55 * (voltage / defaultV) ** 2);
    return {
      name: step === 0 ? 'default' : `${frequencyMhz}MHz`,
      powerW: isS19k ? S19K_WATTS[i]! : Math.round(scaledW),
      hashThs: Math.round(model.nameplateThs * ratio * 10) / 10,
      frequencyMhz,
      voltage,
      step,
    };
  });
}

/** Stock firmware has work modes; the catalogue says what they draw, and of a model that it knows one of, low is assumed. */
export function workModePoints(model: AsicModel): SimPoint[] {
  const points = stockPoints(model);
  const [only] = points;
  if (points.length !== 1 || only === undefined) return points;
  const low = { ...only, name: 'low', powerW: Math.round(only.powerW * 0.72), step: -1 };
  return [
    { ...low, hashThs: Math.round(only.hashThs * 8) / 10, frequencyMhz: Math.round(only.frequencyMhz * 0.8) },
    only,
  ];
}

/** The points of the catalogue. */
function stockPoints(model: AsicModel): SimPoint[] {
  return model.points.map((point, i) => ({
    name: point.profile,
    powerW: point.powerW,
    hashThs: point.hashrateThs,
    frequencyMhz: Math.round((525 * point.hashrateThs) / model.nameplateThs),
    voltage: 13.2,
    step: i - (model.points.length - 1),
  }));
}

const WAKE_S: Readonly<Record<string, number>> = {
  'antminer-s21': 115,
  'bitaxe-gamma': 8,
  'antminer-s19j-pro': 150,
  'antminer-s19k-pro': 95,
  'antminer-s21-xp-hyd': 190,
};

export function pointsOf(model: AsicModel, firmware: Firmware): PointTable {
  const points = firmware.points?.(model) ?? stockPoints(model);
  const found = points.findIndex((point) => point.step === 0);
  return { points, stock: Math.max(0, found), wakeS: WAKE_S[model.id] ?? 120 };
}
