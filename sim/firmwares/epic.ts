import type { IncomingMessage } from 'node:http';
import type { SimPool } from '../command.ts';
import type { Firmware } from '../firmware.ts';
import { minerFacts, type MinerFacts } from '../miner-facts.ts';
import { FAILURE, PHASE } from '../miners.ts';
import type { Host, HttpAnswer } from '../net.ts';
import type { Endpoint } from '../world.ts';

/** An ePIC control board: HTTP on the port where others speak the cgminer API. */
export const epic: Firmware = {
  name: 'epic',
  ports: { cgminer: { kind: 'http', answer: page }, web: { kind: 'http', answer: dashboard } },
};

const PASSWORD = 'letmein';
function dashboard(_host: Host, _endpoint: Endpoint, request: IncomingMessage): HttpAnswer {
  const isHere = request.method === 'GET' && (request.url ?? '/').split('?')[0] === '/';
  const headers = { 'content-type': 'text/html' };
  if (!isHere) return { status: 404, headers, body: 'Not Found' };
  return { status: 200, headers, body: '<!doctype html><html><head><title>Miner Web Dashboard</title></head></html>' };
}

const HEADERS = { 'content-type': 'application/json' };
const json = (value: unknown, status = 200): HttpAnswer => ({ status, headers: HEADERS, body: JSON.stringify(value) });
const done = json({ result: true, error: null });
const failed = (error: string): HttpAnswer => json({ result: false, error });

function page(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const route = `${request.method ?? 'GET'} ${(request.url ?? '/').split('?')[0]!}`;
  const facts = minerFacts(host, endpoint);
  const read = READS[route];
  if (read !== undefined) return json(read(facts));
  const write = WRITES[route];
  if (write === undefined) return { status: 404, headers: { 'content-type': 'text/plain' }, body: 'Not Found' };
  let given: { param?: unknown; password?: unknown };
  try {
    given = JSON.parse(body) as typeof given;
  } catch {
    return failed('Invalid JSON');
  }
  if (given.password !== PASSWORD) return failed('Invalid password');
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return failed('Miner is busy');
  return write(host, endpoint, given.param, fault === undefined);
}

const isAwake = ({ phase }: MinerFacts): boolean => phase === PHASE.run || phase === PHASE.wake;
const stateOf = (facts: MinerFacts): string =>
  facts.phase === PHASE.wake
    ? 'Initializing'
    : isAwake(facts)
      ? 'Mining'
      : facts.phase === PHASE.down
        ? 'Stopping'
        : 'Idling';

const READS: Readonly<Record<string, (facts: MinerFacts) => unknown>> = {
  'GET /summary': summary,
  'GET /capabilities': (facts) => ({
    Model: facts.typeName,
    'Model Subtype': facts.typeName,
    'Miner Serial Number': facts.serial,
    'Board Serial Numbers': facts.boardThs.map((_, i) => `${facts.serial}B${i}`),
    'Control Board Version': { cpuHardware: 'ePIC UMC', cpuSerial: facts.serial, platform: 'umc' },
    'Default Hashrate': facts.group.model.nameplateThs,
    'Max HBs': 3,
    'Performance Estimator': { 'Chip Count': facts.chips, 'Hashes Per Second Per Chip': 0.3 },
    PerpetualTune: true,
    'PerpetualTune2 Tuning Range': { ChipTune: [50, 300], PowerTune: [1_000, 6_000] },
  }),
  'GET /network': (facts) => ({
    dhcp: {
      address: facts.address,
      netmask: '255.255.0.0',
      gateway: facts.address.replace(/\.\d+$/, '.1'),
      mac_address: facts.mac,
    },
  }),
  'GET /hashrate': (facts) =>
    facts.boardThs.map((ths, Index) => ({
      Index,
      Data: Array.from({ length: facts.chips }, () => (ths * 1e6) / facts.chips),
    })),
  'GET /temps': (facts) =>
    facts.boardThs.map((_, Index) => ({
      Index,
      Data: [facts.intakeC, facts.exhaustC - 2, facts.exhaustC, facts.exhaustC + 1],
    })),
  'GET /temps/chip': (facts) =>
    facts.boardThs.map((_, Index) => ({ Index, Data: Array.from({ length: facts.chips }, () => facts.exhaustC) })),
  'GET /voltages': (facts) =>
    facts.boardThs.map((_, Index) => ({ Index, Data: Array.from({ length: facts.chips }, () => 0.33) })),
  'GET /hashratesplit/config': () => ({ enabled: false, hashrate_splits: [] }),
  'GET /clocks': (facts) =>
    facts.boardThs.map((_, Index) => ({
      Index,
      Data: Array.from({ length: facts.chips }, () => facts.point.frequencyMhz),
    })),
};

