import { Fault, type BoardReading, type HttpPort } from '../../model/index.ts';
import type { PoolSetting } from '../driver.ts';
import { amount, fields, list, max, num, text, type Fields } from './fields.ts';
import { expectOk } from './http.ts';

/** Pieces of the stock Antminer's answers (captured replies of an S19 Pro and an S21). */

/** Chains and fans the firmware numbers, from 1. */
const NUMBERS = Array.from({ length: 16 }, (_, i) => i + 1);

/** Sensors come as a number or as "58-60-61-63" per board; 0 stands for a sensor that is not there. */
function temperatures(value: unknown): (number | undefined)[] {
  const words = typeof value === 'string' ? value.split('-') : [value];
  return words.map((word) => num(word) || undefined);
}

export const boardTemperatures = (chains: Fields): (number | undefined)[] =>
  Object.entries(chains)
    .filter(([key]) => /^temp(_chip|_pcb|_(in|out)_(chip|pcb)_|\d*_)?\d+/.test(key))
    .flatMap(([, value]) => temperatures(value));

/** Every fan up to the last that turns; 0 stands for a fan that is not there. */
export function fansOf(chains: Fields): (number | undefined)[] {
  const fans = NUMBERS.filter((n) => `fan${n}` in chains).map((n) => amount(chains[`fan${n}`]) || undefined);
  return fans.slice(0, fans.findLastIndex((rpm) => rpm !== undefined) + 1);
}

export function boardsOf(chains: Fields): readonly BoardReading[] | undefined {
  const count = amount(chains['miner_count']) ?? 0;
  const boards = NUMBERS.flatMap((n): BoardReading[] => {
    const chips = amount(chains[`chain_acn${n}`]);
    const ghs = amount(chains[`chain_rate${n}`]);
    if (chips === undefined && ghs === undefined) return [];
    // Places without a board read 0; a board of the machine that reads 0 is a board that is ill.
    if (n > count && (chips ?? 0) === 0 && (ghs ?? 0) === 0) return [];
    // Newer firmware parts the air that comes in from the air that goes out.
    const parted = ['in_chip', 'out_chip', 'in_pcb', 'out_pcb'].map((where) => `temp_${where}_${n}`);
    const sensors = [`temp_chip${n}`, `temp_pcb${n}`, `temp2_${n}`, `temp${n}`, ...parted];
    const serial = text(chains[`chain_sn${n}`]);
    return [
      {
        index: n - 1,
        hashrateThs: ghs === undefined ? undefined : ghs / 1000,
        temperatureC: max(sensors.flatMap((key) => temperatures(chains[key]))),
        chips,
        ...(serial === undefined ? {} : { serial }),
      },
    ];
  });
  return boards.length === 0 ? undefined : boards;
}

/**
 * The page `stats.cgi` (and `stats` asked with `new_api`) under the names of 4028: `rate_5s`, `fan: [...]`, and a row for
 * each `chain` with `rate_real`, `asic_num` and its sensors in lists.
 */
export function chainsOfPage(page: Fields): Fields | undefined {
  const row = list(page['STATS'])
    .map(fields)
    .find((entry) => 'rate_5s' in entry || 'chain' in entry);
  if (row === undefined) return undefined;
  const chains: Record<string, unknown> = {
    'GHS 5s': row['rate_5s'],
    Elapsed: row['elapsed'],
    rate_unit: row['rate_unit'],
    miner_count: row['chain_num'],
    ...Object.fromEntries(POWER_FIELDS.filter((key) => key in row).map((key) => [key, row[key]])),
  };
  list(row['fan']).forEach((rpm, i) => (chains[`fan${i + 1}`] = rpm));
  list(row['chain']).forEach((said, i) => {
    const chain = fields(said);
    const n = (amount(chain['index']) ?? i) + 1;
    chains[`chain_rate${n}`] = chain['rate_real'];
    chains[`chain_acn${n}`] = chain['asic_num'];
    chains[`chain_sn${n}`] = chain['sn'];
    for (const key of ['temp_chip', 'temp_pcb'])
      if (Array.isArray(chain[key])) chains[`${key}${n}`] = chain[key].join('-');
  });
  return chains;
}

/** The page `summary.cgi` under the names of 4028. */
export function chainsOfSummaryPage(page: Fields): Fields | undefined {
  const row = list(page['SUMMARY'])
    .map(fields)
    .find((entry) => 'rate_5s' in entry);
  return row && { 'GHS 5s': row['rate_5s'], Elapsed: row['elapsed'], rate_unit: row['rate_unit'] };
}

