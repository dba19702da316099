import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isReferenceFresh, staleIndexes } from '../scripts/generate.ts';
import { EMULATED_PORTS } from '../src/model/rehearsal.ts';

/** The rules of the house. Each says why in its message: a rule nobody understands is a rule nobody keeps. */

const ROOT = join(import.meta.dirname, '..');

function filesBelow(folder: string, endings: readonly string[]): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((path) => !path.includes('node_modules') && !path.startsWith('web/dist'));
}

/** Which room may use which, and why nothing else. Type-only imports count too, but where said otherwise. */
const ARROWS: Readonly<Record<string, { readonly to: readonly string[]; readonly why: string }>> = {
  model: { to: [], why: 'the nouns rest on nothing (but zod), or every room would rest on what they rest on' },
  alarms: { to: ['model'], why: 'a catalogue of words knows no machinery' },
  drivers: {
    to: ['model'],
    why: 'a driver is one file that speaks one protocol; it is given its transports and knows no room',
  },
  feeds: { to: ['model'], why: 'a feed is one file that reads one source' },
  clusters: { to: ['model'], why: 'a cluster is one file that speaks to one scheduler' },
  dispatch: { to: ['model'], why: 'a plan is a pure function of a snapshot and a forecast, or it cannot be replayed' },
  books: { to: ['model'], why: 'the ledger is made from meters and prices alone' },
  store: { to: ['model'], why: 'what is kept does not depend on who keeps it' },
  control: {
    to: ['model', 'alarms'],
    why: 'control is handed driver handles and imports none, so that a test can stand for the world',
  },
  vault: { to: ['model'], why: 'credentials are read alike by every process that speaks to machines' },
  guard: {
    to: ['model', 'drivers', 'control', 'alarms', 'vault'],
    why: 'the guard must run when everything else is dead',
  },
  strategy: { to: ['model', 'dispatch', 'books', 'feeds'], why: 'a study replays planning and books, never machines' },
  server: {
    to: [
      'model',
      'alarms',
      'drivers',
      'feeds',
      'clusters',
      'dispatch',
      'books',
      'store',
      'control',
      'strategy',
      'vault',
    ],
    why: 'the composition root uses every room but the command line',
  },
  cli: { to: ['model', 'server'], why: 'the command line asks the server over HTTP, as everybody else' },
};

const IMPORT = /(?:^|\n)\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;

function importsOf(path: string): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '');
}

/** Where a relative import leads, from the root of the project. */
const target = (from: string, to: string): string => relative(ROOT, resolve(ROOT, dirname(from), to));
const isTest = (path: string): boolean => /\.test\.tsx?$/.test(path);

