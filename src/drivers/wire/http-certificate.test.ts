import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HttpRequest } from '../../model/index.ts';
import { httpPort } from './http.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

describe.skipIf(!hasOpenssl)('a server with a certificate of its own (made by openssl, where it is installed)', () => {
  const http = httpPort();
  let server: Server;
  let url = '';
  let sha256 = '';
  let requests = 0;
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'busbar-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    spawnSync('openssl', [...made, '-subj', '/CN=bmc', '-keyout', key, '-out', cert]);
    const pem = readFileSync(cert);
    sha256 = createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
    server = createServer({ key: readFileSync(key), cert: pem }, (_request, response) => {
      requests += 1;
      response.end('{"ok":true}');
    });
    rmSync(folder, { recursive: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(server.address() as { port: number }).port}/redfish/v1`;
  });
  afterAll(async () => {
    await http.close();
    server.close();
  });
  const ask = (certificate?: HttpRequest['certificate']) =>
    http.ask({ method: 'GET', url, timeoutMs: 2000, ...(certificate === undefined ? {} : { certificate }) });

  test('is not trusted by default, and nothing is sent to it', async () => {
    await expect(ask()).rejects.toMatchObject({
      kind: 'unauthorised',
      message: expect.stringMatching(/not trusted.*pin its SHA-256/) as string,
    });
    await expect(ask('verify')).rejects.toMatchObject({ kind: 'unauthorised' });
    expect(requests).toBe(0);
  });

  test('is taken where any is, and where its SHA-256 is the pinned one, however that is written', async () => {
    expect((await ask('any')).body).toBe('{"ok":true}');
    const colons = sha256.toUpperCase().match(/../g)!.join(':');
    for (const pin of [sha256, colons]) expect((await ask({ sha256: pin })).status).toBe(200);
  });

  test('is refused where another one is pinned, with its own to compare, and nothing is sent to it', async () => {
    const before = requests;
    const other = sha256.replace(/^../, sha256.startsWith('00') ? '11' : '00');
    await expect(ask({ sha256: other })).rejects.toMatchObject({
      kind: 'unauthorised',
      message: expect.stringMatching(/SHA-256 [0-9A-F:]{95}/) as string,
    });
    expect(requests).toBe(before);
    // What "any" has open is not used by one that trusts less.
    await expect(ask()).rejects.toMatchObject({ kind: 'unauthorised' });
  });
});
