import type { IncomingMessage } from 'node:http';
import { FAILURE, PHASE } from './miners.ts';
import { BESIDE_REST, graphqlPage } from './braiins-graphql.ts';
import { minerFacts, type MinerFacts } from './miner-facts.ts';
import type { SimPool } from './command.ts';
import type { Host, HttpAnswer } from './net.ts';
import type { Endpoint } from './world.ts';
import { carryOut, json, poolRows, tokens } from './web.ts';

/** Braiins OS 25.07 with its REST API (developer.braiins-os.com): a token for everything but the version. */

const PASSWORD = 'root';
const TOKEN_S = 3600;
const session = tokens(TOKEN_S * 1000);
const NOT_AUTHORISED: HttpAnswer = { ...json({ message: 'Unauthorized' }), status: 401 };
const NOT_FOUND: HttpAnswer = { status: 404, body: 'Not Found' };
const BUSY: HttpAnswer = { ...json({ message: 'Internal error' }), status: 500 };

export function braiinsRestPage(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const path = (request.url ?? '/').split('?')[0]!;
  const route = `${request.method ?? 'GET'} ${path.replace(/^\/api\/v1/, '').replace(/(?<=.)\/$/, '')}`;
  if (route === 'GET /') return { status: 200, headers: { 'content-type': 'text/html' }, body: ROOT };
  if (route === 'POST /graphql') return graphqlPage(BESIDE_REST, host, endpoint, request, body);
  if (!path.startsWith('/api/v1')) return NOT_FOUND;
  if (route === 'GET /version') return json({ major: 1, minor: 7, patch: 0 });
  if (route === 'POST /auth/login') {
    const { username, password } = (parsed(body) ?? {}) as { username?: unknown; password?: unknown };
    if (username !== 'root' || password !== PASSWORD) return NOT_AUTHORISED;
    return json({ timeout_s: TOKEN_S, token: session.grant(host, endpoint) });
  }
  if (!session.holds(host, endpoint, request.headers.authorization)) return NOT_AUTHORISED;
  const facts = minerFacts(host, endpoint);
  if (request.method === 'GET') return read(route.slice(4), facts, endpoint);
  return request.method === 'PUT' ? write(host, endpoint, route.slice(4), parsed(body)) : NOT_FOUND;
}

const ROOT = '<!doctype html><html><head><title>Braiins OS</title></head><body><div id="app"></div></body></html>';

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

function read(path: string, facts: MinerFacts, endpoint: Endpoint): HttpAnswer {
  switch (path) {
    case '/miner/details':
      return json(details(facts));
    case '/miner/stats':
      return json(stats(facts));
    case '/miner/hw/hashboards':
      return json({ hashboards: facts.boardThs.map((ths, i) => board(facts, ths, i)) });
    case '/miner/errors':
      return json({ errors: errors(facts) });
    case '/cooling/state':
      return json(cooling(facts));
    case '/performance/tuner-state':
      return json({ overall_tuner_state: 2, mode_state: { powertargetmodestate: targetState(facts) } });
    case '/performance/target-profiles':
      return json({ power_target_profiles: targets(facts), hashrate_target_profiles: [] });
    case '/configuration/miner':
      return json({
        pool_groups: [],
        tuner: { enabled: true, hashrate_target: null, power_target: { watt: targetW(facts) }, tuner_mode: 1 },
      });
    case '/configuration/constraints':
      return json({ tuner_constraints: { power_target: constraints(facts) } });
    case '/pools':
      return json([{ name: 'default', uid: 'group0', pools: pools(facts), strategy: { quota: { value: 1 } } }]);
    case '/network':
      return json({
        default_gateway: '127.0.0.1',
        dns_servers: ['127.0.0.1'],
        hostname: facts.id,
        mac_address: facts.mac,
        name: 'eth0',
        networks: [{ address: endpoint.address, netmask: '255.255.0.0' }],
        protocol: 1,
      });
    case '/actions/locate':
      return json(facts.locating);
    default:
      return NOT_FOUND;
  }
}

