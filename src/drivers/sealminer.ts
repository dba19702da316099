import { z } from 'zod';
import {
  Fault,
  run,
  secretRef,
  SLEEP,
  type BoardReading,
  type HttpReply,
  type OperatingMode,
  type Reading,
  type WallMs,
} from '../model/index.ts';
import { defineDriver, type DriverIo } from './driver.ts';
import { askCgminer, expectSuccess, part, poolsOf, sharesOf } from './wire/cgminer.ts';
import { amount, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { expectOk } from './wire/http.ts';
import { expectTold, parts } from './wire/parts.ts';
import { webSession } from './wire/web-session.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(80),
  rpcPort: z.number().int().min(1).max(65535).default(4028),
  username: z.string().default('seal'),
  password: secretRef.optional().describe('absent: the factory password'),
  timeoutMs: z.number().int().positive().default(3000),
});
type Config = z.output<typeof config>;

const FACTORY_PASSWORD = 'seal';
const MOST_POOLS = 3;
/** So long one that was seen running is taken to run. */
const AWAKE_HOLDS_MS = 10 * 60_000;
/** More boards or fans than any machine has: a count beyond is damage. */
const MOST_PARTS = 32;
const SENSORS = 4;
/** Any of these makes a row of `stats` bdminer's: other firmware has none of them. */
const OWN_KEYS = ['Board Count', 'PM State', 'MHS(Rated)', 'PSU Input Power', 'Ctrl Board SN'];

/** `PM State`. Only "Running" is known for certain, the other words are guesses; what fits none leaves the mode untold. */
const AWAKE = /^(running|starting|initiali[sz]ing|tuning|warming|ramping|resuming)/i;
const ASLEEP = /^(suspend|sleep|idle|stop|paused?\b)/i;

/**
 * SealMiner (Bitdeer) with its own firmware: bdminer speaks the cgminer API on 4028, whose `stats` tells nearly
 * everything in one flat row; its web pages want a session and are needed for little: the lamp and the restart. A limit
 * and new pools are taken up by a restart alone. Written from what public clients of the firmware send and read, without
 * a machine or its documentation at hand.
 */
export const sealminer = defineDriver({
  name: 'sealminer',
  about: 'Bitdeer SealMiner with its own firmware (cgminer API on 4028, web pages on port 80)',
  serves: ['asic'],
  config,
  factory: { username: 'seal', password: FACTORY_PASSWORD },
  recognises: ({ banners }) =>
    /bdminer|sealminer/i.test(banners.get(4028) ?? '') || /sealminer|amazeui/i.test(banners.get(80) ?? ''),
  open({ address, config: settings }, io) {
    const target = { host: address, port: settings.rpcPort, timeoutMs: settings.timeoutMs };
    const web = webClient(address, settings, io);

    async function rpc(command: string, parameter?: string, signal?: AbortSignal): Promise<Fields> {
      const reply = await askCgminer(io.tcp, target, command, parameter, signal);
      expectSuccess(reply, `${address} ${command}`);
      return reply;
    }
    async function stats(signal?: AbortSignal): Promise<Fields> {
      const reply = await rpc('stats', undefined, signal);
      const row = part(reply, 'stats', 'STATS').find((one) => OWN_KEYS.some((key) => key in one));
      if (row !== undefined) return row;
      throw new Fault('garbled', `${address} stats: no row of bdminer`, { bytes: JSON.stringify(reply) });
    }

    let awakeAt: WallMs | undefined;

    /**
     * What was written is taken up when bdminer starts: one that sleeps takes it up when it wakes. One that hashes
     * nothing in a state whose word is not known may be asleep, and a restart would wake it.
     */
    async function takeUp(signal?: AbortSignal): Promise<void> {
      const row = await stats(signal);
      const mode = modeOf(row);
      const mayBeAsleep = mode === undefined ? boardSum(row) === 0 : mode.kind === 'sleep';
      if (!mayBeAsleep) await web.reboot(signal);
    }

    return {
      async read(signal) {
        const row = await stats(signal);
        awakeAt = modeOf(row)?.kind === 'run' ? io.wallNow() : undefined;
        const powerW = amount(row['PSU Input Power']) ?? (await psuPower(web, signal));
        return {
          ...toReading(io.siteNow(), row),
          powerW,
          powerBasis: powerW === undefined ? undefined : 'measured',
          hashrateThs: boardSum(row) ?? (await meanThs(() => rpc('summary', undefined, signal))),
        };
      },
      async inspect(signal) {
        const asked = parts();
        const row = await asked.get('boards', () => stats(signal));
        const details = await asked.get('model', () => rpc('devdetails', undefined, signal));
        const pools = await asked.get('pools', () => rpc('pools', undefined, signal));
        const info = (await asked.get('identity', () => web.info(signal))) ?? {};
        const gaps = asked.gaps();
        const poolList = pools === undefined ? undefined : poolsOf(pools);
        const active = poolList?.find((pool) => pool.active === true);
        const named = details === undefined ? {} : (part(details, 'devdetails', 'DEVDETAILS')[0] ?? {});
        return expectTold(
          {
            ...(row === undefined ? {} : slowOf(row)),
            at: io.siteNow(),
            model: withMaker(text(named['Model']) ?? text(info['miner_type'])),
            firmware: text(row?.['Firmware']) ?? text(info['firmware_version']),
            mac: macAddress(row?.['MAC']) ?? macAddress(info['macaddr']),
            hostname: text(info['hostname']),
            pools: poolList,
            pool: active && { url: active.url, worker: active.worker },
            acceptedShares: sharesOf(poolList, 'acceptedShares'),
            rejectedShares: sharesOf(poolList, 'rejectedShares'),
            gaps,
          },
          address,
        );
      },
      async sleep(signal) {
        // A shed does not ask again what the last reading showed; what is refused is asked first the next time.
        const isAwake = awakeAt !== undefined && io.wallNow() - awakeAt < AWAKE_HOLDS_MS;
        awakeAt = undefined;
        if (!isAwake && modeOf(await stats(signal))?.kind === 'sleep') return;
        await rpc('ascset', '0,suspend', signal);
      },
      /** There is no word for waking: bdminer is started again, but never one that runs. */
      async wake(signal) {
        if (modeOf(await stats(signal))?.kind === 'run') return;
        await rpc('restart', undefined, signal);
      },
      async setPowerLimit(watts, signal) {
        const limit = Math.round(watts);
        if (num((await stats(signal))['Power Limit']) === limit) return;
        await rpc('ascset', `0,powerlimit,${JSON.stringify({ value: String(limit) })}`, signal);
        await takeUp(signal);
      },
      async setPools(pools, signal) {
        if (pools.length > MOST_POOLS)
          throw new Fault('unsupported', `${address}: it takes ${MOST_POOLS} pools, ${pools.length} were given`);
        const written = pools.map(({ url, worker, password: pass }) => ({ url, user: worker, pass }));
        await rpc('updatepools', JSON.stringify({ pools: written }), signal);
        await takeUp(signal);
      },
      reboot: (signal) => web.reboot(signal),
      async locate(on, signal) {
        const wanted = on ? 'on' : 'off';
        await web.post('led_conf', { key: 'led', value: wanted }, signal);
        // Its answer says nothing of the lamp.
        const said = text((await web.info(signal))['led']);
        if (said !== undefined && (said !== 'off') !== on)
          throw new Fault('refused', `${address} led: asked for ${wanted}, it says ${said}`);
      },
      close() {},
    };
  },
});

