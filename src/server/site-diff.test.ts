import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Site } from '../model/index.ts';
import { parseSite } from './registry.ts';
import { changeText, diffSites } from './site-diff.ts';

const DEMO = readFileSync(join(import.meta.dirname, '..', '..', 'examples', 'demo-40mw', 'site.yaml'), 'utf8');
function site(change: (text: string) => string = (text) => text): Site {
  const result = parseSite(parse(change(DEMO)));
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  return result.site;
}

test('a file read again as it was changes nothing', () => {
  expect(diffSites(site(), site())).toEqual([]);
});

test('entries are matched by id: their order is no change, a new one is one', () => {
  const one = site();
  expect(diffSites(one, { ...one, halls: one.halls.toReversed() })).toEqual([]);
  const fewer = { ...one, meters: one.meters.slice(1) };
  expect(diffSites(one, fewer).map(({ kind, path }) => `${kind} ${path}`)).toEqual(['removed meters[feeder]']);
  expect(diffSites(fewer, one).map(({ kind, path }) => `${kind} ${path}`)).toEqual(['added meters[feeder]']);
});

test('a change is told at its place, and whether it waits for a start', () => {
  const changed = site((text) =>
    text.replace('limitMw: 40', 'limitMw: 42').replace('breakerMw: 7\n', 'breakerMw: 8\n'),
  );
  const changes = diffSites(site(), { ...changed, server: { ...changed.server, host: '0.0.0.0' } });
  expect(changes.map(changeText)).toEqual([
    'connection.limitMw: 40 -> 42',
    'halls[b].breakerMw: 7 -> 8',
    'server.host: "127.0.0.1" -> "0.0.0.0" (takes force at the next start)',
  ]);
});
