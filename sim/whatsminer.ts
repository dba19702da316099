import { createHash } from 'node:crypto';
import type { AsicModel } from '../src/model/index.ts';
import { FAILURE } from './miners.ts';
import type { MinerFacts } from './miner-facts.ts';
import type { Host } from './net.ts';
import type { SimPoint } from './points.ts';
import { hash32 } from './random.ts';
import type { Endpoint } from './world.ts';

/** What both generations of emulated Whatsminers share: modes, words for the hardware, salts, how a write is carried out. */

/** As MicroBT ships it; a machine of the emulated site has its API switched on with it. */
export const PASSWORDS = { v2: 'admin', v3: 'super' } as const;

/** Low, normal and high power; what they draw beside the nameplate is assumed. */
export function whatsminerPoints(model: AsicModel): SimPoint[] {
  const at = (name: string, step: number, power: number, hash: number): SimPoint => ({
    name,
    powerW: Math.round(model.nameplateW * power),
    hashThs: Math.round(model.nameplateThs * hash * 10) / 10,
    frequencyMhz: Math.round(600 * hash),
    voltage: 13.2,
    step,
  });
  return [at('low', -1, 0.78, 0.85), at('normal', 0, 1, 1), at('high', 1, 1.14, 1.08)];
}

/** Board generation that each model came with; the maker built most models with several. */
const VARIANTS: Readonly<Record<string, string>> = {
  'whatsminer-m60s': 'VK30',
  'whatsminer-m66': 'VK30',
  'whatsminer-m79s': 'VM30',
};

/** `M50S_VH20`, as the firmware writes its model. */
export const hardwareType = ({ group: { model } }: MinerFacts): string =>
  `${model.name.replace(/^Whatsminer\s*/i, '').replaceAll(/\s/g, '')}_${VARIANTS[model.id] ?? 'VH20'}`;

export const isOff = (facts: MinerFacts): boolean => facts.curtailed;

/** Codes of the maker's list for what the site can do to a machine. */
export function errorCodes(facts: MinerFacts): { code: number; reason: string; since: string }[] {
  const since = new Date(facts.sinceMs).toISOString().slice(0, 19).replace('T', ' ');
  if (facts.failure === FAILURE.board) return [{ code: 531, reason: 'Slot1 not found.', since }];
  if (facts.failure === FAILURE.hot) return [{ code: 350, reason: 'Slot0 temperature protecting.', since }];
  return [];
}

const SALT_LETTERS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Eight characters, the same for the same words. */
export function saltOf(a: number, b: number, c: number): string {
  return Array.from({ length: 8 }, (_, i) => SALT_LETTERS[hash32(a, b, c, 7_001 + i) % 64]).join('');
}

/** @returns false where the write is drawn to be refused; one that is ignored looks carried out */
export function carryOut(host: Host, endpoint: Endpoint, act: () => void): boolean {
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return false;
  if (fault === undefined) act();
  return true;
}

export const pointNamed = (host: Host, endpoint: Endpoint, name: string): number => {
  const { miners } = host.world;
  return miners.groups[miners.group[endpoint.index]!]!.table.points.findIndex((point) => point.name === name);
};

export const aesKeyOf = (text: string): Buffer => createHash('sha256').update(text).digest();
