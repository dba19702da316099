import type { IncomingMessage } from 'node:http';
import type { AsicModel } from '../../src/model/index.ts';
import { answerCgminer } from '../cgminer.ts';
import { round2, statsOf, status, type CgminerCommand, type CgminerReply } from '../cgminer-reply.ts';
import type { SimPool } from '../command.ts';
import type { Firmware } from '../firmware.ts';
import { minerFacts, type MinerFacts } from '../miner-facts.ts';
import { FAILURE, PHASE } from '../miners.ts';
import type { Host, HttpAnswer } from '../net.ts';
import type { SimPoint } from '../points.ts';
import { hash32 } from '../random.ts';
import type { Endpoint } from '../world.ts';

/** VNish 1.2 on Antminers: the REST API of its page. Presets from 55 % to 115 % of the nameplate; the last two are not tuned. */
export const vnish: Firmware = {
  name: 'vnish',
  points: presetsOf,
  ports: {
    cgminer: { kind: 'text', answer: (host, endpoint, text) => answerCgminer(cgminerReply, host, endpoint, text) },
    web: { kind: 'http', answer: page },
  },
};

const VERSION = '1.2.6';
const PASSWORD = 'admin';
const SHARES = [0.55, 0.65, 0.75, 0.85, 0.95, 1, 1.08, 1.15];
const TUNED = 6;

function presetsOf(model: AsicModel): SimPoint[] {
  return SHARES.map((share, i) => ({
    name: String(Math.round((model.nameplateW * share) / 10) * 10),
    powerW: Math.round((model.nameplateW * share) / 10) * 10,
    hashThs: Math.round(model.nameplateThs * share ** 0.9 * 10) / 10,
    frequencyMhz: Math.round(500 * share ** 0.9),
    voltage: 13.2,
    step: i - SHARES.indexOf(1),
  }));
}

/** 4028 reads and never writes: what Antminer's own program answers there, under the name of this firmware. */
function cgminerReply(host: Host, endpoint: Endpoint, { name }: CgminerCommand): CgminerReply {
  const facts = minerFacts(host, endpoint);
  const say = (kind: 'S' | 'E', code: number, message: string): CgminerReply => ({
    STATUS: status(host.siteNow(), kind, code, message, 'cgminer 1.0.0'),
    id: 1,
  });
  const about = { Miner: `Vnish ${VERSION}`, CompileTime: BUILT };
  switch (name) {
    case 'version':
      // Without the name of the machine: clients take one that says "Antminer" here for Bitmain's own.
      return { ...say('S', 22, 'CGMiner versions'), VERSION: [{ CGMiner: '1.0.0', API: '3.1', ...about }] };
    case 'summary':
      return {
        ...say('S', 11, 'Summary'),
        SUMMARY: [
          {
            Elapsed: facts.elapsedS,
            'GHS 5s': round2(facts.hashThs * 1000),
            'GHS av': round2(facts.averageThs * 1000),
            Accepted: facts.accepted,
            Rejected: facts.rejected,
            Utility: facts.utility,
          },
        ],
      };
    case 'stats':
      return {
        ...say('S', 70, 'CGMiner stats'),
        STATS: [{ ...about, Type: `${facts.typeName} (Vnish ${VERSION})` }, statsOf(facts)],
      };
    case 'pools':
      return {
        ...say('S', 7, `${facts.pools.length} Pool(s)`),
        POOLS: facts.pools.map(({ url, user }, n) => ({
          POOL: n,
          URL: url,
          Status: 'Alive',
          Priority: n,
          Accepted: n === 0 ? facts.accepted : 0,
          Rejected: n === 0 ? facts.rejected : 0,
          User: user,
          'Stratum Active': n === 0 && !facts.curtailed,
        })),
      };
    default:
      return say('E', 14, 'Invalid command');
  }
}

const BUILT = '2025-03-11 10:02:17';

