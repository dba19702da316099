import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { drivers } from '../../src/drivers/index.ts';

/** What machines of one driver answer to a fast read, from its recordings, at the size real ones answer. */
export interface Family {
  readonly driver: string;
  readonly modelId: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly answers: readonly FamilyAnswer[];
}

export type FamilyAnswer =
  | { readonly kind: 'rpc'; readonly ask: unknown; readonly framed: boolean; readonly text: string }
  | {
      readonly kind: 'http';
      readonly method: string;
      readonly path: string;
      readonly status: number;
      readonly text: string;
    };

interface RecordedExchange {
  readonly tcp?: { readonly ask: unknown; readonly framed?: boolean };
  readonly http?: { readonly method: string; readonly path: string };
  readonly reply: unknown;
}
interface Recorded {
  readonly modelId: string;
  readonly config: Record<string, unknown>;
  readonly call?: readonly unknown[];
  readonly reading?: { readonly hashrateThs?: number; readonly mode?: { readonly kind: string } };
  readonly exchanges: readonly RecordedExchange[];
}

/**
 * Bytes of captured answers by a word of what was asked, where a capture of the family was at hand: recordings keep only the fields a
 * driver reads, and are filled up to this with rows it passes over.
 */
const CAPTURED_BYTES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  luxos: { 'summary+power+config+temps': 4_069 },
  'antminer-stock': { stats: 2_501 },
  'whatsminer-v2': { summary: 751, status: 293 },
  'whatsminer-v3': { summary: 746, 'get.device.info': 1_354 },
  avalon: { litestats: 1_167, stats: 4_018 },
  braiins: { 'miner/stats': 1_481, 'miner/details': 876, 'cooling/state': 476 },
  'proto-rig': { mining: 572 },
  bitaxe: { 'system/info': 1_039 },
};

const FOLDER = join(import.meta.dirname, '..', '..', 'test', 'recordings');

/** Every ASIC driver that has a recording of a running machine over TCP or HTTP. */
export function families(): Family[] {
  return drivers
    .filter(({ serves }) => serves.includes('asic'))
    .flatMap(({ name }) => {
      const recorded = runningOf(name);
      if (recorded === undefined) return [];
      const answers = recorded.exchanges.map((exchange) => toAnswer(exchange, bytesOf(name, exchange)));
      return [{ driver: name, modelId: recorded.modelId, config: recorded.config, answers }];
    });
}

function runningOf(name: string): Recorded | undefined {
  const folder = join(FOLDER, name);
  const all = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    // The plain case first, where a driver has one.
    .sort((a, b) => Number(b.startsWith('running')) - Number(a.startsWith('running')) || a.localeCompare(b))
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Recorded)
    .filter(
      ({ call, reading, exchanges }) =>
        (call === undefined || call[0] === 'read') &&
        (reading?.hashrateThs ?? 0) > 0 &&
        exchanges.length > 0 &&
        exchanges.every(succeeded),
    );
  return all.find(({ reading }) => reading?.mode?.kind === 'run') ?? all[0];
}

const succeeded = ({ http, reply }: RecordedExchange): boolean =>
  http === undefined || ((reply as { status?: number }).status ?? 200) < 300;

/** Of several words the longest that fits: `litestats` holds `stats` too. */
function bytesOf(driver: string, { tcp, http, reply }: RecordedExchange): number {
  const asked = tcp === undefined ? (http?.path ?? '') : JSON.stringify(tcp.ask);
  // That a firmware has no such command is told in a line.
  if (/invalid command/i.test(JSON.stringify(reply))) return 0;
  const words = Object.entries(CAPTURED_BYTES[driver] ?? {}).filter(([word]) => asked.includes(word));
  return words.sort(([a], [b]) => b.length - a.length)[0]?.[1] ?? 0;
}

function toAnswer({ tcp, http, reply }: RecordedExchange, bytes: number): FamilyAnswer {
  if (tcp !== undefined)
    return { kind: 'rpc', ask: tcp.ask, framed: tcp.framed === true, text: filled(textOf(reply), bytes) };
  if (http === undefined) throw new Error('a recording of another transport');
  const { status = 200, body } = reply as { status?: number; body?: unknown };
  return { kind: 'http', method: http.method, path: http.path, status, text: filled(textOf(body), bytes) };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? ''));

/** As long as the captured answer: rows as firmware writes them, with the same names in each, at the end of the outermost object. */
function filled(text: string, bytes: number): string {
  const end = text.lastIndexOf('}');
  if (end < 0 || text.length >= bytes) return text;
  const rows: string[] = [];
  for (let i = 0, length = text.length; length < bytes; i += 1) {
    const row = `{"ASC":${i},"Name":"SM","ID":${i},"Enabled":"Y","Status":"Alive","Temperature":${60 + (i % 9)}.25,"MHS av":${35_210_023 + i * 7919}.4,"MHS 5s":${35_187_442 + i * 6311}.7,"Accepted":${4_418 + i},"Rejected":${3 + i},"Hardware Errors":${i}}`;
    rows.push(row);
    length += row.length + 1;
  }
  return `${text.slice(0, end)},"not read":[${rows.join(',')}]${text.slice(end)}`;
}
