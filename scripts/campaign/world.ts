import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  startServerProcess,
  startSimProcess,
  type ServerProcess,
  type Settings,
  type SimProcess,
} from '../../test/support/site/processes.ts';
import { freePort, ROOT, writeSmallSite } from '../../test/support/site/small.ts';
import { openPrices, type PriceServer } from './prices.ts';
import { TROUBLES_FILE, type Troubles } from './troubles.ts';

/**
 * Of each hall. All miners of hall a awake draw more than its breaker carries, so that there is something to keep within; their firmware stays
 * asleep after an outage. That of hall d boots unasked and answers nothing while it does: no breaker is right that does not carry that.
 */
export const BREAKER_MW: Readonly<Record<string, number>> = { a: 0.062, d: 0.2, e: 0.11 };
export const CONNECTION_MW = 0.4;
export const CHEAP_USD_PER_MWH = 12;
const START = Date.parse('2026-03-23T20:01:00Z');
const DISK_MB = 64;

/** The small site as processes of their own, and what can go wrong around them. */
export interface CampaignWorld {
  readonly settings: Settings;
  readonly sim: SimProcess;
  readonly prices: PriceServer;
  server(): ServerProcess | undefined;
  /** Resolves when a server runs; it is started again whenever it has ended. */
  serverUp(): Promise<ServerProcess>;
  trouble(change: Partial<Troubles>): void;
  /** Opens the breaker of a hall, or the feeder's: `connection`. */
  trip(hall: string): void;
  /** Breakers that were told to open, until they have closed again. */
  readonly tripped: Set<string>;
  /** Times a server ended that nobody had killed. */
  readonly ended: readonly string[];
  /** Undefined where this host lets nobody make a disk of its own to fill. */
  readonly fillDisk: ((isFull: boolean) => void) | undefined;
  close(): Promise<void>;
}

export async function openWorld(speed: number, offset: number): Promise<CampaignWorld> {
  const prices = await openPrices(CHEAP_USD_PER_MWH);
  const files = writeSmallSite({
    awakePct: { 'a-s21': 60, 'd-s21xp': 60 },
    recloseMinutes: 2,
    adjust: (raw) => {
      for (const hall of raw.halls) hall.breakerMw = BREAKER_MW[hall.id]!;
      raw.connection.limitMw = CONNECTION_MW;
      const price = {
        id: 'market',
        feed: 'http-json',
        settings: {
          url: prices.url,
          everyMinutes: 0.5,
          source: 'the market of the campaign',
          mappings: [
            { series: 'priceUsdPerMwh', unit: 'usd_per_mwh', sure: true, value: 'usdPerMwh', intervalMinutes: 5 },
          ],
        },
      };
      Object.assign(raw, { feeds: [{ id: 'week', feed: 'recorded', settings: { folder: 'week' } }, price] });
    },
  });
  const week = join(ROOT, 'examples', 'week-2026-03-23');
  mkdirSync(join(files.folder, 'week'));
  for (const name of readdirSync(week))
    if (name !== 'price.csv') copyFileSync(join(week, name), join(files.folder, 'week', name));
  const data = join(files.folder, 'data');
  mkdirSync(data, { mode: 0o700 });
  const isOwnDisk = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=700`, 'tmpfs', data]).status === 0;

  const troublesFile = join(files.folder, 'troubles.json');
  let troubles: Troubles = { clockAheadMs: 0, isSolverStuck: false };
  const trouble = (change: Partial<Troubles>): void => {
    troubles = { ...troubles, ...change };
    writeFileSync(troublesFile, JSON.stringify(troubles));
  };
  trouble({});

  const clock = { epochSiteMs: START, epochUnixMs: Date.now() + 1_000, speed };
  const settings: Settings = { files, clock, offset, port: await freePort() };
  const sim = await startSimProcess(settings);
  const extra = {
    imports: [join(import.meta.dirname, 'troubles.ts')],
    env: { [TROUBLES_FILE]: troublesFile },
  };
  let server: ServerProcess | undefined;
  let isClosed = false;
  const ended: string[] = [];
  let coming: Promise<ServerProcess> | undefined;
  const serverUp = (): Promise<ServerProcess> =>
    (coming ??= (async () => {
      for (;;) {
        const started = await startServerProcess(settings, extra).catch((error: unknown) => error as Error);
        if ('url' in started) {
          server = started;
          started.child.once('exit', (code) => {
            if (code !== null && !isClosed) ended.push(`the server ended by itself, with ${code}`);
            server = undefined;
            coming = undefined;
            if (!isClosed) void serverUp();
          });
          return started;
        }
        // On a full disk it cannot start: whoever keeps it up tries again.
        if (isClosed) throw started;
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    })());
  await serverUp();

  const filler = join(data, 'filler');
  const tripped = new Set<string>();
  return {
    settings,
    sim,
    prices,
    server: () => server,
    serverUp,
    trouble,
    trip(hall) {
      tripped.add(hall);
      sim.child.send({ type: 'trip', hall });
    },
    tripped,
    ended,
    fillDisk: isOwnDisk
      ? (isFull) => {
          if (isFull) spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'], { stdio: 'ignore' });
          else rmSync(filler, { force: true });
        }
      : undefined,
    async close() {
      isClosed = true;
      const { child } = server ?? {};
      if (child !== undefined) {
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await gone;
      }
      await sim.kill();
      await prices.close();
      if (isOwnDisk) spawnSync('umount', ['-l', data]);
      files.remove();
    },
  };
}
