import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { Fault, type HttpReply, type HttpRequest, type HttpStream } from '../../model/index.ts';
import type { ClusterIo } from '../cluster.ts';
import type { KubeAccess, KubeAccessSource } from './kube-access.ts';

/** A refusal as an API server words it (meta/v1 Status). */
const statusShape = z.object({
  kind: z.literal('Status'),
  code: z.number().nullish(),
  message: z.string().nullish(),
  reason: z.string().nullish(),
  details: z
    .object({
      name: z.string().nullish(),
      retryAfterSeconds: z.number().nullish(),
      causes: z.array(z.object({ reason: z.string().nullish(), message: z.string().nullish() })).nullish(),
    })
    .nullish(),
});
type KubeStatus = z.output<typeof statusShape>;

interface Ask {
  readonly method: HttpRequest['method'];
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  /** Of the body; a patch has one of its own. */
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}
interface Call<S extends z.ZodType> extends Ask {
  readonly shape: S;
}
interface CallExpecting<S extends z.ZodType> extends Call<S> {
  /** Refusals that the caller knows what to do with. */
  readonly expects: readonly number[];
}

export type Answer<T> =
  | { readonly status: number; readonly value: T; readonly refusal?: undefined; readonly retryAfterS?: undefined }
  | {
      readonly status: number;
      readonly refusal: KubeStatus | undefined;
      readonly retryAfterS: number | undefined;
      readonly value?: undefined;
    };

/** One API server. Every method throws `Fault` and nothing else. */
export interface KubeApi {
  call<S extends z.ZodType>(call: Call<S>): Promise<z.output<S>>;
  /** As `call`, and the refusals named in it are handed back. */
  attempt<S extends z.ZodType>(call: CallExpecting<S>): Promise<Answer<z.output<S>>>;
  /** What is no JSON: a log. */
  text(ask: Ask): Promise<string>;
  /** Everything of one kind, page by page; what is listed and its version belong together. */
  list<S extends z.ZodType>(
    path: string,
    shape: S,
    signal: AbortSignal | undefined,
    query?: string,
  ): Promise<{ readonly items: z.output<S>[]; readonly resourceVersion: string }>;
  /** A reply as it comes; undefined where the transport hands on whole replies only. */
  readonly stream: ((path: string, silentAfterMs: number, signal: AbortSignal) => Promise<HttpStream>) | undefined;
  /** Versions of an API group that are served, the preferred first; none where the group is not installed. */
  versionsOf(group: string, signal: AbortSignal | undefined): Promise<readonly string[]>;
}

export const MERGE_PATCH = 'application/merge-patch+json';

/** Who is named as the one that wrote a field (`metadata.managedFields`). */
export const FIELD_MANAGER = 'busbar';
const PAGE = 500;
const MOST_PAGES = 2_000;
/** A list that outlives its snapshot starts anew, so often. */
const MOST_RESTARTS = 3;
const MOST_TRIES = 3;
const MOST_BYTES = 64 * 1024 * 1024;

const listShape = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().nullish() }),
  items: z.array(z.unknown()).nullable(),
});
const groupShape = z.object({
  kind: z.literal('APIGroup'),
  versions: z.array(z.object({ version: z.string() })),
  preferredVersion: z.object({ version: z.string() }).nullish(),
});

