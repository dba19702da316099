import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  at,
  fullName,
  groupOf,
  json,
  notFound,
  refuse,
  statusOf,
  text,
  whole,
  word,
  type KubeRefusal,
  type KubeServer,
  type Target,
} from './kube-answers.ts';
import type { KubeObject, StoreEvent } from './kube-store.ts';
import { write } from './kube-writes.ts';

/**
 * The part of a Kubernetes API server that clusters speak: get, list in pages, watch, create, patch, delete, and the
 * subresources status, eviction and log; refusals as Status objects. By the API reference and the API concepts page of Kubernetes.
 */

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

function one(server: KubeServer, target: Target, response: ServerResponse): void {
  const { resource, namespace, name, sub } = target;
  const found = server.store.get(resource.plural, namespace, name);
  if (found === undefined) return refuse(response, notFound(target), name);
  if (sub === 'log') return text(response, 200, server.log(found));
  if (sub !== '' && sub !== 'status') return text(response, 404, '404 page not found\n');
  json(response, 200, whole(resource, found));
}

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
    leave();
    response.end();
  }, seconds * 1000).unref();
  const leave = (): void => {
    stop();
    clearInterval(bookmarks);
    clearTimeout(end);
  };
  response.on('close', leave);
}
