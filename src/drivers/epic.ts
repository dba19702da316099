import { z } from 'zod';
import { Fault, run, secretRef, SLEEP, type BoardReading, type PoolReading, type Reading } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, fields, list, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { expectTold, parts } from './wire/parts.ts';
import { asObject, webSession } from './wire/web-session.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(4028),
  password: secretRef.optional().describe('absent: the factory password'),
  timeoutMs: z.number().int().positive().default(3000),
});

const FACTORY_PASSWORD = 'letmein';
/** `Operating State` of one that hashes nothing. */
const IDLE = 'Idling';
/** Told to stop; every other state hashes or is on its way to. */
const ASLEEP = /^(Idling|Stopping)$/;

/**
 * ePIC control boards (UMC, PowerPlay) over HTTP on 4028 (ePIC's API page): `/summary` tells nearly everything in one
 * answer, hashrates in MH/s. A write carries the password in its body and is answered `{result, error}`.
 */
export const epic = defineDriver({
  name: 'epic',
  about: 'Miners with ePIC firmware (REST API on port 4028)',
  serves: ['asic'],
  config,
  factory: { username: '', password: FACTORY_PASSWORD },
  probes: [
    { port: 4028, path: '/capabilities' },
    { port: 4028, path: '/summary' },
  ],
  recognises: ({ banners, pages }) =>
    /Miner Web Dashboard/.test(banners.get(80) ?? '') ||
    /"Board Serial Numbers"|"Performance Estimator"/.test(pages.get('4028/capabilities') ?? '') ||
    /"Operating State"|"PowerPlay/.test(pages.get('4028/summary') ?? ''),
  open({ address, config: { port, password, timeoutMs } }, io) {
    const rest = webSession({ http: io.http, base: `http://${address}:${port}`, timeoutMs });

    async function summary(signal?: AbortSignal): Promise<Fields> {
      const said = await rest.get('/summary', signal);
      if (Object.keys(fields(said['Status'])).length === 0 && !Array.isArray(said['HBs'])) {
        expectResult(said, `${address} summary`);
        throw new Fault('garbled', `${address} summary: neither "Status" nor "HBs"`, { bytes: JSON.stringify(said) });
      }
      return said;
    }

    async function write(path: string, param: unknown, signal?: AbortSignal): Promise<void> {
      const where = `${address} ${path}`;
      const word = password === undefined ? FACTORY_PASSWORD : io.secret(password);
      const reply = await rest.send('POST', path, { param, password: word }, signal);
      const said = asObject(reply, where);
      if (typeof said['result'] !== 'boolean') throw new Fault('garbled', `${where}: no result`, { bytes: reply.body });
      expectResult(said, where);
    }

    return {
      async read(signal) {
        return toReading(io.siteNow(), await summary(signal));
      },
      async inspect(signal) {
        const asked = parts();
        const said = await asked.get('summary', () => summary(signal));
        const able = (await asked.get('identity', () => rest.get('/capabilities', signal))) ?? {};
        const network = (await asked.get('network', () => rest.get('/network', signal))) ?? {};
        const sensors = await asked.extra('temperatures', () => rest.json('/temps', signal));
        const gaps = asked.gaps();
        const first = fields(Object.values(network).find((one) => text(fields(one)['mac_address']) !== undefined));
        return expectTold(
          {
            ...(said === undefined ? {} : slowOf(said, able, sensors)),
            at: io.siteNow(),
            model: text(able['Model']) ?? text(able['Model Subtype']),
            serial: text(able['Miner Serial Number']) ?? text(fields(able['Control Board Version'])['cpuSerial']),
            mac: macAddress(first['mac_address']),
            gaps,
          },
          address,
        );
      },
      sleep: (signal) => write('/miner', 'Stop', signal),
      wake: (signal) => write('/miner', 'Autostart', signal),
      /** By its tuner for watts, with the throttle it has; a miner without the tuner has no limit. */
      async setPowerLimit(watts, signal) {
        const tune = fields((await summary(signal))['PerpetualTune']);
        if (Object.keys(tune).length === 0)
          throw new Fault('unsupported', `${address}: its firmware has no tuner (PerpetualTune)`);
        const [now = {}] = Object.values(fields(tune['Algorithm'])).map(fields);
        const throttle = {
          ...(num(now['Min Throttle Target']) === undefined ? {} : { min_throttle: num(now['Min Throttle Target']) }),
          ...(num(now['Throttle Step']) === undefined ? {} : { throttle_step: num(now['Throttle Step']) }),
        };
        await write('/perpetualtune/algo', { algo: 'PowerTune', target: Math.round(watts), ...throttle }, signal);
        if (tune['Running'] !== true) await write('/perpetualtune', true, signal);
      },
      async setPools(pools, signal) {
        const stratum = pools.map(({ url, worker, password: pass }) => ({ pool: url, login: worker, password: pass }));
        await write('/coin', { coin: 'Btc', stratum_configs: stratum, unique_id: false }, signal);
      },
      reboot: (signal) => write('/reboot', '0', signal),
      locate: (on, signal) => write('/identify', on, signal),
      close() {},
    };
  },
});

/** @throws Fault of what `error` says where `result` is false */
function expectResult(said: Fields, where: string): void {
  if (said['result'] !== false) return;
  const error = text(said['error']) ?? 'no reason given';
  if (/password|unauthor/i.test(error))
    throw new Fault('unauthorised', `${where}: ${error}; check the password in the site file`);
  throw new Fault('refused', `${where}: ${error}`);
}

