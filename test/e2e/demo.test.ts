import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { childrenOf, runs } from '../support/site/processes.ts';
import { freePort, ROOT } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** `busbar demo`, the whole 40 MW site: one command starts it, mends it and ends it. */

const line = z.strictObject({
  url: z.url(),
  link: z.url(),
  from: z.iso.datetime(),
  speed: z.number(),
  resumed: z.boolean(),
});

const started: ChildProcess[] = [];
const seen = new Set<number>();
let folder = '';
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  // Children end by themselves when the one that started them is gone; a test that failed must not leave any.
  for (const pid of seen) if (runs(pid)) process.kill(pid, 'SIGKILL');
  seen.clear();
  await until('no process left', () => [...seen].every((pid) => !runs(pid)));
  rmSync(folder, { recursive: true, force: true });
  rmSync(`${folder}.last`, { recursive: true, force: true });
});

async function demo(args: readonly string[]) {
  const child = spawn(process.execPath, [join(ROOT, 'bin', 'busbar.js'), 'demo', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr.on('data', (part: Buffer) => (err += part.toString()));
  const first = await until(
    'the first line',
    () => {
      if (child.exitCode !== null) throw new Error(`demo ended: ${err}`);
      return out.includes('\n') && out.split('\n')[0];
    },
    180_000,
  );
  const children = () => {
    const now = childrenOf(child.pid!);
    now.forEach((pid) => seen.add(pid));
    return now;
  };
  return { child, told: line.parse(JSON.parse(first)), children, stderr: () => err };
}

const healthy = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(`${url}/healthz`)).ok;
  } catch {
    return false;
  }
};
const ended = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

test(
  'demo tells its address first, brings dead children back, ends all of them, and goes on after a kill',
  {
    timeout: 400_000,
  },
  async () => {
    folder = mkdtempSync(join(tmpdir(), 'busbar-demo-'));
    const port = await freePort();
    const args = ['--port', String(port), '--port-offset', '12000', '--data', folder, '--fresh', '--log', 'error'];
    const first = await demo(args);
    expect(first.told).toMatchObject({ url: `http://127.0.0.1:${port}`, speed: 30, resumed: false });
    expect(first.told.link.startsWith(`${first.told.url}/signin?token=`)).toBe(true);
    expect(await healthy(first.told.url)).toBe(true);
    const signIn = await fetch(first.told.link, { redirect: 'manual' });
    expect(signIn.status).toBe(303);

    const before = first.children();
    expect(before).toHaveLength(2);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await until('two new children', () => {
      const now = first.children();
      return now.length === 2 && now.every((pid) => !before.includes(pid));
    });
    await until('the server back', () => healthy(first.told.url));
    expect(first.stderr()).toMatch(/ended \(SIGKILL\); it is started again/);

    // As if the terminal had been closed by force: nobody is left to stop the children, so they stop themselves.
    const orphans = first.children();
    first.child.kill('SIGKILL');
    await until('the children gone', () => orphans.every((pid) => !runs(pid)));

    const { told, child, children } = await demo(args.filter((arg) => arg !== '--fresh'));
    expect(told.resumed).toBe(true);
    expect(Date.parse(told.from)).toBeGreaterThan(Date.parse(first.told.from));
    const last = children();
    expect(last).toHaveLength(2);
    child.kill('SIGINT');
    await until('the end of everything', () => ended(child) && last.every((pid) => !runs(pid)), 30_000);
    expect(child.exitCode).toBe(0);
  },
);
