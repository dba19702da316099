import { isDeepStrictEqual } from 'node:util';
import type { Site } from '../model/index.ts';

/** One difference between the site file in force and the one on disk. */
export interface SiteChange {
  readonly kind: 'added' | 'removed' | 'changed';
  /** `machines[a-s21].addresses`: entries of lists by their id. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
  /** True where it takes force only when busbar is started again. */
  readonly needsRestart: boolean;
}

/** Read when the process starts, and never after. */
const AT_START = /^(server|history|timezone)(\.|$)/;

type Value = unknown;
const isMap = (value: Value): value is Record<string, Value> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const hasIds = (value: Value): value is { readonly id: string }[] =>
  Array.isArray(value) && value.length > 0 && value.every((entry) => isMap(entry) && typeof entry['id'] === 'string');

/** Every difference, entries of lists matched by id whatever their order. */
export function diffSites(before: Site, after: Site): SiteChange[] {
  const changes: SiteChange[] = [];
  const tell = (kind: SiteChange['kind'], path: string, was: Value, is: Value) =>
    changes.push({ kind, path, before: was ?? null, after: is ?? null, needsRestart: AT_START.test(path) });

  function compare(path: string, was: Value, is: Value): void {
    if (isDeepStrictEqual(was, is)) return;
    if (was === undefined) return void tell('added', path, was, is);
    if (is === undefined) return void tell('removed', path, was, is);
    if ((hasIds(was) || hasIds(is)) && Array.isArray(was) && Array.isArray(is)) return byId(path, was, is);
    if (!isMap(was) || !isMap(is)) return void tell('changed', path, was, is);
    for (const key of new Set([...Object.keys(was), ...Object.keys(is)]))
      compare(path === '' ? key : `${path}.${key}`, was[key], is[key]);
  }

  function byId(path: string, was: Value[], is: Value[]): void {
    const index = (list: Value[]) => new Map(list.map((entry) => [(entry as { id: string }).id, entry]));
    const old = index(was);
    const now = index(is);
    for (const id of new Set([...old.keys(), ...now.keys()])) compare(`${path}[${id}]`, old.get(id), now.get(id));
  }

  compare('', before, after);
  return changes;
}

/** `machines[a-s21].addresses: 10.0.0.1-10.0.0.9 -> 10.0.0.1-10.0.0.20` */
export function changeText({ kind, path, before, after, needsRestart }: SiteChange): string {
  const short = (value: unknown): string => {
    const text = JSON.stringify(value);
    return text.length > 80 ? `${text.slice(0, 77)}...` : text;
  };
  const what =
    kind === 'added' ? `added ${short(after)}` : kind === 'removed' ? 'removed' : `${short(before)} -> ${short(after)}`;
  return `${path}: ${what}${needsRestart ? ' (takes force at the next start)' : ''}`;
}