function toReading(at: Reading['at'], said: Fields): Reading {
  const state = text(fields(said['Status'])['Operating State']);
  const powerW = amount(fields(said['Power Supply Stats'])['Input Power']);
  const boards = list(said['HBs']).map(fields);
  const rates = boards.map((board) => amount(list(board['Hashrate'])[0]));
  // A sum that lacks a board would pass for a slower machine.
  const known = boards.length > 0 && rates.every((rate) => rate !== undefined);
  // Stopped, it drops its boards from the answer.
  const hashrateThs = known
    ? rates.reduce((sum: number, rate) => sum + (rate ?? 0), 0) / 1e6
    : state === IDLE
      ? 0
      : undefined;
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs,
    mode: state === undefined ? undefined : ASLEEP.test(state) ? SLEEP : run('default'),
    temperatureC: max(boards.map((board) => num(board['Temperature']) || undefined)),
    uptimeS: amount(fields(said['Session'])['Uptime']),
    firmware: text(said['Software']),
    hostname: text(said['Hostname']),
    ...fansOf(said),
    ...poolsOf(said),
    powerLimitW: limitOf(said),
    errors: errorsOf(said),
  };
}

function slowOf(said: Fields, able: Fields, sensors: unknown): Partial<Reading> {
  const { at: _at, powerW: _w, powerBasis: _b, hashrateThs: _h, ...rest } = toReading(0 as Reading['at'], said);
  const serials = list(able['Board Serial Numbers']);
  const chips = amount(fields(able['Performance Estimator'])['Chip Count']);
  const enabled = new Map(
    list(said['HBStatus']).map((one) => [num(fields(one)['Index']), fields(one)['Enabled'] === true]),
  );
  const hot = new Map(list(sensors).map((one) => [num(fields(one)['Index']), list(fields(one)['Data']).map(num)]));
  const boards = list(said['HBs'])
    .map(fields)
    .map((board, i): BoardReading => {
      const index = num(board['Index']) ?? i;
      const mhs = amount(list(board['Hashrate'])[0]);
      return {
        index,
        hashrateThs: mhs === undefined ? undefined : mhs / 1e6,
        temperatureC: max(
          [board['Temperature'], ...(hot.get(index) ?? [])].map((celsius) => num(celsius) || undefined),
        ),
        chips: enabled.get(index) === false ? undefined : chips,
        powerW: amount(board['Input Power']),
        serial: text(serials[index]),
      };
    });
  return { ...rest, boards: boards.length === 0 ? undefined : boards };
}

function fansOf(said: Fields): Pick<Reading, 'fanRpm' | 'fansRpm'> {
  const fans = Object.entries(fields(said['Fans Rpm'])).flatMap(([key, rpm]) =>
    /fans? speed/i.test(key) ? [amount(rpm)] : [],
  );
  return fans.length === 0 ? {} : { fansRpm: fans, fanRpm: max(fans) };
}

function poolsOf(said: Fields): Partial<Reading> {
  const stratum = fields(said['Stratum']);
  const session = fields(said['Session']);
  const acceptedShares = amount(session['Accepted']);
  const rejectedShares = amount(session['Rejected']);
  const current = num(stratum['Config Id']);
  const pools = list(said['StratumConfigs']).flatMap((entry, i): PoolReading[] => {
    const url = text(fields(entry)['pool']);
    const active = current === undefined ? undefined : current === i;
    if (url === undefined) return [];
    return [
      {
        url: withScheme(url),
        worker: text(fields(entry)['login']) ?? '',
        active,
        alive:
          active === true && typeof stratum['IsPoolConnected'] === 'boolean' ? stratum['IsPoolConnected'] : undefined,
        // It counts for the pool in use alone.
        acceptedShares: active === true ? acceptedShares : undefined,
        rejectedShares: active === true ? rejectedShares : undefined,
      },
    ];
  });
  const url = text(stratum['Current Pool']);
  return {
    pool: url === undefined ? undefined : { url: withScheme(url), worker: text(stratum['Current User']) ?? '' },
    pools: pools.length === 0 ? undefined : pools,
    acceptedShares,
    rejectedShares,
  };
}

const withScheme = (url: string): string => (url.includes('://') ? url : `stratum+tcp://${url}`);

/** What the tuner for watts aims at; releases name it `PowerTune` or `Power`, and most tell its unit. */
const limitOf = (said: Fields): number | undefined => {
  const tune = fields(said['PerpetualTune']);
  if (tune['Running'] !== true) return undefined;
  const [, stats] =
    Object.entries(fields(tune['Algorithm'])).find(
      ([name, one]) => /power/i.test(name) || /^k?w/i.test(text(fields(one)['Unit']) ?? ''),
    ) ?? [];
  return amount(fields(stats)['Target']);
};

function errorsOf(said: Fields): string[] | undefined {
  const status = fields(said['Status']);
  if (!('Last Error' in status)) return undefined;
  return [status['Last Error'], said['Last License Error']].flatMap((error) => {
    if (typeof error !== 'object' || error === null) return text(error) === 'None' ? [] : (text(error) ?? []);
    // Some carry what they are about: `{"UartReadError": 2}`.
    return Object.entries(error).map(([name, about]) => `${name}: ${JSON.stringify(about)}`);
  });
}
