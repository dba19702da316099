import { z } from 'zod';
import {
  CATALOGUE,
  Fault,
  HOUR,
  MINUTE,
  run,
  secretRef,
  SLEEP,
  type AsicModel,
  type OperatingMode,
  type Reading,
  type WallMs,
} from '../model/index.ts';
import { defineDriver, type DriverIo } from './driver.ts';
import {
  boardsOf,
  boardTemperatures,
  expectAcknowledged,
  fansOf,
  minerPower,
  poolsWritten,
  samePools,
  tellsPower,
  troublesOf,
  wattsIn,
} from './wire/antminer.ts';
import { chainSources } from './wire/antminer-chains.ts';
import { askCgminer, expectSuccess, parseReply, part, poolsOf, sharesOf } from './wire/cgminer.ts';
import { factoryPoints } from './wire/factory-points.ts';
import { amount, fields, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { expectOk } from './wire/http.ts';
import { parts } from './wire/parts.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(4028),
  webPort: z.number().int().min(1).max(65535).default(80),
  username: z.string().default('root'),
  password: secretRef.optional().describe('absent: the factory password'),
  timeoutMs: z.number().int().positive().default(3000),
});
type Config = z.output<typeof config>;

/** Work modes of the stock firmware: the number in its configuration, and our word. */
const WORK_MODES: ReadonlyMap<number, string> = new Map([
  [0, 'normal'],
  [2, 'high'],
  [3, 'low'],
]);
const SLEEP_MODE = 1;
/** Firmware from 2023-07 on stands still under this number too. */
const STANDSTILL_MODE = 5;
/** What Bitmain ships; a miner that still has it is reported as a finding by discovery, not here. */
const FACTORY_PASSWORD = 'root';

/** How long a configuration that was read is believed; a change of hash that it cannot explain ends that at once. */
const CONFIG_HOLDS_MS = 5 * MINUTE;

interface KnownConfig {
  /** Undefined: firmware from before the page had it. */
  readonly value: Fields | undefined;
  readonly readAt: WallMs;
}

/**
 * Stock Antminer firmware: hashrate and temperatures over 4028, everything else over its web page's CGI with digest
 * authentication. It knows no watt limit and most models report no watts: power is then estimated from hashrate and
 * marked so. A write reloads the miner, so a read straight after it may find nobody there.
 */
