import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as shapes from '../../src/model/orders-api.ts';
import { localToken, runBusbar, type Ran } from '../support/site/cli.ts';
import {
  startServerProcess,
  startSimProcess,
  type ServerProcess,
  type Settings,
  type SimProcess,
} from '../support/site/processes.ts';
import { freePort, writeSmallSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** Orders by the command line, from the preview to the meter and back, over a server that is killed in between. */

const LIMIT = { timeout: 480_000 };
let settings: Settings;
let sim: SimProcess;
let server: ServerProcess;

beforeAll(async () => {
  const files = writeSmallSite();
  const clock = { epochSiteMs: Date.parse('2026-03-23T20:01:00Z'), epochUnixMs: Date.now() + 1_000, speed: 20 };
  settings = { files, clock, offset: 11_860, port: await freePort() };
  sim = await startSimProcess(settings);
  server = await startServerProcess(settings);
}, 120_000);
afterAll(async () => {
  await server?.kill();
  await sim?.kill();
  settings?.files.remove();
});

const data = (): string => join(settings.files.folder, 'data');
const busbar = (...args: readonly string[]): Promise<Ran> =>
  runBusbar(args, { url: server.url, token: localToken(settings) });
async function json(...args: readonly string[]): Promise<unknown> {
  const ran = await busbar(...args, '--json');
  expect(ran, `busbar ${args.join(' ')}`).toMatchObject({ err: '', status: 0 });
  return JSON.parse(ran.out);
}
const why = ['--why', 'a test asks'];
const orders = async () => shapes.ordersPage.parse(await json('orders')).orders;

test(
  'curtail: previewed, carried out, seen at the meter, kept over a kill, released; then a safe stop',
  LIMIT,
  async () => {
    const curtail = ['curtail', '--mw', '0.06', '--for', '8h', ...why];
    const preview = await until('miners that run and a preview', async () => {
      const ran = await busbar(...curtail, '--dry-run', '--json');
      if (ran.status !== 0) return undefined;
      const told = shapes.orderPreview.parse(JSON.parse(ran.out));
      return told.machines.length > 0 && told.usdPerHour !== null ? told : undefined;
    });
    expect(preview).toMatchObject({ kind: 'curtail', reached: true, needsSecondPerson: false });
    expect(preview.usdPerHour).toBeGreaterThan(0);
    expect(preview.thenW).toBeLessThanOrEqual(preview.importW! - 0.06e6 + 10_000);
    expect(await orders()).toEqual([]);

    const order = shapes.orderState.parse(await json(...curtail, '--yes'));
    expect(order).toMatchObject({ state: 'in-force', who: 'owner', machines: { failed: [] } });
    expect(order.machines.wanted).toBeGreaterThan(5);
    expect(order.machines.seen).toBe(order.machines.wanted);
    // Proved at the feeder meter, within a machine and the meter's own wobble.
    expect(order.deliveredW).toBeGreaterThan(0.06e6 - 6_000);

    await server.kill();
    server = await startServerProcess(settings);
    const [kept] = await until('the order after a restart', async () => {
      const list = await orders();
      return list[0]?.state === 'in-force' && (list[0].importW ?? Infinity) <= list[0].firmW! + 6_000
        ? list
        : undefined;
    });
    expect(kept).toMatchObject({ id: order.id, why: 'a test asks', until: order.until });
    expect((await busbar('orders')).out).toContain(`busbar release ${order.id}`);

    expect(await json('release', order.id.slice(0, 8), ...why)).toEqual({ released: [order.id] });
    expect(await orders()).toMatchObject([{ state: 'over', ended: 'owner: a test asks' }]);
    const again = await busbar('release', order.id, ...why);
    expect(again).toMatchObject({ status: 1 });
    expect(again.err).toMatch(/no cohort|not held/);

    const stop = shapes.orderState.parse(await json('stop', '--yes', ...why));
    expect(stop).toMatchObject({ kind: 'stop', state: 'in-force', until: null, firmW: null, machines: { failed: [] } });
    await until('every miner asleep', async () => {
      const [newest] = await orders();
      return newest?.machines.wanted === 60 && newest.machines.seen === 60;
    });
    await until('none of them running', async () => {
      const { out } = await busbar('machines', '--state', 'running', '--json');
      return (JSON.parse(out) as { machines: { kind: string }[] }).machines.every(({ kind }) => kind !== 'asic');
    });
    expect(await json('hold', 'a-s21', ...why)).toEqual({ held: 'a-s21' });
    const which = await busbar('release', ...why);
    expect(which).toMatchObject({ status: 1, err: expect.stringContaining('say which') });
    for (const one of [stop.id, 'a-s21']) expect(which.err).toContain(`busbar release ${one} `);
    expect(await json('release', 'all', ...why)).toEqual({ released: [stop.id] });
    expect(await json('release', ...why)).toEqual({ released: ['a-s21'] });
    await until('miners woken by the plan', async () => {
      const { out } = await busbar('machines', '--state', 'running', '--json');
      return (JSON.parse(out) as { matching: number }).matching > 20;
    });
    const audit = await json('audit', 'verify', '--data', data());
    expect(audit).toMatchObject({ whole: true, broken: [] });
  },
);

test('what makes no sense is refused with what to do', LIMIT, async () => {
  const tooMuch = await busbar('curtail', '--mw', '99', '--for', '1h', ...why, '--dry-run');
  expect(tooMuch).toMatchObject({ status: 1, err: expect.stringMatching(/import is .* MW now/) });
  expect(await busbar('curtail', '--mw', '1', '--for', 'soon', ...why)).toMatchObject({
    status: 1,
    err: expect.stringContaining('1h30m'),
  });
  expect(await busbar('approve', 'nothing', ...why)).toMatchObject({
    status: 1,
    err: expect.stringContaining('another'),
  });
  expect(await busbar('stop', ...why, '--json')).toMatchObject({ status: 1, err: expect.stringContaining('--yes') });
  expect(await busbar('release', 'all', ...why)).toMatchObject({ status: 1, err: expect.stringContaining('no order') });
  const nothing = await busbar('release', ...why);
  expect(nothing).toMatchObject({ status: 1, err: expect.stringContaining('nothing can be released') });
  const unknown = await busbar('hold', 'a-s12', ...why);
  expect(unknown).toMatchObject({ status: 1, err: expect.stringContaining('there are a-s21, d-s21xp') });
  const curt = await busbar('hold', 'a-s21', '--why', 'x');
  expect(curt.err).toContain('a reason has 3 characters at least');
  expect((await busbar('curtail', '--mw', '5', '--for', '1h')).err).toContain('busbar curtail --help');
});
