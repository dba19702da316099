import { expect, test } from 'vitest';
import { HOUR, siteMs, type AvailabilityFacts, type Job } from '../../model/index.ts';
import { previewLadder, rungsOf, type LadderSources } from './ladder.ts';

const job = (id: string, nodes: readonly string[], more: Partial<Job> = {}): Job =>
  ({
    id,
    name: id,
    state: 'running',
    className: 'batch',
    gpuModel: 'h100',
    gpus: 8 * nodes.length,
    nodes,
    startedAt: siteMs(0),
    ...more,
  }) as Job;
const act = () => Promise.resolve();
const limits = { setPowerLimit: act, setClockLimit: act };

function sources(more: {
  readonly jobs: readonly Job[];
  readonly workClass?: object;
  readonly handle?: object;
  readonly devices?: Readonly<Record<string, object>>;
  readonly drivers?: Readonly<Record<string, string>>;
  readonly managedBy?: string;
  readonly flexibleW?: number | undefined;
  readonly learned?: object;
  readonly availability?: AvailabilityFacts;
}): LadderSources {
  const names = ['n1', 'n2'];
  const workClass = {
    id: 'w',
    class: 'batch',
    gpu: 'h100',
    committedGpus: 0,
    penaltyUsdPerGpuHour: 0,
    preemptible: true,
  };
  return {
    site: { machines: [{ id: 'g', managedBy: more.managedBy }] },
    fleet: {
      machines: names.map((name) => ({
        machine: { id: `m-${name}`, groupId: 'g', address: name, driver: more.drivers?.[name] ?? 'gpu-server' },
        device: more.devices?.[name] ?? limits,
      })),
    },
    clusters: [
      {
        id: 'hpc',
        handle: { requeue: act, hold: act, cancel: act, ...more.handle },
        reading: { jobs: more.jobs, nodes: names.map((name) => ({ name, address: name, state: 'allocated' })) },
        checkpointedAt: new Map(),
      },
    ],
    work: [
      {
        clusterId: 'hpc',
        workClass: { ...workClass, ...more.workClass },
        usdPerGpuHour: 2,
        runningGpus: more.jobs.reduce((sum, { gpus }) => sum + gpus, 0),
      },
    ],
    gpus: {
      truth: {
        job: () => ({ flexibleW: 'flexibleW' in more ? more.flexibleW : 4000 }),
        isWhole: () => true,
        floorW: () => 70,
      },
      effects: { of: () => more.learned },
    },
    availability: () => more.availability,
    at: siteMs(2 * HOUR),
  } as unknown as LadderSources;
}
const kinds = (of: LadderSources) => rungsOf(of, 1).map(({ kind, by }) => `${kind} ${by}`);

test('each rung is there that scheduler and drivers have, and no other', () => {
  const jobs = [job('1', ['n1'])];
  expect(kinds(sources({ jobs }))).toEqual(['lock-clocks person', 'cap-power person', 'requeue busbar', 'kill person']);
  const workClass = { checkpoint: { intervalMinutes: 30, seconds: 60 }, noticeSeconds: 120 };
  expect(kinds(sources({ jobs, workClass, handle: { checkpoint: act, pause: act }, devices: { n1: {} } }))).toEqual([
    'checkpoint-requeue busbar',
    'requeue busbar',
    'pause person',
    'kill person',
  ]);
  expect(kinds(sources({ jobs, workClass: { preemptible: false } }))).toContain('requeue person');
});

test('a limit is of all nodes of a gang, or it is not there', () => {
  const jobs = [job('1', ['n1', 'n2'])];
  expect(rungsOf(sources({ jobs }), 1).find(({ kind }) => kind === 'cap-power')?.nodes).toEqual(['n1', 'n2']);
  expect(kinds(sources({ jobs, devices: { n2: {} } }))).toEqual(['requeue busbar', 'kill person']);
});

