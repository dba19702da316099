import { z } from 'zod';
import {
  Fault,
  isoUtc,
  type HttpPort,
  type HttpReply,
  type OpenAdrSource,
  type SecretRef,
  type SiteMs,
  type WallMs,
} from '../../model/index.ts';
import type { GridEvent } from './law.ts';
import { gridEvent, parseEvent } from './openadr-events.ts';

/**
 * A VEN of OpenADR 3.1.0: client credentials of OAuth 2.0, registration by name, events by polling, reports of what is drawn.
 * It asks and is never asked, so nothing of it listens.
 */
export interface Ven {
  /** All events there are for this site now. @throws Fault */
  poll(): Promise<Polled>;
  /** Tells what was drawn during an event. @throws Fault */
  report(report: VenReport): Promise<void>;
}

export interface Polled {
  readonly events: readonly GridEvent[];
  /** Events that were not understood, why in words; an event without an id is none. */
  readonly unread: readonly { readonly id: string | undefined; readonly why: string }[];
  /** By how much the clock of the VTN is ahead of ours; undefined where it tells none. */
  readonly skewMs: number | undefined;
}

export interface VenReport {
  readonly eventId: string;
  readonly from: SiteMs;
  readonly lastsMs: number;
  /** Mean of the feeder meter; undefined where it was silent: then the report says nothing of it. */
  readonly importW: number | undefined;
  /** Of the enumeration of operating states. */
  readonly state: 'NORMAL' | 'RUNNING_CURTAILED' | 'RUNNING_OPTED_OUT';
}

export interface VenIo {
  readonly http: HttpPort;
  secret(ref: SecretRef): string;
  siteNow(): SiteMs;
  wallNow(): WallMs;
  unixNow(): number;
}

const TIMEOUT_MS = 10_000;
/** What the document allows at the most. */
const PAGE = 50;
const MOST_PAGES = 100;
const MAX_BYTES = 4 * 1024 * 1024;
/** A token is renewed so long before it ends. */
const TOKEN_MARGIN_MS = 30_000;
const TOKEN_USUAL_S = 3_600;
const PROGRAMS_EVERY_MS = 10 * 60_000;

const tokenReply = z.object({ access_token: z.string().min(1), expires_in: z.number().positive().optional() });
const authServer = z.object({ tokenURL: z.string() });
const list = z.array(z.unknown()).max(1_000);
const program = z.object({
  id: z.string(),
  programName: z.string(),
  payloadDescriptors: z.array(z.object({ payloadType: z.string(), units: z.string().nullish() })).nullish(),
});
type Program = z.infer<typeof program>;
const named = z.object({ id: z.string() });
const ven = z.object({ id: z.string(), venName: z.string() });

