import type { z } from 'zod';
import { Fault } from '../../model/index.ts';
import { FIELD_MANAGER, MERGE_PATCH, wait, type KubeApi } from './kube-api.ts';
import type { KubeMeta } from './kube-shapes.ts';

/** An object that others keep changing is tried so often, with longer and longer waits between. */
const MOST_TRIES = 6;
const FIRST_WAIT_MS = 40;

interface Patch {
  readonly metadata?: object;
  readonly [part: string]: unknown;
}

/**
 * Reads an object, works out what to change, and changes exactly the version that was read: where somebody else was
 * faster, all of it again (Kubernetes API conventions, "Concurrency control"). The answer is the object as it is stored.
 * @param change undefined: it is already as it should be
 */
export async function edit<S extends z.ZodType<{ metadata: KubeMeta }>>(
  api: KubeApi,
  path: string,
  shape: S,
  change: (now: z.output<S>) => Patch | undefined,
  signal: AbortSignal | undefined,
): Promise<z.output<S>> {
  for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
    const now = await api.call({ method: 'GET', path, shape, signal });
    const patch = change(now);
    if (patch === undefined) return now;
    const { resourceVersion } = now.metadata;
    const answer = await api.attempt({
      method: 'PATCH',
      path: `${path}?fieldManager=${FIELD_MANAGER}`,
      body: { ...patch, metadata: { ...patch.metadata, resourceVersion } },
      contentType: MERGE_PATCH,
      shape,
      expects: [409],
      signal,
    });
    if (answer.refusal === undefined && answer.value !== undefined) return answer.value;
    await wait(FIRST_WAIT_MS * 2 ** (tries - 1), signal);
  }
  throw new Fault('refused', `Kubernetes PATCH ${path}: others changed it each of ${MOST_TRIES} times`);
}

/** A part of a path: a name as Kubernetes has them (RFC 1123 subdomain), so that it can lead nowhere else. */
export function nameIn(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(text) || text.includes('..'))
    throw new Fault('refused', `"${text.slice(0, 80)}" is no name in Kubernetes`);
  return text;
}
