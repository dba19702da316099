import type { IncomingMessage } from 'node:http';
import type { AsicModel } from '../../src/model/index.ts';
import { answerCgminer } from '../cgminer.ts';
import { round2, status, type CgminerCommand, type CgminerReply } from '../cgminer-reply.ts';
import type { Firmware } from '../firmware.ts';
import { minerFacts, type MinerFacts } from '../miner-facts.ts';
import { FAILURE, PHASE } from '../miners.ts';
import type { Host, HttpAnswer } from '../net.ts';
import type { SimPoint } from '../points.ts';
import { objectIn, poolRows, tokens } from '../web.ts';
import type { Endpoint } from '../world.ts';

/** An Auradine Teraflux with FluxOS: gcminer on 4028, everything else over HTTP on 8080 behind a token. */
export const auradine: Firmware = {
  name: 'auradine',
  points: modesOf,
  ports: {
    cgminer: { kind: 'text', answer: (host, endpoint, text) => answerCgminer(gcminer, host, endpoint, text) },
    webToo: { kind: 'http', answer: page },
  },
};

const ACCOUNT = { user: 'admin', password: 'admin' };
const VERSION = '2025-03.1';
const GCMINER = '1.4.2';
const FAN_RPM = 6_200;
const TOKEN_MS = 3_600_000;
const MODES = [
  { name: 'eco', power: 0.72, hash: 0.78 },
  { name: 'normal', power: 1, hash: 1 },
  { name: 'turbo', power: 1.12, hash: 1.07 },
];

function modesOf(model: AsicModel): SimPoint[] {
  return MODES.map(({ name, power, hash }, i) => ({
    name,
    powerW: Math.round(model.nameplateW * power),
    hashThs: Math.round(model.nameplateThs * hash * 10) / 10,
    frequencyMhz: Math.round(1_000 * hash),
    voltage: 15,
    step: i - 1,
  }));
}

const modelOf = ({ typeName }: MinerFacts): string => typeName.split(' ').at(-1)!;
const isAsleep = ({ phase, curtailed }: MinerFacts): boolean =>
  phase === PHASE.asleep || phase === PHASE.down || curtailed;

type Part = (facts: MinerFacts) => object;
/** What gcminer and the web API tell alike: the key of the list, cgminer's number of the message, and the list. */
const COMMANDS: Readonly<Record<string, readonly [key: string, code: number, part: Part]>> = {
  version: ['VERSION', 22, () => [{ API: '3.7', GCMiner: GCMINER }]],
  devdetails: [
    'DEVDETAILS',
    69,
    (facts) =>
      facts.boardThs.map((_, i) => ({
        DEVDETAILS: i,
        Name: 'FLUX',
        ID: i,
        Driver: 'FluxOS',
        Kernel: '',
        Model: modelOf(facts),
        'Device Path': '',
      })),
  ],
  asccount: ['ASCCount', 104, (facts) => [{ Count: 3, BoardCount: 3, AsicCount: facts.chips * 3 }]],
  summary: ['SUMMARY', 11, summaryOf],
  devs: ['DEVS', 9, devsOf],
  pools: ['POOLS', 7, poolsOf],
  stats: [
    'STATS',
    70,
    (facts) => [{ STATS: 0, ID: 'FLUX0', Elapsed: facts.elapsedS, Calls: 0, Wait: 0, Max: 0, Min: 99999999 }],
  ],
  config: [
    'CONFIG',
    33,
    (facts) => [
      { 'ASC Count': 3, 'PGA Count': 0, 'Pool Count': facts.pools.length, Strategy: 'Failover', OS: 'FluxOS' },
    ],
  ],
};

function gcminer(host: Host, endpoint: Endpoint, { name }: CgminerCommand): CgminerReply {
  const known = COMMANDS[name];
  const about = `gcminer ${GCMINER}`;
  if (known === undefined) return { STATUS: status(host.siteNow(), 'E', 14, 'Invalid command', about), id: 1 };
  const [key, code, part] = known;
  return {
    STATUS: status(host.siteNow(), 'S', code, `${key} of gcminer`, about),
    [key]: part(minerFacts(host, endpoint)),
    id: 1,
  };
}

function summaryOf(facts: MinerFacts): object {
  return [
    {
      Elapsed: facts.elapsedS,
      'MHS av': round2(facts.lifeThs * 1e6),
      'MHS 5s': round2(facts.hashThs * 1e6),
      'MHS 1m': round2(facts.averageThs * 1e6),
      'MHS 5m': round2(facts.averageThs * 1e6),
      'MHS 15m': round2(facts.averageThs * 1e6),
      Accepted: facts.accepted,
      Rejected: facts.rejected,
      'Hardware Errors': 0,
      Utility: facts.utility,
      'Pool Rejected%': facts.rejectedPct,
      'Found Blocks': 0,
    },
  ];
}

