import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { KubeServer } from '../../sim/kube-answers.ts';
import { answerKube } from '../../sim/kube-server.ts';
import type { KubeObject } from '../../sim/kube-store.ts';
import { bareKubeServer, collect } from '../../sim/kubernetes.ts';
import type { ClusterHandle, ClusterIo } from '../../src/clusters/cluster.ts';
import { kubernetes } from '../../src/clusters/kubernetes.ts';
import { httpPort } from '../../src/drivers/wire/http.ts';
import { siteMs, wallMs, type WorkClass } from '../../src/model/index.ts';
import { bareHost } from './cluster-io.ts';

/** An emulated API server on loopback with nothing behind it, and the real transport to it. */
export interface KubeBench {
  readonly server: KubeServer;
  readonly url: string;
  readonly io: ClusterIo;
  /** What was asked, as `GET /api/v1/nodes?limit=500`. */
  readonly asked: string[];
  /** Answers instead of the server, once for each entry; undefined: the server does. */
  readonly instead: ((path: string) => { readonly status: number; readonly body: string } | undefined)[];
  /** Moves the wall clock that freshness is judged by. */
  pass(ms: number): void;
  /** Breaks every connection. */
  cut(): void;
  open(settings?: object, classes?: readonly WorkClass[]): ClusterHandle;
  close(): Promise<void>;
}

export interface KubeBenchOptions {
  readonly hasKueue?: boolean;
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientCa?: string };
  readonly io?: Partial<ClusterIo>;
}

export async function kubeBench({ hasKueue = false, tls, io: over }: KubeBenchOptions = {}): Promise<KubeBench> {
  const server = bareKubeServer(() => Date.now(), hasKueue);
  const asked: string[] = [];
  const instead: KubeBench['instead'] = [];
  const sockets = new Set<Socket>();
  const listener: Parameters<typeof createHttp>[1] = (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const given = instead.shift()?.(request.url ?? '');
    if (given !== undefined) {
      request.resume();
      response.writeHead(given.status, { 'retry-after': '1' }).end(given.body);
    } else collect(request, (body) => answerKube(server, request, body, response));
  };
  const listening =
    tls === undefined
      ? createHttp(listener)
      : createHttps(
          {
            cert: tls.certificate,
            key: tls.key,
            ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
          },
          listener,
        );
  listening.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    listening.listen(0, '127.0.0.1', resolve);
  });
  const { port } = listening.address() as AddressInfo;
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const http = httpPort();
  let passedMs = 0;
  const io: ClusterIo = {
    ...bareHost(),
    http,
    siteNow: () => siteMs(Date.now()),
    wallNow: () => wallMs(performance.now() + passedMs),
    secret: () => 'a-token',
    ...over,
  };
  const handles: ClusterHandle[] = [];
  return {
    server,
    url,
    io,
    asked,
    instead,
    pass: (ms) => void (passedMs += ms),
    cut: () => sockets.forEach((socket) => socket.destroy()),
    open(settings = {}, classes = []) {
      const config = kubernetes.config.parse('kubeconfig' in settings ? settings : { url, ...settings });
      const handle = kubernetes.open({ id: 'under-test', config, classes }, io);
      handles.push(handle);
      return handle;
    },
    async close() {
      handles.forEach((handle) => handle.close());
      await http.close();
      sockets.forEach((socket) => socket.destroy());
      await new Promise((resolve) => {
        listening.close(resolve);
      });
    },
  };
}

export const workClass = (name: string, partition: string, qos: string): WorkClass =>
  ({ id: `${name}-${partition}`, class: name, gpu: 'h100', match: { partition, qos } }) as unknown as WorkClass;

/** A node of eight H100, ready. */
export const nodeOf = (name: string, over: Partial<KubeObject> = {}): KubeObject => ({
  metadata: { name, labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3' } },
  spec: {},
  status: {
    conditions: [{ type: 'Ready', status: 'True' }],
    addresses: [{ type: 'InternalIP', address: '10.0.0.7' }],
    allocatable: { 'nvidia.com/gpu': '8', cpu: '64' },
  },
  ...over,
});

const container = (gpus: number) => ({ name: 'main', resources: { limits: { 'nvidia.com/gpu': String(gpus) } } });

export const jobOf = (
  name: string,
  gpus: number,
  over: { metadata?: object; spec?: object; status?: object } = {},
): KubeObject => ({
  metadata: { name, namespace: 'team-a', ...over.metadata },
  spec: { parallelism: 1, template: { spec: { containers: [container(gpus)] } }, ...over.spec },
  status: { ...over.status },
});

/** @param owner the object it belongs to, as it is kept */
export const podOf = (
  name: string,
  gpus: number,
  node: string | undefined,
  owner?: KubeObject,
  labels = {},
): KubeObject => ({
  metadata: {
    name,
    namespace: owner?.metadata.namespace ?? 'team-a',
    labels,
    ...(owner === undefined
      ? {}
      : {
          ownerReferences: [
            { kind: owner.kind ?? 'Job', name: owner.metadata.name, uid: owner.metadata.uid, controller: true },
          ],
        }),
  },
  spec: { containers: [container(gpus)], ...(node === undefined ? {} : { nodeName: node }) },
  status: { phase: node === undefined ? 'Pending' : 'Running' },
});
