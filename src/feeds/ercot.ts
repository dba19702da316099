import { z } from 'zod';
import {
  DAY,
  Fault,
  HOUR,
  isoUtc,
  MINUTE,
  QUARTER,
  quarterStart,
  secretRef,
  siteMs,
  type SiteMs,
} from '../model/index.ts';
import { defineFeed } from './feed.ts';
import { ercotToken } from './shared/ercot-token.ts';
import { baseUrl, below, everyMinutes, minutes } from './shared/live.ts';
import { memory } from './shared/memory.ts';
import { figure } from './shared/plausible.ts';
import { inOrder, type Row } from './shared/rows.ts';
import { calendarMs, momentsOf, wallOf, wallText } from './shared/times.ts';
import { openWeb, parseAs, parseJson, expectOk, short, whereOf, type WebRequest } from './shared/web.ts';

const config = z.strictObject({
  settlementPoint: z
    .string()
    .regex(/^[A-Z0-9_]+$/, 'a settlement point such as HB_HOUSTON')
    .describe('hub, load zone or resource node'),
  username: z.string().min(1).describe('of an account on apiexplorer.ercot.com'),
  password: secretRef,
  subscriptionKey: secretRef.describe('the primary key of a subscription to the Public API'),
  everyMinutes: everyMinutes(1).describe(
    'how often is looked whether a price is due; ERCOT is asked only while one is',
  ),
  pastDays: z.number().int().min(0).max(30).default(2).describe('days before today to begin with'),
  url: baseUrl('https://api.ercot.com/api/public-reports'),
  tokenUrl: baseUrl('https://ercotb2c.b2clogin.com/ercotb2c.onmicrosoft.com/B2C_1_PUBAPI-ROPC-FLOW/oauth2/v2.0/token'),
  clientId: z
    .string()
    .default('fec253ea-0d06-4272-a5e6-b478baeecd70')
    .describe('of the Public API itself, the same for everybody; ERCOT publishes it'),
});
type Config = z.output<typeof config>;

const ZONE = 'America/Chicago';
/** Settlement point prices of real time, computed from SCED every 15 minutes and posted when their interval is over. */
const REPORT = '/np6-905-cd/spp_node_zone_hub';
const PAGE_SIZE = 1_000;
const MOST_PAGES = 100;
/** A price comes a few minutes after its interval ends: two intervals, and as much again for the post. */
const HOLDS_MS = 45 * MINUTE;

/**
 * ERCOT's real-time settlement point prices (NP6-905-CD) from its Public API. At most 30 requests a minute are served,
 * and only addresses in the United States.
 */
export const ercot = defineFeed({
  name: 'ercot',
  about: 'Real-time settlement point prices of ERCOT by the quarter-hour, from its Public API (report NP6-905-CD)',
  config,
  silence: 'a price holds for 45 minutes after its quarter-hour began; each is posted when its quarter-hour is over',
  open({ config: settings }, io) {
    const web = openWeb(io);
    const token = ercotToken(settings, openWeb(io), io);
    const prices = memory({
      name: 'priceUsdPerMwh',
      provenance: 'measured',
      source: `ERCOT NP6-905-CD, real-time settlement point price of ${settings.settlementPoint}`,
      intervalMs: QUARTER,
      holdsMs: HOLDS_MS,
      pace: 'regular',
      tellRestated: true,
    });

    /** A request with both credentials; a token that is refused is renewed once. */
    async function authorised(request: WebRequest, signal?: AbortSignal): Promise<unknown> {
      const send = async () =>
        web.ask(
          {
            ...request,
            headers: {
              authorization: `Bearer ${await token.get(signal)}`,
              'ocp-apim-subscription-key': io.secret(settings.subscriptionKey),
            },
          },
          signal,
        );
      let reply = await send();
      if (reply.status === 401) {
        token.drop();
        reply = await send();
      }
      expectOk(reply, whereOf(request));
      return parseJson(reply, whereOf(request));
    }

    return {
      everyMs: minutes(settings.everyMinutes),
      async read(signal) {
        const now = io.siteNow();
        if ((prices.newest?.start ?? -Infinity) < newestDue(now)) {
          const from = prices.newest?.start ?? siteMs(now - settings.pastDays * DAY);
          const rows = await rowsSince(from, now, settings, (request) => authorised(request, signal));
          const { points, mended } = inOrder(rows, QUARTER, 'any');
          prices.add(
            points,
            mended.filter((message) => !message.endsWith('sorted')),
          );
        }
        return [prices.series(now)];
      },
      close() {},
    };
  },
});

