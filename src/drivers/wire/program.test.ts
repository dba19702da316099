import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProgramRun } from '../../model/index.ts';
import { programPort } from './program.ts';

const port = programPort();
const path = process.env['PATH'];
let folder = '';

/** A stand-in of the name on the path, written in sh; it is found before the real one. */
function standIn(name: ProgramRun['program'], script: string): void {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-program-'));
  process.env['PATH'] = `${folder}${delimiter}${path}`;
  process.env['BUSBAR_TEST_SECRET'] = 'of the server';
});
afterAll(() => {
  process.env['PATH'] = path;
  delete process.env['BUSBAR_TEST_SECRET'];
  rmSync(folder, { recursive: true });
});
const run = (args: readonly string[], more: Partial<ProgramRun> = {}) =>
  port.run({ program: 'ipmitool', args, timeoutMs: 5000, ...more });

test('arguments arrive as they are, and no shell reads them', async () => {
  standIn('ipmitool', 'for a in "$@"; do echo "<$a>"; done');
  const odd = ['a b', '$(touch pwned)', '; rm -rf x', '`id`', "'", '*', ''];
  expect((await run(odd)).stdout).toBe(odd.map((arg) => `<${arg}>\n`).join(''));
});

test('the environment is the path and what was given', async () => {
  standIn('ipmitool', 'env');
  const { stdout } = await run([], { env: { IPMI_PASSWORD: 'geheim' } });
  expect(stdout).toContain('IPMI_PASSWORD=geheim\n');
  expect(stdout).not.toContain('BUSBAR_TEST_SECRET');
});

test('an exit code is handed back with both outputs', async () => {
  standIn('nvidia-smi', 'echo out; echo err >&2; exit 9');
  expect(await run([], { program: 'nvidia-smi' })).toEqual({ code: 9, stdout: 'out\n', stderr: 'err\n' });
});

test('one that hangs, waits for words or is given up on is ended', async () => {
  standIn('ipmitool', 'exec sleep 30');
  await expect(run([], { timeoutMs: 100 })).rejects.toMatchObject({ kind: 'timeout' });
  await expect(run([], { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ kind: 'timeout' });
  await expect(run([], { signal: AbortSignal.abort() })).rejects.toMatchObject({ kind: 'timeout' });
  standIn('ipmitool', 'read word; echo "got $word"');
  expect((await run([])).stdout).toBe('got \n');
});

test('one that talks without end is garbled', async () => {
  standIn('ipmitool', 'exec yes');
  await expect(run([])).rejects.toMatchObject({ kind: 'garbled' });
});

test('nothing but the two is run, and one that is not installed is unsupported', async () => {
  await expect(run([], { program: 'sh' as never })).rejects.toMatchObject({ kind: 'unsupported' });
  await expect(run([], { program: `${folder}/ipmitool` as never })).rejects.toMatchObject({ kind: 'unsupported' });
  process.env['PATH'] = '/nowhere';
  await expect(run([])).rejects.toMatchObject({ kind: 'unsupported' });
  process.env['PATH'] = `${folder}${delimiter}${path}`;
});
