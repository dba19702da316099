import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStratum, type StratumEvents } from '../src/drivers/wire/stratum.ts';
import { EMULATED_PORTS, siteSchema } from '../src/model/index.ts';
import { until } from '../test/support/site/until.ts';
import { luxos } from '../src/drivers/luxos.ts';
import { deviceWorld } from '../test/support/device-world.ts';
import { CALM, calmConfig, smallSite, testSim, type TestSim } from './small-site.ts';

/** The emulated pools, asked by the client the site itself asks them with. */

const OFFSET = 13_130;
const site = siteSchema.parse({
  ...smallSite(),
  pools: [
    { id: 'main', url: `stratum+tcp://127.21.11.1:${EMULATED_PORTS.stratum}`, worker: 'site.{machine}' },
    { id: 'spare', url: `stratum+tcp://127.21.11.2:${EMULATED_PORTS.stratum}`, worker: 'site.{address}' },
  ],
});
let t: TestSim;
const world = deviceWorld();
beforeAll(async () => {
  // Every request of a machine goes wrong: a pool is none.
  const requests = { ...CALM.requests, refusedPct: 50, silentPct: 50 };
  t = await testSim(OFFSET, { site, config: calmConfig({ requests, pool: { jobSeconds: 0.1 } }) });
});
afterAll(async () => {
  await world.close();
  await t.sim.close();
});

function ask(worker: string, last = 1) {
  const seen = { ready: false, jobs: 0, ended: '' };
  const events: StratumEvents = {
    onReady: () => void (seen.ready = true),
    onJob: () => void (seen.jobs += 1),
    onDifficulty() {},
    onEnd: (fault) => void (seen.ended = `${fault.kind}: ${fault.message}`),
  };
  const url = `stratum+tcp://127.21.11.${last}:${t.sim.ports.stratum}`;
  return {
    seen,
    probe: openStratum({ url, worker, password: 'x', timeoutMs: 30_000, now: () => performance.now() }, events),
  };
}

test('a pool takes a worker, gives new work, and refuses one it does not know', async () => {
  const { seen, probe } = ask('site.probe');
  await until('three jobs', () => seen.jobs >= 3);
  expect(seen.ready).toBe(true);
  expect(await probe.check()).toBeGreaterThanOrEqual(0);
  probe.close();
  const stranger = ask('nobody.probe');
  await until('the end', () => stranger.seen.ended !== '');
  expect(stranger.seen.ended).toMatch(/^refused: .*Unauthorized worker/);
});

test('a pool that lags gives no new work and answers; one that is gone drops who is connected; both come back', async () => {
  const { seen, probe } = ask('site.probe');
  await until('a job', () => seen.jobs >= 1);
  expect(t.sim.inject({ target: 'main', fault: 'late' })).toBe(1);
  const before = seen.jobs;
  await probe.check();
  expect(seen.jobs).toBe(before);
  t.sim.inject({ target: 'main', fault: 'clear' });
  await until('another job', () => seen.jobs > before);
  t.sim.inject({ target: 'main', fault: 'refused' });
  await until('the end', () => seen.ended !== '');
  expect(seen.ended).toMatch(/^unreachable/);
  const other = ask('site.probe', 2);
  await until('work of the other pool', () => other.seen.jobs > 0);
  other.probe.close();
  t.sim.inject({ target: 'main', fault: 'clear' });
  const again = ask('site.probe');
  await until('work again', () => again.seen.jobs > 0);
  again.probe.close();
});

test('every miner works for the pools of the site file, each as its own worker', async () => {
  const calm = await testSim(OFFSET + 40, { site });
  try {
    calm.pass(10);
    const config = luxos.config.parse({ port: calm.sim.ports.cgminer });
    const miner = luxos.open({ address: '127.21.1.2', modelId: 'antminer-s21', config }, world.io);
    const { pools } = await miner.inspect!();
    expect(pools).toMatchObject([
      { url: site.pools[0]!.url, worker: 'site.lux-0002' },
      { url: site.pools[1]!.url, worker: 'site.1x2' },
    ]);
  } finally {
    await calm.sim.close();
  }
});
