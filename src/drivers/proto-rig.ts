import { z } from 'zod';
import {
  Fault,
  run,
  secretRef,
  SLEEP,
  type BoardReading,
  type HttpReply,
  type OperatingMode,
  type PoolReading,
  type Reading,
} from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, fields, list, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { expectTold, parts } from './wire/parts.ts';
import { asJson, tokenIn, webSession } from './wire/web-session.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(80),
  password: secretRef.optional().describe('absent: none was set on the rig'),
  timeoutMs: z.number().int().positive().default(3000),
});

const API = '/api/v1';
const NO_PASSWORD = '';
/** Tried in turn where the site file names none: some rigs were set up without one, its maker's tool knows the other. */
const FACTORY_PASSWORDS = [NO_PASSWORD, 'proto'];
/** Curtailed by the rig's own listener counts as asleep: it hashes nothing until it is told to. */
const ASLEEP = /^(stopped|curtailed|poweringoff|powering_off)$/i;
const AWAKE = /^(mining|degradedmining|degraded_mining|poweringon|powering_on|nopools|no_pools)$/i;

/**
 * Proto Rig over its REST API (`/api/v1`, captured replies of ProtoOS 1.8). Power is measured by its own supplies. It
 * takes a power target in watts, inside bounds it names.
 */