const tokens = new WeakMap<Host, Set<string>>();
const tokensOf = (host: Host): Set<string> => {
  const known = tokens.get(host) ?? new Set<string>();
  tokens.set(host, known);
  return known;
};

const HEADERS = { 'content-type': 'application/json', server: 'AnthillOS' };
const json = (value: unknown, status = 200): HttpAnswer => ({ status, headers: HEADERS, body: JSON.stringify(value) });

function page(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const path = (request.url ?? '/').split('?')[0]!;
  const route = `${request.method ?? 'GET'} ${path.replace(/^\/api\/v1\//, '')}`;
  if (route === 'GET /')
    return { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><title>AnthillOS</title>' };
  const facts = minerFacts(host, endpoint);
  const read = READS[route];
  if (read !== undefined) return json(read(host, facts));
  const given = parse(body);
  if (route === 'POST unlock') {
    if (given['pw'] !== PASSWORD) return json({ err: 'Wrong password' }, 401);
    const token = hash32(host.world.seed, endpoint.number, tokensOf(host).size).toString(16).padStart(8, '0').repeat(4);
    tokensOf(host).add(token);
    return json({ token });
  }
  const write = WRITES[route];
  if (write === undefined) return json({ err: 'Not found' }, 404);
  // Anybody may ask where it stands.
  const isOpen = route === 'POST find-miner';
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  if (!isOpen && !tokensOf(host).has(token)) return json({ err: 'Unauthorized' }, 401);
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return json({ err: 'Miner is busy' }, 500);
  return write(host, endpoint, facts, given, fault === undefined);
}

function parse(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return {};
  }
}

const stateOf = ({ phase, curtailed }: MinerFacts): string => {
  if (phase === PHASE.asleep || (curtailed && phase !== PHASE.down)) return 'stopped';
  if (phase === PHASE.down) return 'shutting-down';
  return phase === PHASE.wake ? 'starting' : 'mining';
};

type Read = (host: Host, facts: MinerFacts) => unknown;
const READS: Readonly<Record<string, Read>> = {
  'GET info': (_, facts) => ({
    miner: facts.typeName,
    model: facts.group.model.id.replace('antminer-', ''),
    fw_name: 'Vnish',
    fw_version: VERSION,
    platform: 'aml',
    install_type: 'nand',
    build_time: BUILT,
    algorithm: 'sha256d',
    hr_measure: 'GH/s',
    serial: facts.serial,
    system: systemOf(facts),
  }),
  'GET status': (_, facts) => ({
    miner_state: stateOf(facts),
    miner_state_time: 60,
    find_miner: facts.locating,
    restart_required: false,
    reboot_required: false,
    unlocked: false,
  }),
  'GET summary': (host, facts) => ({ miner: minerOf(host, facts), system: systemOf(facts) }),
  'GET perf-summary': (_, facts) => ({
    current_preset: presetOf(facts.point, facts.group.table.points.indexOf(facts.point)),
    preset_switcher: { enabled: false },
  }),
  /** Bare on its API page; public clients know it under `presets` as well, and some under that alone. */
  'GET autotune/presets': (_, facts) => ({ presets: facts.group.table.points.map(presetOf) }),
  'GET settings': (_, facts) => ({
    miner: {
      overclock: {
        preset: facts.point.name,
        globals: { freq: facts.point.frequencyMhz, volt: 1320 },
        preset_switcher: { enabled: false },
      },
      pools: facts.pools.map(({ url, user }, id) => ({ id, url: bare(url), user, pass: 'x', order: id })),
      misc: { restart_temp: 105 },
      cooling: { mode: { name: 'auto', param: 65 } },
    },
    network: { hostname: 'Antminer', dhcp: true },
  }),
  'GET chains': (_, facts) => facts.boardThs.map((ths, id) => chipsOf(facts, ths, id)),
  'GET chains/factory-info': (_, facts) => ({
    psu_serial: `PSU${facts.serial.slice(0, 8)}`,
    chains: facts.boardThs.map((__, id) => ({ id: id + 1, serial: `${facts.serial}B${id}`, board_model: 'BHB42831' })),
  }),
};

