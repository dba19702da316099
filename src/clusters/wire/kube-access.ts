import { dirname, isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { Fault, type SecretRef, type TlsTrust, type WallMs } from '../../model/index.ts';
import type { ClusterIo } from '../cluster.ts';

/** Where an API server is, what is trusted of it, and who asks. */
export interface KubeAccess {
  /** Without a slash at its end. */
  readonly server: string;
  readonly trust: TlsTrust;
  readonly token: string | undefined;
}

export interface KubeAccessSource {
  get(): Promise<KubeAccess>;
  /** The credentials were refused: they are read anew. */
  drop(): void;
}

export interface KubeAccessSettings {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly inCluster: boolean;
  readonly url?: string | undefined;
  readonly token?: SecretRef | undefined;
  readonly ca?: string | undefined;
}

/** Where a pod finds what its service account is given (kubernetes.io, "Accessing the API from a Pod"). */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** A file of credentials is read again after this, so that whoever renews it needs no restart. */
const READ_AGAIN_MS = 60_000;

const named = <S extends z.ZodType>(key: string, shape: S) =>
  z
    .array(z.object({ name: z.string(), [key]: shape }))
    .nullish()
    .transform((list) => new Map((list ?? []).map((one) => [one['name'] as string, one[key] as z.output<S>])));
const text = z.string().nullish();

/** The parts of a kubeconfig that are followed, and those whose presence is a reason to say no (client-go, api/v1 Config). */
const kubeconfigShape = z.object({
  'current-context': text,
  clusters: named(
    'cluster',
    z.object({
      server: z.string(),
      'certificate-authority': text,
      'certificate-authority-data': text,
      'tls-server-name': text,
      'insecure-skip-tls-verify': z.boolean().nullish(),
      'proxy-url': text,
    }),
  ),
  users: named(
    'user',
    z.object({
      'client-certificate': text,
      'client-certificate-data': text,
      'client-key': text,
      'client-key-data': text,
      token: text,
      tokenFile: text,
      username: text,
      as: text,
      exec: z.object({ command: z.string() }).nullish(),
      'auth-provider': z.unknown().optional(),
    }),
  ),
  contexts: named('context', z.object({ cluster: z.string(), user: z.string().nullish() })),
});

/**
 * Credentials of one API server: a kubeconfig, those of a pod's service account, or an address with a token. Tokens that
 * lie in a file are read afresh for each request, as a kubelet renews them there.
 */
export function kubeAccess(settings: KubeAccessSettings, io: ClusterIo): KubeAccessSource {
  let known: { readonly from: () => Promise<KubeAccess>; readonly at: WallMs } | undefined;
  const read = (): Promise<() => Promise<KubeAccess>> => {
    if (settings.kubeconfig !== undefined) return fromKubeconfig(settings.kubeconfig, settings.context, io);
    return settings.inCluster ? inCluster(io) : fromAddress(settings, io);
  };
  return {
    async get() {
      if (known === undefined || io.wallNow() - known.at > READ_AGAIN_MS)
        known = { from: await read(), at: io.wallNow() };
      return demandPrivate(await known.from());
    },
    drop() {
      known = undefined;
    },
  };
}

/** A token in plain text is anybody's; beyond this host it takes TLS. */
function demandPrivate(access: KubeAccess): KubeAccess {
  const { protocol, hostname } = new URL(access.server);
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  if (protocol !== 'https:' && !isLoopback)
    throw new Fault('unauthorised', `${access.server}: no credentials are sent over plain http beyond this host`);
  return access;
}

async function fromAddress({ url, token, ca }: KubeAccessSettings, io: ClusterIo) {
  const trust = ca === undefined ? {} : { ca: await io.readFile(ca) };
  const server = bare(url ?? '');
  return async () => ({ server, trust, token: token === undefined ? undefined : io.secret(token).trim() });
}

async function inCluster(io: ClusterIo) {
  const host = io.secret({ env: 'KUBERNETES_SERVICE_HOST' });
  const port = io.secret({ env: 'KUBERNETES_SERVICE_PORT' });
  const trust = { ca: await io.readFile(`${SERVICE_ACCOUNT}/ca.crt`) };
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return async () => ({ server, trust, token: (await io.readFile(`${SERVICE_ACCOUNT}/token`)).trim() });
}

async function fromKubeconfig(path: string, wanted: string | undefined, io: ClusterIo) {
  const config = parseKubeconfig(path, await io.readFile(path));
  const contextName = wanted ?? config['current-context'] ?? '';
  const context = config.contexts.get(contextName);
  if (context === undefined) throw wrong(path, `has no context "${contextName}"`, [...config.contexts.keys()]);
  const cluster = config.clusters.get(context.cluster);
  if (cluster === undefined) throw wrong(path, `has no cluster "${context.cluster}"`, [...config.clusters.keys()]);
  const user: KubeUser = config.users.get(context.user ?? '') ?? {};
  demandFollowed(path, context.user ?? '', cluster, user);
  /** Paths start where the kubeconfig lies. */
  const file = (name: string): Promise<string> => io.readFile(isAbsolute(name) ? name : join(dirname(path), name));
  const pem = async (data: string | null | undefined, name: string | null | undefined): Promise<string | undefined> => {
    if (typeof data === 'string' && data !== '') return Buffer.from(data, 'base64').toString('utf8');
    return typeof name === 'string' && name !== '' ? file(name) : undefined;
  };
  const trust: TlsTrust = {
    ca: await pem(cluster['certificate-authority-data'], cluster['certificate-authority']),
    cert: await pem(user['client-certificate-data'], user['client-certificate']),
    key: await pem(user['client-key-data'], user['client-key']),
    serverName: cluster['tls-server-name'] ?? undefined,
  };
  const { token, tokenFile } = user;
  const server = bare(cluster.server);
  return async () => ({
    server,
    trust,
    // Of both, the file is the one that is renewed; so does client-go.
    token: tokenFile === null || tokenFile === undefined ? (token ?? undefined) : (await file(tokenFile)).trim(),
  });
}

type Kubeconfig = z.output<typeof kubeconfigShape>;
type KubeUser = Partial<NonNullable<ReturnType<Kubeconfig['users']['get']>>>;
type KubeCluster = NonNullable<ReturnType<Kubeconfig['clusters']['get']>>;

function parseKubeconfig(path: string, content: string): Kubeconfig {
  let raw: unknown;
  try {
    raw = parse(content);
  } catch (error) {
    // What follows the first line is the place in the file, credentials and all.
    const [said] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new Fault('unauthorised', `${path} is no YAML: ${said}`);
  }
  const parsed = kubeconfigShape.safeParse(raw);
  if (parsed.success) return parsed.data;
  const problem = parsed.error.issues[0];
  throw new Fault('unauthorised', `${path} is no kubeconfig: ${problem?.path.join('.')}: ${problem?.message}`);
}

/** What a kubeconfig asks for and is not done is said, and not passed over. */
function demandFollowed(path: string, name: string, cluster: KubeCluster, user: KubeUser): void {
  const advice = 'give Busbar a service account: kubectl create token busbar (docs/clusters.md)';
  const no = (what: string) => new Fault('unsupported', `${path}: ${what}; ${advice}`);
  const { exec } = user;
  if (exec !== null && exec !== undefined)
    throw no(`user "${name}" has its credentials made by the program ${exec.command}, and Busbar runs none`);
  if (user['auth-provider'] !== undefined && user['auth-provider'] !== null)
    throw no(`user "${name}" has an auth-provider, which Kubernetes itself has given up`);
  if (typeof user.username === 'string') throw no(`user "${name}" has a password, which no API server takes any more`);
  if (typeof user.as === 'string')
    throw no(`user "${name}" stands in for "${user.as}", and Busbar stands in for nobody`);
  if (cluster['insecure-skip-tls-verify'] === true)
    throw no('insecure-skip-tls-verify would hand the token to anybody; name its certificate-authority');
  if (typeof cluster['proxy-url'] === 'string') throw no('it asks for a proxy, and Busbar speaks to servers directly');
}

const wrong = (path: string, what: string, there: readonly string[]): Fault =>
  new Fault('unauthorised', `${path} ${what}; there ${there.length === 0 ? 'is none' : `are ${there.join(', ')}`}`);

const bare = (url: string): string => url.replace(/\/+$/, '');
