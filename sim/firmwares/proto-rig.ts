import type { IncomingMessage } from 'node:http';
import type { Firmware } from '../firmware.ts';
import { minerFacts, type MinerFacts } from '../miner-facts.ts';
import { FAILURE, PHASE } from '../miners.ts';
import type { Host, HttpAnswer } from '../net.ts';
import { hash32 } from '../random.ts';
import type { Endpoint } from '../world.ts';

/** A Proto Rig: the REST API of ProtoOS 1.8. Reads of status are open; hardware, pools and writes want a token. */
export const protoRig: Firmware = { name: 'proto-rig', ports: { web: { kind: 'http', answer: page } } };

/** As it left the factory: public clients know it without a password, and its maker's own with this one. */
const PASSWORDS = ['', 'proto'];
const HEADERS = { 'content-type': 'application/json' };
const json = (value: unknown, status = 200): HttpAnswer => ({ status, headers: HEADERS, body: JSON.stringify(value) });
const wrong = (status: number, message: string): HttpAnswer =>
  json({ error: { code: String(status), message } }, status);

const tokens = new WeakMap<Host, Set<string>>();
function tokensOf(host: Host): Set<string> {
  const known = tokens.get(host) ?? new Set<string>();
  tokens.set(host, known);
  return known;
}

function page(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const path = (request.url ?? '/').split('?')[0]!;
  const route = `${request.method ?? 'GET'} ${path.replace(/^\/api\/v1\//, '')}`;
  if (route === 'GET /')
    return { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><title>Proto OS</title>' };
  const facts = minerFacts(host, endpoint);
  if (route === 'POST auth/login') {
    if (!PASSWORDS.includes(String(parse(body)['password']))) return wrong(401, 'Invalid password');
    const token = `${endpoint.number}.${hash32(host.world.seed, endpoint.number, tokensOf(host).size).toString(16)}`;
    tokensOf(host).add(token);
    return json({ access_token: token, refresh_token: `${token}.r`, token_type: 'bearer', expires_in: 3600 });
  }
  const open = OPEN[route];
  if (open !== undefined) return json(open(facts));
  const levels = new URLSearchParams((request.url ?? '').split('?')[1]).get('level')?.split(',');
  const read = READS[route];
  const write = WRITES[route];
  if (read === undefined && write === undefined) return wrong(404, 'Not found');
  if (!tokensOf(host).has((request.headers.authorization ?? '').replace(/^Bearer /, '')))
    return wrong(401, 'Unauthorized');
  if (read !== undefined) return json(read(facts, levels));
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return wrong(503, 'Mining service is busy');
  return write!(host, endpoint, facts, body, fault === undefined);
}

function parse(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return {};
  }
}

const awake = ({ phase }: MinerFacts): boolean => phase === PHASE.run || phase === PHASE.wake;
const statusOf = (facts: MinerFacts): string => {
  if (facts.phase === PHASE.down) return 'PoweringOff';
  if (!awake(facts)) return 'Stopped';
  if (facts.phase === PHASE.wake) return 'PoweringOn';
  return facts.failure === FAILURE.board ? 'DegradedMining' : 'Mining';
};
const targetOf = (facts: MinerFacts): number => Math.round(facts.limitW ?? facts.point.powerW);
const boundsOf = ({ group: { model } }: MinerFacts) => ({
  least: Math.round(model.nameplateW * 0.4),
  most: Math.round(model.nameplateW * 1.1),
});

