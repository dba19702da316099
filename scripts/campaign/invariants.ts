import { DatabaseSync } from 'node:sqlite';
import type { Truth } from '../../sim/truth.ts';
import { QUARTER } from '../../src/model/index.ts';
import { BREAKER_MW, CONNECTION_MW } from './world.ts';

/** What must be so whatever goes wrong, seen from outside: in the emulated site itself, and on the disk. */

export interface LoadWatch {
  /** A look at the site as it really is. @param tripped what was told to trip; taken out when it has closed again */
  look(truth: Truth, tripped: Set<string>): void;
  /** Longest site seconds that each breaker's load was above its rating without a break. */
  readonly longestOverS: ReadonlyMap<string, number>;
  readonly broken: readonly string[];
}

/** @param mostOverS site seconds a load may stand above its rating: the guard's period and the slowest shed */
export function watchLoads(mostOverS: number): LoadWatch {
  const since = new Map<string, number>();
  const longestOverS = new Map<string, number>();
  const open = new Set<string>();
  const broken: string[] = [];
  const told = new Set<string>();

  function load(id: string, loadW: number, ratingW: number, at: number): void {
    if (loadW <= ratingW) {
      since.delete(id);
      return;
    }
    const began = since.get(id) ?? at;
    since.set(id, began);
    const overS = (at - began) / 1_000;
    longestOverS.set(id, Math.max(longestOverS.get(id) ?? 0, overS));
    const key = `${id} ${began}`;
    if (overS > mostOverS && !told.has(key)) {
      told.add(key);
      broken.push(
        `${id} drew ${(loadW / 1000).toFixed(2)} kW, over its ${(ratingW / 1000).toFixed(2)} kW, for more than ${mostOverS} s`,
      );
    }
  }

  function breaker(id: string, isOpen: boolean, tripped: Set<string>): void {
    if (isOpen && !open.has(id) && !tripped.has(id)) broken.push(`the breaker of ${id} tripped by itself`);
    if (isOpen) open.add(id);
    else if (open.delete(id)) tripped.delete(id);
  }

  return {
    look(truth, tripped) {
      breaker('connection', truth.feederOpen, tripped);
      load('connection', truth.feederW, CONNECTION_MW * 1e6, truth.at);
      for (const [id, hall] of Object.entries(truth.halls)) {
        breaker(id, hall.breakerOpen, tripped);
        load(id, hall.totalW, BREAKER_MW[id]! * 1e6, truth.at);
      }
    },
    longestOverS,
    broken,
  };
}

/** The newest commands on the disk, by the place they were written to; waking ones that came after another place and time. */
export interface CommandsOnDisk {
  newest(): number | undefined;
  /** @param since by the server's clock: what was sent before and is written later, because the disk was full, breaks nothing */
  wakesAfter(place: number, upTo: number, since: number, group: string): readonly string[];
}

export function commandsOnDisk(file: string): CommandsOnDisk {
  function ask(sql: string, ...values: readonly (number | string)[]): unknown[] | undefined {
    try {
      const database = new DatabaseSync(file, { readOnly: true });
      try {
        database.exec('pragma busy_timeout = 2000');
        return database.prepare(sql).all(...values);
      } finally {
        database.close();
      }
    } catch {
      // On a full disk or in the midst of a start nobody can look.
      return undefined;
    }
  }
  return {
    newest: () =>
      (ask('select coalesce(max(rowid), 0) as place from command') as { place: number }[] | undefined)?.[0]?.place,
    wakesAfter: (place, upTo, since, group) =>
      (
        (ask(
          "select id, target, sent_ms from command where action = 'wake' and rowid > ? and rowid <= ? and sent_ms >= ? and target like ?",
          place,
          upTo,
          since,
          `${group}-%`,
        ) ?? []) as { id: string; target: string; sent_ms: number }[]
      ).map(
        ({ id, target, sent_ms }) =>
          `${target} was woken by ${id} at ${new Date(sent_ms).toISOString()} while ${group} was held since ${new Date(since).toISOString()}`,
      ),
  };
}

/** Whether every quarter-hour follows the one before, and what anybody was told stayed as it was. */
export function watchIntervals(): {
  told(intervals: readonly { readonly start: string }[]): void;
  onDisk(file: string): readonly string[];
  readonly broken: readonly string[];
  readonly count: () => number;
} {
  const seen = new Map<string, string>();
  const broken = new Set<string>();
  return {
    told(intervals) {
      for (const one of intervals) {
        const text = JSON.stringify(one);
        const before = seen.get(one.start);
        if (before !== undefined && before !== text) broken.add(`interval ${one.start} changed after it was told`);
        seen.set(one.start, text);
      }
    },
    onDisk(file) {
      const database = new DatabaseSync(file, { readOnly: true });
      const starts = (
        database.prepare('select start_ms from interval order by start_ms').all() as { start_ms: number }[]
      ).map(({ start_ms }) => start_ms);
      database.close();
      const kept = new Set(starts);
      const lost = [...seen.keys()].filter((start) => !kept.has(Date.parse(start)));
      const gaps = starts.filter((start, i) => i > 0 && start - starts[i - 1]! !== QUARTER);
      return [
        ...lost.map((start) => `interval ${start} was told and is lost`),
        ...gaps.map((start) => `there is a gap before interval ${new Date(start).toISOString()}`),
      ];
    },
    get broken() {
      return [...broken];
    },
    count: () => seen.size,
  };
}
