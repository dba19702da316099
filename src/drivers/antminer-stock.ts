import { z } from 'zod';
import {
  CATALOGUE,
  Fault,
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
import { askCgminer, requirePart } from './wire/cgminer.ts';
import { amount, fields, max, num, text, type Fields } from './wire/fields.ts';
import { asFields, expectOk } from './wire/http.ts';

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
/** What Bitmain ships; a miner that still has it is reported as a finding by discovery, not here. */
const FACTORY_PASSWORD = 'root';

/** How long a configuration that was read is believed; a change of hash that it cannot explain ends that at once. */
const CONFIG_HOLDS_MS = 5 * MINUTE;

interface KnownConfig {
  readonly value: Fields;
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
  recognises: (seen) => /antMiner/i.test(seen.banners.get(80) ?? '') || /"BMMiner"/.test(seen.banners.get(4028) ?? ''),
  open({ address, modelId, config: settings }, io) {
    const model = CATALOGUE.get(modelId);
    const asic = model?.kind === 'asic' ? model : undefined;
    const cgi = cgiClient(address, settings, io);
    const target = { host: address, port: settings.port, timeoutMs: settings.timeoutMs };
    let known: KnownConfig | undefined;
    let identity: Fields | undefined;

    async function currentConfig(hashing: boolean, signal?: AbortSignal): Promise<Fields> {
      const now = io.wallNow();
      if (known !== undefined && now - known.readAt < CONFIG_HOLDS_MS) {
        const saysAsleep = workMode(known.value) === SLEEP_MODE;
        if (saysAsleep !== hashing) return known.value;
      }
      const value = await cgi.get('get_miner_conf', signal);
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
        const reply = await askCgminer(io.tcp, target, 'stats', undefined, signal);
        const chains = requirePart(reply, 'stats', 'STATS', 'GHS 5s', `${address} stats`);
        identity ??= await cgi.get('get_system_info', signal);
        const ghs = amount(chains['GHS 5s']);
        const conf = await currentConfig(ghs !== undefined && ghs > 0, signal);
        return toReading(io.siteNow(), chains, identity, conf, ghs === undefined ? undefined : ghs / 1000, asic);
      },
      sleep: (signal) => setWorkMode(SLEEP_MODE, signal),
      wake: (signal) => setWorkMode(0, signal),
      async setMode(profile, signal) {
        const mode = [...WORK_MODES].find(([, word]) => word === profile)?.[0];
        if (mode === undefined) throw new Fault('unsupported', `${address}: stock firmware has no mode "${profile}"`);
        await setWorkMode(mode, signal);
      },
      async reboot(signal) {
        expectAcknowledged(await cgi.get('reboot', signal), `${address}: reboot`);
      },
      close() {},
    };
  },
});

function cgiClient(address: string, settings: Config, io: DriverIo) {
  const digest = () => ({
    username: settings.username,
    password: settings.password === undefined ? FACTORY_PASSWORD : io.secret(settings.password),
  });
  const url = (name: string) => `http://${address}:${settings.webPort}/cgi-bin/${name}.cgi`;
  const timeoutMs = settings.timeoutMs;
  const object = async (method: 'GET' | 'POST', name: string, body: string | undefined, signal?: AbortSignal) => {
    const where = `${address} ${name}`;
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const request = {
      method,
      url: url(name),
      headers,
      timeoutMs,
      digest: digest(),
      signal,
      ...(body === undefined ? {} : { body }),
    };
    return asFields(expectOk(await io.http.ask(request), where), where);
  };
  return {
    get: (name: string, signal?: AbortSignal) => object('GET', name, undefined, signal),
    post: (name: string, body: Fields, signal?: AbortSignal) => object('POST', name, JSON.stringify(body), signal),
  };
}

/** Newer firmware answers `stats: "success"`, other captures show `success: true`. */
function expectAcknowledged(reply: Fields, where: string): void {
  if (reply['stats'] === 'success' || reply['success'] === true) return;
  const said = reply['stats'] ?? reply['success'];
  if (said === undefined)
    throw new Fault('garbled', `${where}: no result in the answer`, { bytes: JSON.stringify(reply) });
  throw new Fault('refused', `${where}: ${text(reply['msg']) ?? JSON.stringify(reply)}`);
}

/** Old firmware names the key `miner-mode`, new `bitmain-work-mode`; either may be a number or a string of one. */
const workMode = (conf: Fields): number | undefined => num(conf['bitmain-work-mode'] ?? conf['miner-mode']);

function toMode(conf: Fields): OperatingMode | undefined {
  const mode = workMode(conf);
  if (mode === undefined) return undefined;
  if (mode === SLEEP_MODE) return SLEEP;
  const word = WORK_MODES.get(mode);
  return word === undefined ? undefined : run(word);
}

function toReading(
  at: Reading['at'],
  chains: Fields,
  identity: Fields,
  conf: Fields,
  hashrateThs: number | undefined,
  asic: AsicModel | undefined,
): Reading {
  const mode = toMode(conf);
  const pool = fields(Array.isArray(conf['pools']) ? conf['pools'][0] : undefined);
  const url = text(pool['url']);
  const powerW = estimatedPowerW(asic, mode, hashrateThs);
  const boards = Object.entries(chains).filter(([key]) => /^temp(_chip|_pcb|\d*_)?\d+/.test(key));
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'estimated',
    hashrateThs,
    mode,
    temperatureC: max(boards.flatMap(([, value]) => temperatures(value))),
    fanRpm: max(['fan1', 'fan2', 'fan3', 'fan4'].map((key) => amount(chains[key]) || undefined)),
    uptimeS: amount(chains['Elapsed']),
    model: text(identity['minertype']),
    firmware: text(identity['system_filesystem_version']),
    serial: text(identity['serinum']),
    mac: text(identity['macaddr']),
    pool: url === undefined ? undefined : { url, worker: text(pool['user']) ?? '' },
    points: asic?.points,
  };
}

/** Sensors come as a number or as "58-60-61-63" per board; 0 stands for a sensor that is not there. */
function temperatures(value: unknown): (number | undefined)[] {
  const parts = typeof value === 'string' ? value.split('-') : [value];
  return parts.map((p) => num(p) || undefined);
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