test("on a tenant's own operating system only what reaches past it is used", () => {
  const jobs = [job('1', ['n1'])];
  expect(kinds(sources({ jobs, managedBy: 'tenant' }))).toEqual([]);
  expect(
    kinds(sources({ jobs, managedBy: 'tenant', drivers: { n1: 'redfish' }, devices: { n1: { setPowerLimit: act } } })),
  ).toEqual(['cap-power person']);
});

test('watts are learned, else measured, else unknown; the price is of lost work, of the hours stopped, and of the contract', () => {
  const jobs = [job('1', ['n1'])];
  const requeue = (of: LadderSources) => rungsOf(of, 3).find(({ kind }) => kind === 'requeue');
  // Two hours are lost, three are not earned.
  expect(requeue(sources({ jobs }))).toMatchObject({
    watts: 4000,
    wattsBasis: 'measured',
    usd: 8 * 2 * (2 + 3),
    lost: { seconds: 7200, basis: 'start' },
    seconds: undefined,
  });
  const learned = { wattsPerGpu: 450, seconds: 40, measured: 9 };
  expect(requeue(sources({ jobs, learned }))).toMatchObject({ watts: 3600, wattsBasis: 'learned', seconds: 40 });
  expect(requeue(sources({ jobs, flexibleW: undefined }))).toMatchObject({ watts: undefined, wattsBasis: undefined });
  const workClass = { committedGpus: 6, penaltyUsdPerGpuHour: 1, checkpoint: { intervalMinutes: 30, seconds: 60 } };
  expect(requeue(sources({ jobs, workClass }))).toMatchObject({ usd: 8 * 2 * (0.5 + 3) + 6 * 3 });
});

test('a stop beyond what an availability leaves is priced with the credits it loses, whole', () => {
  const jobs = [job('1', ['n1'])];
  const workClass = { committedGpus: 8, penaltyUsdPerGpuHour: 1 };
  const usd = (...left: (number | undefined)[]) => {
    const credits = left.map((leftGpuHours) => ({ usd: 500, leftGpuHours, nextGpuHours: 0 }));
    const availability = { monthEndsAt: siteMs(99 * HOUR), credits };
    return rungsOf(sources({ jobs, workClass, availability }), 3).find(({ kind }) => kind === 'requeue')!.usd!;
  };
  // 8 GPUs for three hours.
  const without = 8 * 2 * (2 + 3) + 8 * 3;
  expect(usd(24)).toBeCloseTo(without);
  expect(usd(23.9, 40)).toBeCloseTo(without + 500);
  expect(usd(0, 10)).toBeCloseTo(without + 1_000);
  expect(usd(undefined)).toBeCloseTo(without);
});

test('a cap is priced and measured by the sweep of the work, down to what its terms allow', () => {
  const powerCurve = [
    { powerLimitW: 300, powerW: 280, throughputPct: 70 },
    { powerLimitW: 500, powerW: 450, throughputPct: 90 },
    { powerLimitW: 700, powerW: 650, throughputPct: 100 },
  ];
  const workClass = { powerCurve, throttle: { minThroughputPct: 85 } };
  const cap = rungsOf(sources({ jobs: [job('1', ['n1'])], workClass }), 1).find(({ kind }) => kind === 'cap-power');
  expect(cap).toMatchObject({ watts: 1600, wattsBasis: 'swept' });
  expect(cap!.usd).toBeCloseTo(8 * 2 * 0.1);
});

test('the preview chooses of what Busbar does by itself, cheapest first', () => {
  const jobs = [job('old', ['n1']), job('young', ['n2'], { startedAt: siteMs(1.9 * HOUR) })];
  const { chosen, releasedW, rungs } = previewLadder(sources({ jobs }), 5000, 1);
  expect(chosen.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual(['requeue hpc/young', 'requeue hpc/old']);
  expect(releasedW).toBe(8000);
  expect(rungs).toHaveLength(8);
  expect(previewLadder(sources({ jobs }), 3000, 1).chosen.map(({ name }) => name)).toEqual(['young']);
});
