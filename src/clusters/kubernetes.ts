import { z } from 'zod';
import { Fault, secretRef, siteMs, type WorkClass } from '../model/index.ts';
import { defineCluster, type ClusterHandle, type ClusterIo } from './cluster.ts';
import { kubeAccess } from './wire/kube-access.ts';
import { openKubeApi } from './wire/kube-api.ts';
import { jobActs } from './wire/kube-jobs.ts';
import { openKueue, powerQuota, type Kueue } from './wire/kube-kueue.ts';
import { queueStops } from './wire/kube-queues.ts';
import { nodeActs } from './wire/kube-nodes.ts';
import { toReading } from './wire/kube-reading.ts';
import { submitJob } from './wire/kube-submit.ts';
import { kubeJob, kubeNode, kubePod, kueueWorkload } from './wire/kube-shapes.ts';
import { watched, type Watched } from './wire/kube-watch.ts';

const RESOURCE = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const label = z
  .string()
  .regex(/^([a-z0-9.-]+\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, 'expected a label key');

const config = z
  .strictObject({
    kubeconfig: z.string().min(1).optional().describe('path of a kubeconfig, from the site file'),
    context: z.string().min(1).optional().describe('of the kubeconfig; absent: its current one'),
    inCluster: z.boolean().default(false).describe('true: Busbar runs as a pod, with the token of its service account'),
    url: z
      .url('expected the address of the API server')
      .optional()
      .describe('of the API server, or of `kubectl proxy`'),
    token: secretRef.optional().describe('bearer token for url; read afresh for each request'),
    ca: z.string().optional().describe('path of the certificate authority of url, in PEM'),
    namespace: z
      .string()
      .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'expected a namespace')
      .default('default')
      .describe('of jobs whose id names none'),
    gpuResource: z.string().regex(RESOURCE, 'expected a resource, as nvidia.com/gpu').default('nvidia.com/gpu'),
    gpuLabel: label.default('nvidia.com/gpu.product').describe('label of a node that names its GPU'),
    gpuModels: z
      .record(z.string(), z.string())
      .default({})
      .describe('GPU part, as the catalogue names it, by what the label says; absent: worked out of the label'),
    roleLabel: label
      .default('busbar/role')
      .describe('label of a node that names its role; a node is moved by changing it'),
    customerLabel: label.optional().describe('label of a job that names its customer; absent: its namespace does'),
    image: z
      .string()
      .min(1)
      .optional()
      .describe('image that scripts of `busbar job submit` run in; absent: none are taken'),
    drainEvicts: z
      .boolean()
      .default(true)
      .describe('false: what runs on a node that is drained ends by itself, and is not moved away'),
    evictS: z
      .number()
      .int()
      .min(0)
      .max(600)
      .default(30)
      .describe('how long a drain asks pods to go before it is told as waiting'),
    requeueS: z.number().int().min(1).max(600).default(60).describe('time a job has to stop in before it is let go on'),
    boost: z
      .number()
      .int()
      .min(0)
      .max(1_000_000_000)
      .default(0)
      .describe('priority that work of Kueue which gave way has more of than its equals when it goes on; 0: none'),
    powerQuota: z
      .strictObject({
        clusterQueue: z.string().min(1),
        resource: z.string().regex(RESOURCE, 'expected a resource, as busbar/watts').default('busbar/watts'),
      })
      .optional()
      .describe('quota of Kueue in watts that a power budget sets'),
    watchS: z.number().int().min(1).max(300).default(10).describe('how often the server is heard at the least'),
    timeoutMs: z.number().int().positive().default(10_000),
  })
  .refine(
    ({ kubeconfig, inCluster, url }) =>
      [kubeconfig !== undefined, inCluster, url !== undefined].filter(Boolean).length === 1,
    { error: 'expected one of kubeconfig, inCluster: true, or url', path: ['kubeconfig'] },
  )
  .refine(({ url, token, ca }) => url !== undefined || (token === undefined && ca === undefined), {
    error: 'token and ca go with url; a kubeconfig has its own',
    path: ['url'],
  })
  .refine(({ kubeconfig, context }) => kubeconfig !== undefined || context === undefined, {
    error: 'a context is one of a kubeconfig',
    path: ['context'],
  });

