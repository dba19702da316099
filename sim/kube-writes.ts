import type { ServerResponse } from 'node:http';
import {
  at,
  fullName,
  groupOf,
  json,
  notFound,
  refuse,
  text,
  whole,
  word,
  type KubeRefusal,
  type KubeResource,
  type KubeServer,
  type Target,
} from './kube-answers.ts';
import { mergePatch, type KubeObject } from './kube-store.ts';

/** Create, patch, delete and evict, as an API server does them: versions that must fit, subresources, disruption budgets. */

interface WriteRequest {
  readonly method: string;
  readonly target: Target;
  readonly body: string;
  readonly type: string;
  readonly url: URL;
}

export function write(server: KubeServer, asked: WriteRequest, response: ServerResponse): void {
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
