import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { stringify } from 'yaml';
import { SLURM_USERS } from '../../../scripts/slurm/config.ts';
import type { Slurm } from '../../../scripts/slurm/start.ts';
import type { Plan } from '../../../src/model/index.ts';
import { createApi, type Api } from '../../../src/server/api.ts';
import { checkSiteFile } from '../../../src/server/offline/check.ts';
import { startRuntime, type Runtime } from '../../../src/server/runtime.ts';
import { createSecrets } from '../../../src/vault/secrets.ts';
import { serve } from '../http-server.ts';
import { freePort } from './small.ts';

/** A site whose only machines are the nodes of a real Slurm, and whose markets and requests a test sets. */
export interface SlurmSite {
  readonly runtime: Runtime;
  readonly api: Api;
  readonly port: number;
  readonly plans: readonly Plan[];
  /** What the feed of requests tells from now on. It is asked every half minute at most, so that the site is given another address of it. */
  tell(requestsPerSecond: number): Promise<void>;
  close(): Promise<void>;
}

/** Makes a plan every eight seconds. The clock starts at the real time, so that no job of the real Slurm began in its future. */
const SPEED = 60;
/** No user of this host. */
export const NO_SUCH_USER = 'nobody-knows';
export const TRAINING = 'training';
export const CHAT = 'chat';

/** @param breakerMw of the hall of the Slurm: what its GPUs share */
export async function startOnSlurm(slurm: Slurm, breakerMw: number): Promise<SlurmSite> {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-on-slurm-'));
  const closers: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async () => {
    for (const one of closers.splice(0).toReversed()) await one();
  };
  try {
    const feed = await serve(({ path }) => ({ body: path === '/' ? MARKETS : { perSecond: Number(path.slice(1)) } }));
    closers.push(() => feed.close());
    for (const user of [SLURM_USERS.customer, NO_SUCH_USER])
      writeFileSync(join(folder, `${user}.jwt`), await slurm.token(user), { mode: 0o600 });
    const siteFile = join(folder, 'site.yaml');
    const write = (requestsPerSecond: number) =>
      writeFileSync(siteFile, stringify(siteOf(slurm, breakerMw, feed.url, requestsPerSecond)));
    write(1);
    const checked = await checkSiteFile(siteFile);
    if (!checked.ok) throw new Error(checked.problems.map(({ path, message }) => `${path}: ${message}`).join('; '));
    const log = pino({ level: 'silent' });
    const now = Date.now();
    const runtime = await startRuntime({
      site: checked.site,
      machines: checked.machines,
      folder,
      siteFile,
      secrets: createSecrets(folder, process.env, () => undefined),
      storeFile: join(folder, 'busbar.sqlite'),
      clock: { epochSiteMs: now, epochUnixMs: now, speed: SPEED },
      // No person raises the trust of this site: it begins where the site file lets it go.
      emulated: true,
      log,
    });
    closers.push(() => runtime.close());
    const plans: Plan[] = [];
    runtime.events.on('plan', (plan) => plans.push(plan));
    const port = await freePort();
    const api = await createApi({
      runtime,
      host: '127.0.0.1',
      port,
      names: [],
      tls: undefined,
      openReads: true,
      tokenFile: undefined,
      pages: undefined,
      version: '0.0.0-test',
      log,
    });
    closers.push(() => api.close());
    const tell = async (requestsPerSecond: number) => {
      write(requestsPerSecond);
      const { ok } = await runtime.people.reload('a test', 'requests change', false);
      if (!ok) throw new Error('the site file was good before');
    };
    return { runtime, api, port, plans, tell, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Of a mild day: nothing here mines, and work is dearer than its power. */
const MARKETS = { usdPerMwh: 40, dryC: 18, dewC: 10, difficulty: 140e12, btcUsd: 90_000 };

function siteOf(slurm: Slurm, breakerMw: number, feedUrl: string, requestsPerSecond: number): object {
  const figure = (series: string, unit: string, value: string) => ({
    series,
    unit,
    value,
    intervalMinutes: 5,
    holdMinutes: 600,
  });
  const common = { line: 'ai' };
  const drawn = (powerW: number) => ({
    powerCurve: [
      { powerLimitW: 200, powerW: 190, throughputPct: 60 },
      { powerLimitW: 700, powerW, throughputPct: 100 },
    ],
    powerCurveSource: 'made up for this test',
  });
  return {
    name: 'A real Slurm',
    trust: 'auto',
    connection: { limitMw: 1 },
    tariff: { kind: 'real-time' },
    halls: [
      {
        id: 'hpc',
        name: 'HPC',
        breakerMw,
        cooling: { kind: 'air', baseKw: 1, marginal: [{ wetBulbC: 15, marginalW: 0.1 }] },
      },
    ],
    // Nobody answers there: nothing of this site draws power.
    meters: [
      {
        id: 'feeder',
        driver: 'modbus-meter',
        address: '127.0.0.1',
        measures: 'connection',
        settings: { map: 'schneider-iem3000', port: 1 },
      },
    ],
    machines: [],
    clusters: [
      {
        id: 'hpc',
        driver: 'slurm',
        hall: 'hpc',
        settings: {
          url: [...slurm.urls],
          user: SLURM_USERS.busbar,
          scontrol: { conf: slurm.conf, makesTokens: true },
          timeoutMs: 1500,
        },
        classes: [
          {
            ...common,
            id: TRAINING,
            class: 'batch',
            gpu: 'h100',
            match: { partition: 'train', qos: 'batch' },
            usdPerGpuHour: 1.5,
            ...drawn(400),
            interruptUsdPerGpu: 0.01,
          },
          {
            ...common,
            id: CHAT,
            class: 'on-demand',
            gpu: 'l40s',
            match: { partition: 'infer', qos: 'reserved' },
            usdPerGpuHour: 3,
            ...drawn(349),
            penaltyUsdPerGpuHour: 30,
            serves: { requestsPerSecondPerGpu: 2, serviceMs: 4000, latencyTargetMs: 6000, minGpus: 2 },
          },
        ],
      },
    ],
    tenants: [
      tenant('acme', SLURM_USERS.customer),
      tenant('globex', NO_SUCH_USER),
      // The token of somebody else.
      tenant('initech', SLURM_USERS.rest, SLURM_USERS.customer),
    ],
    feeds: [
      feed('markets', feedUrl, [
        figure('priceUsdPerMwh', 'usd_per_mwh', 'usdPerMwh'),
        figure('temperatureC', 'C', 'dryC'),
        figure('dewPointC', 'C', 'dewC'),
        figure('difficulty', 'difficulty', 'difficulty'),
        figure('btcUsd', 'usd_per_btc', 'btcUsd'),
      ]),
      feed('requests', `${feedUrl}/${requestsPerSecond}`, [figure('requestsPerSecond', 'per_second', 'perSecond')]),
    ],
  };
}

const feed = (id: string, url: string, mappings: readonly object[]): object => ({
  id,
  feed: 'http-json',
  settings: { url, everyMinutes: 0.5, source: 'a test', mappings },
});

const tenant = (id: string, user: string, tokenOf = user): object => ({
  id,
  name: id,
  projects: [{ id: 'all', account: id }],
  runAs: [{ cluster: 'hpc', user, token: { file: `${tokenOf}.jwt` } }],
});