type Config = z.output<typeof config>;

/** Pods that have ended hold nothing. */
const LIVE_PODS = `&fieldSelector=${encodeURIComponent('status.phase!=Succeeded,status.phase!=Failed')}`;

/**
 * Kubernetes, with Kueue where it is installed, over its REST API. Nodes, pods, jobs and workloads are listed once and
 * watched since. The stable APIs core/v1, batch/v1 and policy/v1 are spoken, and kueue.x-k8s.io v1beta1 or v1beta2.
 */
export const kubernetes = defineCluster({
  name: 'kubernetes',
  about: 'Kubernetes through its API server, with the queues of Kueue where it is installed',
  config,
  open({ config: settings, classes }, io) {
    const api = openKubeApi(kubeAccess(settings, io), settings.timeoutMs, io);
    const kueue = openKueue(api, io);
    const jobSettings = { ...settings, customerLabel: settings.customerLabel, image: settings.image };
    const { waitsFor, ...nodes } = nodeActs(api, { ...settings, evicts: settings.drainEvicts });
    const { image, powerQuota: power } = settings;
    return {
      ...reader(settings, classes, io, api, kueue, waitsFor),
      ...jobActs(api, kueue, jobSettings),
      ...nodes,
      ...queueStops(api, kueue),
      ...(image === undefined ? {} : { submit: submitJob(api, kueue, jobSettings, image) }),
      ...(power === undefined ? {} : { setPowerBudget: powerQuota(api, kueue, power.clusterQueue, power.resource) }),
    };
  },
});

function reader(
  { watchS, gpuResource, gpuLabel, gpuModels, roleLabel, customerLabel }: Config,
  classes: readonly WorkClass[],
  io: ClusterIo,
  api: ReturnType<typeof openKubeApi>,
  kueue: Kueue,
  waitsFor: (node: string) => string | undefined,
): Pick<ClusterHandle, 'read' | 'close'> {
  const nodes = watched(api, io, { path: '/api/v1/nodes', query: '', shape: kubeNode, watchS });
  const pods = watched(api, io, { path: '/api/v1/pods', query: LIVE_PODS, shape: kubePod, watchS });
  const jobs = watched(api, io, { path: '/apis/batch/v1/jobs', query: '', shape: kubeJob, watchS });
  let workloads: { readonly path: string; readonly watch: Watched<z.output<typeof kueueWorkload>> } | undefined;
  let isClosed = false;

  /** Kueue may come, go, and speak another version than before. */
  async function workloadsNow(signal: AbortSignal | undefined) {
    const path = await kueue.path('workloads', signal);
    if (path !== workloads?.path) {
      workloads?.watch.close();
      const watch =
        path === undefined ? undefined : watched(api, io, { path, query: '', shape: kueueWorkload, watchS });
      workloads = path === undefined || watch === undefined ? undefined : { path, watch };
    }
    return workloads?.watch.read(signal);
  }

  return {
    async read(signal) {
      if (isClosed) throw new Fault('unreachable', 'this cluster was closed');
      const [known, queued] = await Promise.all([
        Promise.all([nodes.read(signal), pods.read(signal), jobs.read(signal)]),
        workloadsNow(signal),
      ]);
      const [nodesNow, podsNow, jobsNow] = known;
      const at = siteMs(Math.min(...[...known, ...(queued === undefined ? [] : [queued])].map((one) => one.at)));
      const view = {
        nodes: [...nodesNow.items.values()],
        pods: [...podsNow.items.values()],
        jobs: [...jobsNow.items.values()],
        workloads: queued === undefined ? undefined : [...queued.items.values()],
      };
      return toReading(view, { gpuResource, gpuLabel, gpuModels, roleLabel, customerLabel, waitsFor }, classes, at);
    },
    close() {
      isClosed = true;
      for (const one of [nodes, pods, jobs, workloads?.watch]) one?.close();
    },
  };
}
