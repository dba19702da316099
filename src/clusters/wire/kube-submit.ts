import { randomBytes } from 'node:crypto';
import type { Job as KubernetesJob } from 'kubernetes-types/batch/v1.js';
import { Fault } from '../../model/index.ts';
import type { JobRequest } from '../cluster.ts';
import type { KubeApi } from './kube-api.ts';
import { nameIn } from './kube-edit.ts';
import type { KubeJobSettings } from './kube-jobs.ts';
import type { Kueue } from './kube-kueue.ts';
import { PRIORITY_LABEL, QUEUE_LABEL, kubeJob } from './kube-shapes.ts';

/** Writes the script where it can be run as it is, whatever its first line names. */
const LAUNCH = 'f=$(mktemp) && printf %s "$BUSBAR_SCRIPT" > "$f" && chmod 700 "$f" && exec "$f"';

export function submitJob(api: KubeApi, kueue: Kueue, settings: KubeJobSettings, image: string) {
  return async (job: JobRequest, signal?: AbortSignal): Promise<string> => {
    if (job.licences !== undefined) throw new Fault('unsupported', 'Kubernetes knows no licences: ask for resources');
    const [ns = '', wantedQueue = '*'] = job.partition.split('/');
    const namespace = nameIn(ns === '*' ? job.account : ns);
    const queue = wantedQueue === '*' ? undefined : wantedQueue;
    const qos = job.qos === '*' || job.qos === '' ? undefined : job.qos;
    const isKueues = queue !== undefined && qos !== undefined && (await kueue.hasPriorityClass(qos, signal));
    const name = `${slug(job.name)}-${randomBytes(4).toString('hex')}`;
    const labels = {
      ...(queue === undefined ? {} : { [QUEUE_LABEL]: queue }),
      ...(isKueues ? { [PRIORITY_LABEL]: qos } : {}),
      ...(settings.customerLabel === undefined ? {} : { [settings.customerLabel]: labelValue(job.account) }),
    };
    const priorityClassName = isKueues ? undefined : qos;
    const body = manifest(job, { name, labels, priorityClassName, isQueued: queue !== undefined, image, settings });
    const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
    try {
      await api.call({ method: 'POST', path, body, shape: kubeJob, signal });
    } catch (error) {
      if (!(error instanceof Fault) || error.kind !== 'timeout' || signal?.aborted === true) throw error;
      // Its name is ours alone: whether the one that was not answered for is there can be seen.
      await api.call({ method: 'GET', path: `${path}/${name}`, shape: kubeJob, signal });
    }
    return `${namespace}.${name}`;
  };
}

function manifest(
  job: JobRequest,
  how: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly priorityClassName: string | undefined;
    readonly isQueued: boolean;
    readonly image: string;
    readonly settings: KubeJobSettings;
  },
): KubernetesJob {
  const { gpuResource } = how.settings;
  const script = job.script.startsWith('#!') ? job.script : `#!/bin/sh\n${job.script}`;
  const limits = {
    ...(job.gpus === 0 ? {} : { [gpuResource]: String(job.gpus) }),
    ...(job.cpus === undefined ? {} : { cpu: String(job.cpus) }),
    ...(job.memoryMb === undefined ? {} : { memory: `${job.memoryMb}M` }),
  };
  const container = {
    name: 'job',
    image: how.image,
    command: ['/bin/sh', '-c', literal(LAUNCH)],
    env: [{ name: 'BUSBAR_SCRIPT', value: literal(script) }],
    resources: { limits },
    ...(job.folder === undefined ? {} : { workingDir: job.folder }),
  };
  const { name, labels, priorityClassName } = how;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels, annotations: { 'busbar/submitted': 'true' } },
    spec: {
      suspend: how.isQueued,
      backoffLimit: 0,
      activeDeadlineSeconds: job.timeLimitMinutes * 60,
      // A pod that is moved away is no failure of the job.
      podFailurePolicy: {
        rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
      },
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          ...(priorityClassName === undefined ? {} : { priorityClassName }),
          containers: [container],
        },
      },
    },
  };
}

/** Kubernetes reads `$(NAME)` in a value, and `$$` as one dollar. */
const literal = (text: string): string => text.replaceAll('$', '$$$$');

/** What a label may hold: 63 letters, digits, dashes, dots and underscores. */
const labelValue = (text: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 63)
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');

/** @returns a name of at most 50 letters, digits and dashes */
function slug(text: string): string {
  const plain = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 50)
    .replaceAll(/^-+|-+$/g, '');
  return plain === '' ? 'job' : plain;
}
