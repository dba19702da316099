import { Fault, run, type OperatingMode } from '../../model/index.ts';
import type { PoolSetting } from '../driver.ts';
import { amount, fields, num, text, type Fields } from './fields.ts';

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
  [100, 100, 'a fan of an unknown kind'],
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
  [208, 208, 'power supply: its power is wrong'],
  [209, 209, 'power supply: its voltage is off'],
  [210, 210, 'power supply error'],
  [211, 211, 'power supply: output current is wrong'],
  [212, 212, 'power supply: output voltage is at its limit'],
  [213, 213, 'power supply: input voltage and current do not match the power'],
  [214, 214, 'power supply: its input power does not change'],
  [215, 215, 'power supply: output voltage cannot be set'],
  [216, 216, 'power supply: its power has not changed for a long time'],
  [217, 217, 'power supply: cannot be switched on'],
  [218, 218, 'input voltage is below 230 V, too low for high power mode'],
  [219, 219, 'power supply: input current is wrong'],
  [233, 235, 'power supply: output is too hot'],
  [236, 238, 'power supply: output current is too high'],
  [239, 239, 'power supply: output voltage is too high'],
  [240, 240, 'power supply: output voltage is too low'],
  [241, 241, 'power supply: output current is out of balance'],
  [243, 245, 'power supply: input is too hot'],
  [246, 247, 'power supply: input voltage is too high'],
  [248, 249, 'power supply: input current is too high'],
  [250, 251, 'power supply: input voltage is too low'],
  [253, 254, 'power supply: fan error'],
  [255, 256, 'power supply: output is too high'],
  [257, 262, 'power supply: a fault on its input side'],
  [263, 263, 'power supply: communication is disturbed'],
  [264, 264, 'power supply: communication has failed'],
  [265, 266, 'power supply: a fault it does not name'],
  [267, 267, 'power supply: watchdog has stopped it'],
  [268, 268, 'power supply: protecting itself from high output current'],
  [269, 269, 'power supply: protecting itself from high input current'],
  [270, 270, 'power supply: protecting itself from high input voltage'],
  [271, 271, 'power supply: protecting itself from low input voltage'],
  [272, 272, 'power supply: output is near its limit'],
  [273, 273, 'power supply: input is near its limit'],
  [274, 274, 'power supply: its fan gives a warning'],
  [275, 275, 'power supply: is hot'],
  [276, 280, 'power supply: a fault it does not name'],
  [281, 296, "power supply: a fault of its maker's own list"],
  [300, 308, 'temperature sensor is not detected', 'board'],
  [320, 328, 'temperature cannot be read', 'board'],
  [329, 329, 'control board: temperature cannot be read'],
  [350, 358, 'too hot, stopped to protect itself', 'board'],
  [360, 363, 'overheats', 'board'],
  [370, 370, 'the temperature of the air around it swings too much'],
  [380, 380, 'no humidity sensor is found'],
  [381, 382, 'humidity cannot be read'],
  [383, 383, 'too humid, stopped to protect itself'],
  [400, 400, 'EEPROM: a fault of an unknown kind'],
  [410, 418, 'EEPROM is not detected', 'board'],
  [420, 428, 'EEPROM cannot be understood', 'board'],
  [430, 438, 'chip bin does not match', 'board'],
  [440, 448, 'chip number of the EEPROM is wrong', 'board'],
  [450, 458, 'EEPROM cannot be read', 'board'],
  [500, 500, 'a hash board fault of an unknown kind'],
  [510, 518, 'is of another kind than the machine', 'board'],
  [520, 528, 'chip bins do not match', 'board'],
  [530, 538, 'is not found', 'board'],
  [540, 548, 'chip numbers cannot be read', 'board'],
  [550, 558, 'has bad chips', 'board'],
  [560, 568, 'is out of balance', 'board'],
  [570, 578, 'chips cannot be spoken to', 'board'],
  [580, 588, 'was reset by a fault', 'board'],
  [590, 598, 'frequency is too low', 'board'],
  [600, 600, 'the air around it is too hot'],
  [610, 610, 'the air around it is too hot for high power mode'],
  [700, 700, 'control board: MAC address is not valid'],
  [701, 701, 'control board: does not support the chips'],
  [710, 712, 'control board: was restarted by a fault'],
  [713, 713, 'the network is not stable, so the time changes'],
  [720, 728, 'control board cannot understand it', 'board'],
  [800, 802, 'a file of the firmware is damaged'],
  [810, 810, 'serial numbers of the water cooling do not match'],
  [901, 901, 'efficiency is wrong'],
  [2000, 2000, 'no pool is configured'],
  [2010, 2010, 'no pool can be used'],
  [2020, 2028, 'cannot be reached', 'pool'],
  [2030, 2030, 'many shares are rejected'],
  [2040, 2040, 'a pool does not know AsicBoost'],
  [2110, 2118, 'failed a factory test', 'board'],
  [2310, 2329, 'hashrate is too low'],
  [2330, 2349, 'too much hashrate is lost'],
  [2350, 2359, 'hashrate is lost'],
  [5010, 5018, 'chip voltage is too low', 'board'],
  [5020, 5028, 'chip voltage has changed', 'board'],
  [5030, 5038, 'temperatures of its chips are too far apart', 'board'],
  [5040, 5048, 'its hottest chip is far above the others', 'board'],
  [5070, 5078, 'water flow is wrong', 'board'],
  [5080, 5080, 'chip temperatures could not be calibrated'],
  [5090, 5098, 'chip temperatures are calibrated unevenly', 'board'],
  [5110, 5118, 'frequency takes too long to rise', 'board'],
  [5170, 5178, 'frequency takes too long to rise', 'board'],
  [8000, 8000, "the maker's tool is of an old version"],
  [8010, 8010, 'frequency is low'],
  [8020, 8020, 'hashrate is low'],
  [8035, 8035, 'the air around it is too hot'],
  [8100, 8100, 'chip data are wrong'],
  [8200, 8200, 'version of the power supply is wrong'],
  [8210, 8210, 'machine type is wrong'],
  [8220, 8220, 'version information is wrong'],
  [8400, 8410, 'firmware is of the wrong version'],
  [8700, 8700, 'the power supply does not fit the machine'],
  [9000, 9010, 'the mining program was stopped by a fault'],
  [100_000, 110_001, 'files of the firmware were tampered with'],
];

