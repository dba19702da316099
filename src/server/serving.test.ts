import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { gpusFor } from '../dispatch/serving.ts';
import { shortForecast } from '../dispatch/fixture.ts';
import type { WantedClass } from '../dispatch/wanted.ts';
import { HOUR, MINUTE, siteMs, type Series, type Serves, type Site } from '../model/index.ts';
import { createServing } from './serving.ts';
import { crossIssues } from './site-rules.ts';

const SERVES: Serves = {
  requestsPerSecondPerGpu: 2,
  serviceMs: 4_000,
  latencyTargetMs: 5_000,
  withinPct: 95,
  headroomPct: 10,
  minGpus: 2,
  gpusPerReplica: 1,
  kbPerRequest: 0,
};
const SITE = { clusters: [{ classes: [{ id: 'chat', serves: SERVES }, { id: 'other' }] }] } as unknown as Pick<
  Site,
  'clusters'
>;
const FROM = siteMs(Date.UTC(2026, 10, 26));
const series = (values: readonly number[], intervalMs = 5 * MINUTE): Series => ({
  name: 'requestsPerSecond',
  provenance: 'measured',
  source: 'a test',
  intervalMs,
  holdsMs: 2 * intervalMs,
  points: values.map((value, i) => ({ start: siteMs(FROM + i * intervalMs), value })),
});
const other: WantedClass = { id: 'chat', className: 'batch', hasDeadline: false, nowGpus: 99, history: [] };

test('what is wanted follows from requests: now, and by quarter-hour at its busiest', () => {
  const at = siteMs(FROM + 29 * MINUTE);
  const serving = createServing().at(SITE, series([10, 40, 10, 20, 20, 20]), at);
  const wanted = serving.asWanted(other);
  expect(wanted).toMatchObject({ className: 'on-demand', nowGpus: gpusFor(20, SERVES) });
  expect(wanted.history.map(({ gpus, coverage }) => [gpus, coverage])).toEqual([
    [gpusFor(40, SERVES), 1],
    [gpusFor(20, SERVES), 1],
  ]);
  expect(serving.asWanted({ ...other, id: 'other' }).nowGpus).toBe(99);
  expect(serving.inSteps(shortForecast([1, 2])).steps.map(({ wantedGpus }) => wantedGpus)).toEqual([
    { chat: gpusFor(20, SERVES) },
    { chat: gpusFor(20, SERVES) },
  ]);
});

test('silent, it is planned for the busiest of the last day; never told, by its jobs, and a note says so', () => {
  const told = createServing().at(SITE, series([10, 80, 10]), siteMs(FROM + 3 * HOUR));
  expect(told.asWanted(other).nowGpus).toBe(gpusFor(80, SERVES));
  expect(told.notes).toEqual(['requests of chat are not told since 2026-11-26T00:10:00Z: planned for 80 a second']);
  const never = createServing().at(SITE, undefined, FROM);
  expect(never.asWanted(other)).toBe(other);
  expect(never.notes[0]).toMatch(/no feed tells requestsPerSecond/);
});

test('one class answers the requests, and it costs something to miss the target', () => {
  const told = (...classes: object[]): string[] =>
    crossIssues({ clusters: [{ id: 'c', classes }] })
      .filter(({ path }) => path[2] === 'classes')
      .map(({ path, message }) => `${path.slice(3).join('.')}: ${message}`);
  const good = { id: 'chat', serves: SERVES, penaltyUsdPerGpuHour: 8 };
  expect(told(good, { id: 'other' })).toEqual([]);
  expect(told({ ...good, penaltyUsdPerGpuHour: 0 })[0]).toMatch(/^0\.penaltyUsdPerGpuHour: expected more than 0/);
  expect(told(good, { ...good, id: 'two' })[0]).toMatch(/^1\.serves: "chat" answers the requests already/);
  expect(told({ ...good, deadline: {} })[0]).toMatch(/^0\.deadline: .*either serves or deadline/);
});

/** Of real users, where it lies beside the project: it is not part of it. */
const SHARED = process.env['SHARED_DATA_PATH'] ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'data');
const TRACE = join(SHARED, 'azure-llm', 'AzureLLMInferenceTrace_conv.csv.gz');

test.skipIf(!existsSync(TRACE))('an hour of real requests is followed minute by minute', () => {
  const rows = gunzipSync(readFileSync(TRACE)).toString('utf8').trim().split('\n').slice(1);
  const times = rows.map((row) => Date.parse(`${row.slice(0, 23).replace(' ', 'T')}Z`));
  const minutes = Array.from({ length: Math.floor((times.at(-1)! - times[0]!) / MINUTE) }, () => 0);
  for (const t of times) {
    const i = Math.floor((t - times[0]!) / MINUTE);
    if (i < minutes.length) minutes[i]! += 1 / 60;
  }
  expect(minutes.length).toBeGreaterThan(50);
  const requests = series(minutes, MINUTE);
  const source = createServing();
  const gpus = minutes.map((rate, i) => {
    const now = source.at(SITE, requests, siteMs(FROM + i * MINUTE + MINUTE / 2)).asWanted(other).nowGpus;
    expect(now).toBeGreaterThanOrEqual(gpusFor(rate, SERVES));
    return now;
  });
  expect(Math.max(...gpus)).toBeGreaterThan(Math.min(...gpus));
});
