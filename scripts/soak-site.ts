/**
 * A long campaign on the demo site, beside `npm test` and not part of it: runs for a while, kills the server and the
 * emulated site at random moments, and holds the ledger and the limits against what must be true.
 *
 *   npm run soak -- site [--minutes 30] [--kills 10] [--speed 30] [--seed 1]
 */
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { request } from 'undici';
import { intervalPage, overview, type IntervalView } from '../src/model/api.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    kills: { type: 'string', default: '10' },
    speed: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
  },
});
const PORT = 7_498;
const OFFSET = 9_000;
const minutes = Number(values.minutes);
const kills = Number(values.kills);

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
/** A small seeded generator: the same seed kills at the same moments. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function get(path: string): Promise<unknown> {
  const reply = await request(`http://127.0.0.1:${PORT}${path}`, { headersTimeout: 5_000 });
  return reply.body.json();
}

function childrenOf(pid: number): { pid: number; name: string }[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
      const name = command.includes('sim/main.ts') ? 'sim' : command.includes('server/main.ts') ? 'server' : '';
      return parent === pid && name !== '' ? [{ pid: Number(entry), name }] : [];
    } catch {
      return [];
    }
  });
}

const folder = mkdtempSync(join(tmpdir(), 'busbar-soak-'));
const demo = fork(
  join(import.meta.dirname, '..', 'bin', 'busbar.js'),
  [
    'demo',
    '--port',
    String(PORT),
    '--port-offset',
    String(OFFSET),
    '--data',
    join(folder, 'data'),
    '--speed',
    values.speed,
    '--json',
  ],
  { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
);
const random = sequence(Number(values.seed));
const killAt = Array.from({ length: kills }, () => (0.05 + 0.9 * random()) * minutes * 60_000).sort((a, b) => a - b);
const broken: string[] = [];
const booked = new Map<string, string>();
let samples = 0;
let silent = 0;
let overLimit = 0;
let killed = 0;

function check(intervals: readonly IntervalView[]): void {
  for (const [i, one] of intervals.entries()) {
    const text = JSON.stringify(one);
    const before = booked.get(one.start);
    if (before !== undefined && before !== text) broken.push(`interval ${one.start} changed after it was booked`);
    booked.set(one.start, text);
    const last = intervals[i - 1];
    if (last !== undefined && Date.parse(one.start) - Date.parse(last.start) !== 900_000)
      broken.push(`a gap before ${one.start}`);
  }
  const there = new Set(intervals.map(({ start }) => start));
  for (const start of booked.keys()) if (!there.has(start)) broken.push(`interval ${start} was lost`);
}

const started = performance.now();
try {
  while (performance.now() - started < minutes * 60_000) {
    await sleep(2_000);
    if (killAt[killed] !== undefined && performance.now() - started > killAt[killed]!) {
      const children = childrenOf(demo.pid!);
      const victim = children[Math.floor(random() * children.length)];
      if (victim !== undefined) {
        process.kill(victim.pid, 'SIGKILL');
        console.log(`killed ${victim.name} after ${Math.round((performance.now() - started) / 1000)} s`);
      }
      killed += 1;
    }
    try {
      const site = overview.parse(await get('/api/v1/overview'));
      samples += 1;
      if ((site.connection.importW ?? 0) > site.connection.limitW) overLimit += 1;
      check(intervalPage.parse(await get('/api/v1/intervals?limit=2976')).intervals);
    } catch {
      silent += 1;
    }
  }
} finally {
  demo.kill('SIGINT');
  await new Promise((resolve) => demo.once('exit', resolve));
  rmSync(folder, { recursive: true, force: true });
}
console.log(
  JSON.stringify(
    {
      minutes,
      killed,
      samples,
      silent,
      intervals: booked.size,
      overLimitSamples: overLimit,
      broken: [...new Set(broken)],
    },
    null,
    2,
  ),
);
if (broken.length > 0 || booked.size === 0) process.exitCode = 1;
