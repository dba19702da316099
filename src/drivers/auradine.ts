import { z } from 'zod';
import { Fault, run, secretRef, SLEEP, type BoardReading, type OperatingMode } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { askCgminer, expectSuccess, part, poolsOf, requirePart, sharesOf } from './wire/cgminer.ts';
import { factoryPoints } from './wire/factory-points.ts';
import { amount, fields, list, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { asFields } from './wire/http.ts';
import { expectTold, parts } from './wire/parts.ts';
import { webSession } from './wire/web-session.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(8080),
  rpcPort: z.number().int().min(1).max(65535).default(4028),
  username: z.string().default('admin'),
  password: secretRef.optional().describe('absent: the factory password'),
  timeoutMs: z.number().int().positive().default(3000),
});

const FACTORY_PASSWORD = 'admin';
/** Modes of its own tuner, beside `custom`, which is what it calls a limit of watts or TH/s. */
const MODES = ['eco', 'normal', 'turbo'] as const;
const MOST_POOLS = 3;

/** Codes of its lamp: what it shows is also what it complains of. */
const LED = { normal: 2, locate: 3 } as const;
const LED_TROUBLES: ReadonlyMap<number, string> = new Map([
  [1, 'no power at its boards'],
  [4, 'temperature out of range'],
  [5, 'pools not configured, or none answers'],
  [6, 'network trouble'],
  [7, 'control board trouble'],
  [8, 'hashrate low'],
]);

/**
 * Auradine Teraflux (FluxOS): gcminer speaks the cgminer API on 4028, and everything that is not hashing is on HTTP
 * 8080 behind a token, in the same manner of STATUS and lists. Written from what public clients of the firmware send and
 * read, without a machine or its documentation at hand. Power is what its supply takes in.
 */
