import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** `.csv` and `.csv.gz` files at a path: itself, or those of the folder it names, by name. @throws Error where nothing is there */
export async function filesAt(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new Error(`${path}: no such file or folder`);
  if (!found.isDirectory()) return [path];
  return (await readdir(path))
    .filter((name) => /\.csv(\.gz)?$/.test(name))
    .sort()
    .map((name) => join(path, name));
}

/** Text of a file, unpacked where its name ends in `.gz`. @throws Error where it is not gzip */
export async function readText(file: string): Promise<string> {
  const bytes = await readFile(file);
  if (!file.endsWith('.gz')) return bytes.toString('utf8');
  try {
    return gunzipSync(bytes).toString('utf8');
  } catch {
    throw new Error(`${file}: found something that is not gzip`);
  }
}

/** Start of a day `2025-01-01`, UTC, in ms since the epoch. @throws Error where it is no day */
export function dayStart(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(`${text}T00:00:00Z`);
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(ms) && new Date(ms).toISOString().slice(0, 10) === text;
  if (!isDay) throw new Error(`${option}: found "${text}", expected a day such as 2025-01-01`);
  return ms;
}