/** The beginning of the last quarter-hour that is over. */
const newestDue = (now: SiteMs): number => quarterStart(now) - QUARTER;

type Ask = (request: WebRequest) => Promise<unknown>;

const replyShape = z.object({
  _meta: z.object({ totalPages: z.number().int().min(0), currentPage: z.number().int().min(0) }),
  fields: z.array(z.object({ name: z.string() })),
  data: z.array(z.array(z.unknown())).default([]),
});

/** All pages from the local day of `from` to that of `now`. @throws Fault */
async function rowsSince(from: SiteMs, now: SiteMs, settings: Config, ask: Ask): Promise<Row[]> {
  const localDay = (ms: number) => isoUtc(wallOf(ms, ZONE)).slice(0, 10);
  const query = new URLSearchParams({
    settlementPoint: settings.settlementPoint,
    // A load zone has a second, energy-weighted price of the same name.
    ...(settings.settlementPoint.startsWith('LZ_') ? { settlementPointType: 'LZ' } : {}),
    deliveryDateFrom: localDay(from),
    deliveryDateTo: localDay(now),
    size: String(PAGE_SIZE),
  });
  const rows: Row[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    query.set('page', String(page));
    const request = { url: `${below(settings.url, REPORT)}?${query.toString()}` };
    const where = `${whereOf(request)}, page ${page}`;
    const reply = parseAs(replyShape, await ask(request), where);
    rows.push(...rowsOfPage(reply, settings.settlementPoint, where, now));
    // No prices yet is an answer, too: the first minutes of a day have none.
    if (reply._meta.totalPages === 0) return rows;
    if (reply._meta.currentPage !== page) throw new Fault('garbled', `${where}: found page ${reply._meta.currentPage}`);
    if (page >= reply._meta.totalPages) return rows;
  }
  throw new Fault('garbled', `GET ${REPORT}: more than ${MOST_PAGES} pages for a few days`);
}

const rowShape = z.object({
  deliveryDate: z.string().regex(/^\d{4}-\d\d-\d\d$/),
  deliveryHour: z.number().int().min(1).max(24),
  deliveryInterval: z.number().int().min(1).max(4),
  settlementPointPrice: z.number(),
  DSTFlag: z.boolean(),
});

/** Rows are lists in the order of `fields`. */
function rowsOfPage({ fields, data }: z.output<typeof replyShape>, point: string, where: string, now: number): Row[] {
  const names = fields.map(({ name }) => name);
  return data.flatMap((cells, i) => {
    const place = `${where}, data[${i}]`;
    if (cells.length !== names.length)
      throw new Fault('garbled', `${place}: ${cells.length} cells for ${names.length} fields`);
    const row = Object.fromEntries(names.map((name, at) => [name, cells[at]]));
    const found = row['settlementPoint'] ?? row['settlementPointName'];
    if (found !== point)
      throw new Fault('garbled', `${place}: found the price of ${short(found)}, expected that of ${point}`);
    const price = parseAs(rowShape, row, place);
    const start = startOf(price, place);
    if (start > now)
      throw new Fault('garbled', `${place}: a price of ${isoUtc(start)}, which is still to come: do the clocks agree?`);
    return [{ start, value: figure('priceUsdPerMwh', 'usd_per_mwh', price.settlementPointPrice, place), place }];
  });
}

/**
 * The beginning of a quarter-hour. `deliveryHour` is hour-ending in Central Prevailing Time (1 begins at midnight),
 * `deliveryInterval` the quarter within it. In autumn hour 2 stands there twice, and `DSTFlag` is true in the second,
 * the repeated one; it is false in every other row, those of summer too. In spring hour 3 is not there.
 */
function startOf(
  { deliveryDate, deliveryHour, deliveryInterval, DSTFlag }: z.output<typeof rowShape>,
  place: string,
): number {
  const [year, month, day] = deliveryDate.split('-').map(Number);
  const midnight = calendarMs(year!, month!, day!);
  if (midnight === undefined) throw new Fault('garbled', `${place}: found "${deliveryDate}", expected a date`);
  const wall = midnight + (deliveryHour - 1) * HOUR + (deliveryInterval - 1) * QUARTER;
  const [first, second] = momentsOf(wall, ZONE);
  if (first === undefined)
    throw new Fault('garbled', `${place}: ${wallText(wall, ZONE)} does not exist: the clocks go forward over it`);
  if (!DSTFlag) return first;
  if (second === undefined)
    throw new Fault('garbled', `${place}: DSTFlag marks ${wallText(wall, ZONE)} as repeated, and it happens once`);
  return second;
}
