import type { IncomingMessage } from 'node:http';
import { answerCgminer } from '../cgminer.ts';
import { round2, status, type CgminerCommand, type CgminerReply } from '../cgminer-reply.ts';
import type { Firmware } from '../firmware.ts';
import { minerFacts, type MinerFacts } from '../miner-facts.ts';
import { FAILURE, PHASE } from '../miners.ts';
import type { Host, HttpAnswer } from '../net.ts';
import { objectIn, poolRows, tokens } from '../web.ts';
import type { Endpoint } from '../world.ts';

/** A SealMiner of Bitdeer: bdminer on 4028, PHP pages with a session on the web port. */
export const sealminer: Firmware = {
  name: 'sealminer',
  ports: {
    cgminer: { kind: 'text', answer: (host, endpoint, text) => answerCgminer(bdminer, host, endpoint, text) },
    web: { kind: 'http', answer: page },
  },
};

const ACCOUNT = { user: 'seal', password: 'seal' };
const FIRMWARE = '2025061201_A2';
const ABOUT = 'BDMiner 1.0.0';
const CTRL_BOARD = 'TaurusAir-V1.2';

const isAsleep = ({ phase, curtailed }: MinerFacts): boolean =>
  phase === PHASE.asleep || phase === PHASE.down || curtailed;
const modelOf = ({ typeName }: MinerFacts): string => typeName.split(' ').at(-1)!;

type Rows = (facts: MinerFacts) => object[];
const READS: Readonly<Record<string, readonly [key: string, code: number, rows: Rows]>> = {
  version: ['VERSION', 22, () => [{ BDMiner: '1.0.0', API: '3.7' }]],
  devdetails: [
    'DEVDETAILS',
    69,
    (facts) =>
      facts.boardThs.map((_, i) => ({ DEVDETAILS: i, Name: 'BD', ID: i, Driver: 'bd', Model: modelOf(facts) })),
  ],
  summary: [
    'SUMMARY',
    11,
    (facts) => [
      {
        Elapsed: facts.elapsedS,
        'MHS av': round2(facts.averageThs * 1e6),
        'MHS 5s': round2(facts.hashThs * 1e6),
        'MHS 1m': round2(facts.averageThs * 1e6),
        Accepted: facts.accepted,
        Rejected: facts.rejected,
        'Hardware Errors': 0,
        Utility: facts.utility,
      },
    ],
  ],
  stats: ['STATS', 70, (facts) => [statsOf(facts)]],
  pools: [
    'POOLS',
    7,
    (facts) =>
      facts.pools.map(({ url, user }, i) => ({
        POOL: i,
        URL: url,
        Status: 'Alive',
        Priority: i,
        Quota: 1,
        Accepted: i === 0 ? facts.accepted : 0,
        Rejected: i === 0 ? facts.rejected : 0,
        User: user,
        'Stratum Active': i === 0 && !isAsleep(facts),
      })),
  ],
  devs: [
    'DEVS',
    9,
    (facts) =>
      facts.boardThs.map((ths, i) => ({
        ASC: i,
        Name: 'BD',
        ID: i,
        Enabled: 'Y',
        Status: 'Alive',
        Temperature: facts.exhaustC - 2,
        'MHS 5s': round2(ths * 1e6),
      })),
  ],
};

/** One flat row: boards and fans are numbered in the names of its keys. */
function statsOf(facts: MinerFacts): Record<string, unknown> {
  const { model } = facts.group;
  const row: Record<string, unknown> = {
    STATS: 0,
    ID: 'BD0',
    Elapsed: facts.elapsedS,
    MAC: facts.mac,
    'Ctrl Board': CTRL_BOARD,
    'Ctrl Board SN': facts.serial,
    Firmware: FIRMWARE,
    'PM State': isAsleep(facts) ? 'Suspended' : facts.phase === PHASE.run ? 'Running' : 'Starting',
    'System Uptime': facts.elapsedS,
    'MHS(Rated)': Math.round(model.nameplateThs * 1e6),
    'Power Limit': facts.limitW ?? model.nameplateW,
    'PSU Input Power': Math.round(facts.reportedW),
    'PSU Fan Speed': isAsleep(facts) ? 0 : 5_200,
    Temp: facts.exhaustC - 4,
    'Error Code': facts.failure === FAILURE.board ? 'E0301' : '',
    'Board Count': facts.boardThs.length,
    'Fan Count': facts.fanRpm.length,
  };
  facts.fanRpm.forEach((rpm, fan) => (row[`${fan} Speed`] = rpm));
  facts.boardThs.forEach((ths, board) => {
    row[`${board} Online`] = !(facts.failure === FAILURE.board && ths === 0);
    row[`${board} SN`] = `${facts.serial}B${board}`;
    row[`${board} Chip Count`] = facts.chips;
    row[`${board} Bad Chip Count`] = 0;
    row[`${board} Freq`] = facts.point.frequencyMhz;
    row[`${board} Tune Status`] = 'Done';
    row[`${board} MHS(Sample)`] = round2(ths * 1e6);
    row[`${board} MHS(Ideal)`] = Math.round((facts.point.hashThs * 1e6) / 3);
    for (const sensor of [0, 1, 2, 3]) row[`${board} Temp ${sensor}`] = facts.exhaustC - 6 + 2 * sensor;
  });
  return row;
}

