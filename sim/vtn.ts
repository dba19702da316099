import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isoUtc } from '../src/model/index.ts';

/**
 * An emulated VTN of OpenADR 3.1.0 on loopback: client credentials, programs, events in pages of 50 with tags, VENs and reports.
 * Its times are those of the site's clock, so that a site that runs fast can be told of its own future.
 */
export interface EmulatedVtn {
  readonly url: string;
  /** Creates or changes an event; what is absent of it stays absent. */
  put(id: string, event: VtnEvent): void;
  remove(id: string): void;
  /** Reports of VENs, oldest first. */
  readonly reports: readonly VtnReport[];
  readonly vens: ReadonlySet<string>;
  /** Requests answered so far, by method and path. */
  asked(): readonly string[];
  /** Every request is answered so until it is undefined again: 503, or a body that is no JSON. */
  trouble(kind: 'down' | 'garbled' | undefined): void;
  /** Forgets every token it gave. */
  revoke(): void;
  close(): Promise<void>;
}

export interface VtnEvent {
  readonly priority?: number;
  readonly intervalPeriod: { readonly start: string; readonly duration: string; readonly randomizeStart?: string };
  /** Type of each interval's payload, and its value. */
  readonly intervals: readonly { readonly type: string; readonly value: number | string }[];
  readonly units?: string;
}

export interface VtnReport {
  readonly eventID: string;
  readonly clientName: string;
  readonly resources: readonly {
    readonly intervals: readonly {
      readonly payloads: readonly { readonly type: string; readonly values: readonly unknown[] }[];
    }[];
  }[];
}

export interface VtnOptions {
  readonly clientId: string;
  readonly clientSecret: string;
  siteNow(): number;
  /** 0, or absent: any port that is free. */
  readonly port?: number;
}

const PROGRAM = { id: 'program-1', programName: 'Curtailment', objectType: 'PROGRAM' };
const MOST_PAGE = 50;

export async function startVtn({ clientId, clientSecret, siteNow, port = 0 }: VtnOptions): Promise<EmulatedVtn> {
  const events = new Map<string, object>();
  const reports: VtnReport[] = [];
  const vens = new Set<string>();
  const asked: string[] = [];
  let tokens = new Set<string>();
  let trouble: 'down' | 'garbled' | undefined;
  let count = 0;
  let changed = 0;
  let base = '';

  function answer(request: IncomingMessage, body: string): { status: number; value?: unknown; etag?: string } {
    const url = new URL(request.url ?? '/', base);
    const path = url.pathname.replace('/openadr3/3.1.0', '');
    asked.push(`${request.method} ${path}`);
    if (trouble === 'down') return { status: 503 };
    if (path === '/auth/server') return { status: 200, value: { tokenURL: `${base}/auth/token` } };
    if (path === '/auth/token') return tokenFor(new URLSearchParams(body));
    if (!tokens.has(request.headers.authorization?.replace('Bearer ', '') ?? ''))
      return { status: 401, value: { status: 401, title: 'Unauthorized' } };
    const page = (rows: readonly unknown[]): unknown[] => {
      const skip = Number(url.searchParams.get('skip') ?? 0);
      return rows.slice(skip, skip + Math.min(MOST_PAGE, Number(url.searchParams.get('limit') ?? MOST_PAGE)));
    };
    if (request.method === 'POST') return written(path, body);
    if (path === '/programs') return { status: 200, value: page([PROGRAM]) };
    if (path === '/vens')
      return {
        status: 200,
        value: page([...vens].map((venName, i) => ({ id: `ven-${i}`, venName, objectType: 'VEN' }))),
      };
    if (path !== '/events') return { status: 404 };
    const etag = `"${changed}"`;
    if (request.headers['if-none-match'] === etag) return { status: 304, etag };
    return { status: 200, value: page([...events.values()]), etag };
  }

  function tokenFor(form: URLSearchParams): { status: number; value: unknown } {
    const isHe =
      form.get('grant_type') === 'client_credentials' &&
      form.get('client_id') === clientId &&
      form.get('client_secret') === clientSecret;
    if (!isHe) return { status: 401, value: { error: 'invalid_client' } };
    count += 1;
    tokens.add(`token-${count}`);
    return { status: 200, value: { access_token: `token-${count}`, token_type: 'Bearer', expires_in: 3_600 } };
  }

  function written(path: string, body: string): { status: number; value?: unknown } {
    const value = JSON.parse(body) as { objectType?: string; venName?: string };
    if (path === '/reports') {
      reports.push(value as VtnReport);
      return { status: 201, value };
    }
    if (path !== '/vens' || value.objectType !== 'VEN_VEN_REQUEST') return { status: 400 };
    if (vens.has(value.venName!)) return { status: 409 };
    vens.add(value.venName!);
    return { status: 201, value: { id: `ven-${vens.size}`, venName: value.venName, objectType: 'VEN' } };
  }

  const server: Server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { status, value, etag } = answer(request, Buffer.concat(parts).toString('utf8'));
      response.writeHead(status, { 'content-type': 'application/json', ...(etag === undefined ? {} : { etag }) });
      if (value === undefined) response.end();
      else response.end(trouble === 'garbled' ? '<html>' : JSON.stringify(value));
    });
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port }, resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : port}/openadr3/3.1.0`;

  return {
    url: base,
    put(id, { priority, intervalPeriod, intervals, units = 'KW' }) {
      changed += 1;
      const now = isoUtc(siteNow());
      events.set(id, {
        id,
        programID: PROGRAM.id,
        objectType: 'EVENT',
        createdDateTime: now,
        // Two changes within a second are still two.
        modificationDateTime: new Date(siteNow() + changed).toISOString(),
        priority: priority ?? null,
        targets: null,
        intervalPeriod,
        payloadDescriptors: [...new Set(intervals.map(({ type }) => type))].map((payloadType) => ({
          objectType: 'EVENT_PAYLOAD_DESCRIPTOR',
          payloadType,
          units,
        })),
        intervals: intervals.map(({ type, value }, i) => ({ id: i, payloads: [{ type, values: [value] }] })),
      });
    },
    remove(id) {
      changed += 1;
      events.delete(id);
    },
    reports,
    vens,
    asked: () => asked,
    trouble: (kind) => void (trouble = kind),
    revoke: () => void (tokens = new Set()),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