export function openKubeApi(source: KubeAccessSource, timeoutMs: number, io: ClusterIo): KubeApi {
  const request = (access: KubeAccess, { method, path, body, contentType, signal }: Ask): HttpRequest => ({
    method,
    url: access.server + path,
    headers: {
      accept: 'application/json',
      ...(access.token === undefined ? {} : { authorization: `Bearer ${access.token}` }),
      ...(body === undefined ? {} : { 'content-type': contentType ?? 'application/json' }),
    },
    certificate: access.trust,
    timeoutMs,
    maxBytes: MOST_BYTES,
    signal,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

  /** Credentials that are refused are read anew, once; a server that asks for patience is given some. */
  async function ask(asked: Ask, mayWait: boolean): Promise<HttpReply> {
    let isRenewed = false;
    for (let tries = 1; ; tries += 1) {
      const reply = await io.http.ask(request(await source.get(), asked));
      if (reply.status === 401 && !isRenewed) {
        isRenewed = true;
        source.drop();
      } else if (reply.status === 429 && mayWait && tries < MOST_TRIES) {
        await wait(Math.min((retryAfterS(reply) ?? 1) * 1000, timeoutMs), asked.signal);
      } else return reply;
    }
  }

  async function attempt<S extends z.ZodType>(call: CallExpecting<S>): Promise<Answer<z.output<S>>> {
    const reply = await ask(call, !call.expects.includes(429));
    const where = whereOf(call);
    if (call.expects.includes(reply.status))
      return { status: reply.status, refusal: refusalIn(reply.body), retryAfterS: retryAfterS(reply) };
    if (reply.status >= 300) throw faultOf(reply, where);
    return { status: reply.status, value: shaped(call.shape, tryJson(reply.body), where, () => reply.body) };
  }

  async function call<S extends z.ZodType>(one: Call<S>): Promise<z.output<S>> {
    return (await attempt({ ...one, expects: [] })).value!;
  }

  async function list<S extends z.ZodType>(path: string, shape: S, signal: AbortSignal | undefined, query = '') {
    for (let restarts = 0; ; restarts += 1) {
      const items: z.output<S>[] = [];
      let next = '';
      for (let page = 0; ; page += 1) {
        if (page > MOST_PAGES) throw new Fault('garbled', `Kubernetes GET ${path}: a list without an end`);
        const more = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
        const asked = { method: 'GET', path: `${path}?limit=${PAGE}${query}${more}`, signal } as const;
        const answer = await attempt({ ...asked, shape: listShape, expects: next === '' ? [] : [410] });
        // The snapshot that the pages belong to is gone.
        if (answer.value === undefined) break;
        const { metadata } = answer.value;
        const where = `Kubernetes GET ${path}`;
        for (const item of answer.value.items ?? []) items.push(shaped(shape, item, where, () => JSON.stringify(item)));
        next = metadata.continue ?? '';
        if (next === '') return { items, resourceVersion: metadata.resourceVersion };
      }
      if (restarts >= MOST_RESTARTS)
        throw new Fault('timeout', `Kubernetes GET ${path}: the list expired ${restarts + 1} times before its end`);
    }
  }

  const { open } = io.http;
  return {
    call,
    attempt,
    list,
    async text(asked) {
      const reply = await ask(asked, true);
      if (reply.status >= 300) throw faultOf(reply, whereOf(asked));
      return reply.body;
    },
    stream:
      open === undefined
        ? undefined
        : async (path, silentAfterMs, signal) => {
            const asked = { method: 'GET', path, signal } as const;
            const again = async () => open({ ...request(await source.get(), asked), timeoutMs: silentAfterMs });
            const stream = await again();
            if (stream.status !== 401) return stream;
            source.drop();
            return again();
          },
    async versionsOf(group, signal) {
      const path = `/apis/${group}`;
      const { value } = await attempt({ method: 'GET', path, shape: groupShape, expects: [404], signal });
      if (value === undefined) return [];
      const all = value.versions.map(({ version }) => version);
      const preferred = value.preferredVersion?.version;
      return preferred === undefined ? all : [preferred, ...all.filter((one) => one !== preferred)];
    },
  };
}

const whereOf = ({ method, path }: Ask): string => `Kubernetes ${method} ${path.split('?')[0]}`;

/** @throws Fault `timeout` where the caller gave up meanwhile */
export async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await pause(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw new Fault('timeout', 'Kubernetes: given up', { cause: error });
  }
}

function shaped<S extends z.ZodType>(shape: S, value: unknown, where: string, bytes: () => string): z.output<S> {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const problem = parsed.error.issues[0];
  throw new Fault('garbled', `${where}: ${problem?.path.join('.')}: ${problem?.message}`, { bytes: bytes() });
}

function refusalIn(body: string): KubeStatus | undefined {
  return statusShape.safeParse(tryJson(body)).data;
}

function retryAfterS(reply: HttpReply): number | undefined {
  const said = reply.headers['retry-after'];
  if (said !== undefined && /^\d{1,5}$/.test(said)) return Number(said);
  return refusalIn(reply.body)?.details?.retryAfterSeconds ?? undefined;
}

/** What a refusal means, in its own words where it has some. */
function faultOf(reply: Pick<HttpReply, 'status' | 'body'>, where: string): Fault {
  const { status, body } = reply;
  const refusal = refusalIn(body);
  const said = refusal?.message ?? (body.trim() === '' ? `status ${status}` : body.trim().slice(0, 200));
  const fault = (kind: Fault['kind'], words: string) =>
    new Fault(kind, `${where}: ${status}: ${words}`, { bytes: body });
  if (status === 401) return fault('unauthorised', `${said}; is the token fresh, and of this cluster?`);
  if (status === 403) return fault('unauthorised', `${said}; examples/kubernetes/rbac.yaml holds what Busbar needs`);
  // An object that is not there is named; a path that is not there is answered in plain text, or without a name.
  if (status === 404 && (refusal?.details?.name ?? '') !== '') return fault('refused', said);
  if (status === 404 || status === 405) return fault('unsupported', `${said}; this API server has no such call`);
  if (status === 429) return fault('timeout', `${said}; it asks for patience`);
  if (status === 503) return fault('unreachable', said);
  if (status === 504) return fault('timeout', said);
  return fault('refused', said);
}

function tryJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
