import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { EMULATED_PORTS } from '../src/model/index.ts';
import { smallSite, CALM, talk } from './small-site.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-sim-main-'));
  writeFileSync(join(folder, 'site.yaml'), stringify(smallSite()));
  writeFileSync(join(folder, 'sim.yaml'), stringify(CALM));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(...more: string[]): ChildProcess {
  const files = ['--site', join(folder, 'site.yaml'), '--sim', join(folder, 'sim.yaml')];
  return fork(join(import.meta.dirname, 'main.ts'), [...files, ...more], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
}
const message = async (child: ChildProcess): Promise<unknown> => ((await once(child, 'message')) as unknown[])[0];

const OFFSET = 13_190;
const PORT = EMULATED_PORTS.cgminer + OFFSET;

test('as a process: ready, told what to do, asked for the truth, and gone on SIGTERM with its state kept', async () => {
  const child = run('--speed', '60', '--seed', '4', '--port-offset', String(OFFSET), '--state', join(folder, 'state'));
  expect(await message(child)).toMatchObject({ type: 'ready', machines: 21, ports: { cgminer: PORT } });
  child.send({ type: 'truth', id: 7 });
  expect(await message(child)).toMatchObject({ type: 'truth', id: 7, truth: { machines: { running: 21 } } });
  child.send({ type: 'inject', target: 'lux-0001', fault: 'refused' });
  expect(await message(child)).toEqual({ type: 'injected', endpoints: 1 });
  expect((await talk('127.21.1.1', PORT, '{"command":"version"}')).end).toBe('reset');
  child.send({ type: 'trip', hall: 'm' });
  child.send({ type: 'truth' });
  expect(await message(child)).toMatchObject({
    truth: { halls: { m: { breakerOpen: true }, g: { breakerOpen: false } } },
  });
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('a state of another seed ends the start with one clear line', async () => {
  const child = run('--seed', '5', '--port-offset', '13230', '--state', join(folder, 'state'));
  let text = '';
  child.stderr!.on('data', (part: Buffer) => (text += part.toString()));
  expect(await once(child, 'exit')).toEqual([2, null]);
  expect(text).toMatch(/^The emulated site did not start: .*another site or seed.*\n$/);
});
