import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { siteMs } from '../../../model/index.ts';
import { fileFor, httpName } from './names.ts';
import { modelIdOf } from './read-all.ts';
import { replayFolder } from './replay.ts';
import { sanitiser } from './sanitise.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function capture(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-capture-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** The answers of a recording as a stranger would keep them: one file each. */
function fromRecording(driver: string, name: string): Record<string, string> {
  const path = join(import.meta.dirname, '../../../../test/recordings', driver, `${name}.json`);
  const { exchanges } = JSON.parse(readFileSync(path, 'utf8')) as {
    exchanges: { tcp?: { ask: { command: string } }; reply: Record<string, unknown[]> }[];
  };
  const files: Record<string, string> = {};
  for (const { tcp, reply } of exchanges) {
    for (const command of tcp?.ask.command.split('+') ?? [])
      files[`${command}.json`] = JSON.stringify(reply[command]?.[0] ?? reply);
  }
  return files;
}

const luxos = (): Record<string, string> =>
  fromRecording(
    'luxos',
    readdirSync(join(import.meta.dirname, '../../../../test/recordings/luxos'))
      .find((file) => /running/.test(file))!
      .replace('.json', ''),
  );

test.each([
  ['http://h/api/v1/miner/details', 'miner_details'],
  ['http://h/cgi-bin/get_system_info.cgi', 'get_system_info'],
  ['http://h/api/system/info', 'system_info'],
  ['http://h/', 'index'],
])('%s is captured as %s', (url, name) => expect(httpName({ url })).toBe(name));

test('a file is found by its name, or by one that differs in words of transport alone', () => {
  const files = new Map([
    ['system_info', 'a'],
    ['web_summary', 'b'],
    ['rpc_summary', 'c'],
  ]);
  expect(fileFor(files, 'get_system_info', 'web')).toBe('system_info');
  expect(fileFor(files, 'summary', 'web')).toBe('web_summary');
  expect(fileFor(files, 'summary', 'rpc')).toBe('rpc_summary');
  expect(fileFor(files, 'pools', 'rpc')).toBeUndefined();
});

test.each([
  ['Antminer S19k Pro', 'antminer-s19k-pro'],
  ['AntMiner S21+', 'antminer-s21-plus'],
  ['S21 Pro', 'antminer-s21-pro'],
  ['Antminer S19 XP', 'antminer-s19-xp'],
  ['AvalonMiner 1566', 'avalon-a1566'],
  ['AT2880', 'auradine-at2880'],
  ['A2', 'sealminer-a2'],
  ['AvalonMiner 15-194', 'avalon-a1566'],
  ['Antminer Z99', undefined],
])('"%s" is %s', (said, id) => expect(modelIdOf(said, ['asic'])).toBe(id));

test.each([
  ['8x NVIDIA H100 80GB HBM3', 'gpu-8x-h100'],
  ['8x NVIDIA A100-SXM4-80GB', 'gpu-8x-a100'],
  ['1x NVIDIA GeForce RTX 4090', 'gpu-1x-rtx4090'],
  ['8x NVIDIA RTX A6000', 'gpu-8x-rtxa6000'],
  ['4x tpu-v4-podslice', 'tpu-4x-v4'],
  ['8x NVIDIA H100 PCIe', undefined],
  ['4x NVIDIA H100 80GB HBM3', undefined],
  ['8x NVIDIA RTX A1000', undefined],
])('a server of %s is %s', (said, id) => expect(modelIdOf(said, ['gpu-server'])).toBe(id));

test('a capture is recognised, read, and what it lacks is told', async () => {
  const result = await replayFolder(capture(luxos()), undefined, 0);
  expect(result).toMatchObject({ driver: 'luxos', reading: { powerBasis: 'measured' }, notUnderstood: [] });
  expect(result.missing).toContain('boards');
  expect(result.notCaptured).toContain('devs');
});

test('an answer that is cut off is not understood, and the others still stand', async () => {
  const files = luxos();
  const result = await replayFolder(
    capture({ ...files, 'devs.json': '{"STATUS":[{"STATUS":"S"}],"DEVS":[{"ASC":0,"MHS' }),
    'luxos',
    0,
  );
  expect(result.notUnderstood).toMatchObject([{ kind: 'garbled' }]);
  expect(result.reading).toMatchObject({ powerBasis: 'measured' });
});

test('a folder nobody understands, none at all, and a driver that is not', async () => {
  expect(await replayFolder(capture({ 'hello.json': '{"a":1}' }), undefined, 0)).toMatchObject({
    driver: null,
    reading: null,
    unusedFiles: ['hello'],
  });
  await expect(replayFolder('/nowhere/at/all', undefined, 0)).rejects.toThrow(/no such folder/);
  await expect(replayFolder(capture({}), undefined, 0)).rejects.toThrow(/no captured answer/);
  await expect(replayFolder(capture({ 'a.json': '{}' }), 'acme', 0)).rejects.toThrow(/no driver "acme".*luxos/);
});

test('a cleaned capture tells no stranger anything, and the same name stays the same', () => {
  const reading = {
    at: siteMs(0),
    serial: 'JYZZB0UBDJABF06RB',
    mac: '62:f7:5e:b7:10:46',
    hostname: 'rack-7-top',
    pools: [{ url: 'stratum+tcp://eu.pool.net:3333', worker: 'bigfarm.w7' }],
  };
  const cleaner = sanitiser(reading, '172.16.4.9');
  const text = JSON.stringify({
    SerialNumber: 'JYZZB0UBDJABF06RB',
    MACAddr: '62:F7:5E:B7:10:46',
    IPAddr: '172.16.4.9',
    Gateway: '172.16.4.1',
    hostname: 'rack-7-top',
    URL: 'stratum+tcp://eu.pool.net:3333',
    User: 'bigfarm.w7',
    wallet: 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq',
    password: 'hunter2',
    power: 3250,
  });
  const clean = cleaner.clean(text);
  for (const secret of ['JYZZB0UBD', '62:F7', '172.16', 'rack-7', 'pool.net', 'bigfarm', 'bc1qar0', 'hunter2'])
    expect(clean).not.toContain(secret);
  expect(JSON.parse(clean)).toMatchObject({ power: 3250, URL: 'stratum+tcp://pool1.example:3333', IPAddr: '10.0.0.7' });
  expect(cleaner.clean(text)).toBe(clean);
  expect(cleaner.counts()).toMatchObject({ serials: expect.any(Number) as number, MACs: 1, wallets: 1 });
});