const bare = (url: string): string => url.replace(/^stratum\+tcp:\/\//, '');

const systemOf = (facts: MinerFacts): object => {
  const minutes = Math.floor(facts.elapsedS / 60);
  const days = Math.floor(minutes / 1440);
  const clock = `${Math.floor((minutes % 1440) / 60)}:${String(minutes % 60).padStart(2, '0')}`;
  return {
    os: 'GNU/Linux',
    miner_name: `${facts.typeName} (Vnish ${VERSION})`,
    network_status: {
      mac: facts.mac.toUpperCase(),
      dhcp: true,
      ip: facts.address,
      netmask: '255.255.0.0',
      hostname: 'Antminer',
    },
    uptime: days > 0 ? `${days} ${days === 1 ? 'day' : 'days'}, ${clock}` : clock,
  };
};

const presetOf = (point: SimPoint, i: number): object => ({
  name: point.name,
  pretty: `${point.powerW} watt ~ ${Math.round(point.hashThs)} TH`,
  status: i < TUNED ? 'tuned' : 'untuned',
  modded_psu_required: i >= TUNED,
});

function minerOf(host: Host, facts: MinerFacts): object {
  const mining = facts.phase === PHASE.run || facts.phase === PHASE.wake;
  return {
    miner_status: { miner_state: stateOf(facts), miner_state_time: 60 },
    miner_type: `${facts.typeName} (Vnish ${VERSION})`,
    hr_stock: facts.group.model.nameplateThs * 1000,
    hr_nominal: facts.point.hashThs * 1000,
    hr_realtime: round2(facts.hashThs * 1000),
    hr_average: round2(facts.averageThs * 1000),
    instant_hashrate: round2(facts.hashThs),
    average_hashrate: round2(facts.averageThs),
    pcb_temp: { min: facts.exhaustC - 12, max: facts.exhaustC - 5 },
    chip_temp: { min: facts.exhaustC - 6, max: facts.exhaustC + 2 },
    power_consumption: Math.round(facts.reportedW),
    power_usage: Math.round(facts.reportedW),
    power_efficiency: mining && facts.hashThs > 0 ? round2(facts.reportedW / facts.hashThs) : 0,
    hw_errors_percent: 0,
    hw_errors: 0,
    devfee_percent: 2.5,
    devfee: 0,
    pools: [
      ...facts.pools.map((pool, id) => poolOf(facts, pool, id)),
      {
        id: facts.pools.length,
        url: 'DevFee',
        pool_type: 'DevFee',
        user: 'DevFee',
        status: 'working',
        accepted: 3,
        rejected: 0,
        stale: 0,
      },
    ],
    cooling: {
      fan_num: facts.fanRpm.length,
      fans: facts.fanRpm.map((rpm, id) => ({ id, rpm, status: 'ok', max_rpm: 7300 })),
      settings: { mode: { name: 'auto' } },
      fan_duty: facts.fanPct,
    },
    chains: facts.boardThs.map((ths, id) => chainOf(facts, ths, id)),
    found_blocks: 0,
    best_share: facts.shareDifficulty * 16,
    uptime_s: Math.floor(host.siteNow() / 1000) % 1000,
  };
}

const poolOf = (facts: MinerFacts, { url, user }: SimPool, id: number): object => ({
  id,
  url: bare(url),
  pool_type: 'UserPool',
  user,
  status: id === 0 && !facts.curtailed ? 'working' : id === 0 ? 'offline' : 'active-standby',
  asic_boost: true,
  diff: `${Math.round(facts.shareDifficulty / 1024)}K`,
  accepted: id === 0 ? facts.accepted : 0,
  rejected: id === 0 ? facts.rejected : 0,
  stale: 0,
  ls_diff: facts.shareDifficulty,
  ls_time: '0:00:02',
  ping: 21,
});

const chainOf = (facts: MinerFacts, ths: number, id: number): object => ({
  id: id + 1,
  frequency: facts.point.frequencyMhz,
  voltage: 1320,
  power_consumption: Math.round(facts.reportedW / 3),
  hashrate_ideal: round2((facts.point.hashThs * 1000) / 3),
  hashrate_rt: round2(ths * 1000),
  hashrate_percentage: 100,
  hw_errors: 0,
  pcb_temp: { min: facts.exhaustC - 12, max: facts.exhaustC - 5 },
  chip_temp: { min: facts.exhaustC - 6, max: facts.exhaustC + 2 },
  chip_statuses: { red: 0, orange: 0, grey: facts.chips },
  status:
    facts.failure === FAILURE.board && ths === 0
      ? { state: 'failure', description: 'No chips were found on the board' }
      : { state: stateOf(facts) },
});

const chipsOf = (facts: MinerFacts, ths: number, id: number): object => ({
  id: id + 1,
  freq: facts.point.frequencyMhz,
  hr_nominal: round2((facts.point.hashThs * 1000) / 3),
  hr_realtime: round2(ths * 1000),
  status: { state: stateOf(facts) },
  sensors: [{ state: 'measure', board: facts.exhaustC - 5, chip: facts.exhaustC + 2, loc: 1 }],
  chips: Array.from({ length: facts.chips }, (_, chip) => ({
    id: chip,
    hr: round2((ths * 1000) / facts.chips),
    freq: facts.point.frequencyMhz,
    volt: 1320,
    temp: facts.exhaustC,
    grade: 'grey',
    errs: 0,
    throttled: false,
  })),
});

type Write = (
  host: Host,
  endpoint: Endpoint,
  facts: MinerFacts,
  given: Record<string, unknown>,
  acts: boolean,
) => HttpAnswer;
const done = json({});
const tell =
  (op: 'sleep' | 'wake' | 'reboot'): Write =>
  (host, endpoint, _, __, acts) => {
    if (acts) host.send({ op, i: endpoint.index });
    return done;
  };
const WRITES: Readonly<Record<string, Write>> = {
  'POST mining/stop': tell('sleep'),
  'POST mining/pause': tell('sleep'),
  'POST mining/start': tell('wake'),
  'POST mining/resume': tell('wake'),
  'POST mining/restart': tell('reboot'),
  'POST system/reboot': tell('reboot'),
  'POST find-miner': (host, endpoint, facts, { on }, acts) => {
    const wanted = typeof on === 'boolean' ? on : !facts.locating;
    if (acts) host.send({ op: 'locate', i: endpoint.index, on: wanted });
    return json({ on: wanted });
  },
  'POST settings': (host, endpoint, facts, { miner }, acts) => {
    const { overclock, pools } = (miner ?? {}) as {
      overclock?: { preset?: unknown };
      pools?: { url?: unknown; user?: unknown; pass?: unknown }[];
    };
    if (overclock?.preset !== undefined) {
      const point = facts.group.table.points.findIndex(({ name }) => name === String(overclock.preset));
      if (point < 0) return json({ err: 'Unknown preset' }, 400);
      if (acts) host.send({ op: 'point', i: endpoint.index, point });
    }
    if (Array.isArray(pools) && acts)
      host.send({
        op: 'pools',
        i: endpoint.index,
        pools: pools
          .filter(({ url }) => typeof url === 'string' && url !== '')
          .map(({ url, user, pass }) => ({
            url: withScheme(word(url)),
            user: word(user),
            password: word(pass),
          })),
      });
    return json({ restart_required: false, reboot_required: false });
  },
};
const withScheme = (url: string): string => (url.includes('://') ? url : `stratum+tcp://${url}`);

const word = (value: unknown): string => (typeof value === 'string' ? value : '');
