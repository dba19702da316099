import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { fileFor } from './names.ts';
import { replayFolder, type ReplayResult } from './replay.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

type Files = Readonly<Record<string, string | Buffer>>;

function replay(files: Files, driver?: string): Promise<ReplayResult> {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-capture-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return replayFolder(folder, driver, 0);
}

interface Exchange {
  readonly http?: { readonly path: string };
  readonly tcp?: { readonly ask: Readonly<Record<string, string>> };
  readonly reply: Readonly<Record<string, unknown>>;
}

/** The answers of recordings of one machine, as a stranger keeps them: by command, pages with `web_` before them. */
function answers(driver: string, ...cases: readonly string[]): Record<string, string> {
  const files: Record<string, string> = {};
  for (const one of cases) {
    const path = join(import.meta.dirname, '../../../../test/recordings', driver, `${one}.json`);
    const { exchanges } = JSON.parse(readFileSync(path, 'utf8')) as { exchanges: Exchange[] };
    for (const { http, tcp, reply } of exchanges) {
      if (http !== undefined) {
        const name = http.path.replaceAll(/^\/(cgi-bin\/)?|\.cgi$/g, '');
        if (name !== 'token' && 'body' in reply && typeof reply['body'] === 'object')
          files[`web_${name}`] = JSON.stringify(reply['body']);
        continue;
      }
      const { command, cmd, param } = tcp!.ask;
      const name = [command ?? cmd!.replaceAll('.', '_'), ...(param === undefined ? [] : [param])].join('_');
      for (const part of name.split('+')) {
        const own = (reply[part] as unknown[] | undefined)?.[0] ?? reply;
        files[part] = JSON.stringify(own);
      }
    }
  }
  return files;
}

const json = (files: Readonly<Record<string, string>>, named = (name: string) => name): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${named(name)}.json`, text]));

const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  luxos: ['running', 'inspect'],
  'whatsminer-v2': ['running', 'inspect'],
  'whatsminer-v3': ['running', 'inspect'],
  avalon: ['a-running', 'inspect-a'],
  'antminer-stock': ['s21-measured', 'inspect'],
  auradine: ['running', 'inspect'],
};

describe.each(Object.entries(FAMILIES))('%s', (driver, cases) => {
  const files = answers(driver, ...cases);

  test('is recognised and read as public clients name their answers', async () => {
    const plain = await replay(json(files));
    expect(plain).toMatchObject({ driver, notUnderstood: [] });
    expect(plain.reading).toMatchObject({
      hashrateThs: expect.any(Number) as number,
      boards: expect.any(Array) as object,
    });
    const prefixed = await replay(json(files, (name) => (name.startsWith('web_') ? name : `rpc_${name}`)));
    expect(prefixed.reading).toEqual(plain.reading);
  });

  test('any one answer may be cut off, or not be there: the others still give a reading', async () => {
    for (const name of Object.keys(files)) {
      const cut = await replay(json({ ...files, [name]: files[name]!.slice(0, -3) }));
      expect(cut, name).toMatchObject({ driver });
      expect(cut.reading, name).not.toBeNull();
      expect(cut.notUnderstood, name).toContainEqual(
        expect.objectContaining({ kind: 'garbled', bytes: expect.any(String) as string }),
      );
      const { [name]: _, ...others } = files;
      const less = await replay(json(others), driver);
      expect(less.reading, name).not.toBeNull();
      expect(less.notUnderstood, name).toEqual([]);
    }
  });

  test('damage that has one meaning is mended in every answer', async () => {
    const whole = await replay(json(files), driver);
    const worn = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [
        name,
        `\uFEFF${text.replaceAll('},{', '}{').replace(/\}$/, ',}')}\0`,
      ]),
    );
    const mended = await replay(json(worn), driver);
    expect(mended.notUnderstood).toEqual([]);
    expect(mended.reading).toEqual(whole.reading);
  });

  test('one file may hold all answers', async () => {
    const whole = await replay(json(files), driver);
    const all = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [
        name.startsWith('web_') ? name : `rpc_${name}`,
        JSON.parse(text) as unknown,
      ]),
    );
    expect((await replay({ 'all.json': JSON.stringify(all) }, driver)).reading).toEqual(whole.reading);
  });
});

test('bytes of other encodings are read', async () => {
  const files = json(answers('whatsminer-v2', 'running', 'inspect'));
  const accented = Buffer.from(files['pools.json']!.replace(/"User":"[^"]*"/, '"User":"josé.w1"'), 'latin1');
  expect((await replay({ ...files, 'pools.json': accented }, 'whatsminer-v2')).reading).toMatchObject({
    pool: { worker: 'josé.w1' },
  });
  const wide = Buffer.from(`\uFEFF${files['summary.json']!}`, 'utf16le');
  expect((await replay({ ...files, 'summary.json': wide }, 'whatsminer-v2')).reading).toMatchObject({
    hashrateThs: 124.5,
  });
});

test.each([
  ['get_miner_conf', 'web', 'web_get_conf'],
  ['get_system_info', 'web', 'system_info'],
  ['get_error_code', 'rpc', 'get_error_code_with_errors'],
  ['stats', 'rpc', 'avalon_a_stats'],
  ['get_device_info', 'rpc', 'get.device.info'],
  ['get_miner_status_summary', 'rpc', 'rpc_get_miner_status_summary'],
] as const)('%s is the file %s', (name, transport, file) =>
  expect(fileFor(new Map([[file, '{}']]), name, transport)).toBe(file),
);

test('of two that a collector told apart neither is guessed', () => {
  const files = new Map([
    ['get_error_code_with_errors', '{}'],
    ['get_error_code_old', '{}'],
  ]);
  expect(fileFor(files, 'get_error_code', 'rpc')).toBeUndefined();
});