export const antminerStock = defineDriver({
  name: 'antminer-stock',
  about: 'Antminers with Bitmain firmware (CGI with digest, cgminer API on 4028)',
  serves: ['asic'],
  config,
  factory: { username: 'root', password: FACTORY_PASSWORD },
  recognises: (seen) => /antMiner/i.test(seen.banners.get(80) ?? '') || /"BMMiner"/.test(seen.banners.get(4028) ?? ''),
  open({ address, modelId, config: settings }, io) {
    const model = CATALOGUE.get(modelId);
    const asic = model?.kind === 'asic' ? model : undefined;
    const cgi = cgiClient(address, settings, io);
    const target = { host: address, port: settings.port, timeoutMs: settings.timeoutMs };
    let known: KnownConfig | undefined;
    const power = powerMeter(address, settings.timeoutMs, io);
    const sources = chainSources(
      address,
      (command, signal) => askCgminer(io.tcp, target, command, undefined, signal),
      cgi,
    );

    async function currentConfig(hashing: boolean, signal?: AbortSignal): Promise<Fields | undefined> {
      const now = io.wallNow();
      if (known !== undefined && now - known.readAt < CONFIG_HOLDS_MS) {
        if (known.value === undefined) return undefined;
        const saysAsleep = toMode(known.value)?.kind === 'sleep';
        if (saysAsleep !== hashing) return known.value;
      }
      const value = await cgi.get('get_miner_conf', signal).catch(noneWhereUnsupported);
      known = { value, readAt: now };
      return value;
    }

    /** Reads, changes the mode, writes, and forgets what it knew: the next read finds out what became of it. */
    async function setWorkMode(mode: number, signal?: AbortSignal): Promise<void> {
      const before = await cgi.get('get_miner_conf', signal);
      known = undefined;
      const is = workMode(before);
      // The write replaces the whole configuration, pools too: never from one that was not understood.
      if (is === undefined)
        throw new Fault('garbled', `${address}: a configuration without a work mode`, {
          bytes: JSON.stringify(before),
        });
      if (is === mode) return;
      const asText = typeof (before['bitmain-work-mode'] ?? before['miner-mode']) === 'string';
      const value = asText ? String(mode) : mode;
      // Firmware may show one of the two keys and obey the other.
      const wanted = { ...before, 'bitmain-work-mode': value, 'miner-mode': value };
      expectAcknowledged(await cgi.post('set_miner_conf', wanted, signal), `${address}: work mode ${mode}`);
    }

    return {
      async read(signal) {
        const { chains, type = asic?.name, gaps } = await sources(signal);
        const hashrateThs = thsOf(chains);
        const hashing = hashrateThs !== undefined && hashrateThs > 0;
        const conf = await currentConfig(hashing, signal).catch((error: unknown) => {
          // What hashes is known without the mode.
          if (!(error instanceof Fault) || error.kind !== 'garbled') throw error;
          return error;
        });
        const said = wattsIn(chains);
        const metered = said ?? (tellsPower(type) ? await power(signal) : undefined);
        const reading = toReading(io.siteNow(), chains, conf instanceof Fault ? {} : conf, hashrateThs, {
          asic,
          modelId,
          metered,
        });
        const unread = conf instanceof Fault ? [{ part: 'mode', kind: conf.kind, message: conf.message }] : [];
        return gaps === undefined && unread.length === 0 ? reading : { ...reading, gaps: [...(gaps ?? []), ...unread] };
      },
      inspect: (signal) =>
        inspect(cgi, (command) => askCgminer(io.tcp, target, command, undefined, signal), sources, io, address, signal),
      sleep: (signal) => setWorkMode(SLEEP_MODE, signal),
      wake: (signal) => setWorkMode(0, signal),
      async setMode(profile, signal) {
        // The catalogue calls what a machine runs from the factory `default`.
        const wanted = profile === 'default' ? 'normal' : profile;
        const mode = [...WORK_MODES].find(([, word]) => word === wanted)?.[0];
        if (mode === undefined) throw new Fault('unsupported', `${address}: stock firmware has no mode "${profile}"`);
        await setWorkMode(mode, signal);
      },
      async reboot(signal) {
        expectAcknowledged(await cgi.get('reboot', signal), `${address}: reboot`);
      },
      async setPools(pools, signal) {
        const before = await cgi.get('get_miner_conf', signal);
        const wanted = poolsWritten(before, pools, address);
        if (samePools(before['pools'], wanted)) return;
        known = undefined;
        expectAcknowledged(await cgi.post('set_miner_conf', { ...before, pools: wanted }, signal), `${address}: pools`);
        // The write reloads the miner: a page that is not back yet says nothing, and control reads back.
        const after = await cgi.get('get_miner_conf', signal).catch(ignoreFault);
        if (after !== undefined && !samePools(after['pools'], wanted, ['url', 'user']))
          throw new Fault('refused', `${address}: the pools were acknowledged and are not in its configuration`);
      },
      async locate(on, signal) {
        const reply = await cgi.post('blink', { blink: on }, signal);
        // B000 and B100 are its words for on and off; firmware until 2019 knows the form alone, and tells as much.
        if (/^B[01]00$/.test(text(reply['code']) ?? '') || reply['stats'] === 'success') return;
        const old = await cgi.form('blink', `action=${on ? 'startBlink' : 'stopBlink'}`, signal);
        const said = old['isBlinking'];
        if (said !== on && String(said) !== String(on)) expectAcknowledged(old, `${address}: blink`);
      },
      close() {},
    };
  },
});

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
type CgiClient = ReturnType<typeof cgiClient>;