function devsOf(facts: MinerFacts): object {
  return facts.boardThs.map((ths, i) => ({
    ASC: i,
    Name: 'FLUX',
    ID: i + 1,
    Enabled: !(facts.failure === FAILURE.board && ths === 0),
    Status: 'Alive',
    Temperature: facts.exhaustC - 2,
    'MHS av': round2((facts.lifeThs * 1e6) / 3),
    'MHS 5s': round2(ths * 1e6),
    'Device Elapsed': facts.elapsedS,
  }));
}

function poolsOf(facts: MinerFacts): object {
  return facts.pools.map(({ url, user }, i) => ({
    POOL: i,
    URL: url,
    Status: 'Alive',
    Priority: i,
    Quota: 1,
    Accepted: i === 0 ? facts.accepted : 0,
    Rejected: i === 0 ? facts.rejected : 0,
    User: user,
    'Stratum Active': i === 0 && !isAsleep(facts),
    'Stratum Difficulty': facts.shareDifficulty,
  }));
}

const HEADERS = { 'content-type': 'application/json' };
const json = (value: unknown, code = 200): HttpAnswer => ({
  status: code,
  headers: HEADERS,
  body: JSON.stringify(value),
});

const sessions = tokens(TOKEN_MS);

function page(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const path = (request.url ?? '/').split('?')[0]!.slice(1);
  const isPost = request.method === 'POST';
  const say = (kind: 'S' | 'E', message: string) => status(host.siteNow(), kind, 400, message, `FluxOS ${VERSION}`);
  const given = objectIn(body);
  if (path === 'token' && isPost) {
    if (given['user'] !== ACCOUNT.user || given['password'] !== ACCOUNT.password)
      return json({ STATUS: say('E', 'invalid user or password') }, 401);
    return json({ STATUS: say('S', 'Token'), Token: [{ Token: sessions.grant(host, endpoint) }] });
  }
  if (!sessions.holds(host, endpoint, request.headers['token']?.toString()))
    return json({ STATUS: say('E', 'Unauthorized: token missing or expired') }, 401);
  if (isPost) return written(host, endpoint, path, given, say);
  const facts = minerFacts(host, endpoint);
  if (path === 'fan') return json({ STATUS: say('S', 'Fan'), Fan: fansOf(facts, fansSet(host).get(endpoint.index)) });
  const [key, part] = PAGES[path] ?? [COMMANDS[path]?.[0], COMMANDS[path]?.[2]];
  if (key === undefined || part === undefined)
    return { status: 404, headers: { 'content-type': 'text/plain' }, body: '404 page not found' };
  return json({ STATUS: say('S', key), [key]: part(facts) });
}

/** Percentages that fans were told to hold, by machine; a restart of the site lets them go. */
const held = new WeakMap<Host, Map<number, number>>();
function fansSet(host: Host): Map<number, number> {
  const known = held.get(host) ?? new Map<number, number>();
  held.set(host, known);
  return known;
}

const fansOf = (facts: MinerFacts, pct: number | undefined): object[] =>
  facts.fanRpm.map((rpm, i) => ({
    ID: i + 1,
    Speed: pct === undefined ? rpm : Math.round((pct / 100) * FAN_RPM),
    Target: Math.round(((pct ?? facts.fanPct) / 100) * FAN_RPM),
    Max: FAN_RPM,
  }));

const PAGES: Readonly<Record<string, readonly [key: string, part: Part]>> = {
  ipreport: [
    'IPReport',
    (facts) => [
      {
        IP: facts.address,
        mac: facts.mac,
        SerialNo: facts.serial,
        HBSerialNo: facts.boardThs.map((_, i) => `${facts.serial}B${i}`),
        hostname: facts.id,
        version: VERSION,
        model: modelOf(facts),
        InternalType: 'T2',
      },
    ],
  ],
  mode: ['Mode', modePage],
  psu: [
    'PSU',
    (facts) => [
      {
        PowerIn: `${facts.reportedW.toFixed(2)}W`,
        PowerOut: `${(facts.reportedW * 0.95).toFixed(2)}W`,
        VoltIn: '238.50V',
        PoutMax: '5000W',
        FanSpeed1: '6700',
        Temperature1: `${facts.intakeC + 12}C`,
      },
    ],
  ],
  led: ['LED', ledPage],
  temperature: [
    'Temperature',
    (facts) =>
      facts.boardThs.map((_, i) => ({
        ID: i + 1,
        BoardTemp: [1, 2].map((ID) => ({ ID, Temperature: facts.exhaustC - 4 - ID })),
        ChipTemp: Array.from({ length: facts.chips }, (__, chip) => ({ ID: chip, Temperature: facts.exhaustC })),
      })),
  ],
  voltage: [
    'Voltage',
    (facts) =>
      facts.boardThs.map((_, i) => ({
        ID: i + 1,
        ChipVoltage: Array.from({ length: facts.chips }, (__, chip) => ({ ID: chip, Voltage: 0.3 })),
      })),
  ],
  frequency: [
    'Frequency',
    (facts) =>
      facts.boardThs.map((_, i) => ({
        ID: i + 1,
        ChipFrequency: Array.from({ length: facts.chips }, (__, chip) => ({
          ID: chip,
          Frequency: facts.point.frequencyMhz,
        })),
      })),
  ],
  network: ['Network', (facts) => [{ dhcp: 'on', hostname: facts.id, mac: facts.mac, ip: facts.address }]],
};