/** @param levels of telemetry that are asked for; undefined for all but the chips */
type Read = (facts: MinerFacts, levels?: readonly string[]) => unknown;
const OPEN: Readonly<Record<string, Read>> = {
  'GET pairing/info': (facts) => ({ mac: facts.mac.toUpperCase(), cb_sn: facts.serial }),
  'GET system/status': () => ({ default_password_active: false, onboarded: true, password_set: true }),
  'GET system': (facts) => ({
    'system-info': {
      board: 'C3',
      cb_sn: facts.serial,
      manufacturer: 'Proto',
      model: 'Rig',
      product_name: 'Proto Rig',
      os: {
        git_hash: '6b1c0d2e9f11',
        hostname: `proto-miner-${facts.number}`,
        name: 'ProtoOS',
        variant: 'release',
        version: '1.8.0',
      },
      soc: 'STM32MP157F',
      sw_update_status: { current_version: '1.8.0', status: 'current' },
      uptime_seconds: facts.elapsedS,
      web_server: { name: 'miner-api-server', version: '1.8.0' },
    },
  }),
  'GET mining': (facts) => ({
    'mining-status': {
      status: statusOf(facts),
      hashrate_ghs: facts.hashThs * 1000,
      average_hashrate_ghs: facts.averageThs * 1000,
      ideal_hashrate_ghs: facts.point.hashThs * 1000,
      power_usage_watts: facts.reportedW,
      power_target_watts: targetOf(facts),
      power_efficiency_jth: facts.hashThs > 0 ? facts.reportedW / facts.hashThs : 0,
      average_hb_temp_c: facts.exhaustC - 8,
      average_asic_temp_c: facts.exhaustC,
      hashboards_installed: 3,
      hashboards_mining: facts.boardThs.filter((ths) => ths > 0).length,
      hw_errors: 0,
      mining_uptime_s: awake(facts) ? facts.elapsedS : 0,
      reboot_uptime_s: facts.elapsedS,
    },
  }),
};
const READS: Readonly<Record<string, Read>> = {
  'GET network': (facts) => ({
    'network-info': {
      dhcp: true,
      gateway: facts.address.replace(/\.\d+$/, '.1'),
      hostname: `proto-miner-${facts.number}`,
      ip_address: facts.address,
      mac: facts.mac.toUpperCase(),
      netmask: '255.255.0.0',
    },
  }),
  'GET hardware': (facts) => ({
    'hardware-info': {
      'cb-info': { board_id: 'CB-001', machine_name: 'Rig', serial_number: facts.serial },
      'hashboards-info': facts.boardThs.map((_, i) => ({
        board: 'B4',
        hb_sn: `HB${facts.serial}${i}`,
        mining_asic: 'BZM',
        mining_asic_count: CHIPS,
        port: i,
        slot: i + 1,
      })),
    },
  }),
  'GET system/logs': (facts) => ({ logs: { content: [`${facts.when} mcdd: ${statusOf(facts)}`], lines: 1 } }),
  'GET telemetry': (facts, levels) => ({
    timestamp: new Date(facts.when * 1000).toISOString(),
    miner: {
      hashrate: { unit: 'TH/s', value: facts.hashThs },
      power: { unit: 'W', value: facts.reportedW },
      temperature: { unit: '°C', value: facts.exhaustC },
      efficiency: { unit: 'J/TH', value: facts.hashThs > 0 ? facts.reportedW / facts.hashThs : 0 },
    },
    hashboards: facts.boardThs.map((ths, index) => ({
      index,
      serial_number: `HB${facts.serial}${index}`,
      hashrate: { unit: 'TH/s', value: ths },
      power: { unit: 'W', value: facts.reportedW / 3 },
      voltage: { unit: 'V', value: facts.point.voltage },
      current: { unit: 'A', value: facts.reportedW / 3 / facts.point.voltage },
      ...(levels?.includes('asic') === true ? { asics: chipsOf(facts, ths) } : {}),
      temperature: {
        unit: '°C',
        inlet: facts.intakeC,
        outlet: facts.exhaustC,
        average: (facts.intakeC + facts.exhaustC) / 2,
      },
    })),
    psus: [0, 1].map((index) => ({
      index,
      voltage: { input: 240, output: 54, unit: 'V' },
      current: { input: facts.reportedW / 480, output: (facts.reportedW * 0.47) / 54, unit: 'A' },
      power: { input: facts.reportedW / 2, output: facts.reportedW * 0.47, unit: 'W' },
      temperature: { hotspot: facts.intakeC + 14, unit: '°C' },
    })),
  }),
  'GET pools': (facts) => ({
    pools: facts.pools.map(({ url, user }, id) => ({
      id,
      priority: id,
      name: `Pool ${id + 1}`,
      url,
      user,
      enabled: true,
      accepted: id === 0 ? facts.accepted : 0,
      rejected: id === 0 ? facts.rejected : 0,
      difficulty: String(facts.shareDifficulty),
      status: id === 0 && awake(facts) ? 'Active' : 'Idle',
      connection_status: id === 0 && awake(facts) ? 'Active' : 'Idle',
    })),
  }),
  'GET cooling': (facts) => ({
    'cooling-status': {
      fan_mode: 'Auto',
      fans: facts.fanRpm.map((rpm, i) => ({ rpm, slot: i + 1, speed_percentage: facts.fanPct })),
      speed_percentage: facts.fanPct,
      target_temperature_c: 50,
    },
  }),
  'GET errors': (facts) =>
    facts.failure === FAILURE.board
      ? [
          {
            source: 'hashboard',
            slot: 2,
            error_code: 'HashboardLost',
            message: 'hashboard does not answer',
            timestamp: Math.floor(facts.sinceMs / 1000),
          },
        ]
      : [],
  'GET mining/target': (facts) => ({
    power_target_watts: targetOf(facts),
    power_target_min_watts: boundsOf(facts).least,
    power_target_max_watts: boundsOf(facts).most,
    default_power_target_watts: facts.group.model.nameplateW,
    performance_mode: 'MaximumHashrate',
  }),
};

