/**
 * The guard: a process of its own that reads meters each second and puts machines to sleep where a limit is exceeded, whatever became of
 * the server: `node src/guard/main.ts --data DIR --socket PATH --folder DIR [--port-offset N] [--alone-s N]`. It goes by the brief that the
 * server gave it last, which it keeps on disk. It never turns anything on.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDriverWorld } from '../drivers/wire/world.ts';
import { guardBrief, siteMs, type GuardBrief, type ToGuard, wallMs } from '../model/index.ts';
import { createSecrets } from '../vault/secrets.ts';
import { vaultOf } from '../vault/vault.ts';
import { openAuditFile } from './audit-file.ts';
import { openLink } from './link.ts';
import { createWatch } from './watch.ts';

const SECOND_MS = 1_000;

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    socket: { type: 'string' },
    /** Where relative paths of the site file start. */
    folder: { type: 'string', default: '.' },
    version: { type: 'string', default: 'unknown' },
    'port-offset': { type: 'string', default: '0' },
    /** Ends when the server was silent for so long: for rehearsals, which nobody would end otherwise. */
    'alone-s': { type: 'string' },
    /** A supervisor of the system keeps it up: it does not end with the server. */
    service: { type: 'boolean', default: false },
  },
});
if (values.data === undefined || values.socket === undefined)
  throw new Error('--data DIR and --socket PATH are needed');

process.umask(0o077);
const folder = join(values.data, 'guard');
const briefFile = join(folder, 'brief.json');
const stopFile = join(folder, 'stop');
mkdirSync(folder, { recursive: true, mode: 0o700 });

const startedUnixMs = Date.now();
const wallNow = () => wallMs(performance.now());
const secrets = createSecrets(values.folder, process.env, vaultOf(values.data, process.env));
const world = openDriverWorld({
  portOffset: Number(values['port-offset']),
  secret: (ref) => secrets.resolve(ref),
  // The guard plans nothing and keeps no books: it knows the wall's time alone.
  siteNow: () => siteMs(Date.now()),
  wallNow,
});
const audit = openAuditFile(join(folder, 'audit.jsonl'), Date.now);
const watch = createWatch({
  io: world.io,
  audit,
  wallNow,
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
});
const link = await openLink(values.socket, hear, (why) => void audit.append('leave a message unread', why)).catch(
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(3);
  },
);
const kept = briefOnDisk();
audit.append(`begin to guard as process ${process.pid}`, kept === undefined ? 'no brief yet' : 'with the last brief');
if (kept !== undefined) watch.follow(kept);
if (existsSync(stopFile)) watch.stopAll(readFileSync(stopFile, 'utf8'));

function hear(message: ToGuard): void {
  if (message.kind === 'end') return end('the server told it to');
  if (message.kind === 'beat') return watch.hear(message);
  if (message.kind === 'stop') return stopAll(message);
  watch.follow(message);
  onDisk(() => {
    writeFileSync(`${briefFile}.new`, JSON.stringify(message), { flush: true });
    renameSync(`${briefFile}.new`, briefFile);
  });
}

/** What cannot be written is done all the same; a brief comes again, and of a stop the record says so. */
function onDisk(write: () => void): void {
  try {
    write();
  } catch (error) {
    audit.append('the disk takes nothing', String(error));
  }
}

/** Kept on disk: a guard that is started again does not let go. */
function stopAll({ stop, who, why }: Extract<ToGuard, { kind: 'stop' }>): void {
  audit.append(stop ? `${who} stops everything at the guard` : `${who} lets everything go at the guard`, why);
  const by = stop ? `${who}: ${why}` : undefined;
  watch.stopAll(by);
  onDisk(() => (by === undefined ? rmSync(stopFile, { force: true }) : writeFileSync(stopFile, by, { flush: true })));
}

/** The last brief; one that cannot be read is as none, and the server gives another. */
function briefOnDisk(): GuardBrief | undefined {
  try {
    return guardBrief.parse(JSON.parse(readFileSync(briefFile, 'utf8')));
  } catch {
    return undefined;
  }
}

function end(why: string): void {
  audit.append('end', why);
  link.close();
  watch.close();
  void world.close();
  process.exit(0);
}
process.on('SIGTERM', () => end('the signal SIGTERM'));
process.on('SIGINT', () => end('the signal SIGINT'));

const aloneMs = values['alone-s'] === undefined ? Infinity : Number(values['alone-s']) * 1000;
for (;;) {
  const begun = performance.now();
  await watch.second();
  link.tell({
    kind: 'state',
    version: values.version,
    pid: process.pid,
    startedUnixMs,
    service: values.service,
    ...watch.state(),
  });
  if (watch.aloneMs() > aloneMs) end(`no server was heard for ${values['alone-s']} s`);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, SECOND_MS - (performance.now() - begun))));
}
