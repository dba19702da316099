import { z } from 'zod';
import { Fault, secretRef, SLEEP, type OperatingMode, type Reading, type WallMs } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { factoryPoints } from './wire/factory-points.ts';
import { amount, fields, list, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { parts } from './wire/parts.ts';
import { FACTORY_PASSWORD, whatsminerFrames, type WhatsminerFrames } from './wire/whatsminer-frames.ts';
import { BLINK, MODE_HOLDS_MS, powerMode, threePools, toProfile, toRunning, troublesOf } from './wire/whatsminer.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(4433),
  username: z.string().default('super'),
  password: secretRef.optional().describe('absent: the factory password'),
  timeoutMs: z.number().int().positive().default(3000),
});

/** What the summary does not tell: whether it is switched on, and at which power. */
interface KnownMode {
  readonly working: boolean | undefined;
  readonly profile: string | undefined;
  readonly readAt: WallMs;
}

/** What the number behind `power.mode` stands for in captured replies, where `get.miner.setting` is not there. */
const MODE_NUMBERS = ['low', 'normal', 'high'];

/**
 * Whatsminers with API 3.0 on 4433 (apidoc.whatsminer.com; firmware from the end of 2024). Reads are open, hashrates
 * in TH/s. The time is part of a write's token, so the machine's clock matters. A change of mode or limit restarts
 * the mining program, so nothing is written that is so already.
 */
export const whatsminerV3 = defineDriver({
  name: 'whatsminer-v3',
  about: 'Whatsminers with the API of firmware from 2024 (API 3.0 on 4433)',
  serves: ['asic'],
  config,
  ports: [4433],
  factory: { username: 'super', password: FACTORY_PASSWORD },
  recognises: ({ banners }) => /"get\.device\.info"|"fwversion"|"miner-sn"/.test(banners.get(4433) ?? ''),
  open({ address, modelId, config: { port, timeoutMs, username, password } }, io) {
    const api = whatsminerFrames(io, { host: address, port, timeoutMs, username, password });
    let known: KnownMode | undefined;

    async function mode(hashing: boolean | undefined, signal?: AbortSignal): Promise<KnownMode> {
      const now = io.wallNow();
      const holds = known !== undefined && now - known.readAt < MODE_HOLDS_MS;
      const contradicted = known?.working !== undefined && hashing !== undefined && hashing !== known.working;
      if (known !== undefined && holds && !contradicted) return known;
      const info = await api.deviceInfo(signal);
      known = { working: isWorking(info), profile: await profileOf(info, signal), readAt: now };
      return known;
    }

    async function profileOf(info: Fields, signal?: AbortSignal): Promise<string | undefined> {
      const number = num(fields(info['power'])['mode']);
      const guess = number === undefined ? undefined : MODE_NUMBERS[number];
      try {
        return toProfile((await api.read('get.miner.setting', undefined, signal))['power-mode']) ?? guess;
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        return guess;
      }
    }

    async function service(wanted: boolean, signal?: AbortSignal): Promise<void> {
      // A shed does not ask again what the last reading showed; what is refused is asked first the next time.
      const isOn = known?.working === true && io.wallNow() - known.readAt < MODE_HOLDS_MS;
      known = undefined;
      if ((wanted || !isOn) && isWorking(await api.deviceInfo(signal)) === wanted) return;
      await api.write('set.miner.service', wanted ? 'start' : 'stop', signal);
    }

    /** What is set now, where the firmware tells: a write of the same would restart the machine for nothing. */
    async function setting(key: string, signal?: AbortSignal): Promise<unknown> {
      try {
        return (await api.read('get.miner.setting', undefined, signal))[key];
      } catch (error) {
        if (error instanceof Fault && error.kind === 'unsupported') return undefined;
        throw error;
      }
    }

    return {
      async read(signal) {
        const message = await api.read('get.miner.status', 'summary', signal);
        const row = fields(message['summary']);
        if (num(row['elapsed']) === undefined) {
          // A machine whose mining program is stopped has no summary to give.
          if ((await mode(undefined, signal)).working === false)
            return { at: io.siteNow(), mode: SLEEP, hashrateThs: 0 };
          throw new Fault('garbled', `${address}: a summary without a time`, { bytes: JSON.stringify(message) });
        }
        const ths = amount(row['hash-realtime']) ?? amount(row['hash-1min']) ?? amount(row['hash-average']);
        const hashing = ths === undefined ? undefined : ths > 0;
        let told: KnownMode | undefined;
        try {
          told = await mode(hashing, signal);
        } catch (error) {
          // The mode may stay unknown; what the summary says stands.
          if (!(error instanceof Fault)) throw error;
        }
        return toReading(io.siteNow(), row, ths, toMode(told, hashing), modelId);
      },
      inspect: (signal) => inspect(api, io.siteNow, signal),
      sleep: (signal) => service(false, signal),
      wake: (signal) => service(true, signal),
      async setMode(profile, signal) {
        const wanted = powerMode(profile, address);
        known = undefined;
        if (toProfile(await setting('power-mode', signal)) !== wanted)
          await api.write('set.miner.power_mode', wanted, signal);
        await service(true, signal);
      },
      async setPowerLimit(watts, signal) {
        const wanted = Math.round(watts);
        known = undefined;
        if (num(await setting('power-limit', signal)) === wanted) return;
        await api.write('set.miner.power_limit', wanted, signal);
      },
      async setPools(pools, signal) {
        const wanted = threePools(pools, address).map(({ url, worker, password: passwd }) => ({
          pool: url,
          worker,
          passwd,
        }));
        await api.write('set.miner.pools', wanted, signal);
      },
      reboot: (signal) => api.write('set.system.reboot', undefined, signal),
      locate: (on, signal) => api.write('set.system.led', on ? [BLINK] : 'auto', signal),
      close: () => api.forget(),
    };
  },
});

