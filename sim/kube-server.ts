import type { IncomingMessage, ServerResponse } from 'node:http';
import { mergePatch, type KubeObject, type KubeStore, type StoreEvent } from './kube-store.ts';

/**
 * The part of a Kubernetes API server that clusters speak: get, list in pages, watch, create, patch, delete, and the
 * subresources status, eviction and log; refusals as Status objects. By the API reference and the API concepts page of Kubernetes.
 */

export interface KubeResource {
  /** Path up to the version: `/api/v1`, `/apis/batch/v1`. */
  readonly root: string;
  readonly plural: string;
  readonly kind: string;
  readonly isNamespaced: boolean;
}

export interface KubeServer {
  readonly store: KubeStore;
  /** Bearer tokens that are let in; undefined: everybody is. */
  tokens: ReadonlySet<string> | undefined;
  /** Rights, by verb and resource with its subresource: `create`, `pods/eviction`. */
  forbids: (verb: string, resource: string) => boolean;
  readonly resources: readonly KubeResource[];
  /** API groups besides the built-in ones, with their versions. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly bookmarkMs: number;
  /** A watch from a history that is gone: true is an answer of 410, false an event of it. */
  goneAsStatus: boolean;
  /** Watches that say nothing more, and do not end. */
  isSilent: boolean;
  /** Before anything is read, and after anything is written: brings the objects up to what they stand for. */
  sync(): void;
  /** Does to the site what a write means. @returns a refusal; undefined: the write is kept */
  onWrite(write: KubeWrite): KubeRefusal | undefined;
  log(pod: KubeObject): string;
}

export interface KubeWrite {
  readonly verb: 'create' | 'patch' | 'delete' | 'evict';
  readonly resource: KubeResource;
  readonly now: KubeObject | undefined;
  readonly next: KubeObject | undefined;
}

export interface KubeRefusal {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly retryAfterS?: number;
  readonly causes?: readonly { readonly reason: string; readonly message: string }[];
}

interface Target {
  readonly resource: KubeResource;
  readonly namespace: string;
  readonly name: string;
  readonly sub: string;
}

/** A page may be smaller than was asked for. */
const MOST_PER_PAGE = 500;

