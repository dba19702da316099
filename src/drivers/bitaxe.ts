import { z } from 'zod';
import { Fault, run, SLEEP, type HttpReply, type PoolReading, type Reading } from '../model/index.ts';
import { defineDriver, type PoolSetting } from './driver.ts';
import { amount, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { asObject, webSession } from './wire/web-session.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(80),
  pause: z.boolean().default(false).describe('true where AxeOS is 2.14 or newer: it can pause and resume then'),
  timeoutMs: z.number().int().positive().default(3000),
});

const INFO = '/api/system/info';

/**
 * Bitaxe with AxeOS (ESP-Miner) over its REST API (openapi.yaml of the firmware): `/api/system/info` tells everything in
 * one answer. Hashrate is in GH/s, power in W as its own regulator measures it. Before 2.14 it knows no sleep: it runs,
 * or it is unplugged.
 */
export const bitaxe = defineDriver({
  name: 'bitaxe',
  about: 'Bitaxe with AxeOS firmware (REST API on port 80)',
  serves: ['asic'],
  config,
  probes: [{ port: 80, path: INFO }],
  recognises: ({ banners, pages }) =>
    /AxeOS|ESP-Miner|"ASICModel"/i.test(banners.get(80) ?? '') || /"ASICModel"\s*:/.test(pages.get(`80${INFO}`) ?? ''),
  // Firmware that can pause says whether it does.
  settingsFor: ({ pages }): Readonly<Record<string, unknown>> =>
    /"miningPaused"\s*:/.test(pages.get(`80${INFO}`) ?? '') ? { pause: true } : {},
  open({ address, config: { port, pause, timeoutMs } }, io) {
    const web = webSession({ http: io.http, base: `http://${address}:${port}`, timeoutMs });

    async function info(signal?: AbortSignal): Promise<Fields> {
      const told = await web.get(INFO, signal);
      if (text(told['ASICModel']) === undefined && text(told['version']) === undefined)
        throw new Fault('garbled', `${address} info: neither ASICModel nor version: no AxeOS`, {
          bytes: JSON.stringify(told),
        });
      return told;
    }

    const post = (what: string, signal?: AbortSignal): Promise<HttpReply> =>
      web.send('POST', `/api/system/${what}`, undefined, signal);

    /** What it says it has done: `{"message": ...}`. */
    async function order(what: string, signal?: AbortSignal): Promise<string> {
      const reply = await post(what, signal);
      const message = text(asObject(reply, `${address} ${what}`)['message']);
      if (message === undefined) throw new Fault('garbled', `${address} ${what}: no message`, { bytes: reply.body });
      return message;
    }

    async function restart(signal?: AbortSignal): Promise<void> {
      const { body } = await post('restart', signal);
      // "System will restart shortly.", or its JSON in later releases.
      if (!/restart/i.test(body)) throw new Fault('garbled', `${address}: no word of a restart`, { bytes: body });
    }

    return {
      read: async (signal) => toReading(io.siteNow(), await info(signal)),
      ...(pause
        ? {
            sleep: async (signal?: AbortSignal) => void (await order('pause', signal)),
            wake: async (signal?: AbortSignal) => void (await order('resume', signal)),
          }
        : {}),
      /** Pools are read when it starts, so it is restarted: not one that has them already, nor one the restart would wake. */
      async setPools(pools, signal) {
        const told = await info(signal);
        const wanted = settingsOf(pools, told, address);
        const isSame = Object.entries(wanted).every(([key, value]) => key.endsWith('Password') || told[key] === value);
        if (isSame) return;
        await web.send('PATCH', '/api/system', wanted, signal);
        if (!isPaused(told)) await restart(signal);
      },
      reboot: restart,
      /** It says "Hi!" for half a minute; asked again while it does, it stops. Older releases have no such call. */
      async locate(on, signal) {
        const isOff = /no longer/i.test(await order('identify', signal));
        if (isOff === on) await order('identify', signal);
      },
      close() {},
    };
  },
});

const isPaused = (info: Fields): boolean => truth(info['miningPaused']) === true;

/** A sensor that is not there reads -1; what has power is never at 0. */
const sensor = (value: unknown): number | undefined => {
  const celsius = num(value);
  return celsius === undefined || celsius <= 0 ? undefined : celsius;
};

/** Most releases write truth as 1 and its opposite as 0. */
function truth(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  const n = num(value);
  return n === 0 || n === 1 ? n === 1 : undefined;
}

/** Products with one chip are told by it (asic-rs and pyasic name them so). */
const BY_CHIP: ReadonlyMap<string, string> = new Map([
  ['BM1397', 'Bitaxe Max'],
  ['BM1366', 'Bitaxe Ultra'],
  ['BM1368', 'Bitaxe Supra'],
  ['BM1370', 'Bitaxe Gamma'],
]);