/** Codes of single chips have six digits: what, which board, which chip. */
const CHIP_ERRORS: ReadonlyMap<number, string> = new Map([
  [52, 'wrong nonces'],
  [53, 'too few nonces'],
  [54, 'too hot, stopped to protect itself'],
  [55, 'was reset'],
  [56, 'no nonces'],
]);

/** An error code in words with the code; where none are known the code alone, with what the machine says of it. */
export function errorWords(code: number, reason?: string): string {
  const ofChip = code >= 200_000 ? CHIP_ERRORS.get(Math.floor(code / 10_000)) : undefined;
  if (ofChip !== undefined)
    return `hash board ${Math.floor(code / 1000) % 10}, chip ${code % 1000}: ${ofChip} (code ${code})`;
  const known = ERRORS.find(([from, to]) => code >= from && code <= to);
  if (known === undefined) return reason === undefined ? `error code ${code}` : `${reason} (code ${code})`;
  const [from, , words, numbered] = known;
  const subject = numbered === undefined ? '' : `${numbered === 'board' ? 'hash board' : 'pool'} ${code - from}: `;
  return `${subject}${words} (code ${code})`;
}

/**
 * What a machine says is wrong, in every shape captured of both generations: `[{"329": "2023-01-06 13:42:42"}]` with
 * since when and perhaps a reason, bare codes, and one object of codes.
 */
export function troublesOf(said: unknown): readonly string[] | undefined {
  if (typeof said !== 'object' || said === null) return undefined;
  const entries: readonly unknown[] = Array.isArray(said) ? said : [said];
  const errors = entries.flatMap((entry) => {
    if (typeof entry !== 'object') return wordsOf(entry, undefined, undefined);
    const row = fields(entry);
    return Object.entries(row).flatMap(([code, since]) => wordsOf(code, since, text(row['reason'])));
  });
  // An empty list says that nothing is wrong; one of which nothing is understood says nothing.
  const empty = entries.every((entry) => typeof entry === 'object' && Object.keys(fields(entry)).length === 0);
  return empty || errors.length > 0 ? errors : undefined;
}

function wordsOf(code: unknown, since: unknown, reason: string | undefined): string[] {
  const number = num(code);
  if (number === undefined) return [];
  const when = text(since);
  const words = errorWords(number, reason);
  return [when === undefined ? words : `${words}, since ${when}`];
}

/** Firmware until 2022 counts its errors in the summary: `Error Code Count` and `Error Code 0` on. */
export function countedTroubles(summary: Fields): readonly string[] | undefined {
  const count = amount(summary['Error Code Count']);
  if (count === undefined) return undefined;
  return troublesOf(Array.from({ length: Math.min(count, 100) }, (_, i) => summary[`Error Code ${i}`]));
}