export const protoRig = defineDriver({
  name: 'proto-rig',
  about: 'Proto Rigs with their own firmware (REST API on port 80)',
  serves: ['asic'],
  config,
  factory: { username: '', password: NO_PASSWORD },
  probes: [{ port: 80, path: `${API}/system` }],
  recognises: ({ banners, pages }) =>
    /Proto ?OS|Proto Rig/i.test(banners.get(80) ?? '') ||
    /"(product_name|name)"\s*:\s*"Proto/i.test(pages.get(`80${API}/system`) ?? ''),
  open({ address, config: { port, password, timeoutMs } }, io) {
    const rest = webSession({
      http: io.http,
      base: `http://${address}:${port}${API}`,
      timeoutMs,
      async login(ask, signal) {
        const words = password === undefined ? FACTORY_PASSWORDS : [io.secret(password)];
        let reply: HttpReply | undefined;
        for (const word of words) {
          reply = await ask('POST', '/auth/login', { password: word }, signal);
          if (reply.status !== 401 && reply.status !== 403) break;
        }
        return { authorization: `Bearer ${tokenIn(reply!, `${address} login`, 'access_token', 'token')}` };
      },
    });

    async function mining(signal?: AbortSignal): Promise<Fields> {
      const reply = await rest.get('/mining', signal);
      const status = fields(reply['mining-status'] ?? reply['mining_status']);
      if (Object.keys(status).length === 0)
        throw new Fault('garbled', `${address} mining: no "mining-status"`, { bytes: JSON.stringify(reply) });
      return status;
    }

    const measured = (signal?: AbortSignal) =>
      rest.get('/telemetry?level=miner,hashboard,psu', signal, 'telemetry_full');

    /** The rig answers a write with what it made of it; an answer that is no JSON is none of its own. */
    async function write(method: 'POST' | 'PUT', path: string, body: unknown, signal?: AbortSignal): Promise<void> {
      const where = `${address} ${path}`;
      const reply = await rest.send(method, `/${path}`, body, signal);
      const said = reply.status === 204 ? {} : fields(reply.body.trim() === '' ? undefined : asJson(reply, where));
      const error = text(said['error']) ?? text(fields(said['error'])['message']);
      if (error !== undefined) throw new Fault('refused', `${where}: ${error}`);
      if (reply.status === 204 || reply.status === 202 || Object.keys(said).length > 0) return;
      throw new Fault('garbled', `${where}: no result`, { bytes: reply.body });
    }

    return {
      async read(signal) {
        try {
          return toReading(io.siteNow(), await mining(signal));
        } catch (error) {
          if (!(error instanceof Fault) || error.kind !== 'unsupported') throw error;
          return expectTold({ at: io.siteNow(), ...telemetryOf(await measured(signal)) }, address);
        }
      },
      async inspect(signal) {
        const asked = parts();
        const status = await asked.get('mining', () => mining(signal));
        const system = fields((await asked.get('identity', () => rest.get('/system', signal)))?.['system-info']);
        const network = fields((await asked.get('network', () => rest.get('/network', signal)))?.['network-info']);
        const hardware = fields((await asked.get('hardware', () => rest.get('/hardware', signal)))?.['hardware-info']);
        const telemetry = await asked.get('boards', () => measured(signal));
        const pools = await asked.get('pools', () => rest.get('/pools', signal));
        const cooling = fields((await asked.get('fans', () => rest.get('/cooling', signal)))?.['cooling-status']);
        const errors = await asked.get('errors', () => rest.json('/errors', signal));
        const gaps = asked.gaps();
        const fans = list(cooling['fans']).map((fan) => amount(fields(fan)['rpm']));
        return expectTold(
          {
            at: io.siteNow(),
            model: text(system['product_name']) ?? text(system['model']),
            firmware: text(fields(system['os'])['version']),
            serial: text(system['cb_sn']) ?? text(fields(hardware['cb-info'])['serial_number']),
            mac: macAddress(network['mac']),
            hostname: text(network['hostname']) ?? text(fields(system['os'])['hostname']),
            powerLimitW: status === undefined ? undefined : amount(status['power_target_watts']),
            boards: boardsOf(telemetry, hardware),
            ...(fans.length === 0 ? {} : { fansRpm: fans, fanRpm: max(fans) }),
            ...poolsOf(pools),
            errors: errors === undefined ? undefined : errorsOf(errors),
            gaps,
          },
          address,
        );
      },
      prepare: (signal) => rest.prepare(signal),
      sleep: (signal) => write('POST', 'mining/stop', undefined, signal),
      wake: (signal) => write('POST', 'mining/start', undefined, signal),
      /** Inside the bounds that the rig names, where it names them. */
      async setPowerLimit(watts, signal) {
        const target = await rest.get('/mining/target', signal);
        const least = amount(target['power_target_min_watts']);
        const most = amount(target['power_target_max_watts']);
        if (least === undefined && most === undefined && amount(target['power_target_watts']) === undefined)
          throw new Fault('garbled', `${address} target: neither a target nor bounds`, {
            bytes: JSON.stringify(target),
          });
        if (watts < (least ?? 0) || watts > (most ?? Infinity))
          throw new Fault('refused', `${address}: ${watts} W is outside ${least ?? '?'} to ${most ?? '?'} W`);
        await write('PUT', 'mining/target', { power_target_watts: Math.round(watts) }, signal);
      },
      async setPools(pools, signal) {
        const written = pools.map(({ url, worker, password: word }, priority) => ({
          priority,
          url,
          username: worker,
          password: word,
        }));
        await write('POST', 'pools', written, signal);
      },
      reboot: (signal) => write('POST', 'system/reboot', undefined, signal),
      /** The lamp goes out by itself; it cannot be put out. */
      async locate(on, signal) {
        if (on) await write('POST', 'system/locate', undefined, signal);
        else await mining(signal);
      },
      close() {},
    };
  },
});

function modeOf(status: string | undefined): OperatingMode | undefined {
  if (status === undefined) return undefined;
  if (ASLEEP.test(status)) return SLEEP;
  return AWAKE.test(status) ? run('default') : undefined;
}

function toReading(at: Reading['at'], status: Fields): Reading {
  const ghs = amount(status['hashrate_ghs']) ?? amount(status['average_hashrate_ghs']);
  const powerW = amount(status['power_usage_watts']);
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs: ghs === undefined ? undefined : ghs / 1000,
    mode: modeOf(text(status['status'])),
    temperatureC: max([num(status['average_asic_temp_c']) || undefined, num(status['average_hb_temp_c']) || undefined]),
    uptimeS: amount(status['reboot_uptime_s']),
    powerLimitW: amount(status['power_target_watts']),
  };
}