/** A NerdAxe, whose API is the same, says what it is beside the chips it has. */
function modelOf(info: Fields): string | undefined {
  const chip = text(info['ASICModel']);
  const named = text(info['deviceModel']);
  if (named !== undefined) return named;
  return (num(info['asicCount']) ?? 1) === 1 ? (BY_CHIP.get(chip ?? '') ?? chip) : chip;
}

function toReading(at: Reading['at'], info: Fields): Reading {
  const ghs = amount(info['hashRate']);
  const hashrateThs = ghs === undefined ? undefined : ghs / 1000;
  const powerW = amount(info['power']);
  const temperatureC = max([sensor(info['temp']), sensor(info['temp2']), sensor(info['vrTemp'])]);
  const fans = ['fanrpm', 'fan2rpm'].flatMap((key) => (key in info ? [amount(info[key])] : []));
  const pools = poolsOf(info);
  const active = pools?.find((pool) => pool.active === true);
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs,
    mode: isPaused(info) ? SLEEP : run('default'),
    temperatureC,
    fanRpm: max(fans),
    fansRpm: fans.some((rpm) => rpm !== undefined) ? fans : undefined,
    uptimeS: amount(info['uptimeSeconds']),
    model: modelOf(info),
    firmware: text(info['version']),
    mac: macAddress(info['macAddr']),
    hostname: text(info['hostname']),
    boards: [{ index: 0, hashrateThs, temperatureC, chips: amount(info['asicCount']), powerW }],
    pool: active && { url: active.url, worker: active.worker },
    pools,
    acceptedShares: amount(info['sharesAccepted']),
    rejectedShares: amount(info['sharesRejected']),
    errors: errorsOf(info),
  };
}

function errorsOf(info: Fields): readonly string[] {
  const overheated = truth(info['overheat_mode']) === true;
  return [
    ...(overheated ? ['overheated: it has throttled itself until it is set right by hand'] : []),
    ...['power_fault', 'hardware_fault'].flatMap((key) => text(info[key]) ?? []),
  ];
}

/** The two pools it knows by name; it works for the second one while the first is not reached. */
function poolsOf(info: Fields): readonly PoolReading[] | undefined {
  const named = ['stratum', 'fallbackStratum'].filter((prefix) => text(info[`${prefix}URL`]) !== undefined);
  // With one pool there is no question which it works for.
  const onFallback = truth(info['isUsingFallbackStratum']) ?? (named.length === 1 ? named[0] !== 'stratum' : undefined);
  const pools = named.flatMap((prefix): PoolReading[] => {
    const host = text(info[`${prefix}URL`]) ?? '';
    const port = amount(info[`${prefix}Port`]);
    if (port === undefined) return [];
    const active = onFallback === undefined ? undefined : onFallback === (prefix === 'fallbackStratum');
    const tls = info[`${prefix}TLS`];
    const scheme = tls === true || (num(tls) ?? 0) > 0 ? 'stratum+ssl' : 'stratum+tcp';
    // It counts for the pool in use alone.
    const counted =
      active === true
        ? { acceptedShares: amount(info['sharesAccepted']), rejectedShares: amount(info['sharesRejected']) }
        : {};
    const url = `${host.includes('://') ? '' : `${scheme}://`}${host}:${port}`;
    return [{ url, worker: text(info[`${prefix}User`]) ?? '', active, ...counted }];
  });
  return pools.length === 0 ? undefined : pools;
}

const MOST_POOLS = 2;

/**
 * The settings that make these its pools; one that is not given is left without a host.
 * @throws Fault where it cannot keep them
 */
function settingsOf(pools: readonly PoolSetting[], info: Fields, address: string): Fields {
  if (pools.length === 0 || pools.length > MOST_POOLS)
    throw new Fault('unsupported', `${address}: a Bitaxe keeps one pool and one to fall back to, not ${pools.length}`);
  const entries = ['stratum', 'fallbackStratum'].flatMap((prefix, i) => {
    const pool = pools[i];
    if (pool === undefined) return [[`${prefix}URL`, '']];
    const [, scheme = 'stratum+tcp', host, port] = /^(?:([\w+]+):\/\/)?([^:/]+):(\d+)\/?$/.exec(pool.url) ?? [];
    const isSecure = /ssl|tls/.test(scheme);
    const knowsTls = `${prefix}TLS` in info;
    if (host === undefined || (scheme !== 'stratum+tcp' && !(isSecure && knowsTls)))
      throw new Fault('unsupported', `${address}: this AxeOS cannot work for ${pool.url}`);
    return [
      [`${prefix}URL`, host],
      [`${prefix}Port`, Number(port)],
      [`${prefix}User`, pool.worker],
      [`${prefix}Password`, pool.password],
      ...(knowsTls ? [[`${prefix}TLS`, typeof info[`${prefix}TLS`] === 'boolean' ? isSecure : Number(isSecure)]] : []),
    ];
  });
  return Object.fromEntries(entries) as Fields;
}
