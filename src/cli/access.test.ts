import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as shapes from '../model/api.ts';
import { createApi, type Api } from '../server/api.ts';
import { selfSigned } from '../../test/access/certificate.ts';
import { freePort, ROOT, startSmall, type Small } from '../../test/support/site/small.ts';

/** The verbs of access against a real server that lets nobody read unasked. */

const PASSWORD = 'green teapot on the roof';
const SLOW = { timeout: 120_000 };

let site: Small;
let api: Api;
let url: string;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-cli-access-'));
  site = await startSmall({ offset: 11_460, from: '2026-03-24T00:31:00Z', speed: 1 });
  const port = await freePort();
  const address = { host: '127.0.0.1', port, names: [], tls: undefined, openReads: false };
  const about = { pages: undefined, version: '0.0.0-test', log: pino({ level: 'silent' }) };
  api = await createApi({ runtime: site.runtime, ...address, ...about, tokenFile: join(folder, 'local-token') });
  url = await api.listen();
});
afterAll(async () => {
  await api?.close();
  await site?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}
const config = () => join(folder, 'config');
function busbar(
  args: readonly string[],
  { stdin = '', env = {} }: { stdin?: string; env?: Record<string, string> } = {},
) {
  const clean = { ...process.env, BUSBAR_URL: url, BUSBAR_TOKEN: '', XDG_CONFIG_HOME: config() };
  const child = spawn(process.execPath, [join(ROOT, 'bin', 'busbar.js'), ...args], { env: { ...clean, ...env } });
  let [out, err] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr.on('data', (part: Buffer) => (err += part.toString()));
  child.stdin.on('error', () => {}).end(stdin);
  return new Promise<Ran>((resolve) => child.on('close', (status) => resolve({ status, out, err })));
}
async function good(args: readonly string[], stdin = ''): Promise<string> {
  const ran = await busbar(args, { stdin });
  expect(ran, args.join(' ')).toMatchObject({ status: 0 });
  return ran.out;
}

test('from the first account to a token, and back out', SLOW, async () => {
  const refused = await busbar(['status']);
  expect(refused.status).toBe(1);
  expect(refused.err).toMatch(/Sign in first.*\nsign in with: busbar login --server/);

  // As `busbar up` does when its server listens.
  const remember = `import { rememberLocalToken } from ${JSON.stringify(join(ROOT, 'src/cli/local-tokens.ts'))};
    rememberLocalToken(${JSON.stringify(url)}, ${JSON.stringify(join(folder, 'local-token'))});`;
  const told = spawn(process.execPath, ['--input-type=module', '-e', remember], {
    env: { ...process.env, XDG_CONFIG_HOME: config() },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await new Promise((resolve) => told.on('close', resolve));
  const kept = join(config(), 'busbar', 'credentials.json');
  if (process.platform !== 'win32') expect(statSync(kept).mode & 0o777).toBe(0o600);
  expect(readFileSync(kept, 'utf8')).not.toContain('bbl_');

  await good(['status']);
  await good(['users', 'add', 'alice', '--role', 'admin', '--password-stdin', '--why', 'first admin'], `${PASSWORD}\n`);
  await good(['users', 'add', 'bob', '--role', 'viewer', '--password-stdin'], PASSWORD);
  const { users } = shapes.userList.parse(JSON.parse(await good(['users', 'list', '--json'])));
  expect(users.map(({ name, role }) => `${name} ${role}`)).toEqual(['alice admin', 'bob viewer']);

  const login = await good(['login', '--name', 'alice', '--password-stdin', '--json'], `${PASSWORD}\n`);
  expect(JSON.parse(login)).toMatchObject({ who: 'alice', role: 'admin' });
  expect(login).not.toContain('bbs_');
  const made = shapes.tokenMade.parse(
    JSON.parse(await good(['tokens', 'create', 'scraper', '--tags', 'metrics,site', '--json'])),
  );
  const env = { BUSBAR_TOKEN: made.token, XDG_CONFIG_HOME: join(folder, 'nobody') };
  expect(await busbar(['status'], { env })).toMatchObject({ status: 0 });
  const machines = await busbar(['machines'], { env });
  expect(machines.err).toMatch(/Not with this token.*\nthe token in BUSBAR_TOKEN may not do this/);
  expect(await good(['tokens', 'list'])).toMatch(/scraper +alice +viewer +metrics,site/);
  await good(['tokens', 'revoke', made.row.id]);
  const revoked = await busbar(['status'], { env });
  expect(revoked.err).toMatch(/not known here.*\nput a token that is good/);

  for (const words of [
    ['role', 'bob', 'operator'],
    ['disable', 'bob'],
    ['enable', 'bob'],
    ['unlock', 'bob'],
  ])
    expect(await good(['users', ...words])).toBe('bob: done\n');
  await good(['users', 'passwd', 'bob', '--password-stdin'], 'seven quiet transformers\n');
  await good(['users', 'passwd', '--password-stdin'], `${PASSWORD}\nanother long password\n`);
  await good(['users', 'remove', 'bob']);
  expect((await busbar(['users', 'role', 'alice', 'viewer'])).err).toMatch(/last admin/);
  expect((await busbar(['users', 'role', 'alice', 'root'])).err).toMatch(/viewer, operator, admin/);
  await good(['logout']);
  expect(readFileSync(kept, 'utf8')).not.toContain('bbs_');
  expect((await busbar(['logout'])).err).toMatch(/not signed in/);
  const wrong = await busbar(['login', '--name', 'alice', '--password-stdin'], { stdin: 'not hers at all\n' });
  expect([wrong.status, wrong.err]).toEqual([1, expect.stringMatching(/the name or the password is wrong/)]);
});

test(
  'a credential never crosses a network in the clear, and a file of them that is open to others is refused',
  SLOW,
  async () => {
    const env = { BUSBAR_TOKEN: 'bb_x' };
    const far = await busbar(['status', '--server', 'http://192.0.2.1:7400'], { env });
    expect([far.status, far.err]).toEqual([1, expect.stringMatching(/in the clear.*\nname the server with https:/)]);
    const home = join(folder, 'open', 'busbar');
    const file = join(home, 'credentials.json');
    await busbar(['login', '--name', 'alice', '--password-stdin'], {
      stdin: 'another long password',
      env: { XDG_CONFIG_HOME: join(folder, 'open') },
    });
    if (process.platform === 'win32') return;
    chmodSync(file, 0o644);
    const open = await busbar(['status'], { env: { XDG_CONFIG_HOME: join(folder, 'open') } });
    expect(open.err).toContain(`chmod 600 ${file}`);
    chmodSync(file, 0o600);
    writeFileSync(file, '{ not json');
    expect((await busbar(['status'], { env: { XDG_CONFIG_HOME: join(folder, 'open') } })).err).toMatch(
      /not understood/,
    );
  },
);

test('a site with a certificate of its own is asked with BUSBAR_CA, and not without', SLOW, async () => {
  const tls = selfSigned(folder, 'cli');
  const port = await freePort();
  const address = { host: '127.0.0.1', port, names: [], tls, openReads: true };
  const about = { pages: undefined, version: '0.0.0-test', log: pino({ level: 'silent' }) };
  const secure = await createApi({ runtime: site.runtime, ...address, ...about, tokenFile: undefined });
  const server = ['--server', await secure.listen()];
  try {
    const untrusted = await busbar(['status', ...server]);
    expect([untrusted.status, untrusted.err]).toEqual([1, expect.stringMatching(/not trusted.*\n.*BUSBAR_CA/)]);
    const env = { BUSBAR_CA: join(folder, 'cli.crt') };
    expect(await busbar(['status', ...server], { env })).toMatchObject({ status: 0 });
    expect((await busbar(['status', ...server], { env: { BUSBAR_CA: '/nowhere' } })).err).toMatch(/cannot be read/);
  } finally {
    await secure.close();
  }
});

test('secrets are made, set from standard input, listed by name, rotated and removed', SLOW, async () => {
  const data = join(folder, 'vault');
  const key = join(folder, 'busbar.key');
  const at = ['--data', data];
  const env = { BUSBAR_KEY_FILE: key };
  expect((await busbar(['secrets', 'init', ...at])).err).toMatch(/--key-file/);
  expect(await busbar(['secrets', 'init', ...at, '--key-file', key])).toMatchObject({ status: 0 });
  expect((await busbar(['secrets', 'list', ...at])).err).toMatch(/BUSBAR_KEY_FILE/);
  const set = await busbar(['secrets', 'set', 'farm-password', ...at], { env, stdin: 'hunter2hunter2\n' });
  expect(set).toMatchObject({
    status: 0,
    out: 'farm-password is kept; a site file refers to it as { secret: farm-password }\n',
  });
  expect((await busbar(['secrets', 'list', ...at], { env })).out).toBe('farm-password\n');
  expect(readFileSync(join(data, 'secrets.vault'), 'utf8')).not.toContain('hunter2');
  const rotated = await busbar(['secrets', 'rotate', ...at, '--show-key', '--json'], { env });
  const shown = (JSON.parse(rotated.out) as { key: string }).key;
  expect((await busbar(['secrets', 'list', ...at], { env })).err).toMatch(/not the key/);
  expect((await busbar(['secrets', 'remove', 'farm-password', ...at], { env: { BUSBAR_KEY: shown } })).status).toBe(0);
  expect((await busbar(['secrets', 'remove', 'farm-password', ...at], { env: { BUSBAR_KEY: shown } })).err).toMatch(
    /no secret/,
  );
  expect(existsSync(join(data, 'busbar.key'))).toBe(false);
});
