import { expect, test } from 'vitest';
import { Fault, siteMs, type Command, type Plan, type Snapshot, type Trust } from '../model/index.ts';
import type { SiteCluster } from './clusters.ts';
import type { WorkPicture } from './picture.ts';
import { createPowerBudgets, licencesFor, plannedKw } from './power-budgets.ts';

function bench(options: { trust?: Trust; before?: string } = {}) {
  let kept: string | undefined;
  let fault: Fault | undefined;
  const sent: (number | undefined)[] = [];
  const acts: string[] = [];
  const commands: Command[] = [];
  const budgets = createPowerBudgets({
    journal: { act: ({ who, what }) => acts.push(`${who}: ${what}`), commands: (all) => void commands.push(...all) },
    trust: () => options.trust ?? 'auto',
    siteNow: () => siteMs(1_000),
    before: options.before,
    keep: (text) => (kept = text),
  });
  const handle = {
    setPowerBudget: async (kw: number | undefined) => {
      sent.push(kw);
      if (fault !== undefined) throw fault;
    },
  };
  const cluster = { id: 'hpc', handle } as unknown as SiteCluster;
  return {
    budgets,
    sent,
    acts,
    commands,
    kept: () => kept,
    fail: (next: Fault | undefined) => (fault = next),
    set: (kw: number | undefined) => budgets.set(cluster, kw, 'price $900/MWh', false),
    of: () => budgets.of('hpc'),
  };
}

test('a budget is set when it changes by more than noise, and released; both are on record', async () => {
  const b = bench();
  await b.set(undefined);
  expect(b.sent).toEqual([]);
  await b.set(40);
  await b.set(40.9);
  await b.set(41.9);
  await b.set(39);
  expect(b.sent).toEqual([40]);
  await b.set(30);
  expect(b.of()).toMatchObject({ setKw: 30, failure: undefined });
  await b.set(undefined);
  await b.set(undefined);
  expect(b.sent).toEqual([40, 30, undefined]);
  expect(b.of()).toBeUndefined();
  expect(b.acts).toEqual([
    'planner: set a power budget of 40.0 kW to hpc',
    'planner: set a power budget of 30.0 kW to hpc',
    'planner: set no power budget to hpc',
  ]);
  expect(b.commands.map(({ action, mode, stage }) => `${action} ${mode} ${stage}`)).toEqual([
    'set-power-budget 40.0 kW seen-in-power',
    'set-power-budget 30.0 kW seen-in-power',
    'set-power-budget none seen-in-power',
  ]);
});

test('after a restart it is set again, and what an earlier life set is released', async () => {
  const first = bench();
  await first.set(40);
  const second = bench({ before: first.kept()! });
  await second.set(40);
  await second.set(40);
  expect(second.sent).toEqual([40]);
  const third = bench({ before: second.kept()! });
  await third.set(undefined);
  expect(third.sent).toEqual([undefined]);
  expect(JSON.parse(third.kept()!)).toEqual({});
});

test('what failed is an alarm, is tried again under the same decision, and is not known to stand', async () => {
  const b = bench();
  b.fail(new Fault('unreachable', 'slurmctld is down'));
  await b.set(40);
  expect(b.budgets.alarms()).toEqual([{ code: 'power-budget-failed', subject: 'hpc', message: 'slurmctld is down' }]);
  expect(b.of()).toMatchObject({ setKw: null });
  await b.set(40);
  b.fail(undefined);
  await b.set(40.5);
  expect(b.sent).toEqual([40, 40, 40.5]);
  expect(b.acts).toHaveLength(1);
  expect(b.commands.map(({ stage, attempts }) => `${stage} ${attempts}`)).toEqual([
    'failed 1',
    'failed 2',
    'seen-in-power 3',
  ]);
  expect(new Set(b.commands.map(({ id }) => id)).size).toBe(1);
  expect(b.budgets.alarms()).toEqual([]);
  // What was sent and not answered may stand: the next life releases it.
  b.fail(new Fault('timeout', 'no answer'));
  await b.set(20);
  const next = bench({ before: b.kept()! });
  await next.set(undefined);
  expect(next.sent).toEqual([undefined]);
});

