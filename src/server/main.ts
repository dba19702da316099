/**
 * The server process: `node src/server/main.ts --site FILE --data DIR --port N [--clock JSON] [--emulated]`.
 * SIGHUP reads the site file again. Speaks to the process that started it over IPC, else on its standard output.
 */
import { chmodSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { z } from 'zod';
import { notRehearsed, REAL_TIME, rehearsedMachines, rehearsedSite, type Site, type Trust } from '../model/index.ts';
import { readTls } from './access/tls.ts';
import { vaultOf } from '../vault/vault.ts';
import { createApi } from './api.ts';
import { lockFolder } from './lock.ts';
import { checkSiteFile, formatProblem } from './offline/check.ts';
import { actOf, settleRestore, swapRestored, type RestoreRecord } from './offline/restore.ts';
import { START_AGAIN } from './offline/start-again.ts';
import { startRuntime } from './runtime.ts';
import { createSecrets } from '../vault/secrets.ts';
import { StoreFailure } from '../store/queue.ts';

const RENEW_TLS_MS = 3_600_000;
/** A rehearsal that was killed leaves nothing to guard. */
const REHEARSAL_ALONE_S = 60;

const clockShape = z.object({ epochSiteMs: z.number(), epochUnixMs: z.number(), speed: z.number().positive() });

/** What the server tells the process that started it. */
export type ServerMessage = {
  readonly type: 'ready';
  readonly url: string;
  readonly link: string;
  readonly trust: Trust;
  readonly machines: number;
  readonly warnings: readonly string[];
};

const { values } = parseArgs({
  options: {
    site: { type: 'string' },
    data: { type: 'string', default: '.busbar' },
    port: { type: 'string', default: '7400' },
    clock: { type: 'string' },
    emulated: { type: 'boolean', default: false },
    markets: { type: 'string' },
    'port-offset': { type: 'string', default: '0' },
    log: { type: 'string', default: 'info' },
  },
});

// Ledger, accounts and tokens are their owner's alone, whatever the shell's own rule is.
process.umask(0o077);

const root = join(import.meta.dirname, '..', '..');
const log = pino({ level: values.log, base: null }, pino.destination(2));

/** What a person can mend is told in words, without the trace of a bug. */
function stop(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

if (values.site === undefined) throw new Error('--site FILE is missing');
const siteFile = resolve(values.site);
const folder = dirname(siteFile);
// Whatever is written from here on is for the owner of the process alone.
process.umask(0o077);
const release = await lockFolder(values.data).catch(stop);
const restored = takeOver(values.data);
const secrets = createSecrets(folder, process.env, vaultOf(values.data, process.env));
const checked = await checkSiteFile(values.site, secrets);
if (!checked.ok) {
  for (const problem of checked.problems) process.stderr.write(`${formatProblem(problem)}\n`);
  process.exit(1);
}
const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));

const rehearsal = values.emulated ? { marketsFolder: values.markets } : undefined;
const site = rehearsal === undefined ? checked.site : rehearsedSite(checked.site, rehearsal.marketsFolder);
const machines = rehearsal === undefined ? checked.machines : rehearsedMachines(checked.machines);
const { host, names, tls } = serverOf(site);

const runtime = await startRuntime({
  site,
  machines,
  folder,
  ...(rehearsal === undefined ? { siteFile } : {}),
  secrets,
  storeFile: join(values.data, 'busbar.sqlite'),
  process: { version, siteFile, startAgain: () => void end(START_AGAIN) },
  clock: values.clock === undefined ? REAL_TIME : clockShape.parse(JSON.parse(values.clock)),
  guard: {
    dataFolder: resolve(values.data),
    folder,
    portOffset: Number(values['port-offset']),
    version,
    aloneS: values.emulated ? REHEARSAL_ALONE_S : undefined,
  },
  emulated: values.emulated,
  portOffset: Number(values['port-offset']),
  log,
}).catch((error: unknown) => {
  if (error instanceof StoreFailure) stop(error);
  throw error;
});
if (restored !== undefined) await writeDown(restored);
const api = await createApi({
  runtime,
  host,
  port: Number(values.port),
  names,
  tls,
  // The emulated site has no secrets; a real one shows nothing to who is not signed in.
  openReads: values.emulated,
  tokenFile: join(values.data, 'local-token'),
  pages: join(root, 'web', 'dist'),
  version,
  log,
}).catch(stop);

/** Before anything is opened: data that was restored takes its place. */
function takeOver(data: string): RestoreRecord | undefined {
  try {
    chmodSync(data, 0o700);
    return swapRestored(data);
  } catch (error) {
    return stop(error);
  }
}

/** The restored ledger says who restored it, and why. */
async function writeDown(record: RestoreRecord): Promise<void> {
  runtime.store.recordAct(actOf(record));
  try {
    await runtime.store.flush();
    log.info({ before: settleRestore(values.data, record) }, 'a backup was restored');
  } catch (error) {
    if (!(error instanceof StoreFailure)) throw error;
    log.error({ why: error.message }, 'the restore is not written down; the next start tries again');
  }
}

/** A rehearsal never leaves loopback, whatever the site file says of the real one. */
function serverOf({ server }: Site) {
  if (values.emulated) return { host: '127.0.0.1', names: [], tls: undefined };
  const at = (path: string): string => resolve(folder, path);
  try {
    const own = server.tls === undefined ? undefined : readTls(at(server.tls.certificate), at(server.tls.key));
    return { host: server.host, names: server.names, tls: own };
  } catch (error) {
    return stop(error);
  }
}

/** A certificate that was renewed in its place serves from the next connection on; one that cannot serve is told and left. */
function renewTls(): void {
  const { tls: paths } = runtime.site.server;
  if (tls === undefined || paths === undefined) return;
  try {
    const fresh = readTls(resolve(folder, paths.certificate), resolve(folder, paths.key));
    if (fresh.certificate !== served?.certificate || fresh.key !== served.key) api.renewTls(fresh);
    served = fresh;
  } catch (error) {
    log.warn({ err: error }, 'the renewed certificate cannot be served; the old one goes on');
  }
}
let served = tls;
setInterval(renewTls, RENEW_TLS_MS).unref();

let ending = false;
async function end(status = 0): Promise<void> {
  if (ending) return;
  ending = true;
  await api.close();
  await runtime.close();
  release();
  process.exit(status);
}
process.on('SIGTERM', () => void end());
process.on('SIGINT', () => void end());
// Started by another process that is gone: nobody would stop this one.
process.on('disconnect', () => void end());
process.on('SIGHUP', () => {
  if (rehearsal !== undefined) return;
  renewTls();
  void runtime.people.reload('the signal SIGHUP', 'asked by signal', false).then((outcome) => {
    if (outcome.ok) log.info({ changes: outcome.changes.length }, 'site file read again');
    else for (const problem of outcome.problems) process.stderr.write(`${formatProblem(problem)}\n`);
  });
});

const url = await api.listen().catch(stop);
const message: ServerMessage = {
  type: 'ready',
  url,
  link: api.signInLink(),
  trust: runtime.people.trust(),
  machines: machines.length,
  warnings: rehearsal === undefined ? checked.warnings.map(formatProblem) : notRehearsed(checked.site),
};
process.send?.(message);
if (process.send === undefined) process.stdout.write(`${JSON.stringify(message)}\n`);

process.on('message', (asked: unknown) => {
  if ((asked as { type?: unknown }).type !== 'measure') return;
  const { measurements } = runtime;
  process.send?.({ type: 'measurements', measurements, cpu: process.cpuUsage(), rssBytes: process.memoryUsage.rss() });
});
