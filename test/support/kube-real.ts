import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { ClusterHandle, ClusterIo } from '../../src/clusters/cluster.ts';
import { kubernetes } from '../../src/clusters/kubernetes.ts';
import { kubeAccess } from '../../src/clusters/wire/kube-access.ts';
import { MERGE_PATCH, openKubeApi, type KubeApi } from '../../src/clusters/wire/kube-api.ts';
import { kubePod, type KubePod } from '../../src/clusters/wire/kube-shapes.ts';
import { httpPort } from '../../src/drivers/wire/http.ts';
import { siteMs, wallMs, type WorkClass } from '../../src/model/index.ts';
import { bareHost } from './cluster-io.ts';

const any = z.unknown();
const RBAC = new URL('../../examples/kubernetes/rbac.yaml', import.meta.url);

/**
 * A cluster with a real API server, Job controller, disruption controller and scheduler, and with no kubelet: its nodes are
 * objects that this makes, and what a kubelet would say of pods is said by `kubelet`.
 */
export interface RealKube {
  /** As an administrator. */
  readonly admin: KubeApi;
  readonly namespace: string;
  /** As Busbar, with the rights of `examples/kubernetes/rbac.yaml` and no others. */
  open(settings?: object, classes?: readonly WorkClass[]): ClusterHandle;
  post(path: string, body: object): Promise<void>;
  patch(path: string, body: object): Promise<void>;
  remove(path: string): Promise<void>;
  addNode(name: string, gpus: number): Promise<void>;
  /** Pods of this namespace. */
  pods(): Promise<readonly KubePod[]>;
  close(): Promise<void>;
}

/** @param kubeconfig of an administrator */
export async function realKube(kubeconfig: string): Promise<RealKube> {
  const http = httpPort();
  const secrets = new Map<string, string>();
  const io: ClusterIo = {
    ...bareHost(),
    http,
    readFile: async (path) => readFileSync(path, 'utf8'),
    siteNow: () => siteMs(Date.now()),
    wallNow: () => wallMs(performance.now()),
    secret: () => secrets.get('busbar') ?? '',
  };
  const source = kubeAccess({ kubeconfig, inCluster: false }, io);
  const admin = openKubeApi(source, 10_000, io);
  const mark = randomBytes(3).toString('hex');
  const namespace = `team-${mark}`;
  const nodes: string[] = [];
  const handles: ClusterHandle[] = [];

  const post = async (path: string, body: object): Promise<void> =>
    void (await admin.attempt({ method: 'POST', path, body, shape: any, expects: [409] }));
  const patch = async (path: string, body: object): Promise<void> =>
    void (await admin.call({ method: 'PATCH', path, body, contentType: MERGE_PATCH, shape: any }));
  const remove = async (path: string): Promise<void> =>
    void (await admin.attempt({
      method: 'DELETE',
      path,
      body: { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0, propagationPolicy: 'Background' },
      shape: any,
      expects: [404, 409],
    }));
  const pods = async (): Promise<KubePod[]> =>
    (await admin.list(`/api/v1/namespaces/${namespace}/pods`, kubePod, undefined)).items;

  await post('/api/v1/namespaces', { metadata: { name: namespace } });
  await applyRights(post, patch);
  const token = await admin.call({
    method: 'POST',
    path: '/api/v1/namespaces/busbar/serviceaccounts/busbar/token',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } },
    shape: z.object({ status: z.object({ token: z.string() }) }),
  });
  secrets.set('busbar', token.status.token);
  const { server, trust } = await source.get();
  const stopKubelet = kubelet(pods, patch, remove, namespace);

  return {
    admin,
    namespace,
    post,
    patch,
    remove,
    pods,
    open(settings = {}, classes = []) {
      const config = kubernetes.config.parse({ url: server, token: { file: 'token' }, ...settings });
      const asBusbar = { ...io, readFile: async () => trust.ca ?? '' };
      const withCa = server.startsWith('https:') ? { ...config, ca: 'ca.pem' } : config;
      const handle = kubernetes.open({ id: 'under-test', config: withCa, classes }, asBusbar);
      handles.push(handle);
      return handle;
    },
    async addNode(name, gpus) {
      const own = `${name}-${mark}`;
      nodes.push(own);
      await post('/api/v1/nodes', {
        metadata: { name: own, labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3', 'busbar/role': 'train' } },
      });
      const amounts = { 'nvidia.com/gpu': String(gpus), cpu: '64', memory: '256Gi', pods: '110' };
      await patch(`/api/v1/nodes/${own}/status`, {
        status: {
          capacity: amounts,
          allocatable: amounts,
          addresses: [{ type: 'InternalIP', address: `10.250.0.${nodes.length}` }],
          conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: '' }],
        },
      });
      // Admission marks what is new as not ready; a kubelet would be heard before it goes.
      await patch(`/api/v1/nodes/${own}`, { spec: { taints: null } });
    },
    async close() {
      for (const handle of handles) handle.close();
      stopKubelet();
      for (const name of nodes) await remove(`/api/v1/nodes/${name}`);
      await remove(`/api/v1/namespaces/${namespace}`);
      await http.close();
    },
  };
}

/** What an administrator applies. */
async function applyRights(post: RealKube['post'], patch: RealKube['patch']): Promise<void> {
  const paths: Record<string, string> = {
    Namespace: '/api/v1/namespaces',
    ServiceAccount: '/api/v1/namespaces/busbar/serviceaccounts',
    ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  };
  for (const document of parseAllDocuments(readFileSync(RBAC, 'utf8'))) {
    const object = document.toJS() as { kind: string; metadata: { name: string }; rules?: unknown };
    const path = paths[object.kind]!;
    await post(path, object);
    if (object.rules !== undefined) await patch(`${path}/${object.metadata.name}`, { rules: object.rules });
  }
}

/** Says of every pod that has a node what its kubelet would: it runs, and when it is told to go, it is gone. */
function kubelet(
  pods: RealKube['pods'],
  patch: RealKube['patch'],
  remove: RealKube['remove'],
  namespace: string,
): () => void {
  const stop = new AbortController();
  const look = async (): Promise<void> => {
    for (const { metadata, spec, status } of await pods()) {
      const path = `/api/v1/namespaces/${namespace}/pods/${metadata.name}`;
      if (metadata.deletionTimestamp !== '') await remove(path);
      else if (spec.nodeName !== '' && status.phase === 'Pending') {
        const startTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
        const conditions = [
          { type: 'Ready', status: 'True', lastTransitionTime: startTime },
          { type: 'PodScheduled', status: 'True', lastTransitionTime: startTime },
        ];
        await patch(`${path}/status`, { status: { phase: 'Running', startTime, conditions } });
      }
    }
  };
  void (async () => {
    while (!stop.signal.aborted) {
      // A pod may go between its being listed and being spoken of.
      await look().catch(() => undefined);
      await pause(200);
    }
  })();
  return () => stop.abort();
}
