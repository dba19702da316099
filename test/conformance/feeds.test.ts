import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Feed } from '../../src/feeds/feed.ts';
import { feeds } from '../../src/feeds/index.ts';
import { rangeOf } from '../../src/feeds/shared/plausible.ts';
import { DAY, Fault, HOUR, SERIES, type HttpRequest, type Series } from '../../src/model/index.ts';
import { CASES, feedIo, SECRET, WRONG, type Answer } from '../support/feed-worlds.ts';
import { damagedJson } from '../support/damaged-json.ts';

const MOMENTS = ['2026-03-22T12:00:00Z', '2026-03-23T00:00:00Z', '2026-03-23T13:07:11Z', '2026-04-02T00:00:00Z'].map(
  (time) => Date.parse(time),
);

test('the index lists every feed of the folder in file-name order', () => {
  const files = readdirSync(new URL('../../src/feeds/', import.meta.url))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .filter((name) => name !== 'feed' && name !== 'index');
  expect(feeds.map(({ name }) => name)).toEqual(files.sort());
});

/** A fault, or series; anything else that is thrown is a bug and is thrown on. */
async function outcome(read: Promise<readonly Series[]>): Promise<Fault | readonly Series[]> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

/** What is wrong with series whoever told them, in words. */
function wrongIn(all: readonly Series[], now: number): string[] {
  const wrong: string[] = [];
  if (new Set(all.map(({ name }) => name)).size !== all.length) wrong.push('a series twice');
  for (const { name, source, intervalMs, holdsMs, points, mended } of all) {
    const { min, max } = rangeOf(name);
    if (!SERIES.includes(name)) wrong.push(`${name} is no series`);
    if (source === '') wrong.push(`${name} has no source`);
    if (!(intervalMs > 0 && holdsMs >= intervalMs)) wrong.push(`${name} holds ${holdsMs} of ${intervalMs}`);
    if (mended?.length === 0 || mended?.some((message) => message.length < 10)) wrong.push(`${name}: what was mended?`);
    points.forEach(({ start, value }, i) => {
      if (!(value >= min && value <= max)) wrong.push(`${name} is ${value}`);
      if (start > now) wrong.push(`${name} is told before its time`);
      if (i > 0 && start <= points[i - 1]!.start) wrong.push(`${name} is out of order`);
    });
  }
  return wrong;
}

/** A feed in a world of its own, with both its clocks in the test's hand. */
function worldOf(feed: Feed) {
  const { config, answer } = CASES[feed.name]!;
  const world = {
    now: 0,
    wall: 0,
    config,
    answer,
    override: undefined as ((request: HttpRequest) => Answer) | undefined,
    open(over?: (request: HttpRequest) => Answer) {
      world.override = over;
      world.wall += DAY;
      const io = feedIo({
        now: () => world.now,
        wall: () => world.wall,
        answer: (request) => (world.override ?? ((asked: HttpRequest) => answer!(asked, world.now)))(request),
      });
      return feed.open({ id: 'under-test', config: feed.config.parse(config) }, io);
    },
  };
  return world;
}

const isService = ({ name }: Feed): boolean => CASES[name]?.answer !== undefined;

describe.each(feeds)('$name', (feed) => {
  const world = worldOf(feed);
  const { config } = world;

  test('says what it is and for how long it is believed, and has a config that knows no other key', () => {
    expect(feed.about).toMatch(/^[A-Z].{20,}$/);
    expect(feed.silence).toMatch(/hold/);
    expect(feed.config.safeParse(config).success).toBe(true);
    expect(feed.config.safeParse({ ...(config as object), fodler: 'x' }).success).toBe(false);
  });

  test('says how often it wants to be read: files often, services no more than twice a minute', () => {
    const handle = world.open();
    if (isService(feed)) expect(handle.everyMs).toBeGreaterThanOrEqual(30_000);
    else expect(handle.everyMs ?? 1000).toBeLessThanOrEqual(10_000);
    handle.close();
  });

  test('hands out each series once, in order of time, plausible, with its source, and nothing later than now', async () => {
    const handle = world.open();
    for (world.now of MOMENTS) {
      world.wall += HOUR;
      const all = await handle.read();
      expect(wrongIn(all, world.now)).toEqual([]);
      expect(all.length).toBeGreaterThan(0);
    }
    expect((await handle.read()).every(({ points }) => points.length > 0)).toBe(true);
    handle.close();
  });

  test('time brings points and takes none away', async () => {
    const handle = world.open();
    world.now = MOMENTS[2]!;
    const before = await handle.read();
    world.now += 3 * HOUR;
    const after = await handle.read();
    for (const series of before) {
      const later = after.find(({ name }) => name === series.name)!;
      expect(later.points.slice(0, series.points.length)).toEqual(series.points);
    }
    expect(after.some((series, i) => series.points.length > before[i]!.points.length)).toBe(true);
    handle.close();
  });

  test('a source that is not there is a fault of its kind', async () => {
    const gone = feedIo({ now: () => MOMENTS[2]!, files: {} });
    const handle = feed.open({ id: 'under-test', config: feed.config.parse(config) }, gone);
    expect(await outcome(handle.read())).toMatchObject({ kind: expect.stringMatching(/^(unreachable|garbled)$/) });
  });
});

