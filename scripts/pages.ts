/** Builds the pages when there are none or a source is newer than the build. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const BUILT = join(ROOT, 'web', 'dist', 'index.html');

function newest(folder: string): number {
  return Math.max(
    0,
    ...readdirSync(folder, { withFileTypes: true }).map((entry) => {
      const path = join(folder, entry.name);
      if (entry.name === 'dist') return 0;
      return entry.isDirectory() ? newest(path) : statSync(path).mtimeMs;
    }),
  );
}

export function ensurePages(log: (line: string) => void): void {
  const source = Math.max(newest(join(ROOT, 'web')), statSync(join(ROOT, 'src', 'model', 'api.ts')).mtimeMs);
  if (existsSync(BUILT) && statSync(BUILT).mtimeMs >= source) return;
  log('building the pages');
  const { status, stdout, stderr } = spawnSync(
    join(ROOT, 'node_modules', '.bin', 'vite'),
    ['build', 'web', '--logLevel', 'warn'],
    { cwd: ROOT, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`the pages cannot be built:\n${stdout}${stderr}`);
}

if (import.meta.main) ensurePages((line) => console.log(line));
