import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { selfSigned } from '../../../test/access/certificate.ts';
import { bareHost } from '../../../test/support/cluster-io.ts';
import { kubeBench, nodeOf, type KubeBench } from '../../../test/support/kube.ts';
import { Fault, wallMs, type SecretRef } from '../../model/index.ts';
import type { ClusterIo } from '../cluster.ts';
import { kubeAccess } from './kube-access.ts';

const folder = mkdtempSync(join(tmpdir(), 'busbar-kube-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let bench: KubeBench | undefined;
afterEach(() => bench?.close());

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** A host with these files and variables. */
function host(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): ClusterIo {
  return {
    ...bareHost(),
    http: { ask: () => Promise.reject(new Fault('unreachable', 'nobody is asked')) },
    readFile: async (path) => {
      const found = files[path];
      if (found === undefined) throw new Fault('unreachable', `${path}: no such file or folder`);
      return found;
    },
    secret(ref: SecretRef) {
      const found = 'env' in ref ? env[ref.env] : undefined;
      if (found === undefined) throw new Fault('unauthorised', 'no such variable');
      return found;
    },
  };
}

const kubeconfig = (cluster: object, user: object, more: object = {}): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u', namespace: 'default' } }],
    ...more,
  });
const open = (config: string, files: Readonly<Record<string, string>> = {}, context?: string) =>
  kubeAccess({ kubeconfig: 'etc/kube.yaml', context, inCluster: false }, host({ 'etc/kube.yaml': config, ...files }));
const CLUSTER = { server: 'https://10.0.0.1:6443/', 'certificate-authority-data': base64('CA') };

test('a kubeconfig: what it holds itself, and files from where it lies', async () => {
  const own = kubeconfig(CLUSTER, {
    token: 'abc',
    'client-certificate-data': base64('CERT'),
    'client-key-data': base64('KEY'),
  });
  expect(await open(own).get()).toEqual({
    server: 'https://10.0.0.1:6443',
    trust: { ca: 'CA', cert: 'CERT', key: 'KEY', serverName: undefined },
    token: 'abc',
  });
  const beside = kubeconfig(
    { server: 'https://10.0.0.1:6443', 'certificate-authority': 'pki/ca.crt', 'tls-server-name': 'kubernetes' },
    { tokenFile: '/run/token', token: 'old', 'client-certificate': 'me.crt', 'client-key': 'me.key' },
  );
  const files = { 'etc/pki/ca.crt': 'CA2', '/run/token': 'fresh\n', 'etc/me.crt': 'C', 'etc/me.key': 'K' };
  expect(await open(beside, files).get()).toEqual({
    server: 'https://10.0.0.1:6443',
    trust: { ca: 'CA2', cert: 'C', key: 'K', serverName: 'kubernetes' },
    token: 'fresh',
  });
});

test('a context by name; one that is not there is told with those that are', async () => {
  const two = kubeconfig(CLUSTER, { token: 'abc' }, { 'current-context': 'gone' });
  await expect(open(two).get()).rejects.toMatchObject({
    kind: 'unauthorised',
    message: expect.stringMatching(/no context "gone".*are main/),
  });
  expect(await open(two, {}, 'main').get()).toMatchObject({ token: 'abc' });
});

test.each([
  [{ ...CLUSTER }, { exec: { command: 'aws', args: [] } }, /made by the program aws.*kubectl create token/],
  [{ ...CLUSTER }, { 'auth-provider': { name: 'gcp' } }, /auth-provider/],
  [{ ...CLUSTER }, { username: 'admin', password: 'x' }, /password/],
  [{ ...CLUSTER }, { token: 'x', as: 'root' }, /stands in for "root"/],
  [{ server: 'https://h', 'insecure-skip-tls-verify': true }, { token: 'x' }, /hand the token to anybody/],
  [{ ...CLUSTER, 'proxy-url': 'http://proxy' }, { token: 'x' }, /proxy/],
])('what is asked for and not done is said: %#', async (cluster, user, words) => {
  await expect(open(kubeconfig(cluster, user)).get()).rejects.toMatchObject({
    kind: 'unsupported',
    message: expect.stringMatching(words),
  });
});

