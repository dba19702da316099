import { afterAll, beforeAll, expect, test, vi, type MockInstance } from 'vitest';
import type { Trust } from '../../src/model/index.ts';
import * as orders from '../../src/model/orders-api.ts';
import * as shapes from '../../src/model/trust-api.ts';
import type { Answer } from '../support/site/ask.ts';
import { askAs } from '../support/site/ask.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** Trust by cohort over machines that speak their real protocols: who is written to, and on whose word. */

const LIMIT = { timeout: 300_000 };
let site: Small;
const poolWrites: MockInstance[] = [];
let ask: (method: string, path: string, body?: object) => Promise<Answer>;
beforeAll(async () => {
  // Cheap power: the plan wants every miner awake, and half of them sleep.
  site = await startSmall({
    offset: 14_860,
    from: '2026-03-23T20:01:00Z',
    speed: 20,
    awakePct: { 'a-s21': 40, 'd-s21xp': 40 },
  });
  ask = await askAs(site, 'operator-of-the-night', 'admin');
  for (const { device } of site.runtime.fleet.machines)
    if (device.setPools !== undefined) poolWrites.push(vi.spyOn(device, 'setPools'));
  await set('suggest');
}, 120_000);
afterAll(() => site?.close());

async function set(trust: Trust, cohort?: string): Promise<void> {
  const answer = await ask('POST', '/trust', {
    trust,
    why: 'a test asks',
    ...(cohort === undefined ? {} : { cohort }),
  });
  expect(answer.status).toBe(204);
}
const suggestions = async () => shapes.suggestionsPage.parse((await ask('GET', '/suggestions')).body);
const told = (group: string): number =>
  site.runtime.fleet.machines.filter(
    ({ machine }) => machine.groupId === group && site.runtime.reconciler.commandOf(machine.id) !== undefined,
  ).length;
const asleep = (group: string): number => site.runtime.picture().groups.get(group)?.modes['sleep'] ?? 0;
const acts = async () => (await site.runtime.store.acts(200)).map(({ who, what, why }) => `${who}: ${what} (${why})`);

test('in suggest nothing is written until a person confirms, and then that cohort alone, once', LIMIT, async () => {
  await until('plans', () => site.runtime.measurements.planMs.length >= 2);
  const first = await until('a suggestion for each cohort', async () => {
    const page = await suggestions();
    return page.suggestions.length === 2 ? page : undefined;
  });
  expect([told('a-s21'), told('d-s21xp')]).toEqual([0, 0]);
  const one = first.suggestions.find(({ cohort }) => cohort === 'a-s21')!;
  expect(one.trust).toBe('suggest');
  const from = (mode: string) =>
    one.moves.filter((move) => move.from === mode).reduce((sum, { machines }) => sum + machines, 0);
  expect(from('sleep')).toBeGreaterThan(5);
  for (const mode of Object.keys(one.from)) expect(from(mode)).toBe(Math.max(0, one.from[mode]! - (one.to[mode] ?? 0)));
  expect(one.importDeltaW).toBeGreaterThan(0);
  expect(one.usdPerHour).toBeGreaterThan(0);
  expect(one.why).toMatch(/ of a-s21 /);
  // The plan in force counts on the machines as they are.
  expect(site.runtime.plan()!.steps[0]!.cohorts['a-s21']!['sleep']).toBe(asleep('a-s21'));

  const done = await ask('POST', `/suggestions/${one.id}/confirm`, { why: 'as we would have done' });
  expect(done.status).toBe(202);
  expect(shapes.suggestionConfirmed.parse(done.body)).toMatchObject({ cohort: 'a-s21' });
  // The last machines may wait for room under the hall's breaker, as its meter shows it.
  await until('the cohort as it was confirmed', () => asleep('a-s21') <= 2);
  await until('seen and proved', async () => {
    const { underway } = await suggestions();
    return underway.length === 0 || underway[0]!.left <= 2;
  });
  expect(told('d-s21xp')).toBe(0);
  expect(await acts()).toContainEqual(
    expect.stringMatching(
      /^operator-of-the-night: confirm: a-s21: .*\d+ from sleep to \S+.* \(as we would have done\)$/,
    ),
  );
  const again = await ask('POST', `/suggestions/${one.id}/confirm`, { why: 'as we would have done' });
  expect(again.status).toBe(409);
});

test('an order moves a cohort in suggest unasked, and none in shadow', LIMIT, async () => {
  await set('shadow', 'd-s21xp');
  const before = asleep('d-s21xp');
  const preview = orders.orderPreview.parse((await ask('POST', '/orders/preview', { kind: 'stop' })).body);
  expect(preview.skipped.join()).toMatch(/30 of d-s21xp: in shadow/);
  expect(preview.machines.every(({ group }) => group === 'a-s21')).toBe(true);
  const order = await ask('POST', '/orders', { preview: preview.id, why: 'smoke in hall a' });
  expect(order.status).toBe(202);
  await until('hall a asleep', () => asleep('a-s21') === 30);
  expect([told('d-s21xp'), asleep('d-s21xp')]).toEqual([0, before]);
  const { id } = orders.orderState.parse(order.body);
  expect((await ask('POST', `/orders/${id}/release`, { why: 'over' })).status).toBe(200);

  // Given back, it waits for a person again; what is in shadow is told, and nobody can confirm it.
  const page = await until('suggestions', async () => {
    const found = await suggestions();
    return found.suggestions.length === 2 ? found : undefined;
  });
  const inShadow = page.suggestions.find(({ cohort }) => cohort === 'd-s21xp')!;
  expect(inShadow).toMatchObject({ trust: 'shadow' });
  const refused = await ask('POST', `/suggestions/${inShadow.id}/confirm`, { why: 'in vain' });
  expect([refused.status, refused.body]).toMatchObject([409, { detail: expect.stringMatching(/in shadow/) }]);
  expect(asleep('a-s21')).toBe(30);
});

test('a cohort in auto goes no further than its site; raised, the plan moves it by itself', LIMIT, async () => {
  await set('auto', 'a-s21');
  const page = shapes.trustPage.parse((await ask('GET', '/trust')).body);
  expect(page.cohorts.find(({ cohort }) => cohort === 'a-s21')).toEqual({
    cohort: 'a-s21',
    own: 'auto',
    trust: 'suggest',
  });
  await set('auto');
  await until('hall a awake by the plan', () => asleep('a-s21') <= 2);
  expect(told('d-s21xp')).toBe(0);
});

test('pools and workers are written by nobody but a person', async () => {
  expect(poolWrites.length).toBeGreaterThan(30);
  for (const write of poolWrites) expect(write).not.toHaveBeenCalled();
});