/** Firmware writes truth as a text. */
function isWorking(info: Fields): boolean | undefined {
  const said = fields(info['miner'])['working'];
  if (typeof said === 'boolean') return said;
  return said === 'true' ? true : said === 'false' ? false : undefined;
}

function toMode(told: KnownMode | undefined, hashing: boolean | undefined): OperatingMode | undefined {
  if (told?.working === false) return SLEEP;
  return hashing === true || told?.working === true ? toRunning(told?.profile) : undefined;
}

/** A sensor that is not there reads 0. */
const hottest = (...sensors: readonly unknown[]): number | undefined =>
  max(sensors.map((sensor) => num(sensor) || undefined));

function toReading(
  at: Reading['at'],
  row: Fields,
  hashrateThs: number | undefined,
  mode: OperatingMode | undefined,
  modelId: string,
): Reading {
  const powerW = amount(row['power-realtime']) ?? amount(row['power-5min']);
  const fans = [amount(row['fan-speed-in']), amount(row['fan-speed-out'])];
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs,
    mode,
    temperatureC: hottest(row['chip-temp-max'], row['environment-temperature'], ...list(row['board-temperature'])),
    fanRpm: max(fans),
    fansRpm: fans.some((rpm) => rpm !== undefined) ? fans : undefined,
    uptimeS: amount(row['elapsed']),
    powerLimitW: amount(row['power-limit']) || undefined,
    points: factoryPoints(modelId),
  };
}

async function inspect(api: WhatsminerFrames, siteNow: () => Reading['at'], signal?: AbortSignal): Promise<Reading> {
  const collected = parts();
  const told = await collected.get('identity', () => api.deviceInfo(signal));
  const edevs = await collected.get('boards', () => api.read('get.miner.status', 'edevs', signal));
  const status = await collected.get('pools', () => api.read('get.miner.status', 'pools', signal));
  const gaps = collected.gaps();
  const info = told ?? {};
  const [miner, network, system] = [fields(info['miner']), fields(info['network']), fields(info['system'])];
  const pools = status === undefined ? undefined : toPools(status);
  const active = pools?.find((pool) => pool.active === true);
  return {
    at: siteNow(),
    model: text(miner['type']),
    firmware: text(system['fwversion']),
    serial: text(miner['miner-sn']),
    mac: macAddress(network['mac']),
    hostname: text(network['hostname']),
    boards: edevs === undefined ? undefined : toBoards(edevs, miner),
    pools,
    pool: active && { url: active.url, worker: active.worker },
    errors: troublesOf(info['error-code']),
    gaps,
  };
}

function toBoards(message: Fields, miner: Fields): Reading['boards'] {
  const boards = list(message['edevs'])
    .map(fields)
    .map((row, i) => {
      const index = amount(row['id'] ?? row['slot']) ?? i;
      return {
        index,
        hashrateThs: amount(row['hash-realtime']) ?? amount(row['hash-average']),
        temperatureC: hottest(row['chip-temp-max']),
        chips: amount(row['effective-chips']),
        serial: text(miner[`pcbsn${index}`]),
      };
    });
  return boards.length === 0 ? undefined : boards;
}

function toPools(message: Fields): Reading['pools'] {
  const pools = list(message['pools'])
    .map(fields)
    .flatMap((row) => {
      const url = text(row['url']);
      if (url === undefined) return [];
      const state = text(row['status']);
      const active = row['stratum-active'];
      return {
        url,
        worker: text(row['account']) ?? '',
        active: typeof active === 'boolean' ? active : undefined,
        alive: state === undefined ? undefined : /alive/i.test(state),
        acceptedShares: amount(row['accepted']),
        rejectedShares: amount(row['rejected']),
      };
    });
  return pools.length === 0 ? undefined : pools;
}