export function createVen(source: OpenAdrSource, io: VenIo): Ven {
  const base = source.url.replace(/\/+$/, '');
  const { http } = io;
  /** Pages with the tag they had: what has not changed is not sent again. */
  const pages = new Map<string, { readonly etag: string; readonly rows: readonly unknown[] }>();
  let token: { readonly value: string; readonly until: number } | undefined;
  let tokenUrl = source.tokenUrl;
  let registered = false;
  let programs: { readonly byId: ReadonlyMap<string, Program>; readonly at: number } | undefined;
  let skewMs: number | undefined;

  async function ask(request: Parameters<HttpPort['ask']>[0]): Promise<HttpReply> {
    const reply = await http.ask({ ...request, maxBytes: MAX_BYTES });
    const date = Date.parse(reply.headers['date'] ?? '');
    if (!Number.isNaN(date)) skewMs = date - io.unixNow();
    return reply;
  }

  async function tokenNow(): Promise<string> {
    if (token !== undefined && io.wallNow() < token.until) return token.value;
    tokenUrl ??= await askTokenUrl();
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: source.clientId,
      client_secret: io.secret(source.clientSecret),
      ...(source.scope === undefined ? {} : { scope: source.scope }),
    });
    const reply = await ask({
      method: 'POST',
      url: tokenUrl,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: form.toString(),
      timeoutMs: TIMEOUT_MS,
      name: 'token',
    });
    if (reply.status !== 200) throw faultOf(reply, 'token');
    const { access_token, expires_in = TOKEN_USUAL_S } = read(reply, tokenReply, 'token');
    const lastsMs = expires_in * 1_000;
    token = { value: access_token, until: io.wallNow() + Math.max(lastsMs / 2, lastsMs - TOKEN_MARGIN_MS) };
    return access_token;
  }

  async function askTokenUrl(): Promise<string> {
    const reply = await ask({ method: 'GET', url: `${base}/auth/server`, timeoutMs: TIMEOUT_MS, name: 'auth-server' });
    if (reply.status !== 200) throw faultOf(reply, 'auth/server');
    const { tokenURL } = read(reply, authServer, 'auth/server');
    if (!URL.canParse(tokenURL)) throw new Fault('garbled', 'auth/server: tokenURL is no address');
    const { protocol, hostname } = new URL(tokenURL);
    // The secret goes there: it must be as safe as the VTN itself.
    if (protocol !== 'https:' && !(protocol === 'http:' && /^127\.\d+\.\d+\.\d+$/.test(hostname)))
      throw new Fault('refused', `auth/server names ${protocol}//${hostname} for tokens: expected https`);
    return tokenURL;
  }

  /** With a token; one that is refused is asked for anew once. */
  async function signed(method: 'GET' | 'POST', path: string, body?: object, etag?: string): Promise<HttpReply> {
    for (let attempt = 0; ; attempt += 1) {
      const reply = await ask({
        method,
        url: `${base}${path}`,
        headers: {
          authorization: `Bearer ${await tokenNow()}`,
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(etag === undefined ? {} : { 'if-none-match': etag }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        timeoutMs: TIMEOUT_MS,
        name: path.split('?')[0]!.slice(1),
      });
      if (reply.status !== 401 || attempt > 0) return reply;
      token = undefined;
    }
  }

  async function page(path: string): Promise<readonly unknown[]> {
    const known = pages.get(path);
    const reply = await signed('GET', path, undefined, known?.etag);
    if (reply.status === 304 && known !== undefined) return known.rows;
    if (reply.status !== 200) throw faultOf(reply, path.split('?')[0]!);
    const rows = read(reply, list, path.split('?')[0]!);
    const { etag } = reply.headers;
    if (etag === undefined) pages.delete(path);
    else pages.set(path, { etag, rows });
    return rows;
  }

  /** Every row of a list, page by page; a row that moved while it was read comes once. */
  async function all(path: string, query: readonly (readonly [string, string])[]): Promise<unknown[]> {
    const rows: unknown[] = [];
    for (let n = 0; n < MOST_PAGES; n += 1) {
      const search = new URLSearchParams([
        ...query.map((one) => [...one]),
        ['skip', String(n * PAGE)],
        ['limit', String(PAGE)],
      ]);
      const found = await page(`${path}?${search.toString()}`);
      rows.push(...found);
      if (found.length < PAGE) return rows;
    }
    throw new Fault('garbled', `${path}: more than ${MOST_PAGES * PAGE} entries`);
  }

  /** The VEN is made where its name is not known yet; what it may see is for the VTN to say. */
  async function register(): Promise<void> {
    if (registered) return;
    const known = await all('/vens', [['venName', source.venName]]);
    if (!known.some((one) => ven.safeParse(one).data?.venName === source.venName)) {
      const reply = await signed('POST', '/vens', { objectType: 'VEN_VEN_REQUEST', venName: source.venName });
      // Somebody else of this name was faster, or a person made it: either way it is there.
      if (reply.status !== 201 && reply.status !== 200 && reply.status !== 409) throw faultOf(reply, '/vens');
    }
    registered = true;
  }

  async function programsNow(): Promise<ReadonlyMap<string, Program>> {
    if (programs !== undefined && io.wallNow() - programs.at < PROGRAMS_EVERY_MS) return programs.byId;
    const rows = (await all('/programs', [])).flatMap((row) => program.safeParse(row).data ?? []);
    const wanted = rows.filter(({ programName }) => source.programs?.includes(programName) ?? true);
    programs = { byId: new Map(wanted.map((one) => [one.id, one])), at: io.wallNow() };
    return programs.byId;
  }

  return {
    async poll() {
      await register();
      const targets = source.targets.map((target) => ['targets', target] as const);
      const rows = await all('/events', [...targets, ['active', 'true']]);
      const unread: { id: string | undefined; why: string }[] = [];
      const events = new Map<string, GridEvent>();
      for (const row of rows) {
        try {
          const one = parseEvent(row);
          let known = await programsNow();
          if (!known.has(one.programID)) {
            // A program that was made since the last look.
            if (programs !== undefined && io.wallNow() - programs.at > source.pollSeconds * 1_000) programs = undefined;
            known = await programsNow();
          }
          const of = known.get(one.programID);
          if (of === undefined && source.programs !== undefined) continue;
          const event = gridEvent(one, termsOf(source, of), io.siteNow());
          const before = events.get(event.id);
          if (before === undefined || before.revision < event.revision) events.set(event.id, event);
        } catch (error) {
          if (!(error instanceof Fault) || error.kind !== 'garbled') throw error;
          unread.push({ id: named.safeParse(row).data?.id, why: error.message });
        }
      }
      return { events: [...events.values()], unread, skewMs };
    },
    async report({ eventId, from, lastsMs, importW, state }) {
      const reply = await signed('POST', '/reports', {
        eventID: eventId,
        clientName: source.venName,
        reportName: `${source.venName} ${isoUtc(from)}`,
        payloadDescriptors: [
          { objectType: 'REPORT_PAYLOAD_DESCRIPTOR', payloadType: 'DEMAND', readingType: 'MEAN', units: 'KW' },
          { objectType: 'REPORT_PAYLOAD_DESCRIPTOR', payloadType: 'OPERATING_STATE' },
        ],
        resources: [
          {
            resourceName: 'AGGREGATED_REPORT',
            intervalPeriod: { start: isoUtc(from), duration: `PT${Math.round(lastsMs / 1_000)}S` },
            intervals: [
              {
                id: 0,
                payloads: [
                  ...(importW === undefined ? [] : [{ type: 'DEMAND', values: [Math.round(importW) / 1_000] }]),
                  { type: 'OPERATING_STATE', values: [state] },
                ],
              },
            ],
          },
        ],
      });
      if (reply.status !== 201 && reply.status !== 200) throw faultOf(reply, '/reports');
    },
  };
}

function termsOf(source: OpenAdrSource, of: Program | undefined) {
  const units = (of?.payloadDescriptors ?? []).flatMap(({ payloadType, units: given }): [string, string][] =>
    given == null ? [] : [[payloadType, given]],
  );
  const [one, two, three] = source.simpleMw ?? [];
  return {
    priority: source.priority,
    emergencyW: source.emergencyMw * 1e6,
    simpleW:
      one === undefined || two === undefined || three === undefined
        ? undefined
        : ([one * 1e6, two * 1e6, three * 1e6] as const),
    venName: source.venName,
    programUnits: new Map(units),
  };
}

function read<T>(reply: HttpReply, shape: z.ZodType<T>, what: string): T {
  try {
    const parsed = shape.safeParse(JSON.parse(reply.body));
    if (parsed.success) return parsed.data;
  } catch {
    // Told below.
  }
  throw new Fault('garbled', `${what}: the answer is not what OpenADR 3.1 says`);
}

function faultOf({ status }: HttpReply, what: string): Fault {
  const kind =
    status === 401 || status === 403
      ? 'unauthorised'
      : status === 404
        ? 'unsupported'
        : status >= 500 || status === 429
          ? 'unreachable'
          : 'refused';
  return new Fault(kind, `${what}: HTTP ${status}`);
}

/**
 * How long to wait before the next poll: twice as long with each failure, so that a VTN that is overrun can recover, and never so
 * long that one answer would not keep the source from being stale.
 */
export function pollAfterMs(failures: number, pollSeconds: number, staleSeconds: number): number {
  const most = Math.max(pollSeconds, Math.min(300, staleSeconds / 3));
  return 1_000 * Math.min(most, pollSeconds * 2 ** Math.min(failures, 10));
}
