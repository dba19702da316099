import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectMaster, signedMessage, type BasePointMaster } from '../../sim/grid-senders.ts';
import { startVtn, type EmulatedVtn } from '../../sim/vtn.ts';
import { isoUtc } from '../../src/model/index.ts';
import type { GridView } from '../../src/model/grid-api.ts';
import { freePort, startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** Signals of the grid against the emulated site: a VTN, a site controller and a sender of webhooks, judged at the feeder's truth. */

const SPEED = 20;
const CONNECTION_W = 400_000;
/** 2 % of the connection. */
const BAND_W = 0.02 * CONNECTION_W;
const KEY = Buffer.alloc(32, 5);
const HOUR = 3_600_000;

let small: Small;
let vtn: EmulatedVtn;
let master: BasePointMaster;
let beating: NodeJS.Timeout;
let modbusPort: number;

beforeAll(async () => {
  process.env['BUSBAR_TEST_VTN'] = 'vtn-secret';
  process.env['BUSBAR_TEST_WEBHOOK'] = `whsec_${KEY.toString('base64')}`;
  vtn = await startVtn({
    clientId: 'small-site',
    clientSecret: 'vtn-secret',
    siteNow: () => small?.runtime.clock.now() ?? Date.parse('2026-03-29T05:01:00Z'),
  });
  modbusPort = await freePort();
  const gridSignals = [
    {
      id: 'utility',
      kind: 'openadr',
      url: vtn.url,
      clientId: 'small-site',
      clientSecret: { env: 'BUSBAR_TEST_VTN' },
      venName: 'Small site',
      emergencyMw: 0.17,
      pollSeconds: 1,
      reportSeconds: 60,
      stale: { seconds: 8, policy: 'safe-limit', safeLimitMw: 0.3 },
    },
    {
      id: 'iso',
      kind: 'base-point',
      port: modbusPort,
      priority: 5,
      stale: { seconds: 5, policy: 'hold' },
    },
    {
      id: 'aggregator',
      kind: 'webhook',
      secret: { env: 'BUSBAR_TEST_WEBHOOK' },
      stale: { seconds: 4, policy: 'release' },
    },
    {
      id: 'neighbour',
      kind: 'webhook',
      secret: { env: 'BUSBAR_TEST_WEBHOOK' },
      may: { leastImportMw: 0.25 },
      stale: { seconds: 3_600, policy: 'release' },
    },
  ];
  small = await startSmall({
    offset: 11_900,
    from: '2026-03-29T05:01:00Z',
    speed: SPEED,
    adjust: (raw) => Object.assign(raw, { gridSignals }),
  });
  master = await connectMaster(modbusPort);
  beating = setInterval(() => void master.beat().catch(() => {}), 500);
  await until('miners that run as planned', () => {
    const { wanted, seen } = small.runtime.orders.inPlace();
    return wanted > 50 && seen > 50 && (small.runtime.picture().importW ?? 0) > 350_000;
  });
}, 180_000);
afterAll(async () => {
  clearInterval(beating);
  master?.close();
  await small?.close();
  await vtn?.close();
});

const view = async (): Promise<GridView> => (await (await fetch(`${small.url}/api/v1/grid`)).json()) as GridView;
const truthW = (): number => small.sim.truth().feederW;
const acts = async () => small.runtime.store.acts(300);
const later = (ms: number): string => isoUtc(small.runtime.clock.now() + ms);
const hour = { start: '0001-01-01', duration: 'PT2H' };
const eventOf = async (event: string) => (await view()).events.find((one) => one.event === event);
const send = (message: { headers: Readonly<Record<string, string>>; body: string }, source = 'aggregator') =>
  fetch(`${small.url}/api/v1/grid/${source}`, { method: 'POST', headers: message.headers, body: message.body });
const unixS = (): number => Math.floor(Date.now() / 1000);
const demand = (importMw: number, eventId = 'w-1') => ({
  type: 'grid.demand',
  timestamp: new Date(Date.now()).toISOString(),
  data: { eventId, kind: 'cap', importMw, until: later(2 * HOUR) },
});
const beat = () => signedMessage(KEY, { type: 'grid.heartbeat', timestamp: new Date().toISOString() }, unixS());
const owner = () => ({ 'content-type': 'application/json', authorization: '' });

/** Within the band for several looks in a row: not on its way past it. */
async function rests(what: string, at: () => boolean): Promise<void> {
  let quiet = 0;
  await until(what, () => (quiet = at() ? quiet + 1 : 0) >= 10);
}

describe('a VTN of OpenADR', { timeout: 240_000 }, () => {
  // What one test leaves behind is not the next one's.
  afterEach(async () => {
    vtn.trouble(undefined);
    for (const id of ['e-1', 'e-2', 'e-3']) vtn.remove(id);
    await until('nothing is demanded', async () => (await view()).demanded === null);
  });

  test('caps the site, which obeys at the meter and reports it; changes and takes it back', async () => {
    await until('the site is registered', () => vtn.vens.has('Small site'));
    vtn.put('e-1', { priority: 1, intervalPeriod: hour, intervals: [{ type: 'IMPORT_CAPACITY_LIMIT', value: 240 }] });
    await rests('import below the cap', () => truthW() <= 240_000 + 2_000);
    // No more is given up than was asked for, once machines that changed their point have come up again.
    await until('import near the cap', () => truthW() > 240_000 - 2 * BAND_W);
    expect(truthW()).toBeLessThanOrEqual(242_000);
    const row = await eventOf('e-1');
    expect(row).toMatchObject({ source: 'utility', state: 'in-force', kind: 'cap', mostW: 240_000, leastW: 0 });
    expect(row!.deliveredW).toBeGreaterThan(50_000);
    const report = await until('a report', () => vtn.reports.find(({ eventID }) => eventID === 'e-1'));
    const told = await until('a report of import below the cap', () => {
      const payloads = vtn.reports.at(-1)!.resources[0]!.intervals[0]!.payloads;
      const drawn = payloads.find(({ type }) => type === 'DEMAND')?.values[0];
      return typeof drawn === 'number' && drawn <= 243 ? payloads : undefined;
    });
    expect(report.clientName).toBe('Small site');
    expect(told.find(({ type }) => type === 'OPERATING_STATE')?.values).toEqual(['RUNNING_CURTAILED']);

    vtn.put('e-1', { priority: 1, intervalPeriod: hour, intervals: [{ type: 'IMPORT_CAPACITY_LIMIT', value: 200 }] });
    await rests('import below the stricter cap', () => truthW() <= 202_000);

    // A grid emergency of a lower priority still goes before it.
    vtn.put('e-2', { priority: 9, intervalPeriod: hour, intervals: [{ type: 'ALERT_GRID_EMERGENCY', value: 'shed' }] });
    await rests('import below what goes on in an emergency', () => truthW() <= 172_000);
    vtn.remove('e-2');
    vtn.remove('e-1');
    await until('import rises again', () => truthW() > 310_000);
    const who = (await acts()).filter((act) => act.who === 'utility').map(({ what }) => what);
    expect(who.filter((what) => what.startsWith('e-1: import at most'))).toHaveLength(2);
    expect(who).toContain('take back e-1');
    expect(who.some((what) => what.startsWith('e-2: emergency, import at most 170'))).toBe(true);
  });

  test('a person opts out of an event, on record, and the VTN is told so', async () => {
    vtn.put('e-3', { intervalPeriod: hour, intervals: [{ type: 'DISPATCH_SETPOINT', value: 0.22 }], units: 'MW' });
    await rests('import at the set point', () => Math.abs(truthW() - 220_000) <= BAND_W);
    const { grid } = small.runtime;
    await grid.optOut('utility', 'e-3', 'ada', 'a customer is on site');
    await until('import goes back up', () => truthW() > 310_000);
    expect(await eventOf('e-3')).toMatchObject({ state: 'opted-out' });
    await until('a report that says so', () =>
      vtn.reports.some(
        ({ eventID, resources }) =>
          eventID === 'e-3' &&
          resources[0]!.intervals[0]!.payloads.some(({ values }) => values.includes('RUNNING_OPTED_OUT')),
      ),
    );
    expect((await acts()).find(({ what }) => what === 'opt out of e-3 of utility')).toMatchObject({
      who: 'ada',
      why: 'a customer is on site',
    });
    const stranger = await fetch(`${small.url}/api/v1/grid-events/utility/e-3/opt-out`, {
      method: 'POST',
      headers: owner(),
      body: JSON.stringify({ why: 'because' }),
    });
    expect(stranger.status).toBe(401);
    vtn.remove('e-3');
    await until('nothing is demanded', async () => (await view()).demanded === null);
  });

  test('a VTN that answers nonsense or not at all is stale by its policy: import stays below the safe limit', async () => {
    expect(truthW()).toBeGreaterThan(310_000);
    vtn.trouble('garbled');
    await until('stale', async () => (await view()).sources.find(({ id }) => id === 'utility')?.state === 'stale');
    await rests('import below the safe limit', () => truthW() <= 302_000);
    expect(small.runtime.alarms().find(({ code }) => code === 'grid-signal-stale')).toMatchObject({
      subject: 'utility',
    });
    vtn.trouble(undefined);
    await until('import rises again', () => truthW() > 310_000);
    expect((await acts()).map(({ what }) => what)).toEqual(
      expect.arrayContaining(['stale: import stays below 0.3 MW', 'heard again']),
    );
  });
});

describe('a site controller over Modbus', { timeout: 240_000 }, () => {
  const int32 = (words: Buffer, i: number): number => words.readInt32BE(2 * i) * 1000;

  test('moves the base point down and up, and the feeder follows within 2 % of the connection', async () => {
    for (const kw of [320, 210, 340, 260]) {
      await master.send(kw);
      await rests(`import at ${kw} kW`, () => Math.abs(truthW() - kw * 1000) <= BAND_W);
      expect(await view()).toMatchObject({ demanded: { leastW: kw * 1000, mostW: kw * 1000 } });
    }
    const telemetry = await master.read(100, 16);
    expect(telemetry.readUInt16BE(0)).toBe(1);
    expect(telemetry.readUInt16BE(2) & 0b1111).toBe(1);
    expect(Math.abs(int32(telemetry, 2) - truthW())).toBeLessThan(BAND_W);
    expect(int32(telemetry, 4)).toBeGreaterThan(50_000);
    expect(int32(telemetry, 6)).toBeGreaterThan(50_000);
    expect(int32(telemetry, 10)).toBe(260_000);
    expect(telemetry.readUInt16BE(28)).toBeLessThan(60);
    await expect(master.send(401)).rejects.toThrow('exception 3');
  });

  test('that hangs is stale, and what it told holds; one that lets go is not missed', async () => {
    clearInterval(beating);
    await until('stale', async () => (await view()).sources.find(({ id }) => id === 'iso')?.state === 'stale');
    await rests('import held where it was', () => Math.abs(truthW() - 260_000) <= BAND_W);
    await master.send(280);
    await until('heard again', async () => (await view()).sources.find(({ id }) => id === 'iso')?.state === 'live');
    await master.send(280, false);
    await until('import rises again', () => truthW() > 310_000);
    await until('silent for longer than the policy allows', async () => {
      const iso = (await view()).sources.find(({ id }) => id === 'iso')!;
      return iso.ageSeconds! > 6 && iso;
    });
    expect((await view()).sources.find(({ id }) => id === 'iso')?.state).toBe('live');
  });
});

describe('a signed webhook', { timeout: 240_000 }, () => {
  test('is believed once; forged, late, replayed, oversize and nonsense ones are refused, on record', async () => {
    const good = signedMessage(KEY, demand(0.23), unixS());
    expect((await send(good)).status).toBe(202);
    await rests('import below what it asked', () => truthW() <= 232_000);

    const answers = [
      await send(good),
      await send({ ...good, body: good.body.replace('0.23', '9.23') }),
      await send(signedMessage(Buffer.alloc(32, 6), demand(9), unixS())),
      await send(signedMessage(KEY, demand(9), unixS() - 400)),
      await send(signedMessage(KEY, demand(9), unixS() + 400)),
      await send({ headers: { 'content-type': 'application/json' }, body: good.body }),
      await send(signedMessage(KEY, { ...demand(9), more: 'x'.repeat(9_000) }, unixS())),
      await send(signedMessage(KEY, { type: 'grid.demand' }, unixS())),
      await send(good, 'nobody'),
      await send(good, 'utility'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([409, 401, 401, 401, 401, 400, 413, 400, 404, 404]);
    for (const { headers } of answers) expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    const refused = (await acts()).filter(({ who, what }) => who === 'aggregator' && what.startsWith('refused'));
    for (const why of [
      /taken already/,
      /does not fit/,
      /40\d s ago/,
      /s ahead of our clock/,
      /webhook-id/,
      /large/,
      /timestamp/,
    ])
      expect(refused.map((act) => act.why)).toContainEqual(expect.stringMatching(why));
    expect(refused).toHaveLength(8);
    expect(truthW()).toBeLessThan(232_000);
  });

  test('that falls silent under release counts no more', async () => {
    expect((await send(beat())).status).toBe(202);
    await until('stale', async () => (await view()).sources.find(({ id }) => id === 'aggregator')?.state === 'stale');
    expect(await eventOf('w-1')).toMatchObject({ state: 'not-followed' });
    await until('import rises again', () => truthW() > 310_000);
    expect((await send(beat())).status).toBe(202);
    await until('what it told counts again', async () => (await eventOf('w-1'))?.state === 'in-force');
    await send(
      signedMessage(
        KEY,
        { type: 'grid.cancel', timestamp: new Date().toISOString(), data: { eventId: 'w-1' } },
        unixS(),
      ),
    );
    await until('taken back', async () => (await view()).demanded === null);
  });

  test('that asks for more than its source may command is refused, on record, and nothing is demanded', async () => {
    const asking = (more: object) => {
      const whole = demand(0.26, 'n-1');
      return send(signedMessage(KEY, { ...whole, data: { ...whole.data, ...more } }, unixS()), 'neighbour');
    };
    const answers = [
      await asking({ priority: 9 }),
      await asking({ kind: 'emergency' }),
      await asking({ importMw: 0.24 }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
    const [problem] = await Promise.all(answers.map((answer) => answer.json() as Promise<{ detail: string }>));
    expect(problem!.detail).toBe('n-1: priority 9: 10 is the highest for this source to name (may.priority)');
    const refused = (await acts()).filter(({ who, what }) => who === 'neighbour' && what === 'refused: a webhook');
    expect(refused.map(({ why }) => why)).toEqual([
      expect.stringContaining('may.leastImportMw'),
      expect.stringContaining('may.kinds'),
      expect.stringContaining('may.priority'),
    ]);
    expect((await view()).demanded).toBeNull();
  });

  test('one address that sends on and on is stopped, and cannot fill the record', async () => {
    const before = (await acts()).length;
    const forged = signedMessage(Buffer.alloc(32, 6), demand(9), unixS());
    const statuses: number[] = [];
    for (let i = 0; i < 80; i += 1) statuses.push((await send(forged)).status);
    expect(statuses).toContain(401);
    expect(statuses.at(-1)).toBe(429);
    expect((await acts()).length - before).toBeLessThanOrEqual(20);
  });
});