function bdminer(host: Host, endpoint: Endpoint, { name, parameter }: CgminerCommand): CgminerReply {
  const say = (kind: 'S' | 'E', code: number, message: string): CgminerReply => ({
    STATUS: status(host.siteNow(), kind, code, message, ABOUT),
    id: 1,
  });
  const read = READS[name];
  if (read !== undefined) {
    const [key, code, rows] = read;
    return { ...say('S', code, `BDMiner ${name}`), [key]: rows(minerFacts(host, endpoint)) };
  }
  const write = WRITES[name];
  if (write === undefined) return say('E', 14, 'Invalid command');
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return say('E', 45, `${name} failed: busy`);
  const wrong = write(host, endpoint, parameter, fault === undefined);
  return wrong === undefined ? say('S', 119, `${name} OK`) : say('E', 120, wrong);
}

/** Carries a write out; what is wrong with it in words, or nothing. */
type Write = (host: Host, endpoint: Endpoint, parameter: string, acts: boolean) => string | undefined;

const WRITES: Readonly<Record<string, Write>> = {
  ascset(host, endpoint, parameter, acts) {
    const [, option, value] = /^0,([a-z]+)(?:,(.*))?$/.exec(parameter) ?? [];
    if (option === 'suspend') {
      if (acts) host.send({ op: 'sleep', i: endpoint.index });
      return undefined;
    }
    if (option !== 'powerlimit') return 'ASC 0 set failed: unknown option';
    const watts = Number(objectIn(value ?? '')['value']);
    const { nameplateW } = minerFacts(host, endpoint).group.model;
    if (!(watts >= nameplateW * 0.4 && watts <= nameplateW * 1.2)) return 'ASC 0 set failed: value out of range';
    if (acts) host.send({ op: 'limit', i: endpoint.index, watts });
    return undefined;
  },
  /** Starts bdminer again: one that was suspended mines from then on. */
  restart(host, endpoint, _, acts) {
    if (acts) host.send({ op: isAsleep(minerFacts(host, endpoint)) ? 'wake' : 'reboot', i: endpoint.index });
    return undefined;
  },
  updatepools(host, endpoint, parameter, acts) {
    const rows = poolRows(objectIn(parameter)['pools'], 'url', 'user', 'pass');
    if (rows === undefined || rows.length > 3) return 'updatepools failed: 1 to 3 pools';
    if (acts) host.send({ op: 'pools', i: endpoint.index, pools: rows });
    return undefined;
  },
};

const html = (body: string): HttpAnswer => ({ status: 200, headers: { 'content-type': 'text/html' }, body });
const json = (value: unknown): HttpAnswer => ({
  status: 200,
  headers: { 'content-type': 'text/html; charset=UTF-8' },
  body: JSON.stringify(value),
});
const LOGIN_PAGE = html(
  '<!doctype html><title>SealMiner</title><link rel="stylesheet" href="/assets/css/amazeui.min.css">' +
    '<form action="/cgi-bin/login.php"><input name="username"><input name="origin_pwd" type="password"></form>',
);

const SESSION_MS = 24 * 60_000;
const sessions = tokens(SESSION_MS);

function page(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const path = (request.url ?? '/').split('?')[0]!;
  if (path === '/cgi-bin/login.php' && request.method === 'POST') {
    const form = new URLSearchParams(body);
    const right = form.get('username') === ACCOUNT.user && form.get('origin_pwd') === ACCOUNT.password;
    // PHP gives everybody a session, whatever the password.
    const session = right ? sessions.grant(host, endpoint) : 'guest';
    const answer = json(right ? { code: 0, msg: 'ok' } : { code: 1, msg: 'wrong user name or password' });
    return { ...answer, headers: { ...answer.headers, 'set-cookie': `PHPSESSID=${session}; path=/` } };
  }
  const session = /PHPSESSID=([^;\s]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
  if (!sessions.holds(host, endpoint, session)) return LOGIN_PAGE;
  const name = /^\/cgi-bin\/([a-z_-]+)\.php$/.exec(path)?.[1] ?? '';
  const facts = minerFacts(host, endpoint);
  const read = PAGES[name];
  if (read !== undefined) return json(read(facts));
  if (name !== 'reboot' && name !== 'led_conf')
    return { status: 404, headers: { 'content-type': 'text/html' }, body: '404 Not Found' };
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return { status: 500, headers: { 'content-type': 'text/html' }, body: 'busy' };
  if (fault !== undefined) return json({ code: 0 });
  if (name === 'reboot') host.send({ op: 'reboot', i: endpoint.index });
  else host.send({ op: 'locate', i: endpoint.index, on: objectIn(body)['value'] === 'on' });
  return json({ code: 0 });
}

const PAGES: Readonly<Record<string, (facts: MinerFacts) => object>> = {
  get_system_info: (facts) => ({
    miner_type: modelOf(facts),
    macaddr: facts.mac,
    ipaddress: facts.address,
    hostname: facts.id,
    firmware_version: FIRMWARE,
    ctrl_version: CTRL_BOARD,
    led: facts.locating ? 'on' : 'off',
  }),
  'miner-psu-status': (facts) => ({ Power: Math.round(facts.reportedW), Voltage: 14.1 }),
  get_miner_poolconf: (facts) => ({
    pools: facts.pools.map(({ url, user, password }) => ({ url, user, pass: password })),
  }),
};
