import { z } from 'zod';
import { Fault, secretRef, SLEEP, type OperatingMode, type Reading, type WallMs } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { btminer, expectDone, FACTORY_PASSWORD } from './wire/btminer.ts';
import { part, poolsOf, sharesOf } from './wire/cgminer.ts';
import { factoryPoints } from './wire/factory-points.ts';
import { amount, fields, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { parts } from './wire/parts.ts';
import {
  BLINK,
  countedTroubles,
  MODE_HOLDS_MS,
  powerMode,
  threePools,
  toProfile,
  toRunning,
  troublesOf,
} from './wire/whatsminer.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(4028),
  password: secretRef.optional().describe('of the admin account; absent: the factory password'),
  timeoutMs: z.number().int().positive().default(3000),
});

/** What `status` says of the mode: it costs a request of its own, and changes seldom. */
interface KnownStatus {
  readonly off: boolean | undefined;
  readonly profile: string | undefined;
  readonly readAt: WallMs;
}

const MHS_PER_THS = 1e6;

/**
 * Whatsminers with the btminer API on 4028 (MicroBT, "WhatsminerAPI V2.0.5"; firmware until the end of 2024). Reads are
 * open. Writes are encrypted, and taken only after the factory password was changed and the API switched on with the
 * maker's tool. Hashrates are in MH/s, but `Factory GHS` says what it is. A change of mode or limit restarts the
 * mining program, so nothing is written that is so already.
 */
export const whatsminerV2 = defineDriver({
  name: 'whatsminer-v2',
  about: 'Whatsminers with the API of firmware until 2024 (btminer API on 4028)',
  serves: ['asic'],
  config,
  // Newer firmware answers here too, and better on 4433: discovery has to look there before it believes this one.
  ports: [4028, 4433],
  factory: { username: 'admin', password: FACTORY_PASSWORD },
  recognises: ({ banners, openPorts }) =>
    !banners.has(4433) && !openPorts.includes(4433) && isBtminer(banners.get(4028) ?? ''),
  open({ address, modelId, config: { port, timeoutMs, password } }, io) {
    const api = btminer(io, { host: address, port, timeoutMs, password });
    let known: KnownStatus | undefined;

    /** `status` again where what is known of it is old, or is contradicted by whether the machine hashes. */
    async function status(hashing: boolean | undefined, signal?: AbortSignal): Promise<KnownStatus> {
      const now = io.wallNow();
      const holds = known !== undefined && now - known.readAt < MODE_HOLDS_MS;
      if (known !== undefined && holds && (known.off === undefined || hashing !== known.off)) return known;
      const message = fields((await api.read('status', signal))['Msg']);
      known = {
        off: yes(message['mineroff'] ?? message['btmineroff']),
        profile: toProfile(message['power_mode']),
        readAt: now,
      };
      return known;
    }

    async function isOff(signal?: AbortSignal): Promise<boolean | undefined> {
      known = undefined;
      try {
        return (await status(undefined, signal)).off;
      } catch (error) {
        if (error instanceof Fault && error.kind === 'unsupported') return undefined;
        throw error;
      } finally {
        known = undefined;
      }
    }

    const wake = async (signal?: AbortSignal): Promise<void> => {
      if ((await isOff(signal)) !== false) await api.write({ cmd: 'power_on' }, signal);
    };

    return {
      async read(signal) {
        const reply = await api.read('summary', signal);
        const row = part(reply, 'summary', 'SUMMARY')[0];
        if (row === undefined || num(row['Elapsed'] ?? row['Uptime']) === undefined) {
          // Firmware that switched its mining program off declines `summary` and still answers `status`.
          const { off } = await status(undefined, signal);
          if (off === true) return { at: io.siteNow(), mode: SLEEP, hashrateThs: 0 };
          expectDone(reply, `${address} summary`);
          throw new Fault('garbled', `${address}: a summary without a time`, { bytes: JSON.stringify(reply) });
        }
        const mhs = amount(row['HS RT']) ?? amount(row['MHS 5s']) ?? amount(row['MHS 1m']) ?? amount(row['MHS av']);
        const hashing = mhs === undefined ? undefined : mhs > 0;
        let told: KnownStatus | undefined;
        try {
          told = await status(hashing, signal);
        } catch (error) {
          // The mode may stay unknown; what the summary says stands.
          if (!(error instanceof Fault)) throw error;
        }
        return toReading(io.siteNow(), row, mhs, toMode(row, told, hashing), modelId);
      },
      inspect: (signal) => inspect(api.read, io.siteNow, address, signal),
      async sleep(signal) {
        // A shed does not ask again what the last reading showed; what is refused is asked first the next time.
        const isOn = known?.off === false && io.wallNow() - known.readAt < MODE_HOLDS_MS;
        known = undefined;
        if (!isOn && (await isOff(signal)) === true) return;
        // Answered before the power goes, or the answer could go with it. The documentation has it as a text.
        await api.write({ cmd: 'power_off', respbefore: 'true' }, signal);
      },
      wake,
      prepare: (signal) => api.prepare(signal),
      async setMode(profile, signal) {
        const mode = powerMode(profile, address);
        const message = fields((await api.read('status', signal))['Msg']);
        known = undefined;
        if (toProfile(message['power_mode']) !== mode) await api.write({ cmd: `set_${mode}_power` }, signal);
        if (yes(message['mineroff'] ?? message['btmineroff']) === true) await api.write({ cmd: 'power_on' }, signal);
      },
      async setPowerLimit(watts, signal) {
        const wanted = String(Math.round(watts));
        const reply = await api.read('status', signal);
        if (text(fields(reply['Msg'])['power_limit_set']) === wanted) return;
        await api.write({ cmd: 'adjust_power_limit', power_limit: wanted }, signal);
        known = undefined;
      },
      async setPools(pools, signal) {
        const command: Record<string, unknown> = { cmd: 'update_pools' };
        threePools(pools, address).forEach(({ url, worker, password: secret }, i) => {
          command[`pool${i + 1}`] = url;
          command[`worker${i + 1}`] = worker;
          command[`passwd${i + 1}`] = secret;
        });
        await api.write(command, signal);
      },
      reboot: (signal) => api.write({ cmd: 'reboot' }, signal),
      locate: (on, signal) => api.write({ cmd: 'set_led', ...(on ? BLINK : { param: 'auto' }) }, signal),
      close: () => api.forget(),
    };
  },
});