test('without trust nothing new is set; what stands is given back in suggest', async () => {
  const b = bench({ trust: 'suggest' });
  await b.set(40);
  expect(b.sent).toEqual([]);
  const before = JSON.stringify({ hpc: { setKw: 40, at: 1 } });
  const suggest = bench({ trust: 'suggest', before });
  await suggest.set(undefined);
  expect(suggest.sent).toEqual([undefined]);
  const shadow = bench({ trust: 'shadow', before });
  await shadow.set(undefined);
  expect(shadow.sent).toEqual([]);
});

/** Sixteen GPUs of 700 W in two servers, eight more of 390 W in one. */
function planned(
  allowed: Record<string, number>,
  options: { licences?: boolean; unknown?: boolean; gpusOfJobs?: number[] } = {},
) {
  const node = (gpuModel: string) => ({ name: '', gpuModel, gpus: 8, state: 'idle', partitions: [] });
  const one = (id: string, gpu: string, gpus: number, powerW?: number) => ({
    clusterId: 'hpc',
    workClass: {
      id,
      class: 'batch',
      gpu,
      preemptible: true,
      ...(powerW === undefined ? {} : { powerCurve: [{ powerLimitW: powerW, powerW, throughputPct: 100 }] }),
    },
    runningGpus: gpus,
    queuedGpus: 0,
    heldGpus: 0,
  });
  const work = [one('train', 'h100', 16, 600), one('sim', options.unknown === true ? 'never-heard-of' : 'rtx4090', 8)];
  const jobs = (options.gpusOfJobs ?? [8, 8]).map((gpus, i) => ({
    id: String(i),
    classId: 'train',
    state: 'running',
    gpus,
    nodes: [],
  }));
  const cluster = {
    id: 'hpc',
    handle: options.licences === true ? { powerLicence: () => '' } : {},
    reading: { nodes: [node('h100'), node('h100'), node('rtx4090')], jobs },
  } as unknown as SiteCluster;
  const snapshot = {
    work: work.map(({ workClass, ...rest }) => ({ id: workClass.id, ...rest })),
  } as unknown as Snapshot;
  const plan = { steps: [{ work: allowed }] } as unknown as Plan;
  return plannedKw(cluster, work as unknown as WorkPicture[], { plan, snapshot });
}

test('a plan that keeps nothing from working sets no budget; one that does counts the other work whole', () => {
  expect(planned({ train: 16, sim: 8 })).toBeUndefined();
  // Less than a server is no decision.
  expect(planned({ train: 9, sim: 8 })).toBeUndefined();
  // 4 GPUs at 600 W, and all 8 of the other part at the 393 W of the catalogue.
  const kw = planned({ train: 4, sim: 8 })!;
  expect(kw).toBeGreaterThan(2.4 + 8 * 0.3);
  expect(kw).toBeLessThan(2.4 + 8 * 0.5);
  expect(planned({ train: 0, sim: 8 })!).toBeCloseTo(kw - 2.4);
  expect(planned({ train: 4, sim: 8 }, { unknown: true })).toBeUndefined();
});

test('where jobs take whole kilowatts the budget holds as many jobs as the plan allows', () => {
  const kw = planned({ train: 4, sim: 8 }, { licences: true, gpusOfJobs: [8, 8] })!;
  const whole = planned({ train: 4, sim: 8 }, { licences: true, gpusOfJobs: Array.from({ length: 16 }, () => 1) })!;
  // Sixteen jobs of 600 W take a kilowatt each: four of them take four, not 2.4.
  expect(whole - kw).toBeCloseTo(4 - 2.4 * (10 / 9.6));
});

test('a job takes licences for its measured power in whole kilowatts, unless it names them itself', () => {
  const handle = { powerLicence: (powerW: number) => `site_kw:${Math.ceil(powerW / 1000)}` };
  const measured = { powerCurve: [{ powerLimitW: 700, powerW: 610, throughputPct: 100 }] };
  expect(licencesFor(handle, measured, { gpus: 8 })).toBe('site_kw:5');
  expect(licencesFor(handle, measured, { gpus: 8, licences: 'matlab:1' })).toBe('matlab:1,site_kw:5');
  expect(licencesFor(handle, measured, { gpus: 8, licences: 'matlab:1,site_kw:9' })).toBe('matlab:1,site_kw:9');
  expect(licencesFor(handle, measured, { gpus: 0 })).toBeUndefined();
  expect(licencesFor(handle, {}, { gpus: 8 })).toBeUndefined();
  expect(licencesFor({}, measured, { gpus: 8, licences: 'matlab:1' })).toBe('matlab:1');
});