function summary(facts: MinerFacts): object {
  const [first] = facts.pools;
  return {
    Hostname: facts.id,
    PresetInfo: null,
    Software: 'PowerPlay v1.14.0',
    Mining: { Coin: 'Btc', Algorithm: 'Sha256' },
    Stratum: {
      'Config Id': 0,
      'Worker Unique Id': false,
      // Without the scheme that the list of its pools has.
      'Current Pool': isAwake(facts) ? first?.url.replace(/^.*:\/\//, '') : '',
      'Current User': isAwake(facts) ? first?.user : '',
      'Average Latency': 42.2,
      IsPoolConnected: isAwake(facts),
      Url: first?.url,
    },
    StratumConfigs: facts.pools.map(({ url, user, password }) => ({ pool: url, login: user, password })),
    Status: {
      'Operating State': stateOf(facts),
      'Last Command': null,
      'Last Command Result': null,
      'Last Error': facts.failure === FAILURE.board ? 'Hashboard 1 not detected' : null,
    },
    Session: {
      'Startup Timestamp': facts.when - facts.elapsedS,
      Uptime: facts.elapsedS,
      'Last Average MHs': { Hashrate: facts.averageThs * 1e6, Timestamp: facts.when },
      'Active HBs': 3,
      'Average MHs': facts.lifeThs * 1e6,
      Accepted: facts.accepted,
      Rejected: facts.rejected,
      Submitted: facts.accepted + facts.rejected,
      'Last Accepted Share Timestamp': facts.when,
      Difficulty: facts.shareDifficulty,
    },
    HBs: isAwake(facts)
      ? facts.boardThs.map((ths, Index) => ({
          Index,
          Hashrate: [ths * 1e6, facts.point.hashThs > 0 ? (300 * ths) / facts.point.hashThs : 0],
          'Core Clock': [facts.point.frequencyMhz],
          'Core Clock Avg': facts.point.frequencyMhz,
          Temperature: facts.exhaustC,
          'Input Voltage': 13.2,
          'Input Current': facts.reportedW / 3 / 13.2,
          'Input Power': Math.round(facts.reportedW / 3),
        }))
      : [],
    HBStatus: facts.boardThs.map((ths, Index) => ({ Index, Detected: true, Enabled: ths > 0 || !isAwake(facts) })),
    'Power Supply Stats': {
      'Input Voltage': 238.2,
      'Output Voltage': 13.2,
      'Output Current': facts.reportedW / 13.2,
      'Input Current': facts.reportedW / 238.2,
      'Input Power': Math.round(facts.reportedW),
      'Output Power': Math.round(facts.reportedW * 0.95),
      'Target Voltage': 13.2,
    },
    Fans: { 'Fans Speed': facts.fanPct, 'Fan Mode': { Auto: { 'Target Temperature': 65, 'Idle Speed': 20 } } },
    'Fans Rpm': Object.fromEntries(facts.fanRpm.map((rpm, i) => [`Fans Speed ${i + 1}`, rpm])),
    Misc: { 'Locate Miner State': facts.locating, 'Shutdown Temp': 80, 'Critical Temp': 90 },
    PerpetualTune: { Running: true, Algorithm: tunersOf(facts) },
  };
}

/** The tuner in charge first; the one for hashrate is there on every machine. */
function tunersOf(facts: MinerFacts): object {
  const stats = (target: number, least: number, step: number, unit: string): object => ({
    Optimized: true,
    Target: target,
    'Min Throttle Target': least,
    'Throttle Step': step,
    'Throttle Target': target,
    Unit: unit,
  });
  const byHashrate = { ChipTune: stats(Math.round(facts.point.hashThs), 50, 5, 'TH') };
  return facts.limitW === undefined ? byHashrate : { PowerTune: stats(facts.limitW, 1_000, 100, 'W'), ...byHashrate };
}

type Write = (host: Host, endpoint: Endpoint, param: unknown, acts: boolean) => HttpAnswer;
const WRITES: Readonly<Record<string, Write>> = {
  'POST /miner': (host, { index: i }, param, acts) => {
    if (param !== 'Stop' && param !== 'Autostart' && param !== 'Start') return failed('Unknown parameter');
    if (acts) host.send({ op: param === 'Stop' ? 'sleep' : 'wake', i });
    return done;
  },
  'POST /reboot': reboot,
  'POST /softreboot': reboot,
  'POST /identify': (host, { index: i }, param, acts) => {
    if (acts) host.send({ op: 'locate', i, on: param === true });
    return done;
  },
  'POST /perpetualtune': (host, { index: i }, param, acts) => {
    if (acts && param === false) host.send({ op: 'limit', i, watts: 0 });
    return done;
  },
  'POST /perpetualtune/algo': (host, { index: i }, param, acts) => {
    const { algo, target } = (param ?? {}) as { algo?: unknown; target?: unknown };
    if (typeof target !== 'number') return failed('Invalid target');
    // The others aim at a hashrate, and keep to no watts.
    if (acts) host.send({ op: 'limit', i, watts: algo === 'PowerTune' || algo === 'Power' ? target : 0 });
    return done;
  },
  'POST /coin': (host, { index: i }, param, acts) => {
    const configs = (
      param as { stratum_configs?: { pool?: unknown; login?: unknown; password?: unknown }[] } | undefined
    )?.stratum_configs;
    if (!Array.isArray(configs) || configs.length === 0) return failed('No stratum configs');
    const pools: SimPool[] = configs.map(({ pool, login, password }) => ({
      url: word(pool),
      user: word(login),
      password: word(password),
    }));
    if (acts) host.send({ op: 'pools', i, pools });
    return done;
  },
  'POST /hashratesplit/enable': () => done,
  // How it is cooled is the affair of the hall.
  'POST /fanspeed': () => done,
  'POST /shutdowntemp': () => done,
  'POST /criticaltemp': () => done,
};

function reboot(host: Host, { index: i }: Endpoint, _param: unknown, acts: boolean): HttpAnswer {
  if (acts) host.send({ op: 'reboot', i });
  return done;
}

const word = (value: unknown): string => (typeof value === 'string' ? value : '');