/** Watts, spelt by each model in its own way; `chain_power` is "3250 W". */
const POWER_FIELDS = ['chain_power', 'power', 'Power', 'watt'];

export const wattsIn = (chains: Fields): number | undefined =>
  POWER_FIELDS.map((key) => {
    const said = chains[key];
    return amount(typeof said === 'string' ? said.replace(/\s*W$/i, '') : said) || undefined;
  }).find((watts) => watts !== undefined);

/** What `summary.cgi` finds wrong: `{"type": "fans", "status": "s", "code": 0, "msg": ""}` is a thing that is well. */
export function troublesOf(summary: Fields): readonly string[] | undefined {
  const row = fields(list(summary['SUMMARY'])[0]);
  if (!Array.isArray(row['status'])) return undefined;
  return list(row['status'])
    .map(fields)
    .flatMap((entry) => {
      const [type, state] = [text(entry['type']), text(entry['status'])];
      if (type === undefined || state === undefined || state === 's') return [];
      const code = num(entry['code']);
      const words = text(entry['msg']) ?? (state === 'e' || state === 'f' ? 'failed' : 'warning');
      return [`${type}: ${words}${code === undefined || code === 0 ? '' : ` (code ${code})`}`];
    });
}

/** Newer firmware answers `stats: "success"`, other captures show `success: true`. */
export function expectAcknowledged(reply: Fields, where: string): void {
  if (reply['stats'] === 'success' || reply['success'] === true) return;
  const said = reply['stats'] ?? reply['success'];
  if (said === undefined)
    throw new Fault('garbled', `${where}: no result in the answer`, { bytes: JSON.stringify(reply) });
  throw new Fault('refused', `${where}: ${text(reply['msg']) ?? JSON.stringify(reply)}`);
}

const LEAST_POOLS = 3;

interface WrittenPool {
  readonly url: string;
  readonly user: string;
  readonly pass: string;
}

/**
 * The pools as the configuration writes them, in as many places as it has.
 * @throws Fault where the configuration was not understood: the write replaces all of it
 */
export function poolsWritten(conf: Fields, pools: readonly PoolSetting[], address: string): readonly WrittenPool[] {
  const held = conf['pools'];
  if (!Array.isArray(held))
    throw new Fault('garbled', `${address}: a configuration without pools`, { bytes: JSON.stringify(conf) });
  const places = Math.max(LEAST_POOLS, held.length);
  if (pools.length > places)
    throw new Fault('unsupported', `${address}: its configuration has ${places} pools, ${pools.length} were given`);
  return Array.from({ length: places }, (_, i) => {
    const pool = pools[i];
    return { url: pool?.url ?? '', user: pool?.worker ?? '', pass: pool?.password ?? '' };
  });
}

/**
 * Whether a configuration holds these pools; places that are left out are empty ones. What was written is looked for
 * without the passwords: some firmware does not show them.
 */
export function samePools(
  held: unknown,
  wanted: readonly WrittenPool[],
  keys: readonly (keyof WrittenPool)[] = ['url', 'user', 'pass'],
): boolean {
  const rows = list(held).map(fields);
  if (rows.length > wanted.length) return false;
  return wanted.every((pool, i) => keys.every((key) => (text(rows[i]?.[key]) ?? '') === pool[key]));
}

/** The models whose own meter can be asked. */
export const tellsPower = (type: string | undefined): boolean =>
  /\bS19 ?XP Hyd\b|\bS21( Pro)?\s*$/i.test((type ?? '').replace(/\.$/, ''));

const POWER_PORT = 6060;
const POWER_KEYS = ['miner_power', 'power', 'watts', 'value'];

/** `http://HOST:6060/miner_power`: a number, alone or under one of its names. */
export async function minerPower(
  http: HttpPort,
  address: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<number> {
  const url = `http://${address}:${POWER_PORT}/miner_power`;
  const { body } = expectOk(await http.ask({ method: 'GET', url, timeoutMs, signal }), url);
  let said: unknown = body.trim();
  try {
    said = JSON.parse(body);
  } catch {
    // Not JSON: a bare number with its unit, or nothing we know.
  }
  const row = fields(said);
  const bare = typeof said === 'string' ? said.replace(/\s*W$/i, '') : said;
  const watts = amount(bare) ?? POWER_KEYS.map((key) => amount(row[key])).find((value) => value !== undefined);
  if (watts === undefined) throw new Fault('garbled', `${url}: no watts`, { bytes: body });
  return watts;
}