function cgiClient(address: string, settings: Config, io: DriverIo) {
  const digest = () => ({
    username: settings.username,
    password: settings.password === undefined ? FACTORY_PASSWORD : io.secret(settings.password),
  });
  const url = (name: string) => `http://${address}:${settings.webPort}/cgi-bin/${name}.cgi`;
  const timeoutMs = settings.timeoutMs;
  const object = async (
    method: 'GET' | 'POST',
    name: string,
    body: string | undefined,
    type: string,
    signal?: AbortSignal,
  ) => {
    const where = `${address} ${name}`;
    const headers = body === undefined ? {} : { 'content-type': type };
    const request = {
      method,
      url: url(name),
      headers,
      timeoutMs,
      digest: digest(),
      signal,
      ...(body === undefined ? {} : { body }),
    };
    return parseReply(expectOk(await io.http.ask(request), where).body, where);
  };
  return {
    get: (name: string, signal?: AbortSignal) => object('GET', name, undefined, JSON_TYPE, signal),
    post: (name: string, body: Fields, signal?: AbortSignal) =>
      object('POST', name, JSON.stringify(body), JSON_TYPE, signal),
    form: (name: string, body: string, signal?: AbortSignal) => object('POST', name, body, FORM_TYPE, signal),
  };
}

/** Old firmware names the key `miner-mode`, new `bitmain-work-mode`; either may be a number or a string of one. */
const workMode = (conf: Fields): number | undefined => num(conf['bitmain-work-mode'] ?? conf['miner-mode']);

function toMode(conf: Fields): OperatingMode | undefined {
  const mode = workMode(conf);
  if (mode === undefined) return undefined;
  if (mode === SLEEP_MODE || mode === STANDSTILL_MODE) return SLEEP;
  const word = WORK_MODES.get(mode);
  return word === undefined ? undefined : run(word);
}

interface About {
  readonly asic: AsicModel | undefined;
  readonly modelId: string;
  /** Watts of its own meter; undefined where it has none. */
  readonly metered: number | 'garbled' | undefined;
}

function toReading(
  at: Reading['at'],
  chains: Fields,
  conf: Fields | undefined,
  hashrateThs: number | undefined,
  { asic, modelId, metered }: About,
): Reading {
  // Firmware without a configuration page knows one mode: what hashes runs it.
  const only = hashrateThs !== undefined && hashrateThs > 0 ? run('normal') : undefined;
  const mode = conf === undefined ? only : toMode(conf);
  const pool = fields(Array.isArray(conf?.['pools']) ? conf['pools'][0] : undefined);
  const url = text(pool['url']);
  // A meter that was not understood is no reason to guess.
  const measuredW = metered === 'garbled' ? undefined : metered;
  const powerW = metered === undefined ? estimatedPowerW(asic, mode, hashrateThs) : measuredW;
  const fans = fansOf(chains);
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : measuredW === undefined ? 'estimated' : 'measured',
    hashrateThs,
    mode,
    temperatureC: max(boardTemperatures(chains)),
    fanRpm: max(fans),
    fansRpm: fans.some((rpm) => rpm !== undefined) ? fans : undefined,
    uptimeS: amount(chains['Elapsed']),
    pool: url === undefined ? undefined : { url, worker: text(pool['user']) ?? '' },
    points: factoryPoints(modelId),
  };
}

/** GH/s, unless the reply says otherwise. */
function thsOf(chains: Fields): number | undefined {
  const rate = amount(chains['GHS 5s']);
  if (rate === undefined) return undefined;
  const unit = text(chains['rate_unit'])?.charAt(0).toUpperCase();
  return rate / (unit === 'T' ? 1 : unit === 'M' ? 1e6 : 1000);
}

