import { readFileSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FeedIo } from '../../src/feeds/feed.ts';
import {
  DAY,
  Fault,
  HOUR,
  MINUTE,
  QUARTER,
  secretText,
  siteMs,
  wallMs,
  type HttpReply,
  type HttpRequest,
} from '../../src/model/index.ts';

const FOLDER = join(import.meta.dirname, '..', 'recordings', 'feeds');

/** A hand-written reply of test/recordings/feeds. */
export const shapeOf = (file: string): unknown => JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));
const fields = (file: string): Record<string, unknown> => shapeOf(file) as Record<string, unknown>;

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** A reply as the transport gives it: text as it is, anything else as its JSON. */
export const replyOf = ({ status = 200, headers = {}, body }: Answer): HttpReply => ({
  status,
  headers,
  body: typeof body === 'string' ? body : JSON.stringify(body ?? ''),
});

export const SECRET = 'hush-hush/1';

/** A world of a feed: what the clock says, what the services answer, what lies in the files. */
export function feedIo(parts: {
  now(): number;
  wall?(): number;
  answer?(request: HttpRequest): Answer | Promise<Answer>;
  files?: Readonly<Record<string, string | Uint8Array>>;
}): FeedIo {
  const { files } = parts;
  const there = (path: string): string | Uint8Array => {
    const found = files?.[path];
    if (found === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    return found;
  };
  const none = (): never => {
    throw new Fault('unreachable', 'this world has no network');
  };
  const onDisk: Pick<FeedIo, 'readFile' | 'readBytes' | 'listFiles' | 'fileVersion'> = {
    readFile: (path) => readFile(path, 'utf8'),
    readBytes: (path) => readFile(path),
    listFiles: (folder) => readdir(folder),
    async fileVersion(path) {
      const { mtimeMs, size } = await stat(path);
      return `${mtimeMs} ${size}`;
    },
  };
  const inMemory: typeof onDisk = {
    readFile: async (path) => Buffer.from(there(path)).toString('utf8'),
    readBytes: async (path) => Buffer.from(there(path)),
    listFiles: async (folder) =>
      Object.keys(files!)
        .filter((path) => dirname(path) === folder)
        .map((path) => basename(path)),
    fileVersion: async (path) => Buffer.from(there(path)).toString('base64'),
  };
  return {
    http: { ask: async (request) => replyOf(await (parts.answer ?? none)(request)) },
    siteNow: () => siteMs(parts.now()),
    wallNow: () => wallMs((parts.wall ?? parts.now)()),
    secret(ref) {
      if (JSON.stringify(ref).includes('nowhere')) throw new Fault('unauthorised', `${secretText(ref)}: nothing there`);
      return SECRET;
    },
    ...(files === undefined ? onDisk : inMemory),
  };
}

/** What a feed is opened with, and a world in which all is well at any moment. */
export interface FeedCase {
  readonly config: unknown;
  answer?(request: HttpRequest, now: number): Answer;
}

const seconds = (ms: number): number => Math.floor(ms / 1000);

export const ercotWorld =
  (rows: (from: number, to: number) => unknown[]) =>
  (request: HttpRequest): Answer => {
    if (request.url.includes('/token')) return { body: shapeOf('ercot/token.json') };
    const query = new URL(request.url).searchParams;
    const from = Date.parse(query.get('deliveryDateFrom')!);
    const data = rows(from, Date.parse(query.get('deliveryDateTo')!) + DAY);
    return { body: { ...fields('ercot/spp.json'), data } };
  };

/** Quarter-hours as ERCOT writes them, in the weeks of 2026 when its clocks are five hours behind UTC. */
function ercotRows(from: number, to: number, now: number): unknown[] {
  const rows: unknown[] = [];
  for (let wall = from; wall < to && wall + 5 * HOUR + QUARTER <= now; wall += QUARTER) {
    const at = new Date(wall);
    const price = 20 + 5 * Math.sin(wall / HOUR);
    const interval = at.getUTCMinutes() / 15 + 1;
    rows.push([at.toISOString().slice(0, 10), at.getUTCHours() + 1, interval, 'HB_HOUSTON', 'HU', price, false]);
  }
  return rows;
}

export function bitcoinWorld(request: HttpRequest, now: number): Answer {
  const { id, method, params } = JSON.parse(request.body!) as { id: number; method: string; params: unknown[] };
  const info = fields('bitcoind/getblockchaininfo.json');
  const hash = (height: number) => height.toString(16).padStart(64, '0');
  const results: Record<string, () => unknown> = {
    getblockchaininfo: () => ({ ...info, mediantime: seconds(now - HOUR) }),
    getblockhash: () => hash(Number(params[0])),
    getblockstats: () => ({ height: params[0], blockhash: hash(Number(params[0])), totalfee: 2_000_000 }),
  };
  const result = results[method];
  if (result === undefined)
    return { status: 404, body: { result: null, error: { code: -32601, message: 'Method not found' }, id } };
  return { body: { result: result(), error: null, id } };
}

export const CASES: Readonly<Record<string, FeedCase>> = {
  recorded: { config: { folder: join(import.meta.dirname, '..', '..', 'examples', 'week-2026-03-23') } },
  csv: {
    config: {
      path: join(import.meta.dirname, '..', '..', 'examples', 'week-2026-03-23', 'price.csv'),
      skipLines: readFileSync(join(import.meta.dirname, '..', '..', 'examples', 'week-2026-03-23', 'price.csv'), 'utf8')
        .split('\n')
        .findIndex((line) => line.startsWith('start_utc')),
      time: { column: 'start_utc', format: 'iso_utc' },
      intervalMinutes: 15,
      columns: [{ column: 'value', series: 'priceUsdPerMwh', unit: 'usd_per_mwh' }],
      source: 'the sample week',
    },
  },
  parquet: {
    config: {
      path: join(FOLDER, 'parquet', 'prices.parquet'),
      time: { column: 'interval_start', format: 'local', zone: 'America/Chicago' },
      intervalMinutes: 15,
      columns: [{ column: 'price', series: 'priceUsdPerMwh', unit: 'usd_per_mwh' }],
      source: 'made up',
    },
  },
  mempool: {
    config: {},
    answer({ url }, now) {
      if (url.endsWith('/prices')) return { body: { ...fields('mempool/prices.json'), time: seconds(now) } };
      if (url.includes('/reward-stats/')) return { body: shapeOf('mempool/reward-stats-144.json') };
      const blocks = shapeOf('mempool/blocks.json') as object[];
      return { body: blocks.map((block, i) => ({ ...block, timestamp: seconds(now - i * 10 * MINUTE) })) };
    },
  },
  bitcoind: { config: { login: { user: 'busbar', password: { env: 'RPC_PASSWORD' } } }, answer: bitcoinWorld },
  'open-meteo': {
    config: { latitude: 29.77, longitude: -95.33, apikey: { env: 'WEATHER_KEY' } },
    answer(_, now) {
      const first = Math.floor(now / DAY) * DAY - 2 * DAY;
      const time = Array.from({ length: 72 }, (_hour, i) => seconds(first + i * HOUR));
      const wave = (mean: number) => time.map((t) => mean + 4 * Math.sin((t / 86_400) * 2 * Math.PI));
      return {
        body: {
          ...fields('open-meteo/forecast.json'),
          hourly: { time, temperature_2m: wave(24), dew_point_2m: wave(16) },
        },
      };
    },
  },
  vast: {
    config: { apikey: { env: 'VAST_KEY' } },
    answer({ body }) {
      const [name] = (JSON.parse(body!) as { gpu_name: { in: string[] } }).gpu_name.in;
      const { offers } = shapeOf('vast/offers.json') as { offers: object[] };
      return { body: { offers: offers.map((offer) => ({ ...offer, gpu_name: name })) } };
    },
  },
  'http-json': {
    config: {
      url: 'https://prices.example/v2?key=hush-hush/1',
      headers: { 'x-api-key': { env: 'PRICE_KEY' } },
      source: 'made up',
      mappings: [
        {
          series: 'priceUsdPerMwh',
          unit: 'cents_per_kwh',
          rows: 'data.prices',
          value: 'ctKwh',
          time: { at: 'from', format: 'local', zone: 'America/Chicago' },
          intervalMinutes: 60,
        },
      ],
    },
    answer(_, now) {
      const first = Math.floor(now / DAY) * DAY - DAY;
      const prices = Array.from({ length: 48 }, (_hour, i) => ({
        from: new Date(first + i * HOUR).toISOString().slice(0, 16).replace('T', ' '),
        ctKwh: (3 + (i % 24) / 10).toFixed(2),
      }));
      return { body: { data: { zone: 'NORTH', prices } } };
    },
  },
  ercot: {
    config: {
      settlementPoint: 'HB_HOUSTON',
      username: 'me@site.example',
      password: { env: 'P' },
      subscriptionKey: { env: 'K' },
    },
    answer: (request, now) => ercotWorld((from, to) => ercotRows(from, to, now))(request),
  },
};

/** Worlds in which a service does the same wrong thing, and the kinds of fault it may be told as. */
export const WRONG: readonly { name: string; answer: () => Answer; kinds: readonly string[] }[] = [
  { name: 'is silent', answer: fails('timeout'), kinds: ['timeout'] },
  { name: 'refuses connections', answer: fails('unreachable'), kinds: ['unreachable'] },
  {
    name: 'answers a web page',
    answer: () => ({ body: '<!doctype html><html><body>Sign in</body></html>' }),
    kinds: ['garbled'],
  },
  { name: 'answers half', answer: () => ({ body: '{"offers":[{"id":11,"gpu_na' }), kinds: ['garbled'] },
  { name: 'answers nothing', answer: () => ({ body: '' }), kinds: ['garbled'] },
  { name: 'answers an empty object', answer: () => ({ body: {} }), kinds: ['garbled'] },
  { name: 'answers an empty list', answer: () => ({ body: [] }), kinds: ['garbled'] },
  { name: 'answers null', answer: () => ({ body: 'null' }), kinds: ['garbled'] },
  { name: 'answers with ten megabytes', answer: () => ({ body: `[${'1,'.repeat(5e6)}1]` }), kinds: ['garbled'] },
  { name: 'denies access', answer: () => ({ status: 401, body: 'no' }), kinds: ['unauthorised'] },
  { name: 'has moved', answer: () => ({ status: 404, body: 'no such thing' }), kinds: ['unsupported'] },
  {
    name: 'leads elsewhere',
    answer: () => ({ status: 302, headers: { location: 'https://elsewhere.example' } }),
    kinds: ['refused'],
  },
  {
    name: 'is asked too often',
    answer: () => ({ status: 429, headers: { 'retry-after': '30' }, body: 'slow down' }),
    kinds: ['refused'],
  },
  { name: 'has a bad day', answer: () => ({ status: 500, body: 'oops' }), kinds: ['refused'] },
];

function fails(kind: 'timeout' | 'unreachable'): () => never {
  return () => {
    throw new Fault(kind, `the world: ${kind}`);
  };
}
