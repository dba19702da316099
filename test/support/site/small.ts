import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pino } from 'pino';
import { parse, stringify } from 'yaml';
import { NO_TROUBLE, simSchema } from '../../../sim/sim-schema.ts';
import { startSim, type Sim } from '../../../sim/site.ts';
import type { ClockSetting } from '../../../src/model/index.ts';
import { createApi, type Api } from '../../../src/server/api.ts';
import { checkSiteFile } from '../../../src/server/offline/check.ts';
import { startRuntime, type Runtime } from '../../../src/server/runtime.ts';
import { createSecrets } from '../../../src/vault/secrets.ts';

/** The demo's site made small: 60 miners of two drivers in two halls, 12 GPU servers in a third, with their meters. */

export const ROOT = join(import.meta.dirname, '..', '..', '..');
const WEEK = join(ROOT, 'examples', 'week-2026-03-23');

export interface RawSite {
  name: string;
  trust: string;
  connection: { limitMw: number };
  tariff: { blockMw: number };
  halls: { id: string; breakerMw: number; wakesPerMinute?: number; cooling: { baseKw: number } }[];
  meters: { id: string }[];
  uplinks: { id: string; hall: string; settings: object }[];
  machines: { id: string; addresses: string; pools?: string[] }[];
  clusters: {
    classes: { id: string; committedGpus?: number; usdPerGpuHour: unknown; interruptUsdPerGpu?: number }[];
  }[];
  leases: { chips: number }[];
  contracts?: object[];
  tenants?: object[];
  pools: { id: string; url: string; worker: string; probe?: object }[];
  plant?: object[];
  feeds: { settings: { folder: string } }[];
}

/** Hall to its breaker (MW) and cooling base (kW). */
const HALLS: Readonly<Record<string, readonly [number, number]>> = { a: [0.13, 0.6], d: [0.2, 1.2], e: [0.11, 1] };
const GROUPS: Readonly<Record<string, string>> = {
  'a-s21': '127.1.0.1-127.1.0.30',
  'd-s21xp': '127.4.0.1-127.4.0.30',
  'e-h100': '127.5.0.1-127.5.0.5',
  'e-a100': '127.5.2.1-127.5.2.2',
  'e-rtx4090': '127.5.3.1-127.5.3.3',
  'e-a6000': '127.5.4.1-127.5.4.2',
};
const COMMITTED: Readonly<Record<string, number>> = { 'h100-reserved': 16, 'a100-reserved': 4 };
export const SMALL_MACHINES = 72;

export interface SmallOptions {
  /** Added to every port of the emulated machines. */
  readonly offset: number;
  /** Site time to begin at. */
  readonly from: string;
  readonly speed: number;
  readonly trust?: 'shadow' | 'auto';
  /** Share of each group's miners that hash at the start. */
  readonly awakePct?: Readonly<Record<string, number>>;
  /** Changes the site file further. */
  readonly adjust?: (raw: RawSite) => void;
  /** Site minutes until a tripped breaker closes again. */
  readonly recloseMinutes?: number;
  /** Seconds between two jobs of a pool. */
  readonly jobSeconds?: number;
  /** Called when the emulated site listens and before anything reads it. */
  readonly before?: (sim: Sim) => void;
  /** Built pages to serve. */
  readonly pages?: string;
}

export interface SmallFiles {
  readonly folder: string;
  readonly site: string;
  readonly sim: string;
  remove(): void;
}

