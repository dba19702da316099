import { expect, test } from 'vitest';
import { MINUTE, siteMs, type ClusterNode, type GpuReading, type Job } from '../../model/index.ts';
import { idleAlarms } from './alarms.ts';
import { createGpuTruth, IDLE_MS } from './truth.ts';

const job = (id: string, gpus: number, more: Partial<Job> = {}): Job => ({
  id,
  name: `job-${id}`,
  state: 'running',
  className: 'batch',
  customer: 'acme',
  gpuModel: 'h100',
  gpus,
  nodes: ['n1'],
  submittedAt: siteMs(0),
  startedAt: siteMs(0),
  endedAt: undefined,
  timeLimitS: undefined,
  requeues: 0,
  ...more,
});
const node = (name: string): ClusterNode => ({
  name,
  address: `10.0.0.${name.slice(1)}`,
  state: 'allocated',
  isOff: false,
  gpuModel: 'h100',
  gpus: 4,
  gpusUsed: 0,
  partitions: [],
  reason: undefined,
});
type Gpu = Partial<GpuReading>;
const gpu = (powerW: number | undefined, utilisationPct: number | undefined, more: Gpu = {}): Gpu => ({
  powerW,
  utilisationPct,
  ...more,
});

function open(before?: string) {
  let now = siteMs(0);
  const reading = { at: siteMs(0), nodes: [node('n1'), node('n2')], jobs: [] as Job[] };
  const clusters = [{ id: 'hpc', reading }];
  const truth = createGpuTruth({ clusters: () => clusters, siteNow: () => now, staleMs: () => 5 * MINUTE, before });
  return {
    truth,
    clusters,
    at: (minutes: number) => void (now = siteMs(minutes * MINUTE)),
    run(...jobs: Job[]) {
      reading.jobs = jobs;
      truth.look();
    },
    read(minutes: number, gpus: readonly Gpu[], name = 'n1') {
      now = siteMs(minutes * MINUTE);
      const machine = {
        id: `m-${name}`,
        modelId: 'hgx-h100-8',
        address: `10.0.0.${name.slice(1)}`,
        kind: 'gpu-server',
      };
      const of = gpus.map((one, index) => ({ index, energyMj: undefined, temperatureC: undefined, ...one }));
      truth.observe({ machine, reading: { at: now, gpus: of } } as never);
    },
  };
}
const all = (of: Gpu): Gpu[] => [of, of, of, of];
/** Idle long enough to know the floor of a server. */
const learn = (site: ReturnType<typeof open>, powerW: number, name = 'n1') => {
  for (const minutes of [-5, -4, -3, -2, -1]) site.read(minutes, all(gpu(powerW, 0)), name);
};

test('watts, utilisation and what stopping it would release are of the GPUs the scheduler names', () => {
  const site = open();
  learn(site, 70);
  site.run(job('1', 2, { gpuIndexes: [[0, 2]] }), job('2', 1, { gpuIndexes: [[3]] }));
  site.read(1, [gpu(600, 90), gpu(70, 0), gpu(500, 100), gpu(300, 50)]);
  expect(site.truth.job('hpc', job('1', 2))).toMatchObject({
    powerW: 1100,
    isEstimated: false,
    utilisationPct: 95,
    floorW: 140,
    flexibleW: 960,
  });
  expect(site.truth.job('hpc', job('2', 1))).toMatchObject({ powerW: 300, flexibleW: 230 });
});

test('of a shared server that names no GPU each job has a part by number, and it is said to be an estimate', () => {
  const site = open();
  site.run(job('1', 1), job('2', 3));
  site.read(1, all(gpu(400, 50)));
  expect(site.truth.job('hpc', job('1', 1))).toMatchObject({ powerW: 400, isEstimated: true });
  expect(site.truth.job('hpc', job('2', 3))).toMatchObject({ powerW: 1200, isEstimated: true, idleGpus: 0 });
});

test('what is not told is unknown and never zero: a GPU, a server of a gang, a floor, an old reading', () => {
  const site = open();
  site.run(job('1', 4));
  site.read(1, [gpu(400, 50), gpu(undefined, 50), gpu(400, undefined), gpu(400, 50)]);
  const unknown = { powerW: undefined, utilisationPct: undefined, flexibleW: undefined, idleGpus: undefined };
  expect(site.truth.job('hpc', job('1', 4))).toMatchObject({ ...unknown, isStuck: undefined });
  const gang = job('2', 8, { nodes: ['n1', 'n2'] });
  site.run(gang);
  site.read(2, all(gpu(400, 50)));
  expect(site.truth.job('hpc', gang)).toMatchObject(unknown);
  site.read(2, all(gpu(300, 50)), 'n2');
  expect(site.truth.job('hpc', gang)).toMatchObject({ powerW: 2800, floorW: undefined, flexibleW: undefined });
  site.at(8);
  expect(site.truth.job('hpc', gang)).toMatchObject(unknown);
});

