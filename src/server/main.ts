/** The server process: `node src/server/main.ts --site FILE --data DIR --port N [--clock JSON] [--emulated]`. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { z } from 'zod';
import { REAL_TIME } from '../model/index.ts';
import { createApi } from './api.ts';
import { checkSiteFile, formatProblem } from './offline/check.ts';
import { startRuntime } from './runtime.ts';

const clockShape = z.object({ epochSiteMs: z.number(), epochUnixMs: z.number(), speed: z.number().positive() });

/** What the server tells the process that started it. */
export type ServerMessage = { readonly type: 'ready'; readonly url: string; readonly link: string };

const { values } = parseArgs({
  options: {
    site: { type: 'string' },
    data: { type: 'string', default: '.busbar' },
    port: { type: 'string', default: '7400' },
    clock: { type: 'string' },
    emulated: { type: 'boolean', default: false },
    'port-offset': { type: 'string', default: '0' },
    log: { type: 'string', default: 'info' },
  },
});

const root = join(import.meta.dirname, '..', '..');
const log = pino({ level: values.log, base: null }, pino.destination(2));

if (values.site === undefined) throw new Error('--site FILE is missing');
const checked = await checkSiteFile(values.site);
if (!checked.ok) {
  for (const problem of checked.problems) process.stderr.write(`${formatProblem(problem)}\n`);
  process.exit(1);
}
const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));

const runtime = await startRuntime({
  site: checked.site,
  machines: checked.machines,
  folder: dirname(resolve(values.site)),
  storeFile: join(values.data, 'busbar.sqlite'),
  clock: values.clock === undefined ? REAL_TIME : clockShape.parse(JSON.parse(values.clock)),
  emulated: values.emulated,
  portOffset: Number(values['port-offset']),
  log,
});
const api = await createApi({ runtime, port: Number(values.port), pages: join(root, 'web', 'dist'), version, log });

let ending = false;
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  await api.close();
  await runtime.close();
  process.exit(0);
}
process.on('SIGTERM', () => void end());
process.on('SIGINT', () => void end());
// Started by another process that is gone: nobody would stop this one.
process.on('disconnect', () => void end());

const url = await api.listen();
const message: ServerMessage = { type: 'ready', url, link: api.signInLink() };
process.send?.(message);
if (process.send === undefined) process.stdout.write(`${JSON.stringify(message)}\n`);

process.on('message', (asked: unknown) => {
  if ((asked as { type?: unknown }).type !== 'measure') return;
  const { measurements } = runtime;
  process.send?.({ type: 'measurements', measurements, cpu: process.cpuUsage(), rssBytes: process.memoryUsage.rss() });
});
