import { expect, test } from 'vitest';
import type { ClusterJobView, JobsPage, LadderPage } from '../model/jobs-api.ts';
import { jobText, ladderText, pageText } from './job-text.ts';

const measured: ClusterJobView['measured'] = {
  powerW: 2400,
  isEstimated: true,
  utilisationPct: 91,
  energyWh: 1500,
  energyBasis: 'counters',
  energyCoveragePct: 80,
  floorW: null,
  flexibleW: null,
  idleGpus: 1,
  isStuck: null,
};
const job = {
  cluster: 'hpc',
  id: '7',
  name: 'train',
  state: 'running',
  heldByBusbar: false,
  class: 'batch',
  customer: 'acme',
  gpuModel: 'h100',
  gpus: 4,
  nodes: ['n1'],
  submittedAt: null,
  startedAt: null,
  requeues: 0,
  why: null,
  givesWay: null,
  limit: null,
  pause: null,
  measured,
} as unknown as ClusterJobView;

test('a list marks what is estimated, idle and out of the plan; what is not known is said to be unknown', () => {
  const page = {
    clusters: [{ id: 'hpc', failure: null }],
    jobs: [job],
    gpuFaults: [],
    withoutJob: [],
  } as unknown as JobsPage;
  const text = pageText(page, false);
  expect(text).toMatch(/hpc\/7 +train +running +batch +acme +4 +~2\.4 kW +91 % .*1 GPUs idle/);
  expect(text).toContain('~ shares a server');
  const unknown = { ...job, measured: { ...measured, powerW: null, utilisationPct: null } };
  expect(pageText({ ...page, jobs: [unknown] }, false)).toMatch(/4 +unknown +unknown/);
  const fault = { machine: 'm1', gpu: 3, xid: 79, what: 'fell off the bus', since: '2026-01-01T00:00:00Z' };
  expect(pageText({ ...page, gpuFaults: [fault] }, false)).toContain('m1 is out of the plan since');
});

test('a job tells its energy with its cover, and when it goes on', () => {
  expect(jobText(job)).toMatch(/energy +1\.50 kWh, by the counters of the GPUs, of 80 % of its running time/);
  expect(jobText(job)).toMatch(/would release +unknown/);
  const givesWay = { why: 'price $900/MWh', since: '2026-01-01T00:00:00Z', resumesAt: null };
  expect(jobText({ ...job, givesWay })).toMatch(/goes on +unknown: the plan has no room/);
});

test('a paused job tells who paused it, why, and what that releases', () => {
  const pause = { who: 'ann', why: 'heat', since: '2026-01-01T00:00:00Z', releasedW: null };
  const paused = { ...job, state: 'paused' as const, pause };
  expect(jobText(paused)).toMatch(/paused +since 2026-01-01T00:00:00Z by ann: heat\nreleases +not seen yet/);
  expect(jobText({ ...paused, pause: { ...pause, releasedW: 1600 } })).toMatch(/releases +1\.6 kW/);
});

test('a ladder says what is unmeasured, what is too little, and what only a person does', () => {
  const rung: LadderPage['rungs'][number] = {
    kind: 'requeue',
    subject: 'hpc/7',
    name: 'train',
    class: 'batch',
    gpus: 4,
    nodes: ['n1'],
    watts: 2000,
    wattsBasis: 'measured',
    seconds: null,
    usd: 3,
    lostSeconds: 1800,
    lostBasis: 'interval',
    by: 'busbar',
  };
  const hand = { ...rung, kind: 'cap-power', watts: null, by: 'person' } as const;
  const page: LadderPage = { wantedW: 5000, hours: 1, releasedW: 2000, chosen: [rung], rungs: [rung, hand] };
  const text = ladderText(page);
  expect(text).toMatch(/requeue +hpc\/7 .*2\.0? ?kW measured +unmeasured .*30 min lost, one interval of checkpoints/);
  expect(text).toContain('released: there is no more');
  expect(text).toContain('By hand only: cap-power (1;');
  expect(ladderText({ ...page, chosen: [], releasedW: 0, rungs: [] })).toMatch(/^Nothing that is measured/);
});