test('energy is of counters where there are, else of readings, and says how much of the time it is of', () => {
  const site = open();
  const mj = (wh: number): Gpu => ({ energyMj: wh * 3.6e6 });
  site.run(job('1', 4));
  site.read(10, all(gpu(600, 90, mj(1000))));
  // Readings say 600 W at both ends; the counter knows better.
  site.read(20, all(gpu(600, 90, mj(1050))));
  expect(site.truth.job('hpc', job('1', 4))).toMatchObject({
    energyWh: 200,
    energyBasis: 'counters',
    energyCoveragePct: 50,
  });
  // Set back: two readings five minutes apart stand for it; ten minutes apart nothing does.
  site.read(25, all(gpu(600, 90, mj(0))));
  expect(site.truth.job('hpc', job('1', 4)).energyWh).toBeCloseTo(200 + 4 * 50);
  site.read(35, all(gpu(600, 90)));
  const { energyWh, energyBasis, energyCoveragePct } = site.truth.job('hpc', job('1', 4));
  expect(energyWh).toBeCloseTo(400);
  expect(energyBasis).toBe('both');
  expect(energyCoveragePct).toBeCloseTo((100 * 15) / 35, 5);
});

test("a job that was put back and started again keeps its energy, through a restart, and the time between is nobody's", () => {
  const first = open();
  const mj = (wh: number): Gpu => ({ energyMj: wh * 3.6e6 });
  first.run(job('1', 4));
  first.read(0, all(gpu(600, 90, mj(0))));
  first.read(10, all(gpu(600, 90, mj(100))));
  first.run({ ...job('1', 4), state: 'pending', nodes: [] });
  first.read(20, all(gpu(70, 0, mj(110))));
  const again = job('1', 4, { startedAt: siteMs(20 * MINUTE) });
  const second = open(first.truth.kept());
  second.run(again);
  second.read(21, all(gpu(600, 90, mj(120))));
  second.read(30, all(gpu(600, 90, mj(210))));
  const told = second.truth.job('hpc', again);
  expect(told.energyWh).toBeCloseTo(4 * 100 + 4 * 90);
  expect(told.energyCoveragePct).toBeCloseTo((100 * 19) / 20);
});

test('GPUs that stand still for ten minutes in the hands of a job are counted, and one that works is not', () => {
  const site = open();
  site.run(job('1', 4));
  for (let minutes = 0; minutes < 10; minutes += 2) site.read(minutes, [gpu(70, 0), ...all(gpu(400, 80)).slice(1)]);
  expect(site.truth.job('hpc', job('1', 4)).idleGpus).toBe(0);
  site.read(IDLE_MS / MINUTE, [gpu(70, 1), ...all(gpu(400, 80)).slice(1)]);
  expect(site.truth.job('hpc', job('1', 4))).toMatchObject({ idleGpus: 1, isStuck: undefined });
  expect(idleAlarms(site.truth, site.clusters as never)).toEqual([
    { code: 'gpus-idle', subject: 'hpc', message: '1 of 4 of 1 job-1' },
  ]);
  site.read(12, all(gpu(400, 80)));
  site.read(14, [gpu(70, 0), ...all(gpu(400, 80)).slice(1)]);
  expect(site.truth.job('hpc', job('1', 4)).idleGpus).toBe(0);
});

test('a job that runs at the floor for ten minutes is stuck, whatever its GPUs say they do', () => {
  const site = open();
  learn(site, 70);
  site.run(job('1', 4));
  // A rank that spins in a collective: all of the time busy, and hardly a watt.
  for (let minutes = 1; minutes <= 11; minutes += 2) site.read(minutes, all(gpu(78, 100)));
  expect(site.truth.job('hpc', job('1', 4))).toMatchObject({ isStuck: true, idleGpus: 0 });
  expect(idleAlarms(site.truth, site.clusters as never)).toMatchObject([{ code: 'jobs-stuck', message: '1 job-1' }]);
  site.read(13, all(gpu(300, 100)));
  expect(site.truth.job('hpc', job('1', 4)).isStuck).toBe(false);
});

test('a server that works without a job is told, and does not pass for the floor', () => {
  const site = open();
  learn(site, 70);
  for (let minutes = 1; minutes <= 12; minutes += 1) site.read(minutes, all(gpu(400, 90)));
  expect(site.truth.unaccounted()).toEqual([{ machineId: 'm-n1', clusterId: 'hpc', powerW: 1600 }]);
  expect(site.truth.floorW('m-n1')).toBe(70);
  site.run(job('1', 4));
  site.read(13, all(gpu(400, 90)));
  expect(site.truth.unaccounted()).toEqual([]);
});