const gigahash = (ths: number): object => ({ gigahash_per_second: ths * 1000 });
/** Its target, where nobody set one the watts of the operating point. */
const targetW = (facts: MinerFacts): number => Math.round(facts.limitW ?? facts.point.powerW);

const rates = (now: number, mean: number): object => ({
  last_5s: gigahash(now),
  last_15s: gigahash(now),
  last_1m: gigahash(now),
  last_5m: gigahash(mean),
  last_15m: gigahash(mean),
  since_restart: gigahash(mean),
});

/** 1 not started, 2 normal, 3 paused. */
const statusOf = (facts: MinerFacts): number => (facts.curtailed ? 3 : facts.phase === PHASE.boot ? 1 : 2);

function details(facts: MinerFacts): object {
  return {
    bos_mode: 4,
    bos_version: {
      bos_plus: true,
      current: BESIDE_REST.version,
      major: BESIDE_REST.version,
    },
    bosminer_uptime_s: facts.elapsedS,
    control_board_soc_family: 3,
    hostname: facts.id,
    kernel_version: '4.9.113',
    mac_address: facts.mac,
    miner_identity: { brand: 1, miner_model: facts.typeName, model: 18, name: facts.typeName },
    platform: 4,
    psu_info: { fw_version: null, max_voltage: { volt: 15.2 }, min_voltage: { volt: 11.96 }, model_name: 'APW12' },
    serial_number: facts.serial,
    status: statusOf(facts),
    sticker_hashrate: gigahash(facts.group.model.nameplateThs),
    system_uptime: facts.elapsedS,
    system_uptime_s: facts.elapsedS,
    uid: `uid${facts.number}`,
  };
}

function stats(facts: MinerFacts): object {
  return {
    miner_stats: {
      best_share: facts.shareDifficulty * 24,
      error_hashrate: { megahash_per_second: 0 },
      found_blocks: 0,
      nominal_hashrate: gigahash(facts.point.hashThs),
      real_hashrate: rates(facts.hashThs, facts.averageThs),
    },
    pool_stats: {
      accepted_shares: facts.accepted,
      rejected_shares: facts.rejected,
      stale_shares: 0,
      last_difficulty: facts.shareDifficulty,
    },
    power_stats: {
      approximated_consumption: { watt: Math.round(facts.reportedW) },
      efficiency: facts.hashThs > 0 ? { joule_per_terahash: facts.reportedW / facts.hashThs } : null,
    },
  };
}

function board(facts: MinerFacts, ths: number, i: number): object {
  return {
    id: String(i + 1),
    board_name: 'BHB56801',
    board_temp: { degree_c: facts.exhaustC - 12 },
    chip_type: 'BM1366',
    chips_count: facts.failure === FAILURE.board && i === 1 ? 0 : facts.chips,
    current_frequency: { hertz: facts.point.frequencyMhz * 1e6 },
    current_voltage: { volt: facts.point.voltage },
    enabled: true,
    highest_chip_temp: { id: 1, location: 1, temperature: { degree_c: facts.exhaustC } },
    serial_number: `${facts.serial}${i}`,
    stats: { nominal_hashrate: gigahash(facts.point.hashThs / 3), real_hashrate: rates(ths, ths) },
  };
}

function errors(facts: MinerFacts): object[] {
  const words =
    facts.failure === FAILURE.board
      ? 'Hashboard 2 is not responding'
      : facts.failure === FAILURE.hot
        ? 'Hot temperature was reached'
        : undefined;
  if (words === undefined) return [];
  return [{ components: [], error_codes: [], message: words, timestamp: new Date(facts.sinceMs).toISOString() }];
}