/** Writes site.yaml and sim.yaml of the small site into a new folder under the system's temporary one. */
export function writeSmallSite(
  options: Pick<SmallOptions, 'trust' | 'awakePct' | 'recloseMinutes' | 'jobSeconds' | 'adjust'> = {},
): SmallFiles {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-small-'));
  const raw = parse(readFileSync(join(ROOT, 'examples', 'demo-40mw', 'site.yaml'), 'utf8')) as RawSite;
  raw.name = 'Small site (emulated)';
  raw.trust = options.trust ?? 'auto';
  raw.connection.limitMw = 0.4;
  raw.tariff.blockMw = 0.3;
  raw.halls = raw.halls.filter(({ id }) => id in HALLS);
  for (const hall of raw.halls) {
    [hall.breakerMw, hall.cooling.baseKw] = HALLS[hall.id]!;
    hall.wakesPerMinute = 60;
  }
  raw.meters = raw.meters.filter(({ id }) => id === 'feeder' || id.replace('meter-', '') in HALLS);
  raw.uplinks = raw.uplinks.filter(({ hall }) => hall in HALLS);
  raw.machines = raw.machines.filter(({ id }) => id in GROUPS);
  for (const group of raw.machines) group.addresses = GROUPS[group.id]!;
  for (const one of raw.clusters[0]!.classes) {
    if (one.committedGpus !== undefined) one.committedGpus = COMMITTED[one.id] ?? 0;
  }
  for (const lease of raw.leases) lease.chips = 4;
  raw.feeds[0]!.settings.folder = WEEK;
  options.adjust?.(raw);
  const site = join(folder, 'site.yaml');
  const sim = join(folder, 'sim.yaml');
  writeFileSync(site, stringify(raw));
  writeFileSync(sim, stringify(simRaw(relative(folder, WEEK), options)));
  return { folder, site, sim, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Nothing fails by itself: a test sees only the faults it asks for. */
function simRaw(
  weather: string,
  {
    awakePct = { 'a-s21': 90, 'd-s21xp': 90 },
    recloseMinutes = 10,
    jobSeconds = 30,
  }: Pick<SmallOptions, 'awakePct' | 'recloseMinutes' | 'jobSeconds'>,
): object {
  const load = (gpus: number, sizes: readonly number[], more: object = {}) => ({
    gpus,
    sizes,
    medianHours: 40,
    sigma: 0.2,
    queueJobs: 3,
    ...more,
  });
  return {
    weather: { folder: weather },
    awakePct,
    reportBiasPct: -1,
    breakers: { recloseMinutes },
    ...NO_TROUBLE,
    pool: { jobSeconds },
    work: {
      'h100-reserved': load(24, [8], { maxGpus: 24 }),
      'h100-on-demand': load(8, [4, 8]),
      'a100-reserved': load(8, [8], { maxGpus: 8 }),
      'a100-on-demand': load(6, [2, 4]),
      'rtx4090-preemptible': load(8, [4, 8]),
      'rtx4090-simulation': load(24, [8]),
      'rtxa6000-simulation': load(14, [4, 8]),
    },
  };
}

/** A port nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

export interface Small {
  /** Holds site.yaml, sim.yaml and what the site keeps. */
  readonly folder: string;
  readonly sim: Sim;
  readonly runtime: Runtime;
  readonly api: Api;
  readonly port: number;
  readonly url: string;
  /** Starts the API again on the same port, after `api.close()`. */
  reopen(): Promise<Api>;
  close(): Promise<void>;
}

/** The emulated small site, the runtime and the API in this process. */
export async function startSmall(options: SmallOptions): Promise<Small> {
  const files = writeSmallSite(options);
  const closers: (() => Promise<void> | void)[] = [() => files.remove()];
  const close = async () => {
    for (const one of closers.toReversed()) await one();
    closers.length = 0;
  };
  try {
    const checked = await checkSiteFile(files.site);
    if (!checked.ok) throw new Error(checked.problems.map(({ path, message }) => `${path}: ${message}`).join('; '));
    const clock: ClockSetting = {
      epochSiteMs: Date.parse(options.from),
      epochUnixMs: Date.now() + 300,
      speed: options.speed,
    };
    const sim = await startSim({
      site: checked.site,
      config: simSchema.parse(parse(readFileSync(files.sim, 'utf8'))),
      folder: files.folder,
      clock,
      seed: 11,
      portOffset: options.offset,
      unixNow: () => Date.now(),
      wallNow: () => performance.now(),
    });
    closers.push(() => sim.close());
    options.before?.(sim);
    const log = pino({ level: 'silent' });
    const runtime = await startRuntime({
      site: checked.site,
      machines: checked.machines,
      folder: files.folder,
      siteFile: files.site,
      secrets: createSecrets(files.folder, process.env, () => undefined),
      storeFile: join(files.folder, 'busbar.sqlite'),
      clock,
      emulated: true,
      portOffset: options.offset,
      log,
    });
    closers.push(() => runtime.close());
    const port = await freePort();
    const open = async () => {
      const opened = await createApi({
        runtime,
        host: '127.0.0.1',
        port,
        names: [],
        tls: undefined,
        openReads: true,
        tokenFile: undefined,
        pages: options.pages,
        version: '0.0.0-test',
        log,
      });
      await opened.listen();
      return opened;
    };
    const api = await open();
    closers.push(() => api.close());
    const reopen = async () => {
      const again = await open();
      closers.push(() => again.close());
      return again;
    };
    return { folder: files.folder, sim, runtime, api, port, url: `http://127.0.0.1:${port}`, reopen, close };
  } catch (error) {
    await close();
    throw error;
  }
}