describe.each(feeds.filter(isService))('$name, a service', (feed) => {
  const world = worldOf(feed);
  const { answer } = world;

  test('a service that goes wrong is a fault of its kind, and what was told before stays', async () => {
    world.now = MOMENTS[2]!;
    for (const { name, answer: wrong, kinds } of WRONG) {
      const handle = world.open();
      const told = await handle.read();
      const copy = structuredClone(told);
      world.now += HOUR;
      world.override = wrong;
      const fault = await outcome(handle.read());
      expect(fault, name).toBeInstanceOf(Fault);
      expect(kinds, `${name}: ${(fault as Fault).message}`).toContain((fault as Fault).kind);
      expect((fault as Fault).message.length).toBeGreaterThan(15);
      expect(told, name).toEqual(copy);
      // When it is well again everything is there again, the earlier points too.
      world.override = undefined;
      world.wall += HOUR;
      const again = await handle.read();
      for (const series of copy)
        expect(again.find((one) => one.name === series.name)!.points.slice(0, series.points.length), name).toEqual(
          series.points,
        );
      handle.close();
    }
  });

  test('a service that is wrong from the start is a fault, and no credential stands in any message', async () => {
    world.now = MOMENTS[2]!;
    for (const { name, answer: wrong, kinds } of WRONG) {
      const fault = await outcome(
        world
          .open((request) => {
            const made = (): Answer => wrong();
            try {
              return made();
            } catch (error) {
              // As the transport words it: with the whole address.
              throw new Fault((error as Fault).kind, `${request.method} ${request.url}: nothing`);
            }
          })
          .read(),
      );
      expect(fault, name).toBeInstanceOf(Fault);
      expect(kinds, `${name}: ${(fault as Fault).message}`).toContain((fault as Fault).kind);
      for (const text of [(fault as Fault).message, String((fault as Fault).cause)]) {
        expect(text).not.toContain(SECRET);
        expect(text).not.toContain(encodeURIComponent(SECRET));
      }
    }
  });

  test('one who is told to wait waits', async () => {
    world.now = MOMENTS[2]!;
    let asked = 0;
    const handle = world.open(() => {
      asked += 1;
      return { status: 429, headers: { 'retry-after': '120' }, body: 'slow down' };
    });
    expect(await outcome(handle.read())).toMatchObject({ kind: 'refused' });
    const first = asked;
    world.wall += 100_000;
    expect(await outcome(handle.read())).toMatchObject({ kind: 'refused' });
    expect(asked).toBe(first);
    world.wall += 21_000;
    await outcome(handle.read());
    expect(asked).toBeGreaterThan(first);
  });

  test('whatever is damaged in a good reply, it ends in series that are right or in a fault', async () => {
    world.now = MOMENTS[2]!;
    const healthy = (await world.open().read()).length;
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat()), fc.nat(5), async (stream, which) => {
        const random = () => stream.next().value as number;
        let count = 0;
        const handle = world.open((request) => {
          const good = answer!(request, world.now);
          const hit = count === which || (count > 5 && random() % 3 === 0);
          count += 1;
          return hit ? { ...good, body: damagedJson(good.body, random) } : good;
        });
        const found = await outcome(handle.read());
        if (found instanceof Fault) return;
        expect(found.length).toBe(healthy);
        expect(wrongIn(found, world.now)).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});