/** What `mining` tells, where that is not there. */
function telemetryOf(telemetry: Fields): Partial<Reading> {
  const miner = fields(telemetry['miner']);
  const powerW = amount(fields(miner['power'])['value']);
  return {
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs: terahash(fields(miner['hashrate'])),
    temperatureC: num(fields(miner['temperature'])['value']) || undefined,
  };
}

/** Telemetry tells what boards do, the hardware page what they are. */
function boardsOf(telemetry: Fields | undefined, hardware: Fields): BoardReading[] | undefined {
  const known = list(hardware['hashboards-info']).map(fields);
  const told = list(telemetry?.['hashboards']).map(fields);
  const boards = (told.length > 0 ? told : known).map((board, i): BoardReading => {
    const serial = text(board['serial_number']) ?? text(board['hb_sn']);
    const hard = known.find((one) => text(one['hb_sn']) === serial) ?? {};
    const temperature = fields(board['temperature']);
    return {
      index: num(board['index']) ?? num(board['port']) ?? i,
      hashrateThs: terahash(fields(board['hashrate'])),
      temperatureC: max([num(temperature['outlet']), num(temperature['average'])].map((c) => c || undefined)),
      chips: amount(hard['mining_asic_count']),
      powerW: amount(fields(board['power'])['value']),
      serial,
    };
  });
  return boards.length === 0 ? undefined : boards;
}

const PER_TH: ReadonlyMap<string, number> = new Map([
  ['TH/s', 1],
  ['GH/s', 1e-3],
  ['MH/s', 1e-6],
  ['PH/s', 1e3],
]);

function terahash({ value, unit }: Fields): number | undefined {
  const factor = PER_TH.get(text(unit) ?? 'TH/s');
  const rate = amount(value);
  return rate === undefined || factor === undefined ? undefined : rate * factor;
}

function poolsOf(reply: Fields | undefined): Partial<Reading> {
  const entries = list(reply?.['pools']).map(fields);
  const pools = entries.flatMap((entry): PoolReading[] => {
    const url = text(entry['url']);
    const status = text(entry['connection_status']) ?? text(entry['status']);
    if (url === undefined) return [];
    return [
      {
        url,
        worker: text(entry['user']) ?? text(entry['username']) ?? '',
        active: status === undefined ? undefined : /^active$/i.test(status) && entry['enabled'] !== false,
        alive: status === undefined ? undefined : /^(active|idle|connected|standby)$/i.test(status),
        acceptedShares: amount(entry['accepted']),
        rejectedShares: amount(entry['rejected']),
      },
    ];
  });
  if (pools.length === 0) return {};
  // Several may be connected; it works for the first of them.
  const active = pools.find((pool) => pool.active === true);
  const sum = (key: 'acceptedShares' | 'rejectedShares') =>
    pools.some((pool) => pool[key] === undefined) ? undefined : pools.reduce((all, pool) => all + (pool[key] ?? 0), 0);
  return {
    pool: active === undefined ? undefined : { url: active.url, worker: active.worker },
    pools: pools.map((pool) => ({ ...pool, active: pool.active === undefined ? undefined : pool === active })),
    acceptedShares: sum('acceptedShares'),
    rejectedShares: sum('rejectedShares'),
  };
}

function errorsOf(reply: unknown): string[] | undefined {
  const all = Array.isArray(reply)
    ? (reply as unknown[])
    : list(fields(reply)['errors'] ?? fields(reply)['notifications']);
  if (!Array.isArray(reply) && all.length === 0) return undefined;
  return all.flatMap((entry) => {
    const { source, slot, error_code: code, message, description } = fields(entry);
    const said =
      text(message) ??
      text(description) ??
      text(code) ??
      (num(code) === undefined ? text(entry) : `error ${num(code)}`);
    if (said === undefined) return [];
    const where = [text(source), num(slot)].filter((part) => part !== undefined).join(' ');
    return [where === '' ? said : `${where}: ${said}`];
  });
}
