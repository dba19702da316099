import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { httpName } from './names.ts';
import { replayFolder } from './replay.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Exchange {
  readonly http?: { readonly path: string; readonly body?: unknown };
  readonly tcp?: { readonly ask: { readonly command: string } };
  readonly reply: unknown;
}

/** What a driver asked in recordings of it, as a stranger would keep the answers. @param named the name of a page's file */
function answersOf(driver: string, cases: readonly string[], named: (name: string) => string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const one of cases) {
    const path = join(import.meta.dirname, '../../../../test/recordings', driver, `${one}.json`);
    const { exchanges } = JSON.parse(readFileSync(path, 'utf8')) as { exchanges: Exchange[] };
    for (const { http, tcp, reply } of exchanges) {
      if (tcp !== undefined) files[tcp.ask.command] = JSON.stringify(reply);
      const { status = 200, body } = reply as { status?: number; body?: unknown };
      if (http === undefined || status !== 200 || /login|unlock/.test(http.path)) continue;
      files[named(httpName({ url: `http://machine${http.path}` }))] = JSON.stringify(body);
    }
  }
  return files;
}

function capture(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-capture-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.json`), text);
  return folder;
}

const FAMILIES = [
  { driver: 'vnish', cases: ['running', 'inspect'], vital: 'summary', spoilt: 'autotune_presets' },
  { driver: 'epic', cases: ['running', 'inspect'], vital: 'summary', spoilt: 'network' },
  { driver: 'proto-rig', cases: ['running', 'inspect'], vital: 'mining', spoilt: 'pools' },
  { driver: 'braiins', cases: ['rpc-running', 'rpc-inspect'], vital: 'summary', spoilt: 'fans' },
  { driver: 'bitaxe', cases: ['newer'], vital: 'system_info', spoilt: undefined },
] as const;

/** As public clients name their commands, with the transport before them or without. */
const NAMINGS = [
  ['plain', (name: string) => name],
  ['with the transport', (name: string) => `web_${name}`],
  ['as a path', (name: string) => name.replaceAll('_', '-')],
] as const;

const each = FAMILIES.flatMap((family) => NAMINGS.map(([how, named]) => ({ ...family, how, named })));

test.each(each)('$driver: a capture named $how is read', async ({ driver, cases, named }) => {
  const result = await replayFolder(capture(answersOf(driver, cases, named)), undefined, 0);
  expect(result).toMatchObject({ driver, notUnderstood: [] });
  expect(result.reading).toMatchObject({ powerW: expect.any(Number) as number, mode: { kind: 'run' } });
});

test.each(FAMILIES.filter(({ spoilt }) => spoilt !== undefined))(
  '$driver: one page cut off is told with what it was, and the rest is read',
  async ({ driver, cases, spoilt }) => {
    const files = answersOf(driver, cases, (name) => name);
    expect(Object.keys(files)).toContain(spoilt);
    const whole = files[spoilt!]!;
    const result = await replayFolder(capture({ ...files, [spoilt!]: whole.slice(0, -4) }), undefined, 0);
    expect(result).toMatchObject({ driver, notUnderstood: [{ kind: 'garbled', bytes: whole.slice(0, -4) }] });
    expect(result.reading).toMatchObject({ powerW: expect.any(Number) as number });
  },
);

test.each(FAMILIES)('$driver: a comma too much and a NUL behind it are mended', async ({ driver, cases, vital }) => {
  const files = answersOf(driver, cases, (name) => name);
  const worn = `${files[vital]!.replace(/\}$/, ',}')}\0`;
  expect(await replayFolder(capture({ ...files, [vital]: worn }), undefined, 0)).toMatchObject({
    driver,
    notUnderstood: [],
    reading: { powerW: expect.any(Number) as number },
  });
});

test.each(FAMILIES)('$driver: its vital page alone is a reading', async ({ driver, cases, vital }) => {
  const files = answersOf(driver, cases, (name) => name);
  expect(await replayFolder(capture({ [vital]: files[vital]! }), undefined, 0)).toMatchObject({
    driver,
    reading: { hashrateThs: expect.any(Number) as number },
  });
});
