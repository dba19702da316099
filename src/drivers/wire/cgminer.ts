import { Fault, type PoolReading, type TcpPort } from '../../model/index.ts';
import { amount, fields, list, num, text, type Fields } from './fields.ts';
import { parseJson, textOf } from './loose-json.ts';

/** The cgminer API (TCP 4028): one JSON command, one reply that ends in NUL, in a newline, or with the connection. */
export interface CgminerTarget {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

const ended = (received: Buffer): boolean => {
  const last = received[received.length - 1];
  return last === 0 || last === 10;
};

/** Asks one command, or several joined with `+`; the reply as an object, mended where that is unambiguous. */
export function askCgminer(
  tcp: TcpPort,
  target: CgminerTarget,
  command: string,
  parameter?: string,
  signal?: AbortSignal,
): Promise<Fields> {
  const data = JSON.stringify(parameter === undefined ? { command } : { command, parameter });
  const { host, port, timeoutMs } = target;
  const name = parameter === undefined ? command : `${command}_${parameter}`;
  const read = (reply: Buffer): Fields => parseReply(textOf(reply), `${host} ${command}`);
  return tcp.ask({ host, port, data, timeoutMs, name, complete: ended, read, signal });
}

/** @throws Fault garbled, with the bytes, when the reply cannot be understood without guessing. */
export function parseReply(raw: string, where: string): Fields {
  const parsed = parseJson(raw);
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Fields;
  throw new Fault('garbled', `${where}: not JSON`, { bytes: raw });
}

/** One command's part of a joined reply, or the whole of a single one. */
export function part(reply: Fields, command: string, key: string): readonly Fields[] {
  const joined = reply[command];
  const body = joined === undefined ? reply : fields(list(joined)[0]);
  return list(body[key]).map(fields);
}

/**
 * The one entry a reading cannot do without.
 * @throws Fault of what STATUS says where the firmware declined, garbled where the entry is just not there.
 */
export function requirePart(reply: Fields, command: string, key: string, has: string, where: string): Fields {
  const entry = part(reply, command, key).find((candidate) => has in candidate);
  if (entry !== undefined) return entry;
  const bytes = JSON.stringify(reply);
  if (text(fields(list(reply['STATUS'])[0])['STATUS']) !== undefined) expectSuccess(reply, where);
  throw new Fault('garbled', `${where}: a reply without ${key} "${has}"`, { bytes });
}

/** @throws Fault when STATUS says the command failed. The kind follows from what the firmware wrote. */
export function expectSuccess(reply: Fields, where: string): void {
  const status = fields(list(reply['STATUS'])[0]);
  const letter = text(status['STATUS']);
  if (letter === 'S' || letter === 'I' || letter === 'W') return;
  const message = text(status['Msg']) ?? 'no message';
  if (letter === undefined)
    throw new Fault('garbled', `${where}: a reply without STATUS`, { bytes: JSON.stringify(reply) });
  if (num(status['Code']) === 14 || /invalid command/i.test(message)) {
    throw new Fault('unsupported', `${where}: ${message}`);
  }
  // LuxOS grants one session at a time: somebody else holds it, and no other password would help.
  if (/another session/i.test(message)) throw new Fault('refused', `${where}: ${message}`);
  if (/access denied|logon|session|unauthor/i.test(message)) throw new Fault('unauthorised', `${where}: ${message}`);
  throw new Fault('refused', `${where}: ${message}`);
}

/** What `pools` tells of each pool, as every firmware that took it over from cgminer writes it. */
export function poolsOf(reply: Fields): readonly PoolReading[] | undefined {
  const pools = part(reply, 'pools', 'POOLS').flatMap((row): PoolReading[] => {
    const url = text(row['URL']);
    if (url === undefined) return [];
    const state = text(row['Status']);
    const active = row['Stratum Active'];
    return [
      {
        url,
        worker: text(row['User']) ?? '',
        active: typeof active === 'boolean' ? active : undefined,
        alive: state === undefined ? undefined : /alive/i.test(state),
        acceptedShares: amount(row['Accepted']),
        rejectedShares: amount(row['Rejected']),
      },
    ];
  });
  return pools.length === 0 ? undefined : pools;
}

/** Shares of all pools together; a sum that lacks one of its pools is no sum. */
export function sharesOf(
  pools: readonly PoolReading[] | undefined,
  of: 'acceptedShares' | 'rejectedShares',
): number | undefined {
  if (pools === undefined) return undefined;
  let all = 0;
  for (const pool of pools) {
    const count = pool[of];
    if (count === undefined) return undefined;
    all += count;
  }
  return all;
}
