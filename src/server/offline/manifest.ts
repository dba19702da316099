import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SCHEMA } from '../../store/migrate.ts';

/** What is in a backup: `manifest.json` in its folder. */

const FORMAT = 1;
export const MANIFEST = 'manifest.json';
export const DATABASE = 'busbar.sqlite';
export const HISTORY = 'history';
export const SECRETS = 'secrets.vault';
export const SITE_FILE = 'site.yaml';

/** Parts of a path below the backup: none leads out of it. */
const insidePath = z
  .string()
  .regex(/^[\w.-]+(\/[\w.-]+)*$/)
  .refine((path) => !path.split('/').some((part) => part === '..' || part === '.'), 'a path leads out of the backup');

const manifestShape = z.object({
  format: z.literal(FORMAT, `a backup of another format than ${FORMAT}`),
  busbar: z.string(),
  schema: z.number().int().min(1),
  site: z.string(),
  createdAt: z.iso.datetime(),
  secrets: z.string(),
  files: z.array(
    z.object({ path: insidePath, bytes: z.number().int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});
export type Manifest = z.infer<typeof manifestShape>;
export type BackedUpFile = Manifest['files'][number];

/** Told as bytes get done. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

export const totalBytes = (manifest: Manifest): number => manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);

export const createManifest = (about: Omit<Manifest, 'format' | 'secrets'>): Manifest => ({
  format: FORMAT,
  ...about,
  secrets: about.files.some(({ path }) => path === SECRETS)
    ? `encrypted, as they lie in the data folder; the key (BUSBAR_KEY, or the file of BUSBAR_KEY_FILE) is in no backup: keep it elsewhere`
    : 'none were kept',
});

/** @throws Error in words where there is no backup, or one this Busbar cannot restore */
export function readManifest(backup: string): Manifest {
  let text: string;
  try {
    text = readFileSync(join(backup, MANIFEST), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${backup} is no backup of Busbar: ${MANIFEST} cannot be read (${code})`, { cause: error });
  }
  const parsed = manifestShape.safeParse(tryJson(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${join(backup, MANIFEST)} is damaged: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { schema, busbar, files } = parsed.data;
  if (schema > SCHEMA)
    throw new Error(
      `${backup} was made by Busbar ${busbar} (schema ${schema}, this one knows ${SCHEMA}): update Busbar, then restore it`,
    );
  if (!files.some(({ path }) => path === DATABASE)) throw new Error(`${backup} holds no ${DATABASE}`);
  return parsed.data;
}

/** Holds every file against its size and SHA-256. @throws Error naming the first that is not as it was backed up */
export function verifyBackup(backup: string, progress: Progress): Manifest {
  const manifest = readManifest(backup);
  const total = totalBytes(manifest);
  let done = 0;
  for (const file of manifest.files) {
    const path = join(backup, file.path);
    const bytes = sizeOf(path);
    if (bytes === undefined) throw new Error(`${path} is missing: this backup is not whole`);
    if (bytes !== file.bytes)
      throw new Error(`${path} has ${bytes} bytes in place of ${file.bytes}: this backup is damaged`);
    const sha256 = sha256Of(path, (n) => progress(done + n, total));
    if (sha256 !== file.sha256)
      throw new Error(`${path} is not as it was backed up (SHA-256 differs): this backup is damaged`);
    done += bytes;
  }
  return manifest;
}

export function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

const CHUNK = 1 << 20;

/** @param progress is told how many bytes of the file are read */
export function sha256Of(path: string, progress: (bytes: number) => void): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK);
  const handle = openSync(path, 'r');
  try {
    for (let done = 0; ;) {
      const n = readSync(handle, buffer, 0, CHUNK, null);
      if (n === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, n));
      done += n;
      progress(done);
    }
  } finally {
    closeSync(handle);
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
