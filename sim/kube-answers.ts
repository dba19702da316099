import type { ServerResponse } from 'node:http';
import type { KubeObject, KubeStore } from './kube-store.ts';

/** What an emulated API server is, and how it words what it answers: objects, and refusals as Status (meta/v1). */

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

export interface Target {
  readonly resource: KubeResource;
  readonly namespace: string;
  readonly name: string;
  readonly sub: string;
}

export const groupOf = ({ root }: KubeResource): string => /^\/apis\/([^/]+)/.exec(root)?.[1] ?? '';
export const fullName = (resource: KubeResource): string =>
  [resource.plural, groupOf(resource)].filter((one) => one !== '').join('.');

export const notFound = ({ resource, name }: Target): KubeRefusal => ({
  code: 404,
  reason: 'NotFound',
  message: `${fullName(resource)} "${name}" not found`,
});

export const whole = ({ root, kind }: KubeResource, object: KubeObject): KubeObject => ({
  ...object,
  apiVersion: root.replace(/^\/apis?\//, ''),
  kind,
});

export const at = (value: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((found, key) => (found as Record<string, unknown> | undefined)?.[key], value);

export const word = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';

export function statusOf({ code, reason, message, retryAfterS, causes }: KubeRefusal, name?: string): object {
  const details = {
    ...(name === undefined ? {} : { name }),
    ...(causes === undefined ? {} : { causes }),
    ...(retryAfterS === undefined || retryAfterS === 0 ? {} : { retryAfterSeconds: retryAfterS }),
  };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code };
}

export function refuse(response: ServerResponse, refusal: KubeRefusal, name?: string): void {
  const { code, retryAfterS } = refusal;
  const headers: Record<string, string> =
    retryAfterS === undefined || retryAfterS === 0 ? {} : { 'retry-after': String(retryAfterS) };
  json(response, code, statusOf(refusal, name), headers);
}

export function json(
  response: ServerResponse,
  status: number,
  value: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

export function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(body);
}
