import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { HOUR, type SiteMs } from '../../model/index.ts';
import type { Level } from './samples.ts';

/**
 * History is files that never change: `raw/2026-11-22/05-<n>.parquet` are the readings of an hour as they were saved,
 * `05.<n>.parquet` the whole hour once it is over (all pieces up to n), `minute/2026-11-22/05.<n>.parquet` its minutes, and
 * `quarter/2026-11/22.parquet` a day's quarter-hours. A file is whole or not there: it is written beside its place
 * and renamed.
 */
export interface Piece {
  readonly path: string;
  readonly day: string;
  /** Hour of the day, 0 to 23; -1 for a whole day. */
  readonly hour: number;
  /** Number of the saving; of a whole hour, the last one in it. */
  readonly upTo: number;
  readonly whole: boolean;
}

const PIECE = /^(\d\d)-(\d+)\.parquet$/;
const WHOLE = /^(\d\d)\.(\d+)\.parquet$/;
const DAY_FILE = /^(\d\d)\.parquet$/;
const UNFINISHED = '.new';

export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);
export const dayStartMs = (day: string): SiteMs => Date.parse(`${day}T00:00:00Z`) as SiteMs;
export const hourOf = (at: number): number => Math.floor((at % (24 * HOUR)) / HOUR);

const two = (n: number): string => String(n).padStart(2, '0');
export const piecePath = (folder: string, day: string, hour: number, n: number): string =>
  join(folder, 'raw', day, `${two(hour)}-${n}.parquet`);
export const wholePath = (folder: string, level: 'raw' | 'minute', day: string, hour: number, upTo: number): string =>
  join(folder, level, day, `${two(hour)}.${upTo}.parquet`);
export const quarterPath = (folder: string, day: string): string =>
  join(folder, 'quarter', day.slice(0, 7), `${day.slice(8)}.parquet`);

/** Every file of a level, oldest first. What a later whole hour holds already is not listed. */
export function listLevel(folder: string, level: Level): Piece[] {
  const all = readdirs(join(folder, level)).flatMap((group) =>
    readdirs(join(folder, level, group)).flatMap((name) => toPiece(join(folder, level, group, name), group, name)),
  );
  const wholes = new Map<string, number>();
  const key = ({ day, hour }: Piece): string => `${day} ${hour}`;
  for (const piece of all) if (piece.whole) wholes.set(key(piece), Math.max(piece.upTo, wholes.get(key(piece)) ?? 0));
  return all
    .filter((piece) => {
      const held = wholes.get(key(piece)) ?? -1;
      return piece.whole ? piece.upTo === held : piece.upTo > held;
    })
    .sort((a, b) => (a.day === b.day ? a.hour - b.hour || a.upTo - b.upTo : a.day < b.day ? -1 : 1));
}

function toPiece(path: string, group: string, name: string): Piece[] {
  const piece = PIECE.exec(name);
  if (piece !== null) return [{ path, day: group, hour: Number(piece[1]), upTo: Number(piece[2]), whole: false }];
  const whole = WHOLE.exec(name);
  if (whole !== null) return [{ path, day: group, hour: Number(whole[1]), upTo: Number(whole[2]), whole: true }];
  const day = DAY_FILE.exec(name);
  return day === null ? [] : [{ path, day: `${group}-${day[1]}`, hour: -1, upTo: 0, whole: true }];
}

const readdirs = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** Writes a file under another name, makes it last, and gives it its own. @param write is told where to */
export async function place(path: string, write: (unfinished: string) => Promise<void>): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const unfinished = `${path}${UNFINISHED}`;
  await write(unfinished);
  sync(unfinished);
  renameSync(unfinished, path);
  sync(dirname(path));
}

function sync(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** After a kill: what was not finished goes, and pieces that a whole hour holds already. @returns the next free number */
export function tidy(folder: string): number {
  let next = 1;
  for (const level of ['raw', 'minute', 'quarter'] as const) {
    const kept = new Set(listLevel(folder, level).map(({ path }) => path));
    for (const group of readdirs(join(folder, level)))
      for (const name of readdirs(join(folder, level, group))) {
        const path = join(folder, level, group, name);
        const [piece] = toPiece(path, group, name);
        next = Math.max(next, (piece?.upTo ?? 0) + 1);
        if (name.endsWith(UNFINISHED) || (piece !== undefined && !kept.has(path))) rmSync(path, { force: true });
      }
  }
  return next;
}

/**
 * Links every file there is now below another folder: as no file ever changes, that is a copy of this moment. Where the
 * other folder is on another disk, or the file system knows no links, they are copied.
 */
export function linkAll(folder: string, to: string): void {
  for (const level of ['raw', 'minute', 'quarter'] as const)
    for (const { path } of listLevel(folder, level)) linkOrCopy(path, join(to, relative(folder, path)));
}

/** @param to is not there yet; its folder is made */
export function linkOrCopy(path: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  try {
    linkSync(path, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EEXIST' || code === 'ENOSPC') throw error;
    copyFileSync(path, to);
    sync(to);
  }
}

export const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0);
