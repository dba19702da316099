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
 * Bytes of the captured answers, where a capture of the family was at hand: recordings keep only the fields a driver reads, and are
 * filled up to this with fields it passes over.
 */
const CAPTURED_BYTES: Readonly<Record<string, readonly number[]>> = {
  luxos: [3_600],
  'antminer-stock': [2_300, 470, 700],
  'whatsminer-v2': [700, 280],
  'whatsminer-v3': [700],
  avalon: [3_900],
  braiins: [1_400, 480],
  'proto-rig': [4_200],
  bitaxe: [1_000],
};

const FOLDER = join(import.meta.dirname, '..', '..', 'test', 'recordings');

/** Every ASIC driver that has a recording of a running machine over TCP or HTTP. */
export function families(): Family[] {
  return drivers
    .filter(({ serves }) => serves.includes('asic'))
    .flatMap(({ name }) => {
      const recorded = runningOf(name);
      if (recorded === undefined) return [];
      const sizes = CAPTURED_BYTES[name] ?? [];
      const answers = recorded.exchanges.map((exchange, i) => toAnswer(exchange, sizes[i] ?? 0));
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

function toAnswer({ tcp, http, reply }: RecordedExchange, bytes: number): FamilyAnswer {
  if (tcp !== undefined)
    return { kind: 'rpc', ask: tcp.ask, framed: tcp.framed === true, text: filled(textOf(reply), bytes) };
  if (http === undefined) throw new Error('a recording of another transport');
  const { status = 200, body } = reply as { status?: number; body?: unknown };
  return { kind: 'http', method: http.method, path: http.path, status, text: filled(textOf(body), bytes) };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? ''));

/** As long as the captured answer: numbers under names nobody reads, at the end of the outermost object. */
function filled(text: string, bytes: number): string {
  const end = text.lastIndexOf('}');
  if (end < 0 || text.length >= bytes) return text;
  let more = '';
  for (let i = 0; text.length + more.length < bytes; i += 1) more += `,"unread ${i}":${(i * 7919) % 100_000}`;
  return text.slice(0, end) + more + text.slice(end);
}