function modePage(facts: MinerFacts): object {
  const custom = facts.limitW !== undefined;
  return [
    {
      Sleep: isAsleep(facts) ? 'on' : 'off',
      Mode: custom ? 'custom' : facts.point.name,
      ...(custom ? { Tune: 'power', Power: facts.limitW } : {}),
    },
  ];
}

function ledPage(facts: MinerFacts): object {
  if (facts.locating) return [{ Code: 3, LED1: 6, LED2: 6, Msg: 'Locate miner' }];
  if (facts.failure === FAILURE.board) return [{ Code: 8, LED1: 3, LED2: 0, Msg: 'Hash rate is low' }];
  return [{ Code: 2, LED1: 1, LED2: 0, Msg: 'Normal operation' }];
}

type Say = (kind: 'S' | 'E', message: string) => object[];

function written(
  host: Host,
  endpoint: Endpoint,
  command: string,
  given: Record<string, unknown>,
  say: Say,
): HttpAnswer {
  const write = WRITES[command];
  if (write === undefined)
    return { status: 404, headers: { 'content-type': 'text/plain' }, body: '404 page not found' };
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return json({ STATUS: say('E', 'system is busy') });
  const wrong = write(host, endpoint, given, fault === undefined);
  return json({ STATUS: wrong === undefined ? say('S', command) : say('E', wrong) });
}

/** Carries a write out; what is wrong with it in words, or nothing. */
type Write = (host: Host, endpoint: Endpoint, given: Record<string, unknown>, acts: boolean) => string | undefined;

const WRITES: Readonly<Record<string, Write>> = {
  mode: writeMode,
  led(host, endpoint, { code }, acts) {
    if (typeof code !== 'number') return 'code expected';
    if (acts) host.send({ op: 'locate', i: endpoint.index, on: code === 3 });
    return undefined;
  },
  fan(host, endpoint, { percentage }, acts) {
    if (typeof percentage !== 'number' || percentage < 0 || percentage > 100) return 'percentage expected';
    if (acts) fansSet(host).set(endpoint.index, percentage);
    return undefined;
  },
  restart(host, endpoint, _, acts) {
    if (acts) host.send({ op: 'reboot', i: endpoint.index });
    return undefined;
  },
  updatepools(host, endpoint, { pools }, acts) {
    const rows = poolRows(pools, 'url', 'user', 'pass');
    if (rows === undefined || rows.length > 3) return '1 to 3 pools expected';
    if (acts) host.send({ op: 'pools', i: endpoint.index, pools: rows });
    return undefined;
  },
};

function writeMode(...[host, endpoint, { mode, sleep, tune, power }, acts]: Parameters<Write>): string | undefined {
  const i = endpoint.index;
  if (sleep !== undefined) {
    if (sleep !== 'on' && sleep !== 'off') return 'sleep is on or off';
    if (acts) host.send({ op: sleep === 'on' ? 'sleep' : 'wake', i });
  }
  if (mode === undefined) return sleep === undefined ? 'mode or sleep expected' : undefined;
  if (mode === 'custom') {
    if (tune !== 'power' || typeof power !== 'number') return 'tune power expected';
    const { nameplateW } = minerFacts(host, endpoint).group.model;
    if (power < nameplateW * 0.4 || power > nameplateW * 1.3) return 'power out of range';
    if (acts) host.send({ op: 'limit', i, watts: power });
    return undefined;
  }
  const point = MODES.findIndex(({ name }) => name === mode);
  if (point < 0) return 'no such mode';
  if (!acts) return undefined;
  host.send({ op: 'limit', i, watts: 0 });
  host.send({ op: 'point', i, point });
  return undefined;
}