export function answerKube(server: KubeServer, request: IncomingMessage, body: string, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://sim');
  const method = request.method ?? 'GET';
  if (!isKnown(server, request))
    return refuse(response, { code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
  server.sync();
  const group = /^\/apis\/([^/]+)$/.exec(url.pathname)?.[1];
  if (group !== undefined) return groupAnswer(server, group, response);
  const target = targetOf(server, url.pathname);
  if (target === undefined) return text(response, 404, '404 page not found\n');
  const isWatch = /^(1|true)$/.test(url.searchParams.get('watch') ?? '');
  const verb = verbOf(method, target, isWatch);
  if (server.forbids(verb, resourceText(target))) return refuse(response, forbidden(verb, target));
  if (method === 'GET' && target.name !== '') return one(server, target, response);
  if (method === 'GET') return isWatch ? watch(server, target, url, response) : list(server, target, url, response);
  return write(server, { method, target, body, type: request.headers['content-type'] ?? '', url }, response);
}

function isKnown({ tokens }: KubeServer, request: IncomingMessage): boolean {
  return tokens === undefined || tokens.has(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '');
}

function verbOf(method: string, { name }: Target, isWatch: boolean): string {
  if (method === 'PUT') return 'update';
  if (method === 'GET') return name !== '' ? 'get' : isWatch ? 'watch' : 'list';
  return method === 'POST' ? 'create' : method === 'DELETE' ? 'delete' : 'patch';
}

const resourceText = ({ resource, sub }: Target): string =>
  sub === '' ? resource.plural : `${resource.plural}/${sub}`;
const groupOf = ({ root }: KubeResource): string => /^\/apis\/([^/]+)/.exec(root)?.[1] ?? '';
const fullName = (resource: KubeResource): string =>
  [resource.plural, groupOf(resource)].filter((one) => one !== '').join('.');

function forbidden(verb: string, target: Target): KubeRefusal {
  const { resource, namespace } = target;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const what = `cannot ${verb} resource "${resourceText(target)}" in API group "${groupOf(resource)}" ${where}`;
  const message = `${fullName(resource)} is forbidden: User "system:serviceaccount:busbar:busbar" ${what}`;
  return { code: 403, reason: 'Forbidden', message };
}

function targetOf({ resources }: KubeServer, path: string): Target | undefined {
  const parts = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)\/(.+)$/.exec(path);
  if (parts === null) return undefined;
  const [, root, rest = ''] = parts;
  const words = rest.split('/').map(decodeURIComponent);
  const isInNamespace = words[0] === 'namespaces' && words.length > 2;
  const [plural, name = '', sub = '', more] = isInNamespace ? words.slice(2) : words;
  const resource = resources.find((one) => one.root === root && one.plural === plural);
  if (resource === undefined || more !== undefined) return undefined;
  return { resource, namespace: isInNamespace ? words[1]! : '', name, sub };
}

function groupAnswer({ groups }: KubeServer, name: string, response: ServerResponse): void {
  const versions = groups.get(name)?.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  if (versions === undefined) return text(response, 404, '404 page not found\n');
  json(response, 200, { kind: 'APIGroup', apiVersion: 'v1', name, versions, preferredVersion: versions[0] });
}

const notFound = ({ resource, name }: Target): KubeRefusal => ({
  code: 404,
  reason: 'NotFound',
  message: `${fullName(resource)} "${name}" not found`,
});

function one(server: KubeServer, target: Target, response: ServerResponse): void {
  const { resource, namespace, name, sub } = target;
  const found = server.store.get(resource.plural, namespace, name);
  if (found === undefined) return refuse(response, notFound(target), name);
  if (sub === 'log') return text(response, 200, server.log(found));
  if (sub !== '' && sub !== 'status') return text(response, 404, '404 page not found\n');
  json(response, 200, whole(resource, found));
}

const whole = ({ root, kind }: KubeResource, object: KubeObject): KubeObject => ({
  ...object,
  apiVersion: root.replace(/^\/apis?\//, ''),
  kind,
});

/** Selectors by label (equality) and by field, as far as clients here use them. */
function selects(target: Target, url: URL): (object: KubeObject) => boolean {
  const labels = termsOf(url.searchParams.get('labelSelector'));
  const fields = termsOf(url.searchParams.get('fieldSelector'));
  return (object) =>
    (target.namespace === '' || object.metadata.namespace === target.namespace) &&
    labels.every(([key, is, value]) => (object.metadata.labels?.[key] === value) === is) &&
    fields.every(([key, is, value]) => (word(at(object, key)) === value) === is);
}

function termsOf(selector: string | null): [key: string, is: boolean, value: string][] {
  return (selector ?? '')
    .split(',')
    .filter((term) => term !== '')
    .map((term) => {
      const [, key = '', operator = '', value = ''] = /^([^=!]+)(==?|!=)(.*)$/.exec(term) ?? [];
      return [key, operator !== '!=', value];
    });
}

const at = (value: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((found, key) => (found as Record<string, unknown> | undefined)?.[key], value);

const word = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';

function list(server: KubeServer, target: Target, url: URL, response: ServerResponse): void {
  const { store } = server;
  const { resource } = target;
  const limit = Math.min(Number(url.searchParams.get('limit') ?? 0) || Infinity, MOST_PER_PAGE);
  const token = url.searchParams.get('continue');
  const [atVersion = 0, from = 0] =
    token === null ? [] : Buffer.from(token, 'base64url').toString().split(' ').map(Number);
  const again = token === null ? undefined : store.snapshotAt(atVersion);
  if (token !== null && again === undefined)
    return refuse(response, expired('The provided continue parameter is too old'));
  const { version, objects } =
    again === undefined ? store.snapshot(resource.plural) : { version: atVersion, objects: again };
  const found = objects.filter(selects(target, url));
  const page = found.slice(from, from + limit);
  const left = found.length - from - page.length;
  const next = Buffer.from(`${version} ${from + page.length}`).toString('base64url');
  const more = left > 0 ? { continue: next, remainingItemCount: left } : {};
  json(response, 200, {
    kind: `${resource.kind}List`,
    apiVersion: resource.root.replace(/^\/apis?\//, ''),
    metadata: { resourceVersion: String(version), ...more },
    items: page,
  });
}

const expired = (message: string): KubeRefusal => ({ code: 410, reason: 'Expired', message });

function watch(server: KubeServer, target: Target, url: URL, response: ServerResponse): void {
  const { store } = server;
  const { resource } = target;
  const from = Number(url.searchParams.get('resourceVersion') ?? 0);
  const gone = expired(`too old resource version: ${from} (${store.compacted})`);
  if (from < store.compacted && server.goneAsStatus) return refuse(response, gone);
  response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
  response.flushHeaders();
  const send = (type: string, object: unknown): void => {
    if (!server.isSilent) response.write(`${JSON.stringify({ type, object })}\n`);
  };
  if (from < store.compacted) {
    send('ERROR', statusOf(gone));
    return void response.end();
  }
  const isSelected = selects(target, url);
  const tell = ({ resource: of, type, object, before }: StoreEvent): void => {
    if (of !== resource.plural) return;
    const was = before !== undefined && isSelected(before);
    const is = type !== 'DELETED' && isSelected(object);
    // What a selector no longer fits is deleted as far as this watch goes.
    if (is) send(was ? 'MODIFIED' : 'ADDED', whole(resource, object));
    else if (was) send('DELETED', whole(resource, object));
  };
  for (const event of store.since(from, resource.plural)) tell(event);
  const stop = store.onEvent(tell);
  const bookmark = (): void =>
    send('BOOKMARK', whole(resource, { metadata: { name: '', resourceVersion: String(store.version) } }));
  const wantsBookmarks = url.searchParams.get('allowWatchBookmarks') !== null;
  const bookmarks = setInterval(() => wantsBookmarks && bookmark(), server.bookmarkMs).unref();
  const seconds = Number(url.searchParams.get('timeoutSeconds') ?? 1800);
  const end = setTimeout(() => {
    if (server.isSilent) return;
    if (wantsBookmarks) bookmark();
    response.end();
  }, seconds * 1000).unref();
  response.on('close', () => {
    stop();
    clearInterval(bookmarks);
    clearTimeout(end);
  });
}

interface WriteRequest {
  readonly method: string;
  readonly target: Target;
  readonly body: string;
  readonly type: string;
  readonly url: URL;
}

function write(server: KubeServer, asked: WriteRequest, response: ServerResponse): void {
  const { target, method, body } = asked;
  const given = objectIn(body);
  if (given === undefined && (method !== 'DELETE' || body !== ''))
    return refuse(response, { code: 400, reason: 'BadRequest', message: 'the object provided is unrecognized' });
  const { resource, namespace, name, sub } = target;
  const now = server.store.get(resource.plural, namespace, name);
  if (method === 'POST' && name === '') return create(server, target, given as Partial<KubeObject>, response);
  if (now === undefined) return refuse(response, notFound(target), name);
  if (method === 'POST' && sub === 'eviction') return evict(server, target, now, given ?? {}, response);
  if (method === 'PATCH' || method === 'PUT') return patch(server, asked, now, given ?? {}, response);
  if (method !== 'DELETE') return text(response, 404, '404 page not found\n');
  const refusal = server.onWrite({ verb: 'delete', resource, now, next: undefined });
  if (refusal !== undefined) return refuse(response, refusal);
  server.store.remove(resource.plural, namespace, name);
  server.sync();
  json(response, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details: { name } });
}

function objectIn(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function create(server: KubeServer, target: Target, given: Partial<KubeObject>, response: ServerResponse): void {
  const { resource, namespace } = target;
  const name = given.metadata?.name ?? '';
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name))
    return refuse(
      response,
      invalid(resource, name, 'metadata.name: Invalid value: must be a lowercase RFC 1123 subdomain'),
    );
  if (server.store.get(resource.plural, namespace, name) !== undefined)
    return refuse(response, {
      code: 409,
      reason: 'AlreadyExists',
      message: `${fullName(resource)} "${name}" already exists`,
    });
  const next: KubeObject = {
    ...given,
    metadata: { ...given.metadata, name, ...(resource.isNamespaced ? { namespace } : {}) },
  };
  const refusal = server.onWrite({ verb: 'create', resource, now: undefined, next });
  if (refusal !== undefined) return refuse(response, refusal);
  const kept = server.store.put(resource.plural, next);
  server.sync();
  json(response, 201, whole(resource, server.store.get(resource.plural, namespace, name) ?? kept));
}

const invalid = (resource: KubeResource, name: string, why: string): KubeRefusal => ({
  code: 422,
  reason: 'Invalid',
  message: `${resource.kind} "${name}" is invalid: ${why}`,
});

const PATCHES = ['application/merge-patch+json', 'application/strategic-merge-patch+json'];

function patch(
  server: KubeServer,
  { method, target, type, url }: WriteRequest,
  now: KubeObject,
  given: Record<string, unknown>,
  response: ServerResponse,
): void {
  const { resource, namespace, name, sub } = target;
  const isStrategic = type.startsWith('application/strategic');
  // A custom resource has no merge keys.
  if (method === 'PATCH' && (!PATCHES.includes(type) || (isStrategic && groupOf(resource).endsWith('x-k8s.io'))))
    return refuse(response, {
      code: 415,
      reason: 'UnsupportedMediaType',
      message: `the body of the request was in an unknown format - accepted media types include: ${PATCHES.join(', ')}`,
    });
  const wanted = (given['metadata'] as { resourceVersion?: string } | undefined)?.resourceVersion;
  if (wanted !== undefined && wanted !== now.metadata.resourceVersion)
    return refuse(response, {
      code: 409,
      reason: 'Conflict',
      message: `Operation cannot be fulfilled on ${fullName(resource)} "${name}": the object has been modified; please apply your changes to the latest version and try again`,
    });
  const merged = (method === 'PUT' ? given : mergePatch(now, given)) as KubeObject;
  const { status: newStatus, ...rest } = merged;
  const { status: oldStatus } = now;
  // Status is written through its own subresource, and nothing else is.
  const next =
    sub === 'status'
      ? { ...now, status: newStatus }
      : { ...rest, ...(oldStatus === undefined ? {} : { status: oldStatus }) };
  const managed = managedBy(url.searchParams.get('fieldManager') ?? 'unknown', now, next);
  const refusal = server.onWrite({ verb: 'patch', resource, now, next: managed });
  if (refusal !== undefined) return refuse(response, refusal);
  server.store.put(resource.plural, managed);
  server.sync();
  json(response, 200, whole(resource, server.store.get(resource.plural, namespace, name) ?? managed));
}

/** Who set `spec.unschedulable` last, as the real one notes it of every field. */
function managedBy(manager: string, now: KubeObject, next: KubeObject): KubeObject {
  const is = at(next, 'spec.unschedulable');
  if (is === at(now, 'spec.unschedulable')) return next;
  const mine = {
    manager,
    operation: 'Update',
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:unschedulable': {} } },
  };
  return { ...next, metadata: { ...next.metadata, managedFields: is === undefined ? [] : [mine] } };
}

function evict(
  server: KubeServer,
  target: Target,
  now: KubeObject,
  given: Record<string, unknown>,
  response: ServerResponse,
): void {
  const { resource, namespace, name } = target;
  if (given['kind'] !== 'Eviction' || given['apiVersion'] !== 'policy/v1')
    return refuse(response, {
      code: 400,
      reason: 'BadRequest',
      message: `no kind "${word(given['kind'])}" is registered`,
    });
  const uid = at(given, 'deleteOptions.preconditions.uid');
  if (uid !== undefined && uid !== now.metadata.uid)
    return refuse(response, {
      code: 409,
      reason: 'Conflict',
      message: `Precondition failed: UID in precondition: ${word(uid)}, UID in object meta: ${now.metadata.uid}`,
    });
  const refusal = budgetRefusal(server, now) ?? server.onWrite({ verb: 'evict', resource, now, next: undefined });
  if (refusal !== undefined) return refuse(response, refusal);
  server.store.remove(resource.plural, namespace, name);
  server.sync();
  json(response, 201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
}

/** policy/v1: a pod that a budget holds on to is not evicted now. */
function budgetRefusal({ store }: KubeServer, pod: KubeObject): KubeRefusal | undefined {
  const budgets = store.all('poddisruptionbudgets').filter(({ metadata, spec }) => {
    const wanted = Object.entries((at(spec, 'selector.matchLabels') ?? {}) as Record<string, string>);
    return (
      metadata.namespace === pod.metadata.namespace &&
      wanted.every(([key, value]) => pod.metadata.labels?.[key] === value)
    );
  });
  const [budget, another] = budgets;
  if (another !== undefined)
    return {
      code: 500,
      reason: 'InternalError',
      message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    };
  const allowed = Number(at(budget, 'status.disruptionsAllowed') ?? 0);
  if (budget === undefined) return undefined;
  if (allowed > 0) {
    store.put('poddisruptionbudgets', {
      ...budget,
      status: { ...(budget['status'] as object), disruptionsAllowed: allowed - 1 },
    });
    return undefined;
  }
  return {
    code: 429,
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    retryAfterS: Number(budget.metadata.annotations?.['sim/retry-after'] ?? 0),
    causes: [
      {
        reason: 'DisruptionBudget',
        message: `The disruption budget ${budget.metadata.name} needs ${word(at(budget, 'status.desiredHealthy'))} healthy pods and has ${word(at(budget, 'status.currentHealthy'))} currently`,
      },
    ],
  };
}

function statusOf({ code, reason, message, retryAfterS, causes }: KubeRefusal, name?: string): object {
  const details = {
    ...(name === undefined ? {} : { name }),
    ...(causes === undefined ? {} : { causes }),
    ...(retryAfterS === undefined || retryAfterS === 0 ? {} : { retryAfterSeconds: retryAfterS }),
  };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code };
}

function refuse(response: ServerResponse, refusal: KubeRefusal, name?: string): void {
  const { code, retryAfterS } = refusal;
  const headers: Record<string, string> =
    retryAfterS === undefined || retryAfterS === 0 ? {} : { 'retry-after': String(retryAfterS) };
  json(response, code, statusOf(refusal, name), headers);
}

function json(response: ServerResponse, status: number, value: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(body);
}
