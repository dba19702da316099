import { z } from 'zod';
import {
  Fault,
  run,
  secretRef,
  SLEEP,
  type BoardReading,
  type HttpReply,
  type ModePoint,
  type OperatingMode,
  type PoolReading,
  type Reading,
} from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, boardIndex, fields, list, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { expectTold, parts } from './wire/parts.ts';
import { asJson, tokenIn, webSession } from './wire/web-session.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(80),
  password: secretRef.optional().describe('absent: the factory password'),
  timeoutMs: z.number().int().positive().default(3000),
});

const API = '/api/v1';
const FACTORY_PASSWORD = 'admin';
/** States of `miner_state` in which it hashes, or is on its way to. */
const AWAKE = /^(mining|auto-tuning|starting|initializing|restarting)$/;
const ASLEEP = /^(stopped|shutting-down)$/;
/** The preset in force is asked for again when it is older than this: somebody may have changed it by hand. */
const PRESET_HOLDS_MS = 5 * 60_000;

/**
 * VNish (AnthillOS) over its REST API (`/api/v1`, Swagger page of the firmware). Reads are open on most versions; a write wants
 * the token that `unlock` gives. It knows no watt limit: an operating point is a preset, and one that is not tuned yet
 * starts a tuning cycle of an hour or more.
 */
