import { Fault, run, type OperatingMode } from '../../model/index.ts';
import type { PoolSetting } from '../driver.ts';
import { text } from './fields.ts';

/** What both generations of the Whatsminer API share. */

export const POWER_MODES: readonly string[] = ['low', 'normal', 'high'];
/** Pools a Whatsminer keeps. */
const MOST_POOLS = 3;

export function toProfile(said: unknown): string | undefined {
  const word = text(said)?.trim().toLowerCase();
  return word !== undefined && POWER_MODES.includes(word) ? word : undefined;
}

export const toRunning = (profile: string | undefined): OperatingMode | undefined =>
  profile === undefined ? undefined : run(profile);

/** The firmware's word for a profile; the catalogue calls what a machine runs from the factory `default`. */
export function powerMode(profile: string, address: string): string {
  const mode = profile === 'default' ? 'normal' : profile;
  if (POWER_MODES.includes(mode)) return mode;
  throw new Fault('unsupported', `${address}: a Whatsminer has the modes low, normal and high, not "${profile}"`);
}

/** @throws Fault where the list is longer than what the machine keeps */
export function threePools(pools: readonly PoolSetting[], address: string): readonly PoolSetting[] {
  if (pools.length === 0) throw new Fault('unsupported', `${address}: a Whatsminer cannot be left without a pool`);
  if (pools.length > MOST_POOLS)
    throw new Fault('unsupported', `${address}: a Whatsminer keeps ${MOST_POOLS} pools, ${pools.length} were given`);
  const none = { url: '', worker: '', password: '' };
  return Array.from({ length: MOST_POOLS }, (_, i) => pools[i] ?? none);
}

/** The wall clock is asked, not the machine's: how long what it said of its mode is believed. */
export const MODE_HOLDS_MS = 5 * 60_000;

/** Red, twice a second: seen along a row. */
export const BLINK = { color: 'red', period: 500, duration: 250, start: 0 } as const;

/** Codes of MicroBT's list of error codes, by their first digits: a board's or pool's own number is the last. */
const ERRORS: readonly (readonly [from: number, to: number, words: string, numbered?: 'board' | 'pool'])[] = [
  [110, 110, 'intake fan: no speed is detected'],
  [111, 111, 'exhaust fan: no speed is detected'],
  [120, 120, 'intake fan: the speed is far from the one asked for'],
  [121, 121, 'exhaust fan: the speed is far from the one asked for'],
  [130, 130, 'intake fan: the speed is wrong'],
  [131, 131, 'exhaust fan: the speed is wrong'],
  [140, 140, 'fan speed is too high'],
  [200, 200, 'no power supply is detected'],
  [201, 201, 'the power supply does not match the configuration'],
  [202, 202, 'power supply: output voltage is wrong'],
  [203, 203, 'power supply: protecting itself from high temperature'],
  [204, 204, 'power supply: protecting itself from high current'],
  [205, 205, 'power supply: current is wrong'],
  [206, 206, 'power supply: input voltage is low'],
  [207, 207, 'power supply: input current is too high'],
  [210, 210, 'power supply error'],
  [213, 213, 'power supply: input voltage and current do not match the power'],
  [216, 216, 'power supply: its power has not changed for a long time'],
  [217, 217, 'power supply: cannot be switched on'],
  [218, 218, 'input voltage is below 230 V, too low for high power mode'],
  [233, 235, 'power supply: output is too hot'],
  [236, 238, 'power supply: output current is too high'],
  [239, 239, 'power supply: output voltage is wrong'],
  [240, 240, 'power supply: output voltage is too low'],
  [241, 241, 'power supply: output current is out of balance'],
  [243, 245, 'power supply: input is too hot'],
  [246, 247, 'power supply: input current is too high'],
  [248, 249, 'power supply: input voltage is too high'],
  [250, 251, 'power supply: input voltage is too low'],
  [253, 253, 'power supply: fan error'],
  [255, 256, 'power supply: output is too high'],
  [257, 262, 'power supply: a fault on its input side'],
  [263, 263, 'power supply: communication is disturbed'],
  [264, 267, 'power supply: communication has failed'],
  [268, 269, 'power supply: watchdog has stopped it'],
  [270, 271, 'power supply: output or input voltage is too high'],
  [272, 275, 'power supply: protecting itself'],
  [300, 302, 'temperature sensor is not detected', 'board'],
  [320, 322, 'temperature cannot be read', 'board'],
  [329, 329, 'control board: temperature cannot be read'],
  [350, 352, 'too hot, stopped to protect itself', 'board'],
  [360, 362, 'overheats', 'board'],
  [410, 412, 'EEPROM is not detected', 'board'],
  [420, 422, 'EEPROM cannot be understood', 'board'],
  [430, 432, 'chip bin does not match', 'board'],
  [440, 442, 'chip number of the EEPROM is wrong', 'board'],
  [450, 452, 'EEPROM cannot be read', 'board'],
  [510, 512, 'is of another kind than the machine', 'board'],
  [530, 532, 'is not found', 'board'],
  [540, 542, 'chip numbers cannot be read', 'board'],
  [550, 552, 'has bad chips', 'board'],
  [560, 562, 'is out of balance', 'board'],
  [600, 600, 'the air around it is too hot'],
  [610, 610, 'the air around it is too hot for high power mode'],
  [701, 701, 'control board: does not support the chips'],
  [710, 710, 'control board: was restarted by a fault'],
  [712, 712, 'control board: was restarted by a fault'],
  [800, 802, 'a file of the firmware is damaged'],
  [2000, 2000, 'no pool is configured'],
  [2010, 2010, 'no pool can be used'],
  [2020, 2022, 'cannot be reached', 'pool'],
  [2030, 2030, 'many shares are rejected'],
  [2040, 2040, 'a pool does not know AsicBoost'],
  [2310, 2329, 'hashrate is too low'],
  [2340, 2349, 'hashrate is lost'],
  [2350, 2359, 'hashrate is lost to heat'],
  [5070, 5072, 'water flow is wrong', 'board'],
  [5110, 5112, 'frequency takes too long to rise', 'board'],
  [8410, 8410, 'firmware is of the wrong version'],
];

/** An error code in words with the code; where none are known the code alone, with what the machine says of it. */
export function errorWords(code: number, reason?: string): string {
  const known = ERRORS.find(([from, to]) => code >= from && code <= to);
  if (known === undefined) return reason === undefined ? `error code ${code}` : `${reason} (code ${code})`;
  const [from, , words, numbered] = known;
  const subject = numbered === undefined ? '' : `${numbered === 'board' ? 'hash board' : 'pool'} ${code - from}: `;
  return `${subject}${words} (code ${code})`;
}