export const auradine = defineDriver({
  name: 'auradine',
  about: 'Auradine Teraflux with FluxOS (HTTP API on port 8080, cgminer API on 4028)',
  serves: ['asic'],
  config,
  factory: { username: 'admin', password: FACTORY_PASSWORD },
  ports: [8080],
  probes: [{ port: 8080, path: '/ipreport' }],
  recognises: ({ banners, pages }) =>
    [4028, 8080].some((port) => /gcminer|flux ?os|auradine|teraflux/i.test(banners.get(port) ?? '')) ||
    /"IPReport"/.test(pages.get('8080/ipreport') ?? ''),
  open({ address, modelId, config: { port, rpcPort, username, password, timeoutMs } }, io) {
    const target = { host: address, port: rpcPort, timeoutMs };
    const rest = webSession({
      http: io.http,
      base: `http://${address}:${port}`,
      timeoutMs,
      openReads: false,
      async login(ask, signal) {
        const pw = password === undefined ? FACTORY_PASSWORD : io.secret(password);
        const where = `${address} token`;
        const reply = await ask('POST', '/token', { command: 'token', user: username, password: pw }, signal);
        // The status is handed on as it is, and a denial here is the end of it.
        if (reply.status === 401 || reply.status === 403) throw denied(where, `${reply.status}`);
        if (reply.status !== 200) throw new Fault('refused', `${where}: ${reply.status}`, { bytes: reply.body });
        const said = asFields(reply, where);
        const token = text(fields(list(said['Token'])[0])['Token']);
        if (token !== undefined) return { Token: token };
        const { STATUS: letter, Msg } = fields(list(said['STATUS'])[0]);
        if (letter === 'E') throw denied(where, text(Msg) ?? 'declined');
        throw new Fault('garbled', `${where}: no token in the answer`, { bytes: reply.body });
      },
    });

    async function rpc(command: string, signal?: AbortSignal): Promise<Fields> {
      const reply = await askCgminer(io.tcp, target, command, undefined, signal);
      expectSuccess(reply, `${address} ${command}`);
      return reply;
    }

    /** A token that has run out is told by a 401 or, with a status of 200, in words. */
    async function fresh<T extends Fields>(ask: () => Promise<T>): Promise<T> {
      const reply = await ask();
      const { STATUS: letter, Msg } = fields(list(reply['STATUS'])[0]);
      if (letter !== 'E' || !/token|session|expired|unauthor/i.test(text(Msg) ?? '')) return reply;
      rest.forget();
      return ask();
    }

    /** A list of its HTTP API under its key; some pages say STATUS too, and not all versions do. */
    async function page(path: string, key: string, signal?: AbortSignal): Promise<readonly Fields[]> {
      const where = `${address} ${path}`;
      const reply = await fresh(() => rest.get(`/${path}`, signal, path));
      if (Array.isArray(reply[key])) return list(reply[key]).map(fields);
      if ('STATUS' in reply) expectSuccess(reply, where);
      throw new Fault('garbled', `${where}: no ${key}`, { bytes: JSON.stringify(reply) });
    }
    const modeNow = async (signal?: AbortSignal): Promise<Fields> => (await page('mode', 'Mode', signal))[0] ?? {};

    async function write(command: string, given: Fields, signal?: AbortSignal): Promise<void> {
      const where = `${address} ${command}`;
      const reply = await fresh(async () =>
        asFields(await rest.send('POST', `/${command}`, { command, ...given }, signal), where),
      );
      expectSuccess(reply, where);
    }

    return {
      async read(signal) {
        const where = `${address} summary`;
        const summary = requirePart(await rpc('summary', signal), 'summary', 'SUMMARY', 'MHS 5s', where);
        const devs = await unlessUnsupported(rpc('devs', signal));
        const mode = await unlessUnsupported(modeNow(signal));
        const told = watts(summary['Wattage']);
        const psu = told === undefined ? await unlessUnsupported(page('psu', 'PSU', signal)) : undefined;
        const powerW = told ?? watts(psu?.[0]?.['PowerIn']);
        const mhs = amount(summary['MHS 5s']);
        return {
          at: io.siteNow(),
          powerW,
          powerBasis: powerW === undefined ? undefined : 'measured',
          hashrateThs: mhs === undefined ? undefined : mhs / 1e6,
          mode: mode === undefined ? undefined : modeOf(mode),
          temperatureC: max([
            warm(summary['Temperature']),
            ...(devs === undefined ? [] : part(devs, 'devs', 'DEVS').map((row) => warm(row['Temperature']))),
          ]),
          uptimeS: amount(summary['Elapsed']),
          powerLimitW: mode === undefined ? undefined : limitOf(mode),
          points: factoryPoints(modelId),
        };
      },
      inspect: async (signal) => {
        const asked = parts();
        const report = (await asked.get('identity', () => page('ipreport', 'IPReport', signal)))?.[0] ?? {};
        const version = await asked.get('version', () => rpc('version', signal));
        const details = await asked.get('model', () => rpc('devdetails', signal));
        const devs = await asked.get('boards', () => rpc('devs', signal));
        const temps = await asked.get('temperatures', () => page('temperature', 'Temperature', signal));
        const fans = await asked.get('fans', () => page('fan', 'Fan', signal));
        const led = (await asked.get('errors', () => page('led', 'LED', signal)))?.[0];
        const pools = await asked.get('pools', () => rpc('pools', signal));
        const gaps = asked.gaps();
        const poolList = pools === undefined ? undefined : poolsOf(pools);
        const active = poolList?.find((pool) => pool.active === true);
        const rpms = fans?.map((fan) => amount(fan['Speed']));
        const built = version === undefined ? {} : (part(version, 'version', 'VERSION')[0] ?? {});
        const named = details === undefined ? {} : (part(details, 'devdetails', 'DEVDETAILS')[0] ?? {});
        return expectTold(
          {
            at: io.siteNow(),
            model: text(named['Model']) ?? text(report['model']) ?? text(built['Type']),
            firmware: text(report['version']) ?? text(built['GCMiner']),
            serial: text(report['SerialNo']),
            mac: macAddress(report['mac']),
            hostname: text(report['hostname']),
            boards: boardsOf(devs, temps, list(report['HBSerialNo'])),
            fansRpm: rpms === undefined || rpms.length === 0 ? undefined : rpms,
            fanRpm: max(rpms ?? []),
            pools: poolList,
            pool: active && { url: active.url, worker: active.worker },
            acceptedShares: sharesOf(poolList, 'acceptedShares'),
            rejectedShares: sharesOf(poolList, 'rejectedShares'),
            errors: led === undefined ? undefined : errorsOf(led),
            gaps,
          },
          address,
        );
      },
      sleep: (signal) => write('mode', { sleep: 'on' }, signal),
      wake: (signal) => write('mode', { sleep: 'off' }, signal),
      async setMode(profile, signal) {
        const now = await modeNow(signal);
        // The catalogue calls what a machine runs from the factory `default`.
        const wanted = MODES.find((mode) => mode === (profile === 'default' ? 'normal' : profile));
        if (wanted === undefined)
          throw new Fault('unsupported', `${address}: no mode "${profile}"; it has ${MODES.join(', ')}`);
        if (text(now['Mode'])?.toLowerCase() !== wanted) await write('mode', { mode: wanted }, signal);
        if (modeOf(now)?.kind === 'sleep') await write('mode', { sleep: 'off' }, signal);
      },
      setPowerLimit: (limit, signal) =>
        write('mode', { mode: 'custom', tune: 'power', power: Math.round(limit) }, signal),
      async setPools(pools, signal) {
        if (pools.length > MOST_POOLS)
          throw new Fault('unsupported', `${address}: it takes ${MOST_POOLS} pools, ${pools.length} were given`);
        const written = pools.map(({ url, worker, password: pass }) => ({ url, user: worker, pass }));
        await write('updatepools', { pools: written }, signal);
      },
      reboot: (signal) => write('restart', {}, signal),
      async locate(on, signal) {
        if (on) return write('led', { code: LED.locate }, signal);
        // The lamp also shows what is wrong: that is not put out.
        const [led] = await page('led', 'LED', signal);
        if (num(led?.['Code']) === LED.locate) await write('led', { code: LED.normal }, signal);
      },
      close() {},
    };
  },
});

