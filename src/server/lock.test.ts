import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lockFolder } from './lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'busbar-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a folder that a living process holds is refused, and one of a dead process is not', async () => {
  writeFileSync(join(folder, 'busbar.pid'), String(process.ppid));
  await expect(lockFolder(folder)).rejects.toThrow(`in use by Busbar process ${process.ppid}`);
  writeFileSync(join(folder, 'busbar.pid'), '4194304999');
  const release = await lockFolder(folder);
  release();
  (await lockFolder(folder))();
});