export const vnish = defineDriver({
  name: 'vnish',
  about: 'Antminers with VNish firmware (REST API on port 80)',
  serves: ['asic'],
  config,
  factory: { username: 'admin', password: FACTORY_PASSWORD },
  probes: [{ port: 80, path: `${API}/info` }],
  recognises: ({ banners, pages }) =>
    /AnthillOS/i.test(banners.get(80) ?? '') ||
    /vnish/i.test(banners.get(4028) ?? '') ||
    /"fw_name"\s*:\s*"vnish"|"install_type"[\s\S]*"fw_version"/i.test(pages.get(`80${API}/info`) ?? ''),
  open({ address, config: { port, password, timeoutMs } }, io) {
    const rest = webSession({
      http: io.http,
      base: `http://${address}:${port}${API}`,
      timeoutMs,
      async login(ask, signal) {
        const pw = password === undefined ? FACTORY_PASSWORD : io.secret(password);
        const token = tokenIn(await ask('POST', '/unlock', { pw }, signal), `${address} unlock`, 'token');
        return { authorization: `Bearer ${token}` };
      },
    });
    let preset: { readonly name: string | undefined; readonly at: number } | undefined;

    /** The preset in force. Not every version has the page; then a running machine runs at `default`. */
    async function currentPreset(signal?: AbortSignal): Promise<string | undefined> {
      const now = io.wallNow();
      if (preset !== undefined && now - preset.at < PRESET_HOLDS_MS) return preset.name;
      try {
        const perf = await rest.get('/perf-summary', signal);
        preset = { name: nameOf(fields(perf['current_preset'])['name']), at: now };
      } catch (error) {
        if (!(error instanceof Fault) || error.kind !== 'unsupported') throw error;
        preset = { name: undefined, at: now };
      }
      return preset.name;
    }

    async function summary(signal?: AbortSignal): Promise<{ miner: Fields; system: Fields }> {
      const reply = await rest.get('/summary', signal);
      // Before its mining program is up, or when it was stopped, it may tell of none; its state it tells all the same.
      if (reply['miner'] === null)
        return { miner: { miner_status: await rest.get('/status', signal) }, system: fields(reply['system']) };
      const miner = fields(reply['miner']);
      if (Object.keys(miner).length === 0)
        throw new Fault('garbled', `${address} summary: no "miner"`, { bytes: JSON.stringify(reply) });
      return { miner, system: fields(reply['system']) };
    }

    /**
     * The firmware answers a write with an empty body, an empty object or a result. Nothing at all is a yes, as every command is read back
     * anyway; what says neither yes nor no is held against its state.
     */
    async function write(path: string, body: unknown, signal?: AbortSignal): Promise<void> {
      const where = `${address} ${path}`;
      preset = undefined;
      const reply = await rest.send('POST', `/${path}`, body, signal);
      const said = replyFields(reply, where);
      if (Object.keys(said).length === 0 || said['success'] === true || said['restart_required'] !== undefined) return;
      const error = text(said['err']) ?? text(said['error']);
      if (error !== undefined || said['success'] === false)
        throw new Fault('refused', `${where}: ${error ?? 'no reason given'}`);
      const state = text((await rest.get('/status', signal))['miner_state']);
      if (state === undefined)
        throw new Fault('garbled', `${where}: neither a result nor a state`, { bytes: reply.body });
    }

    async function presets(signal?: AbortSignal): Promise<readonly Fields[]> {
      const reply = await rest.json('/autotune/presets', signal);
      const all = Array.isArray(reply) ? reply : list(fields(reply)['presets']);
      const named = all.map(fields).filter((one) => nameOf(one['name']) !== undefined);
      if (named.length === 0)
        throw new Fault('garbled', `${address}: no preset in the answer`, { bytes: JSON.stringify(reply) });
      return named.filter((one) => one['name'] !== 'disabled');
    }

    async function choose(name: string, signal?: AbortSignal): Promise<void> {
      const settings = await rest.get('/settings', signal);
      const overclock = fields(fields(settings['miner'])['overclock']);
      // The whole block goes back: never from one that was not understood.
      if (Object.keys(overclock).length === 0)
        throw new Fault('garbled', `${address} settings: no "overclock"`, { bytes: JSON.stringify(settings) });
      if (nameOf(overclock['preset']) === name) return;
      await write('settings', { miner: { overclock: { ...overclock, preset: name } } }, signal);
    }

    const wake = (signal?: AbortSignal) => write('mining/start', {}, signal);
    return {
      async read(signal) {
        const { miner, system } = await summary(signal);
        const state = stateOf(miner);
        const name = state === undefined || ASLEEP.test(state) ? undefined : await currentPreset(signal);
        return toReading(io.siteNow(), miner, system, name);
      },
      async inspect(signal) {
        const asked = parts();
        const told = await asked.get('summary', () => summary(signal));
        const info = (await asked.get('identity', () => rest.get('/info', signal))) ?? {};
        const points = (await asked.get('profiles', () => presets(signal)))?.flatMap(toPoint);
        const serials = await asked.get('serials', () => rest.json('/chains/factory-info', signal));
        // What each chip does: `chains` until 1.2, `boards` from 1.3 on (API pages of 1.2.6 and 1.3.4).
        const chips =
          (await asked.extra('chips', () => rest.json('/chains', signal))) ??
          (await asked.extra('chips', () => rest.json('/boards', signal)));
        const settings = fields((await asked.extra('settings', () => rest.get('/settings', signal)))?.['miner']);
        const gaps = asked.gaps();
        const miner = told?.miner ?? {};
        const system = { ...told?.system, ...fields(info['system']) };
        return expectTold(
          {
            ...(told === undefined && chips === undefined ? {} : slowOf(miner, { serials, chips })),
            at: io.siteNow(),
            model: text(info['miner']) ?? modelIn(miner),
            firmware: text(info['fw_version']) ?? versionIn(miner),
            serial: text(info['serial']) ?? text(fields(serials)['psu_serial']),
            mac: macAddress(fields(system['network_status'])['mac']),
            hostname: text(fields(system['network_status'])['hostname']),
            uptimeS: uptimeOf(text(system['uptime'])),
            powerLimitW: limitIn(settings) ?? limitIn(miner),
            points: points === undefined || points.length === 0 ? undefined : points,
            gaps,
          },
          address,
        );
      },
      prepare: (signal) => rest.prepare(signal),
      sleep: (signal) => write('mining/stop', {}, signal),
      wake,
      async setMode(profile, signal) {
        if (profile !== 'default') {
          const known = await presets(signal);
          if (!known.some((one) => nameOf(one['name']) === profile))
            throw new Fault('unsupported', `${address}: no preset "${profile}"`);
          await choose(profile, signal);
        }
        const state = stateOf((await summary(signal)).miner);
        if (state !== undefined && ASLEEP.test(state)) await wake(signal);
      },
      /** The highest tuned preset that keeps to the watts: one that is not tuned would tune for an hour first. */
      async setPowerLimit(watts, signal) {
        const fitting = (await presets(signal)).flatMap((one) =>
          toPoint(one).map((point) => ({ point, tuned: one['status'] === 'tuned' })),
        );
        const under = fitting
          .filter(({ point }) => point.powerW <= watts)
          .sort((a, b) => b.point.powerW - a.point.powerW);
        const best = under.find(({ tuned }) => tuned);
        if (best === undefined) {
          const why = under.length === 0 ? 'no preset keeps to' : 'no tuned preset keeps to';
          throw new Fault('refused', `${address}: ${why} ${watts} W; tune one on the page of the machine first`);
        }
        await choose(best.point.profile, signal);
      },
      async setPools(pools, signal) {
        const written = pools.map(({ url, worker, password: pass }, i) => ({
          url: url.replace(/^stratum\+tcp:\/\//, ''),
          user: worker,
          pass,
          order: i,
          id: i,
        }));
        await write('settings', { miner: { pools: written } }, signal);
      },
      async reboot(signal) {
        // Asked before: afterwards nobody is there to ask.
        const status = await rest.get('/status', signal);
        if (text(status['miner_state']) === undefined)
          throw new Fault('garbled', `${address} status: no state`, { bytes: JSON.stringify(status) });
        const reply = replyFields(await rest.send('POST', '/system/reboot', {}, signal), `${address} reboot`);
        const error = text(reply['err']) ?? text(reply['error']);
        if (error !== undefined) throw new Fault('refused', `${address} reboot: ${error}`);
      },
      async locate(on, signal) {
        const where = `${address} find-miner`;
        const reply = await rest.send('POST', '/find-miner', { on }, signal);
        const said = fields(asJson(reply, where))['on'];
        if (typeof said !== 'boolean') throw new Fault('garbled', `${where}: no "on"`, { bytes: reply.body });
        // Older versions turn the lamp over, whatever they are sent.
        if (said !== on) await rest.send('POST', '/find-miner', { on }, signal);
      },
      close() {},
    };
  },
});

const nameOf = (value: unknown): string | undefined =>
  text(value) ?? (num(value) === undefined ? undefined : String(value));

/** An empty body is an empty object here; anything else that is no object is garbled. */
function replyFields(reply: HttpReply, where: string): Fields {
  if (reply.body.trim() === '') return {};
  const value = asJson(reply, where);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Fault('garbled', `${where}: no result`, { bytes: reply.body });
}

const stateOf = (miner: Fields): string | undefined => text(fields(miner['miner_status'])['miner_state']);

function modeOf(state: string | undefined, preset: string | undefined): OperatingMode | undefined {
  if (state === undefined) return undefined;
  if (ASLEEP.test(state)) return SLEEP;
  return AWAKE.test(state) ? run(preset ?? 'default') : undefined;
}

/** `hr_*` are GH/s, `*_hashrate` TH/s, in one object (captured replies). The realtime ones first. */
function hashrateOf(miner: Fields): number | undefined {
  const ghs = (key: string) => {
    const value = amount(miner[key]);
    return value === undefined ? undefined : value / 1000;
  };
  return (
    ghs('hr_realtime') ?? amount(miner['instant_hashrate']) ?? ghs('hr_average') ?? amount(miner['average_hashrate'])
  );
}

function toReading(at: Reading['at'], miner: Fields, system: Fields, preset: string | undefined): Reading {
  const powerW = amount(miner['power_consumption']) ?? amount(miner['power_usage']);
  const state = stateOf(miner);
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs: hashrateOf(miner),
    mode: modeOf(state, preset),
    temperatureC: max([hottest(miner['chip_temp']), hottest(miner['pcb_temp'])]),
    uptimeS: uptimeOf(text(system['uptime'])),
    ...fansOf(miner),
    ...poolsOf(miner),
    errors: errorsOf(miner, state),
  };
}