const denied = (where: string, said: string): Fault =>
  new Fault('unauthorised', `${where}: ${said}; check the user and password in the site file`);

/** Older versions lack a page or a command: a reading stands without it. */
async function unlessUnsupported<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Fault && error.kind === 'unsupported') return undefined;
    throw error;
  }
}

/** A number, or one with its unit: `3412.50W`. */
const watts = (value: unknown): number | undefined =>
  amount(typeof value === 'string' ? value.replace(/\s*W$/i, '') : value);

/** A sensor that is not there says 0. */
const warm = (value: unknown): number | undefined => num(value) || undefined;

/** `Sleep` is "on" or "off" beside the mode it would run in; clients also know it as a boolean. */
function modeOf(mode: Fields): OperatingMode | undefined {
  const sleep = mode['Sleep'];
  const word = text(mode['Mode'])?.toLowerCase();
  if (sleep === true || text(sleep)?.toLowerCase() === 'on' || word === 'sleep') return SLEEP;
  const awake = sleep === false || text(sleep)?.toLowerCase() === 'off';
  return word === undefined ? (awake ? run('normal') : undefined) : run(word);
}

/** Watts it tunes for, where it tunes for watts. */
const limitOf = (mode: Fields): number | undefined => {
  if (text(mode['Tune']) !== undefined && mode['Tune'] !== 'power') return undefined;
  return text(mode['Mode'])?.toLowerCase() === 'custom' ? amount(mode['Power']) || undefined : undefined;
};

/** Boards are numbered from 1, in `devs` and on its pages alike. */
function boardsOf(
  devs: Fields | undefined,
  temps: readonly Fields[] | undefined,
  serials: readonly unknown[],
): readonly BoardReading[] | undefined {
  const rows = devs === undefined ? [] : part(devs, 'devs', 'DEVS');
  const idOf = (row: Fields, i: number): number => num(row['ID']) ?? i + 1;
  const hot = new Map((temps ?? []).map((row, i) => [idOf(row, i), row]));
  const known = new Map(rows.map((row, i) => [idOf(row, i), row]));
  const ids = [...new Set([...known.keys(), ...hot.keys(), ...serials.map((_, i) => i + 1)])]
    .filter((id) => Number.isInteger(id) && id > 0)
    .sort((a, b) => a - b);
  const boards = ids.map((id): BoardReading => {
    const row = known.get(id) ?? {};
    const mhs = amount(row['MHS 5s']);
    const sensors = hot.get(id) ?? {};
    const chips = list(sensors['ChipTemp']).map((chip) => num(fields(chip)['Temperature']));
    return {
      index: id - 1,
      hashrateThs: mhs === undefined ? undefined : mhs / 1e6,
      temperatureC: max([
        warm(row['Temperature']),
        ...list(sensors['BoardTemp']).map((one) => warm(fields(one)['Temperature'])),
        ...chips.map(warm),
      ]),
      // A chip that does not answer shows 0 degrees.
      chips: chips.some((chip) => chip !== undefined) ? chips.filter((chip) => (chip ?? 0) > 0).length : undefined,
      serial: text(serials[id - 1]),
    };
  });
  return boards.length === 0 ? undefined : boards;
}

function errorsOf(led: Fields): string[] | undefined {
  const code = num(led['Code']);
  if (code === undefined) return undefined;
  if (code === LED.normal || code === LED.locate) return [];
  const said = text(led['Msg']);
  const known = LED_TROUBLES.get(code) ?? `lamp code ${code}`;
  return [said === undefined ? known : `${known}: ${said}`];
}
