/**
 * The objects of one emulated API server: versions that only grow, a history that watches are fed from and that is
 * compacted, snapshots that the pages of a list belong to. As etcd and the API server's cache do it together.
 */

export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    creationTimestamp?: string;
    [more: string]: unknown;
  };
  [part: string]: unknown;
}

export interface StoreEvent {
  readonly version: number;
  readonly resource: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
  /** As it was before; undefined where it is new. */
  readonly before: KubeObject | undefined;
}

export interface KubeStore {
  readonly version: number;
  /** Versions up to this one are no longer known. */
  readonly compacted: number;
  get(resource: string, namespace: string, name: string): KubeObject | undefined;
  all(resource: string): KubeObject[];
  /** Creates or replaces; nothing where nothing would change. @returns it as it is kept */
  put(resource: string, object: KubeObject): KubeObject;
  remove(resource: string, namespace: string, name: string): KubeObject | undefined;
  /** What is kept in memory for the next pages of a list. */
  snapshot(resource: string): { readonly version: number; readonly objects: readonly KubeObject[] };
  snapshotAt(version: number): readonly KubeObject[] | undefined;
  since(version: number, resource: string): readonly StoreEvent[];
  onEvent(listener: (event: StoreEvent) => void): () => void;
  /** Forgets the history and every snapshot: what a watch or a page goes on from is gone. */
  compact(): void;
}

const MOST_SNAPSHOTS = 64;
const MOST_EVENTS = 20_000;

const keyOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`;

/** @param now Unix time or site time in ms, for `creationTimestamp` */
export function createKubeStore(now: () => number): KubeStore {
  const resources = new Map<string, Map<string, KubeObject>>();
  const listeners = new Set<(event: StoreEvent) => void>();
  const snapshots = new Map<number, readonly KubeObject[]>();
  let events: StoreEvent[] = [];
  let version = 100;
  let compacted = 0;
  let nextUid = 1;

  const of = (resource: string): Map<string, KubeObject> => {
    const found = resources.get(resource) ?? new Map<string, KubeObject>();
    resources.set(resource, found);
    return found;
  };
  function tell(event: Omit<StoreEvent, 'version'>): void {
    const told = { ...event, version };
    events.push(told);
    if (events.length > MOST_EVENTS) {
      compacted = events[events.length - MOST_EVENTS / 2]!.version - 1;
      events = events.slice(-MOST_EVENTS / 2);
    }
    for (const listener of listeners) listener(told);
  }

  return {
    get version() {
      return version;
    },
    get compacted() {
      return compacted;
    },
    get: (resource, namespace, name) => of(resource).get(keyOf(namespace, name)),
    all: (resource) => [...of(resource).values()],
    put(resource, object) {
      const key = keyOf(object.metadata.namespace, object.metadata.name);
      const before = of(resource).get(key);
      if (before !== undefined && isSame(before, object)) return before;
      version += 1;
      const kept: KubeObject = {
        ...object,
        metadata: {
          ...object.metadata,
          uid: before?.metadata.uid ?? object.metadata.uid ?? uid(nextUid++),
          creationTimestamp: before?.metadata.creationTimestamp ?? object.metadata.creationTimestamp ?? timeText(now()),
          resourceVersion: String(version),
        },
      };
      of(resource).set(key, kept);
      tell({ resource, type: before === undefined ? 'ADDED' : 'MODIFIED', object: kept, before });
      return kept;
    },
    remove(resource, namespace, name) {
      const before = of(resource).get(keyOf(namespace, name));
      if (before === undefined) return undefined;
      version += 1;
      of(resource).delete(keyOf(namespace, name));
      const last = { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } };
      tell({ resource, type: 'DELETED', object: last, before });
      return last;
    },
    snapshot(resource) {
      const objects = [...of(resource).values()].sort((a, b) => order(a).localeCompare(order(b)));
      // One more number, so that two lists of one moment do not share a snapshot of different kinds.
      version += 1;
      snapshots.set(version, objects);
      const oldest = [...snapshots.keys()][0];
      if (snapshots.size > MOST_SNAPSHOTS && oldest !== undefined) snapshots.delete(oldest);
      return { version, objects };
    },
    snapshotAt: (at) => snapshots.get(at),
    since: (from, resource) => events.filter((event) => event.version > from && event.resource === resource),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    compact() {
      events = [];
      snapshots.clear();
      compacted = version;
    },
  };
}

const order = ({ metadata }: KubeObject): string => keyOf(metadata.namespace, metadata.name);
const uid = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
/** RFC 3339 in whole seconds, as meta/v1 Time is written. */
export const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

function isSame(before: KubeObject, after: KubeObject): boolean {
  const plain = ({ metadata, ...rest }: KubeObject): string => {
    const { resourceVersion: _, uid: __, creationTimestamp: ___, ...meta } = metadata;
    return JSON.stringify([meta, rest]);
  };
  return plain(before) === plain(after);
}

/** RFC 7386. A strategic merge patch of the fields Busbar writes means the same. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