test('what is no kubeconfig is said with its place', async () => {
  await expect(open('- [').get()).rejects.toMatchObject({
    kind: 'unauthorised',
    message: expect.stringMatching(/etc\/kube.yaml is no YAML/),
  });
  await expect(open('clusters: 3').get()).rejects.toMatchObject({
    message: expect.stringMatching(/is no kubeconfig: clusters/),
  });
  const missing = kubeAccess({ kubeconfig: 'none', inCluster: false }, host({}));
  await expect(missing.get()).rejects.toMatchObject({
    kind: 'unreachable',
    message: expect.stringMatching(/none: no such file/),
  });
});

test('what is wrong with a kubeconfig is said without what it holds', async () => {
  const given: unknown = await open('users:\n- token: s3cr3t\n  - {')
    .get()
    .catch((error: unknown) => error);
  expect(given).toBeInstanceOf(Fault);
  expect((given as Fault).cause).toBeUndefined();
  expect(JSON.stringify([String(given), (given as Fault).bytes])).not.toContain('s3cr3t');
});

test('no credentials go over plain http beyond this host', async () => {
  const open = (url: string) => kubeAccess({ url, inCluster: false }, host({})).get();
  await expect(open('http://10.0.0.1:8080')).rejects.toMatchObject({ kind: 'unauthorised' });
  await expect(open('http://127.evil.example:8080')).rejects.toMatchObject({ kind: 'unauthorised' });
  expect(await open('http://127.0.0.1:8001/')).toMatchObject({ server: 'http://127.0.0.1:8001' });
});

test('within a cluster the token is read afresh as it rotates', async () => {
  const at = '/var/run/secrets/kubernetes.io/serviceaccount';
  const files: Record<string, string> = { [`${at}/ca.crt`]: 'CA', [`${at}/token`]: 'one\n' };
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  const source = kubeAccess({ inCluster: true }, host(files, env));
  expect(await source.get()).toEqual({ server: 'https://[fd00::1]:443', trust: { ca: 'CA' }, token: 'one' });
  files[`${at}/token`] = 'two\n';
  expect((await source.get()).token).toBe('two');
  await expect(kubeAccess({ inCluster: true }, host(files)).get()).rejects.toMatchObject({ kind: 'unauthorised' });
});

test('a kubeconfig that was replaced is read after a minute, or at once where its token was refused', async () => {
  const files: Record<string, string> = { k: kubeconfig(CLUSTER, { token: 'one' }) };
  let wall = 0;
  const source = kubeAccess({ kubeconfig: 'k', inCluster: false }, { ...host(files), wallNow: () => wallMs(wall) });
  await source.get();
  files['k'] = kubeconfig(CLUSTER, { token: 'two' });
  expect((await source.get()).token).toBe('one');
  source.drop();
  expect((await source.get()).token).toBe('two');
  files['k'] = kubeconfig(CLUSTER, { token: 'three' });
  wall += 61_000;
  expect((await source.get()).token).toBe('three');
});

test('over TLS with an authority of its own and a certificate of the client; a stranger is not spoken to', async () => {
  const server = selfSigned(folder, 'server');
  const client = selfSigned(folder, 'client');
  const other = selfSigned(folder, 'other');
  const path = join(folder, 'kube.yaml');
  const files: Record<string, string> = {};
  const io = { readFile: async (name: string) => files[name] ?? readFileSync(name, 'utf8') };
  bench = await kubeBench({ tls: { ...server, clientCa: client.certificate }, io });
  bench.server.store.put('nodes', nodeOf('n1'));
  bench.server.tokens = new Set(['abc']);
  const user = { token: 'abc', 'client-certificate-data': base64(client.certificate), 'client-key': 'client.key' };
  const trusting = (ca: string) => ({ server: bench!.url, 'certificate-authority-data': base64(ca) });
  files[path] = kubeconfig(trusting(server.certificate), user);
  expect((await bench.open({ kubeconfig: path }).read()).nodes).toHaveLength(1);
  files[path] = kubeconfig(trusting(other.certificate), user);
  await expect(bench.open({ kubeconfig: path }).read()).rejects.toMatchObject({
    kind: 'unauthorised',
    message: expect.stringMatching(/not trusted/),
  });
  files[path] = kubeconfig(trusting(server.certificate), { token: 'abc' });
  await expect(bench.open({ kubeconfig: path }).read()).rejects.toMatchObject({ name: 'Fault' });
});