/** Its watts are those of the preset that was chosen; `disabled` is none. */
const limitIn = (miner: Fields): number | undefined => amount(fields(miner['overclock'])['preset']);

interface Around {
  readonly serials: unknown;
  /** Chip by chip, board by board. */
  readonly chips: unknown;
}

/** What changes slowly; a board that one page leaves out is on another. */
function slowOf(miner: Fields, { serials, chips }: Around): Partial<Reading> {
  const factory = list(fields(serials)['chains'] ?? serials).map(fields);
  const byChip = list(chips).map(fields);
  const chains = list(miner['chains']).map(fields);
  const boards = (chains.length > 0 ? chains : byChip).map((chain, i): BoardReading => {
    const sameBoard = (one: Fields) => num(one['id']) === (num(chain['id']) ?? i + 1);
    const its = byChip.find(sameBoard) ?? {};
    const ghs = amount(chain['hashrate_rt']) ?? amount(chain['hr_realtime']) ?? amount(its['hr_realtime']);
    const sensors = list(its['sensors']).flatMap((sensor) => [fields(sensor)['chip'], fields(sensor)['board']]);
    return {
      index: boardIndex(chain['id'], i),
      hashrateThs: ghs === undefined ? undefined : ghs / 1000,
      temperatureC:
        max([hottest(chain['chip_temp']), hottest(chain['pcb_temp'])]) ??
        max(sensors.map((celsius) => num(celsius) || undefined)),
      chips: chipsOf(fields(chain['chip_statuses'])) ?? hashing(its['chips']),
      powerW: amount(chain['power_consumption']),
      serial: text(chain['serial']) ?? text(factory.find(sameBoard)?.['serial']),
    };
  });
  return {
    boards: boards.length === 0 ? undefined : boards,
    ...fansOf(miner),
    ...poolsOf(miner),
    errors: errorsOf(miner, stateOf(miner)),
  };
}