const CHIPS = 120;
const chipsOf = (facts: MinerFacts, ths: number): object => ({
  hashrate: { unit: 'TH/s', values: Array.from({ length: CHIPS }, () => ths / CHIPS) },
  temperature: { unit: '°C', values: Array.from({ length: CHIPS }, () => facts.exhaustC) },
});

type Write = (host: Host, endpoint: Endpoint, facts: MinerFacts, body: string, acts: boolean) => HttpAnswer;
const tell =
  (op: 'sleep' | 'wake' | 'reboot', message: string): Write =>
  (host, { index: i }, _, __, acts) => {
    if (acts) host.send({ op, i });
    return json({ message }, 202);
  };
const WRITES: Readonly<Record<string, Write>> = {
  'POST mining/stop': tell('sleep', 'Mining is being stopped'),
  'POST mining/start': tell('wake', 'Mining is being started'),
  'POST system/reboot': tell('reboot', 'Rebooting'),
  'POST system/locate': (host, { index: i }, _, __, acts) => {
    if (acts) host.send({ op: 'locate', i, on: true });
    return json({ message: 'Locating' }, 202);
  },
  'PUT mining/target': (host, { index: i }, facts, body, acts) => {
    const { power_target_watts: given, performance_mode: mode = 'MaximumHashrate' } = parse(body);
    const watts = given ?? targetOf(facts);
    const { least, most } = boundsOf(facts);
    if (typeof watts !== 'number' || watts < least || watts > most)
      return wrong(400, `power target must be within ${least} and ${most} W`);
    if (acts) host.send({ op: 'limit', i, watts });
    return json({ power_target_watts: watts, performance_mode: mode });
  },
  /** How it is cooled is the affair of the hall; what is asked for is taken and changes nothing. */
  'PUT cooling': (_, __, ___, body) => json(parse(body)),
  'POST pools': (host, { index: i }, _, body, acts) => {
    const given = parse(body) as unknown;
    if (!Array.isArray(given)) return wrong(400, 'expected a list of pools');
    const pools = (given as { url?: unknown; username?: unknown; password?: unknown }[]).map(
      ({ url, username, password }) => ({ url: word(url), user: word(username), password: word(password) }),
    );
    if (acts) host.send({ op: 'pools', i, pools });
    return json({ pools: pools.map(({ url, user }, id) => ({ id, priority: id, url, user })) });
  },
};

const word = (value: unknown): string => (typeof value === 'string' ? value : '');