function cooling(facts: MinerFacts): object {
  return {
    fans: facts.fanRpm.map((rpm, position) => ({ position, rpm, target_speed_ratio: facts.fanPct / 100 })),
    highest_temperature: { id: null, location: 1, temperature: { degree_c: facts.exhaustC } },
  };
}

/** Shares of the nameplate that the tuner has been through. */
const TUNED = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1];
const targets = (facts: MinerFacts): object[] =>
  TUNED.map((share) => profile({ powerW: facts.point.powerW * share, hashThs: facts.point.hashThs * share ** 0.8 }));

const profile = (point: { powerW: number; hashThs: number }): object => ({
  created: { seconds: 1_776_086_368, nanos: 0 },
  estimated_power_consumption: { watt: Math.round(point.powerW) },
  measured_hashrate: gigahash(point.hashThs),
  target: { watt: Math.round(point.powerW) },
});

function targetState(facts: MinerFacts): object {
  const watts = targetW(facts);
  const share = watts / facts.point.powerW;
  const tuned = profile({ powerW: watts, hashThs: facts.point.hashThs * share ** 0.8 });
  return { current_target: { watt: watts }, profile: tuned };
}

const constraints = (
  facts: MinerFacts,
): { min: { watt: number }; max: { watt: number }; default: { watt: number } } => {
  const { nameplateW } = facts.group.model;
  return {
    default: { watt: nameplateW },
    min: { watt: Math.round(nameplateW * 0.3) },
    max: { watt: Math.round(nameplateW * 1.25) },
  };
};

const pools = (facts: MinerFacts): object[] =>
  facts.pools.map(({ url, user }, n) => ({
    active: n === 0,
    alive: true,
    enabled: true,
    stats: {
      accepted_shares: n === 0 ? facts.accepted : 0,
      rejected_shares: n === 0 ? facts.rejected : 0,
      stale_shares: 0,
      last_difficulty: facts.shareDifficulty,
    },
    uid: `pool${n}`,
    url,
    user,
  }));

function write(host: Host, endpoint: Endpoint, path: string, body: unknown): HttpAnswer {
  const facts = minerFacts(host, endpoint);
  const i = endpoint.index;
  const done = (answer: unknown, act: () => void): HttpAnswer => (carryOut(host, endpoint, act) ? json(answer) : BUSY);
  switch (path) {
    case '/actions/pause':
    case '/actions/stop':
      return done(facts.curtailed, () => host.send({ op: 'sleep', i }));
    case '/actions/resume':
    case '/actions/start':
      return done(!facts.curtailed, () => host.send({ op: 'wake', i }));
    case '/actions/reboot':
      return carryOut(host, endpoint, () => host.send({ op: 'reboot', i })) ? { status: 204, body: '' } : BUSY;
    case '/actions/locate':
      if (typeof body !== 'boolean') return invalid('expected a boolean');
      return done(body, () => host.send({ op: 'locate', i, on: body }));
    case '/performance/power-target': {
      const watts = (body as { watt?: unknown } | undefined)?.watt;
      const { min, max } = constraints(facts);
      if (typeof watts !== 'number' || watts < min.watt || watts > max.watt)
        return invalid(`power target must be between ${min.watt} and ${max.watt} W`);
      return done({ watt: watts }, () => host.send({ op: 'limit', i, watts }));
    }
    case '/pools/batch': {
      const wanted = groupPools(body);
      if (wanted === undefined) return invalid('no pool');
      return done([{ name: 'default', uid: 'group0' }], () => host.send({ op: 'pools', i, pools: wanted }));
    }
    default:
      return NOT_FOUND;
  }
}

const invalid = (message: string): HttpAnswer => ({ ...json({ message }), status: 422 });

function groupPools(body: unknown): readonly SimPool[] | undefined {
  const groups = Array.isArray(body) ? (body as readonly { pools?: unknown }[]) : [];
  const rows = groups.flatMap((group) => poolRows(group?.pools, 'url', 'user', 'password') ?? []);
  return rows.length === 0 ? undefined : rows;
}