/** Its pages, with the session of a cookie; PHP gives everybody one, so a wrong password shows at the next page. */
function webClient(address: string, { port, username, password, timeoutMs }: Config, io: DriverIo) {
  const base = `http://${address}:${port}/cgi-bin`;
  const session = webSession({
    http: io.http,
    base,
    timeoutMs,
    openReads: false,
    isDenied: isSentAway,
    async login(_ask, signal) {
      const pw = password === undefined ? FACTORY_PASSWORD : io.secret(password);
      const url = `${base}/login.php`;
      const headers = {
        'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
        'x-requested-with': 'XMLHttpRequest',
      };
      const body = `username=${encodeURIComponent(username)}&origin_pwd=${encodeURIComponent(pw)}`;
      const reply = expectOk(
        await io.http.ask({ method: 'POST', url, headers, body, timeoutMs, name: 'login', signal }),
        url,
      );
      const cookie = (reply.headers['set-cookie'] ?? '').split(';')[0] ?? '';
      return cookie === '' ? {} : { cookie };
    },
  });

  async function page(name: string, keys: readonly string[], signal?: AbortSignal): Promise<Fields> {
    const said = await session.get(`/${name}.php`, signal, name.replaceAll('-', '_'));
    if (keys.some((key) => key in said)) return said;
    throw new Fault('garbled', `${address} ${name}: none of ${keys.join(', ')}`, { bytes: JSON.stringify(said) });
  }
  const info = (signal?: AbortSignal) =>
    page('get_system_info', ['miner_type', 'firmware_version', 'macaddr', 'ctrl_version'], signal);
  return {
    info,
    psu: (signal?: AbortSignal) => page('miner-psu-status', ['Power'], signal),
    post: (name: string, body: Fields, signal?: AbortSignal) => session.send('POST', `/${name}.php`, body, signal),
    async reboot(signal?: AbortSignal): Promise<void> {
      // Asked before: afterwards nobody is there to ask, and the answer of a restart may be cut off.
      await info(signal);
      await session.send('GET', '/reboot.php', undefined, signal);
    },
  };
}

/** Denied, or sent to the page where one signs in. */
const isSentAway = ({ status, body }: HttpReply): boolean =>
  status === 401 ||
  status === 403 ||
  (status >= 300 && status < 400) ||
  /login\.(php|html)|name="?origin_pwd/i.test(body);

