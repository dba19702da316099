import { readdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { FeedIo } from '../../src/feeds/feed.ts';
import { feeds } from '../../src/feeds/index.ts';
import { HOUR, SERIES, siteMs } from '../../src/model/index.ts';

/** A config each feed can be opened with; a new feed needs one here before it passes. */
const CONFIGS: Readonly<Record<string, unknown>> = {
  recorded: { folder: fileURLToPath(new URL('../../examples/week-2026-03-23', import.meta.url)) },
};

const MOMENTS = ['2026-03-22T12:00:00Z', '2026-03-23T00:00:00Z', '2026-03-25T13:07:11Z', '2026-04-02T00:00:00Z'].map(
  (time) => Date.parse(time),
);

test('the index lists every feed of the folder in file-name order', () => {
  const files = readdirSync(new URL('../../src/feeds/', import.meta.url))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .filter((name) => name !== 'feed' && name !== 'index');
  expect(feeds.map(({ name }) => name)).toEqual(files.sort());
});

describe.each(feeds)('$name', (feed) => {
  let now = 0;
  const io: FeedIo = {
    siteNow: () => siteMs(now),
    readFile: (path) => readFile(path, 'utf8'),
    listFiles: (folder) => readdir(folder),
  };
  const open = () => feed.open({ id: 'under-test', config: feed.config.parse(CONFIGS[feed.name]) }, io);

  test('says what it is and has a config that knows no other key', () => {
    expect(feed.about).toMatch(/^[A-Z].{20,}$/);
    const config = CONFIGS[feed.name] as object;
    expect(config).toBeDefined();
    expect(feed.config.safeParse({ ...config, fodler: 'x' }).success).toBe(false);
  });

  test('hands out each series once, in order of time, with its source, and nothing later than now', async () => {
    const handle = open();
    for (now of MOMENTS) {
      const all = await handle.read();
      expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
      for (const { name, source, intervalMs, holdsMs, points } of all) {
        expect(SERIES).toContain(name);
        expect(source).not.toBe('');
        expect(intervalMs).toBeGreaterThan(0);
        expect(holdsMs).toBeGreaterThanOrEqual(intervalMs);
        expect(points.every(({ value }) => Number.isFinite(value))).toBe(true);
        expect(points.every(({ start }, i) => start <= now && (i === 0 || start > points[i - 1]!.start))).toBe(true);
      }
    }
    handle.close();
  });

  test('time brings points and takes none away', async () => {
    const handle = open();
    now = MOMENTS[2]!;
    const before = await handle.read();
    now += 3 * HOUR;
    const after = await handle.read();
    for (const series of before) {
      const later = after.find(({ name }) => name === series.name)!;
      expect(later.points.slice(0, series.points.length)).toEqual(series.points);
    }
    expect(after.some((series, i) => series.points.length > before[i]!.points.length)).toBe(true);
    handle.close();
  });
});