/** It counts them by their health, and each of them answers. */
function chipsOf(statuses: Fields): number | undefined {
  const counts = ['red', 'orange', 'grey'].map((colour) => amount(statuses[colour]));
  return counts.every((n) => n === undefined) ? undefined : counts.reduce((sum: number, n) => sum + (n ?? 0), 0);
}

/** Those that hash; where none does it is asleep or broken, and that says nothing of its chips. */
function hashing(chips: unknown): number | undefined {
  return list(chips).filter((chip) => (amount(fields(chip)['hr']) ?? 0) > 0).length || undefined;
}

const hottest = (range: unknown): number | undefined => num(fields(range)['max']) || undefined;

function fansOf(miner: Fields): Pick<Reading, 'fanRpm' | 'fansRpm'> {
  const fans = list(fields(miner['cooling'])['fans']).map((fan) => amount(fields(fan)['rpm']));
  return fans.length === 0 ? {} : { fansRpm: fans, fanRpm: max(fans) };
}

function poolsOf(miner: Fields): Pick<Reading, 'pool' | 'pools' | 'acceptedShares' | 'rejectedShares'> {
  const pools = list(miner['pools']).flatMap((entry): PoolReading[] => {
    const pool = fields(entry);
    const url = text(pool['url']);
    // The fee of the firmware mines for its maker; it is no pool of the site's.
    if (url === undefined || text(pool['pool_type']) === 'DevFee' || url === 'DevFee') return [];
    const status = text(pool['status']);
    return [
      {
        url: url.includes('://') ? url : `stratum+tcp://${url}`,
        worker: text(pool['user']) ?? '',
        active: status === undefined ? undefined : /^(active|working)$/.test(status),
        alive: status === undefined ? undefined : !/^(offline|disabled)$/.test(status),
        acceptedShares: amount(pool['accepted']),
        rejectedShares: amount(pool['rejected']),
      },
    ];
  });
  if (pools.length === 0) return {};
  const active = pools.find((pool) => pool.active === true);
  const sum = (key: 'acceptedShares' | 'rejectedShares') =>
    pools.some((pool) => pool[key] === undefined) ? undefined : pools.reduce((all, pool) => all + (pool[key] ?? 0), 0);
  return {
    pool: active === undefined ? undefined : { url: active.url, worker: active.worker },
    pools,
    acceptedShares: sum('acceptedShares'),
    rejectedShares: sum('rejectedShares'),
  };
}

function errorsOf(miner: Fields, state: string | undefined): string[] | undefined {
  const chains = list(miner['chains']).map(fields);
  if (state === undefined && chains.length === 0) return undefined;
  const troubles = chains.flatMap((chain, i) => {
    const status = fields(chain['status']);
    const said = text(status['description']);
    return status['state'] === 'failure' ? [`board ${num(chain['id']) ?? i}: ${said ?? 'failed'}`] : [];
  });
  const description = text(fields(miner['miner_status'])['description']);
  if (state === 'failure')
    troubles.unshift(`stopped by a failure${description === undefined ? '' : `: ${description}`}`);
  return troubles;
}

/** `Antminer S19j Pro (Vnish 1.2.0-rc5)` tells both. */
const modelIn = (miner: Fields): string | undefined => text(miner['miner_type'])?.replace(/\s*\(.*$/, '') || undefined;
const versionIn = (miner: Fields): string | undefined =>
  /\(vnish ([^)]+)\)/i.exec(text(miner['miner_type']) ?? '')?.[1];

/** `10 days, 18:00`, `1 day, 2:03`, `2:03`. */
function uptimeOf(said: string | undefined): number | undefined {
  const match = /^(?:(\d+) days?(?:,\s*)?)?(?:(\d+):(\d{2}))?$/.exec(said?.trim() ?? '');
  if (match === null || (match[1] === undefined && match[2] === undefined)) return undefined;
  return Number(match[1] ?? 0) * 86_400 + Number(match[2] ?? 0) * 3_600 + Number(match[3] ?? 0) * 60;
}

/** A preset is named for its watts, `3495`, and says `3495 watt ~ 132 TH`. */
function toPoint(preset: Fields): ModePoint[] {
  const profile = nameOf(preset['name']);
  const pretty = text(preset['pretty']) ?? '';
  const powerW = amount(/([\d.]+)\s*(?:watt|w)\b/i.exec(pretty)?.[1]) ?? amount(preset['name']);
  const hashrateThs = amount(/~?\s*([\d.]+)\s*TH/i.exec(pretty)?.[1]);
  return profile === undefined || powerW === undefined || hashrateThs === undefined
    ? []
    : [{ profile, powerW, hashrateThs }];
}