async function inspect(
  cgi: CgiClient,
  ask: (command: string) => Promise<Fields>,
  sources: ReturnType<typeof chainSources>,
  io: DriverIo,
  address: string,
  signal?: AbortSignal,
): Promise<Reading> {
  const collected = parts();
  const told = (name: string, command: string) =>
    collected.get(name, async () => {
      const reply = await ask(command);
      expectSuccess(reply, `${address} ${command}`);
      return reply;
    });
  /** A page that has at least one of these: anything else is the answer of something else. */
  const page = async (name: string, keys: readonly string[]): Promise<Fields> => {
    const reply = await cgi.get(name, signal);
    if (keys.some((key) => key in reply)) return reply;
    throw new Fault('garbled', `${address} ${name}: none of ${keys.join(', ')}`, { bytes: JSON.stringify(reply) });
  };
  const info =
    (await collected.get('identity', () =>
      page('get_system_info', ['minertype', 'macaddr', 'system_filesystem_version']),
    )) ?? {};
  const { chains, type } = (await collected.get('boards', () => sources(signal))) ?? {};
  const pools = await told('pools', 'pools');
  const version = await told('version', 'version');
  const summary = await collected.get('errors', () => page('summary', ['SUMMARY', 'STATUS']));
  const gaps = collected.gaps();
  const row = version === undefined ? {} : (part(version, 'version', 'VERSION')[0] ?? {});
  const named = text(info['minertype']) ?? text(row['Type']) ?? type;
  // Firmware that does not say it there has a page for it alone.
  const typed = named === undefined ? await cgi.get('miner_type', signal).catch(ignoreFault) : undefined;
  const poolList = pools === undefined ? undefined : poolsOf(pools);
  const active = poolList?.find((pool) => pool.active === true);
  return {
    at: io.siteNow(),
    model: named ?? text(typed?.['miner_type']),
    firmware: text(info['system_filesystem_version']) ?? text(row['CompileTime']),
    serial: text(info['serinum']) ?? text(info['serial_no']),
    mac: macAddress(info['macaddr']),
    hostname: text(info['hostname']),
    boards: chains === undefined ? undefined : boardsOf(chains),
    pools: poolList,
    pool: active && { url: active.url, worker: active.worker },
    acceptedShares: sharesOf(poolList, 'acceptedShares'),
    rejectedShares: sharesOf(poolList, 'rejectedShares'),
    errors: summary === undefined ? undefined : troublesOf(summary),
    gaps,
  };
}

function noneWhereUnsupported(error: unknown): undefined {
  if (!(error instanceof Fault) || error.kind !== 'unsupported') throw error;
}

function ignoreFault(error: unknown): undefined {
  if (!(error instanceof Fault)) throw error;
}

/** How long a machine that did not tell its watts is not asked again. */
const POWER_SILENT_MS = HOUR;

/** Watts of the few models that tell them, on a port of their own; nobody there is remembered for an hour. */
function powerMeter(address: string, timeoutMs: number, io: DriverIo) {
  let silentSince: WallMs | undefined;
  return async (signal?: AbortSignal): Promise<number | 'garbled' | undefined> => {
    if (silentSince !== undefined && io.wallNow() - silentSince < POWER_SILENT_MS) return undefined;
    try {
      const watts = await minerPower(io.http, address, timeoutMs, signal);
      silentSince = undefined;
      return watts;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.kind === 'garbled') return 'garbled';
      silentSince = io.wallNow();
      return undefined;
    }
  };
}

/**
 * Stock firmware reports no watts. A hashing machine is taken at its mode's J/TH times its hashrate, but never below
 * its share of a fixed part, a sleeping one at its sleep draw. Only a meter knows better.
 */
function estimatedPowerW(
  asic: AsicModel | undefined,
  mode: OperatingMode | undefined,
  hashrateThs: number | undefined,
): number | undefined {
  if (asic === undefined || mode === undefined || hashrateThs === undefined) return undefined;
  if (hashrateThs <= 0) return mode.kind === 'sleep' ? asic.sleepW : undefined;
  const point =
    (mode.kind === 'run' ? asic.points.find((p) => p.profile === mode.profile) : undefined) ?? asic.points.at(-1);
  if (point === undefined) return undefined;
  return Math.max(asic.sleepW, (point.powerW / point.hashrateThs) * hashrateThs);
}