describe('arrows between rooms', () => {
  const files = filesBelow('src', ['.ts']).filter((path) => !isTest(path));
  test('every folder of src is a room that is named', () => {
    const rooms = new Set(files.map((path) => path.split('/')[1]!));
    expect([...rooms].filter((room) => !(room in ARROWS))).toEqual([]);
  });

  test.each(Object.keys(ARROWS))('%s', (room) => {
    const { to, why } = ARROWS[room]!;
    const wrong = files
      .filter((path) => path.startsWith(`src/${room}/`))
      .flatMap((path) =>
        importsOf(path)
          .filter((name) => name.startsWith('.'))
          .map((name) => target(path, name))
          .filter((at) => {
            const other = at.startsWith('src/') ? at.split('/')[1]! : at;
            return other !== room && !to.includes(other);
          })
          .map((at) => `${path} imports ${at}`),
      );
    expect(wrong, `src/${room} may use ${to.join(', ') || 'nothing'}: ${why}`).toEqual([]);
  });

  test('the command line uses of the server only what starts it or needs none', () => {
    const wrong = files
      .filter((path) => path.startsWith('src/cli/'))
      .flatMap((path) => importsOf(path).map((name) => [path, target(path, name)] as const))
      .filter(
        ([, at]) =>
          at.startsWith('src/server/') && !at.startsWith('src/server/offline/') && at !== 'src/server/main.ts',
      );
    expect(wrong, 'a verb that reaches into the server would not work against a server elsewhere').toEqual([]);
  });

  test('the pages use types of the API and nothing else of src', () => {
    const wrong = filesBelow('web', ['.ts', '.tsx'])
      .filter((path) => !isTest(path))
      .flatMap((path) => {
        const text = readFileSync(join(ROOT, path), 'utf8');
        return importsOf(path)
          .filter((name) => name.startsWith('.') && !target(path, name).startsWith('web/'))
          .filter(
            (name) =>
              !/^src\/model\/([a-z]+-)?api\.ts$/.test(target(path, name)) ||
              !new RegExp(`import type [^;]*${name.replaceAll('.', '\\.')}`).test(text),
          )
          .map((name) => `${path} imports ${name}`);
      });
    expect(wrong, 'pages talk to the server over HTTP only; code of the server must not end up in a browser').toEqual(
      [],
    );
  });

  test('the emulated site uses the nouns only', () => {
    const wrong = filesBelow('sim', ['.ts'])
      .filter((path) => !isTest(path))
      .flatMap((path) => importsOf(path).map((name) => [path, name] as const))
      .filter(([path, name]) => name.startsWith('.') && !/^(sim|src\/model)\//.test(target(path, name)));
    expect(wrong, 'an emulator that shares code with a driver shares its mistakes').toEqual([]);
  });

  test('no room reads a global clock or a random number but where the world is let in', () => {
    const allowed = /^src\/(server|cli)\/|^src\/guard\/main\.ts$|^src\/drivers\/wire\//;
    const wrong = files.filter(
      (path) =>
        !allowed.test(path) &&
        /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(/.test(
          readFileSync(join(ROOT, path), 'utf8'),
        ),
    );
    expect(wrong, 'time is handed in: a site clock may run fast, and a test holds it in its hand').toEqual([]);
  });
});

test('the site file reference says what the schema says', async () => {
  expect(await isReferenceFresh(), 'run: npm run generate && npm run format').toBe(true);
});

test('generated indexes are fresh', () => {
  expect(staleIndexes(), 'run npm run generate').toEqual([]);
});

test('the lock file names no download address', () => {
  expect(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
});

test('every plug-in has a conformance suite, and every driver its recordings', () => {
  const suites = readdirSync(join(ROOT, 'test', 'conformance'));
  for (const room of ['drivers', 'feeds', 'clusters', 'constraints']) expect(suites).toContain(`${room}.test.ts`);
});

test('no test is left out or alone', () => {
  const tests = ['src', 'sim', 'web', 'test'].flatMap((folder) => filesBelow(folder, ['.test.ts', '.test.tsx']));
  const self = relative(ROOT, import.meta.filename);
  const wrong = tests.filter(
    (path) =>
      path !== self && /\b(?:test|it|describe)\.(?:only|todo)\b|\.skip\(/.test(readFileSync(join(ROOT, path), 'utf8')),
  );
  expect(wrong, 'a test that does not run proves nothing; one that runs alone hides the others').toEqual([]);
});

test('no test compares with a pattern in toMatchObject: it holds whatever the text is', () => {
  const blind = ['src', 'sim', 'test'].flatMap((folder) =>
    filesBelow(folder, ['.test.ts']).filter((path) =>
      [...readFileSync(join(ROOT, path), 'utf8').matchAll(/toMatchObject\(([^]*?)\);\n/g)].some(([, wanted]) =>
        /[:[,]\s*\/(?![/*])/.test(wanted!.replaceAll(/'[^'\n]*'|`[^`]*`/g, '')),
      ),
    ),
  );
  expect(blind, 'write expect.stringMatching(/.../)').toEqual([]);
});

test('files are listened to on loopback only', () => {
  const wrong = filesBelow('src', ['.ts']).filter(
    (path) => !isTest(path) && /listen\([^)]*0\.0\.0\.0/.test(readFileSync(join(ROOT, path), 'utf8')),
  );
  expect(wrong, 'nothing listens beyond loopback without credentials and TLS').toEqual([]);
});

test('pools are written by what a person asked for, and by nothing else', () => {
  const writes = filesBelow('src', ['.ts']).filter(
    (path) =>
      !isTest(path) &&
      !/^src\/(?:drivers|model)\//.test(path) &&
      /\bsetPools\b|\bchangePools\(/.test(readFileSync(join(ROOT, path), 'utf8')),
  );
  const allowed = ['src/control/pools.ts', 'src/server/machine-detail.ts', 'src/server/pools/changes.ts'];
  expect(writes.sort(), 'pools and workers are money: no plan and no loop may reach them').toEqual(allowed);
  const begins = filesBelow('src', ['.ts']).filter(
    (path) => !isTest(path) && /\bchanges\.apply\(/.test(readFileSync(join(ROOT, path), 'utf8')),
  );
  expect(begins, 'a change of pools begins with a request of a person').toEqual(['src/server/machine-routes.ts']);
});

test('no two test files listen on the same port: they run beside each other', () => {
  const files = ['src', 'sim', 'test'].flatMap((folder) => filesBelow(folder, ['.test.ts']));
  const takenBy = new Map<number, string>();
  const clashes = new Set<string>();
  let offsets = 0;
  for (const path of files) {
    const text = readFileSync(join(ROOT, path), 'utf8');
    if (!/testSim|driverBench|startSmall|offset: |OFFSET|port-offset/.test(text)) continue;
    // What is a multiple of five thousand is a number of milliseconds.
    const found = [...text.matchAll(/\b([12]\d)_(\d{3})\b|port-offset', '(\d{5})'/g)]
      .map(([, thousands, rest, quoted]) => Number(quoted ?? `${thousands}${rest}`))
      .filter((offset) => offset % 5000 !== 0);
    for (const offset of new Set(found)) {
      offsets += 1;
      for (const port of Object.values(EMULATED_PORTS).map((base) => base + offset)) {
        const other = takenBy.get(port) ?? path;
        if (other !== path) clashes.add(`${path} at ${offset}, ${other}: port ${port}`);
        takenBy.set(port, path);
      }
    }
  }
  expect([...clashes]).toEqual([]);
  expect(offsets).toBeGreaterThan(40);
});
