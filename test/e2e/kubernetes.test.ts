import { afterEach, expect, test } from 'vitest';
import type { RawSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';
import { live, price, stopAll } from '../support/site/watched.ts';

/** A site with a Kubernetes beside its Slurm: the plan holds the jobs of either, and gives them back. */

const LIMIT_MS = 240_000;
const OFFSET = 13_170;
afterEach(stopAll);

interface RawCluster {
  id: string;
  driver: string;
  hall: string;
  settings: object;
  classes: (RawSite['clusters'][number]['classes'][number] & { gpu: string; match: object })[];
}

/** The RTX 4090 under Kubernetes with Kueue; simulations on them earn less than dear power costs. */
function withKubernetes(raw: RawSite): void {
  const clusters = raw.clusters as unknown as RawCluster[];
  const [slurm] = clusters;
  const classes = slurm!.classes.filter(({ gpu }) => gpu === 'rtx4090');
  slurm!.classes = slurm!.classes.filter(({ gpu }) => gpu !== 'rtx4090');
  for (const one of classes) one.match = { ...one.match, partition: 'labs/gpu' };
  const simulation = classes.find(({ id }) => id === 'rtx4090-simulation')!;
  simulation.match = { ...simulation.match, partition: 'labs/simulation' };
  simulation.usdPerGpuHour = 0.2;
  simulation.interruptUsdPerGpu = 0.02;
  const settings = { url: 'http://127.8.0.2:6444', watchS: 1, powerQuota: { clusterQueue: 'main' } };
  clusters.push({ id: 'kube', driver: 'kubernetes', hall: 'e', settings, classes });
}

test(
  'near $939 the jobs in a queue of Kueue give way and come back; those of Slurm are left alone',
  { timeout: LIMIT_MS },
  async () => {
    const from = '2026-03-24T01:48:00Z';
    const site = await live({ offset: OFFSET, from, speed: 60, adjust: withKubernetes });
    const { runtime, sim } = site;
    const simulation = () => sim.truth().jobs.gpus['labs/simulation/batch']!;
    const kube = () => runtime.clusters.byId.get('kube')!;
    await until('a first plan', () => site.plans[0]);
    const { nodes } = await until('a first reading', () => kube().reading);
    expect(nodes.map(({ name, gpuModel }) => [name, gpuModel])).toEqual(
      [1, 2, 3].map((n) => [`rtx4090-000${n}`, 'rtx4090']),
    );
    expect(simulation().running).toBeGreaterThanOrEqual(16);
    expect(simulation().held).toBe(0);

    await until('simulation work off the RTX 4090', () => simulation().running === 0 && simulation().held > 0);
    expect(price(site)!).toBeGreaterThan(800);
    const held = await until('it is read so', () => {
      const jobs = kube().reading?.jobs.filter(({ className }) => className === 'batch') ?? [];
      return jobs.length > 0 && jobs.every(({ state }) => state === 'held') ? jobs : undefined;
    });
    for (const job of held) expect(kube().heldByUs.has(job.id), job.id).toBe(true);
    expect(held.some(({ requeues }) => requeues > 0)).toBe(true);
    const acts = await runtime.store.acts(200);
    expect(acts.some(({ what, who }) => /requeue \d+ jobs/.test(what) && who === 'planner')).toBe(true);

    // Nothing more of it starts before the plan has room again; the queue of others is open.
    const policies = async () => {
      const answer = await fetch(`http://127.8.0.2:${6_444 + OFFSET}/apis/kueue.x-k8s.io/v1beta2/clusterqueues`);
      const { items } = (await answer.json()) as {
        items: { metadata: { name: string }; spec: { stopPolicy: string } }[];
      };
      return Object.fromEntries(items.map(({ metadata, spec }) => [metadata.name, spec.stopPolicy]));
    };
    await until('its queue is stopped', async () => (await policies())['simulation'] === 'Hold');
    expect(await policies()).toEqual({ main: 'None', simulation: 'Hold' });

    // Kueue starts nothing beyond the watts that the plan leaves the work there.
    await until('a quota of power as the plan has it', async () => {
      const path = '/apis/kueue.x-k8s.io/v1beta1/clusterqueues/main';
      const answer = await fetch(`http://127.8.0.2:${6_444 + OFFSET}${path}`);
      const text = JSON.stringify(await answer.json());
      const { setKw } = runtime.powerBudgets.of('kube') ?? { setKw: null };
      const isSet = setKw !== null && text.includes(`"nominalQuota":"${Math.floor(setKw * 1000)}"`);
      return isSet && /"busbar\/quota-before":"\d+"/.test(text);
    });
    expect((await runtime.store.acts(200)).some(({ what }) => /^set a power budget of .* kW to kube$/.test(what))).toBe(
      true,
    );

    // An API server that falls silent is told, and nothing is done to what cannot be seen.
    sim.inject({ target: 'kube', fault: 'refused' });
    await until('the failure is told', () => kube().failure !== undefined);
    expect(kube().failure).toMatch(/unreachable|ECONNRESET|SOCKET/i);
    sim.inject({ target: 'kube', fault: 'clear' });
    await until('it is read again', () => kube().failure === undefined);

    await until('the price down', () => price(site)! < 400);
    await until('simulation work back', () => simulation().held === 0 && simulation().running >= 16);
    expect(await policies()).toEqual({ main: 'None', simulation: 'None' });
    const queues = (await runtime.store.acts(500)).filter(({ what }) => / queue simulation /.test(what));
    expect(queues.every(({ who }) => who === 'planner')).toBe(true);
    expect(queues.length).toBeGreaterThanOrEqual(2);
    await until('the budget released', () => runtime.powerBudgets.of('kube') === undefined);
    for (const { jobs } of site.truths) {
      expect(jobs.gpus['h100/reserved']!.running).toBeGreaterThanOrEqual(16);
      expect(jobs.gpus['h100/reserved']!.held).toBe(0);
    }
  },
);