/**
 * Captured replies: `version` is none of btminer's commands, and is declined in its manner, STATUS alone and not in a
 * list; `get_version` and `summary` name what only this firmware has.
 */
function isBtminer(banner: string): boolean {
  if (/btminer|whatsminer|bitmicro|"HS RT"|"fw_ver"/i.test(banner)) return true;
  try {
    const reply = fields(JSON.parse(banner.replaceAll('\0', '')) as unknown);
    return typeof reply['STATUS'] === 'string' && num(reply['Code']) !== undefined && 'Msg' in reply;
  } catch {
    return false;
  }
}

/** Firmware writes truth as a text. */
function yes(said: unknown): boolean | undefined {
  if (typeof said === 'boolean') return said;
  const word = text(said)?.toLowerCase();
  return word === 'true' ? true : word === 'false' ? false : undefined;
}

function toMode(row: Fields, told: KnownStatus | undefined, hashing: boolean | undefined): OperatingMode | undefined {
  if (told?.off === true) return SLEEP;
  // A machine that hashes runs, and its summary is newer than what is known of its status.
  if (hashing !== true && told?.off !== false) return undefined;
  return toRunning(toProfile(row['Power Mode']) ?? told?.profile);
}

function toReading(
  at: Reading['at'],
  row: Fields,
  mhs: number | undefined,
  mode: OperatingMode | undefined,
  modelId: string,
): Reading {
  const powerW = amount(row['Power']);
  const fans = [amount(row['Fan Speed In']), amount(row['Fan Speed Out'])];
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs: mhs === undefined ? undefined : mhs / MHS_PER_THS,
    mode,
    temperatureC: hottest(row['Chip Temp Max'], row['Temperature'], row['Env Temp']),
    fanRpm: max(fans),
    fansRpm: fans.some((rpm) => rpm !== undefined) ? fans : undefined,
    uptimeS: amount(row['Elapsed']) ?? amount(row['Uptime']),
    mac: macAddress(row['MAC']),
    acceptedShares: amount(row['Accepted']),
    rejectedShares: amount(row['Rejected']),
    powerLimitW: amount(row['Power Limit']) || undefined,
    errors: countedTroubles(row),
    points: factoryPoints(modelId),
  };
}

/** A sensor that is not there reads 0. */
const hottest = (...sensors: readonly unknown[]): number | undefined =>
  max(sensors.map((sensor) => num(sensor) || undefined));

async function inspect(
  read: (cmd: string, signal?: AbortSignal) => Promise<Fields>,
  siteNow: () => Reading['at'],
  address: string,
  signal?: AbortSignal,
): Promise<Reading> {
  const collected = parts();
  const told = (name: string, cmd: string) =>
    collected.get(name, async () => {
      const reply = await read(cmd, signal);
      expectDone(reply, `${address} ${cmd}`);
      return reply;
    });
  const version = fields((await told('version', 'get_version'))?.['Msg']);
  const info = fields((await told('identity', 'get_miner_info'))?.['Msg']);
  const boards = await told('boards', 'devs');
  const pools = await told('pools', 'pools');
  const errors = await told('errors', 'get_error_code');
  const status = fields((await told('status', 'status'))?.['Msg']);
  // Not every firmware has it, and none is worse for it.
  const details = await read('devdetails', signal).catch(ignoreFault);
  const gaps = collected.gaps();
  const poolList = pools === undefined ? undefined : poolsOf(pools);
  const active = poolList?.find((pool) => pool.active === true);
  return {
    at: siteNow(),
    model: details === undefined ? undefined : text(part(details, 'devdetails', 'DEVDETAILS')[0]?.['Model']),
    firmware: text(version['fw_ver']) ?? text(status['FirmwareVersion']) ?? text(status['Firmware Version']),
    serial: text(info['minersn']),
    mac: macAddress(info['mac']),
    hostname: text(info['hostname']),
    boards: boards === undefined ? undefined : toBoards(boards),
    pools: poolList,
    pool: active && { url: active.url, worker: active.worker },
    acceptedShares: sharesOf(poolList, 'acceptedShares'),
    rejectedShares: sharesOf(poolList, 'rejectedShares'),
    powerLimitW: amount(status['power_limit_set']) || undefined,
    errors: errors === undefined ? undefined : troublesOf(fields(errors['Msg'])['error_code']),
    gaps,
  };
}

function ignoreFault(error: unknown): undefined {
  if (!(error instanceof Fault)) throw error;
}

function toBoards(reply: Fields): Reading['boards'] {
  const boards = part(reply, 'devs', 'DEVS').map((row, i) => {
    const mhs = amount(row['MHS 1m']) ?? amount(row['MHS 5s']) ?? amount(row['MHS av']);
    return {
      index: amount(row['Slot']) ?? amount(row['ASC']) ?? i,
      hashrateThs: mhs === undefined ? undefined : mhs / MHS_PER_THS,
      temperatureC: hottest(row['Chip Temp Max'], row['Temperature']),
      chips: amount(row['Effective Chips']),
      serial: text(row['PCB SN']),
    };
  });
  return boards.length === 0 ? undefined : boards;
}