/** The page of the supply, for firmware whose `stats` leaves the watts out. */
async function psuPower(web: ReturnType<typeof webClient>, signal?: AbortSignal): Promise<number | undefined> {
  try {
    return amount((await web.psu(signal))['Power']);
  } catch (error) {
    // A password that is wrong is told by `inspect`; the rest of the reading needs none.
    if (error instanceof Fault && (error.kind === 'unsupported' || error.kind === 'unauthorised')) return undefined;
    throw error;
  }
}

/** How many boards or fans its row holds: what it says, or how far the numbered keys go. */
function countOf(row: Fields, key: string, each: string): number {
  const count = num(row[key]);
  if (count !== undefined && Number.isInteger(count) && count >= 0 && count <= MOST_PARTS) return count;
  let found = 0;
  while (found < MOST_PARTS && `${found} ${each}` in row) found += 1;
  return found;
}
const boardsIn = (row: Fields): number[] => range(countOf(row, 'Board Count', 'MHS(Sample)'));
const fansIn = (row: Fields): number[] => range(countOf(row, 'Fan Count', 'Speed'));

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** It says `A2` of itself, and no more. */
const withMaker = (model: string | undefined): string | undefined =>
  model !== undefined && /^A\d/.test(model) ? `SealMiner ${model}` : model;

/** A sensor that is not there says 0. */
const warm = (value: unknown): number | undefined => num(value) || undefined;

/** What its boards hash now; undefined where one of them does not say. */
function boardSum(row: Fields): number | undefined {
  const rates = boardsIn(row).map((i) => amount(row[`${i} MHS(Sample)`]));
  return rates.length > 0 && rates.every((rate) => rate !== undefined)
    ? rates.reduce((sum: number, rate) => sum + (rate ?? 0), 0) / 1e6
    : undefined;
}

/** The nearest to now that `summary` has. */
async function meanThs(summary: () => Promise<Fields>): Promise<number | undefined> {
  try {
    const row = part(await summary(), 'summary', 'SUMMARY')[0] ?? {};
    const mhs = amount(row['MHS 5s']) ?? amount(row['MHS 1m']) ?? amount(row['MHS av']);
    return mhs === undefined ? undefined : mhs / 1e6;
  } catch (error) {
    if (error instanceof Fault && error.kind === 'unsupported') return undefined;
    throw error;
  }
}

function modeOf(row: Fields): OperatingMode | undefined {
  const state = text(row['PM State']);
  if (state === undefined) return undefined;
  if (ASLEEP.test(state)) return SLEEP;
  return AWAKE.test(state) ? run('default') : undefined;
}

function sensorsOf(row: Fields, board: number): (number | undefined)[] {
  return range(SENSORS).map((sensor) => warm(row[`${board} Temp ${sensor}`]));
}

/** All that `stats` tells, but watts and hashrate. */
function toReading(at: Reading['at'], row: Fields): Reading {
  const boards = boardsIn(row);
  const fans = fansIn(row).map((i) => amount(row[`${i} Speed`]));
  return {
    at,
    mode: modeOf(row),
    temperatureC: max([warm(row['Temp']), ...boards.flatMap((board) => sensorsOf(row, board))]),
    fansRpm: fans.length === 0 ? undefined : fans,
    fanRpm: max(fans),
    uptimeS: amount(row['System Uptime']),
    firmware: text(row['Firmware']),
    mac: macAddress(row['MAC']),
    powerLimitW: amount(row['Power Limit']) || undefined,
    errors: errorsOf(row),
  };
}

function slowOf(row: Fields): Partial<Reading> {
  const boards = boardsIn(row).map((index): BoardReading => {
    const mhs = amount(row[`${index} MHS(Sample)`]);
    const chips = amount(row[`${index} Chip Count`]);
    const bad = amount(row[`${index} Bad Chip Count`]) ?? 0;
    return {
      index,
      hashrateThs: mhs === undefined ? undefined : mhs / 1e6,
      temperatureC: max(sensorsOf(row, index)),
      chips: chips === undefined || bad > chips ? chips : chips - bad,
      serial: text(row[`${index} SN`]),
    };
  });
  const { at: _at, mode: _mode, ...rest } = toReading(0 as Reading['at'], row);
  return { ...rest, serial: text(row['Ctrl Board SN']), boards: boards.length === 0 ? undefined : boards };
}

function errorsOf(row: Fields): string[] | undefined {
  const code = row['Error Code'];
  const boards = boardsIn(row);
  if (code === undefined && boards.length === 0) return undefined;
  const said = text(code) ?? (num(code) === undefined ? undefined : String(code));
  const troubles = said === undefined || /^(0+|none|ok|n\/a|nan)$/i.test(said) ? [] : [`error code ${said}`];
  for (const i of boards) {
    const bad = amount(row[`${i} Bad Chip Count`]);
    if (row[`${i} Online`] === false) troubles.push(`board ${i} is offline`);
    if (bad !== undefined && bad > 0) troubles.push(`board ${i}: ${bad} bad ${bad === 1 ? 'chip' : 'chips'}`);
  }
  return troubles;
}
