import type { IncomingMessage } from 'node:http';
import { round2, statsOf, status, type CgminerCommand, type CgminerReply } from './cgminer-reply.ts';
import { digestGuard } from './digest.ts';
import type { SimPool } from './command.ts';
import { minerFacts, type MinerFacts } from './miner-facts.ts';
import { workModeOf } from './miner-commands.ts';
import type { Host, HttpAnswer } from './net.ts';
import { PURPOSE, unitAt } from './random.ts';
import type { Endpoint } from './world.ts';

/**
 * Antminer stock firmware: 4028 to read, the CGI pages on the web port to read and to write. It reports no watts.
 * Half of the machines carry firmware that names the work mode `miner-mode`, the other half `bitmain-work-mode`.
 */
const DESCRIPTION = 'cgminer 1.0.0';
const VERSIONS = {
  'miner-mode': { miner: '49.0.1.3', compiled: 'Tue Dec  6 16:12:30 CST 2022' },
  'bitmain-work-mode': { miner: 'uart_trans.1.3', compiled: 'Thu Jul 25 20:33:12 CST 2024' },
} as const;
const ACCOUNT = { user: 'root', password: 'root', realm: 'antMiner Configuration' };

/** @param number of the endpoint */
export const modeKeyOf = (number: number, seed: number): 'miner-mode' | 'bitmain-work-mode' =>
  unitAt(seed, PURPOSE.workMode, number) < 0.5 ? 'miner-mode' : 'bitmain-work-mode';

const versionOf = (facts: MinerFacts, host: Host): (typeof VERSIONS)[keyof typeof VERSIONS] =>
  VERSIONS[modeKeyOf(facts.number, host.world.seed)];

const versionRow = (facts: MinerFacts, host: Host): object => ({
  API: '3.1',
  BMMiner: '1.0.0',
  CompileTime: versionOf(facts, host).compiled,
  Miner: versionOf(facts, host).miner,
  Type: facts.typeName,
});

/** 4028: summary, stats, version and pools; anything else is an invalid command, writes included. */
export function stockReply(host: Host, endpoint: Endpoint, command: CgminerCommand): CgminerReply {
  const facts = minerFacts(host, endpoint);
  const ok = (code: number, message: string, body: object): CgminerReply => ({
    STATUS: status(host.siteNow(), 'S', code, message, DESCRIPTION),
    ...body,
    id: 1,
  });
  switch (command.name) {
    case 'summary':
      if (command.newApi === true) return newApi(webSummary(facts, host));
      return ok(11, 'Summary', { SUMMARY: [summaryRow(facts)] });
    case 'stats':
      if (command.newApi === true) return newApi(webStats(facts, host));
      return ok(70, 'CGMiner stats', { STATS: [versionRow(facts, host), statsOf(facts)] });
    case 'version':
      return ok(22, 'CGMiner versions', { VERSION: [versionRow(facts, host)] });
    case 'pools':
      return ok(7, `${facts.pools.length} Pool(s)`, { POOLS: facts.pools.map((pool, n) => poolRow(facts, pool, n)) });
    default:
      return { STATUS: status(host.siteNow(), 'E', 14, 'Invalid command', DESCRIPTION), id: 1 };
  }
}

/** Asked with `new_api` 4028 says what the page says. */
const newApi = (page: object): CgminerReply => ({ ...page, id: 1 });

function summaryRow(facts: MinerFacts): object {
  return {
    Accepted: facts.accepted,
    'Best Share': facts.shareDifficulty * 24,
    'Device Hardware%': 0,
    'Device Rejected%': 0,
    'Difficulty Accepted': facts.accepted * facts.shareDifficulty,
    'Difficulty Rejected': facts.rejected * facts.shareDifficulty,
    'Difficulty Stale': 0,
    Discarded: 0,
    Elapsed: facts.elapsedS,
    'Found Blocks': 0,
    'GHS 30m': round2(facts.averageThs * 1000),
    'GHS 5s': round2(facts.hashThs * 1000),
    'GHS av': round2(facts.lifeThs * 1000),
    'Get Failures': 0,
    Getwork: Math.floor(facts.elapsedS / 13),
    'Hardware Errors': Math.floor(facts.elapsedS / 90),
    'Last getwork': facts.when,
    'Local Work': facts.elapsedS * 90,
    'Network Blocks': Math.floor(facts.elapsedS / 600),
    'Pool Rejected%': facts.rejectedPct,
    'Pool Stale%': 0,
    Rejected: facts.rejected,
    'Remote Failures': 0,
    Stale: 0,
    'Total MH': facts.lifeThs * 1e6 * facts.elapsedS,
    Utility: facts.utility,
    'Work Utility': round2(facts.lifeThs * 14_000),
  };
}

function poolRow(facts: MinerFacts, { url, user }: SimPool, n: number): object {
  const worked = n === 0;
  return {
    Accepted: worked ? facts.accepted : 0,
    'Best Share': facts.shareDifficulty * 24,
    Diff: `${Math.round(facts.shareDifficulty / 1000)}K`,
    'Difficulty Accepted': facts.accepted * facts.shareDifficulty,
    'Difficulty Rejected': facts.rejected * facts.shareDifficulty,
    'Difficulty Stale': 0,
    'Last Share Difficulty': facts.shareDifficulty,
    'Last Share Time': '0:00:03',
    POOL: n,
    'Pool Rejected%': facts.rejectedPct,
    'Pool Stale%%': 0,
    Priority: n,
    Quota: 1,
    Rejected: worked ? facts.rejected : 0,
    Stale: 0,
    Status: 'Alive',
    'Stratum Active': worked && !facts.curtailed,
    'Stratum URL': url.replace(/^\w+\+tcp:\/\//, ''),
    URL: url,
    User: user,
  };
}

const guards = new WeakMap<Host, ReturnType<typeof digestGuard>>();

/** The CGI pages on the web port, behind digest authentication. */
export function minerPage(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const guard = guards.get(host) ?? digestGuard(ACCOUNT, host.wallNow, `antminer ${host.world.seed}`);
  guards.set(host, guard);
  const url = request.url ?? '/';
  const method = request.method ?? 'GET';
  const challenge = guard.challenge({ method, url, authorization: request.headers.authorization });
  if (challenge !== undefined)
    return { status: 401, headers: { ...HEADERS, 'www-authenticate': challenge }, body: '401 - Unauthorized' };
  return page(host, endpoint, method, url.split('?')[0]!, body);
}

const HEADERS = { 'content-type': 'text/html', server: 'lighttpd/1.4.32' };
const json = (value: unknown): HttpAnswer => ({ status: 200, headers: HEADERS, body: JSON.stringify(value) });

function page(host: Host, endpoint: Endpoint, method: string, path: string, body: string): HttpAnswer {
  const facts = minerFacts(host, endpoint);
  const route = `${method} ${path.replace(/^\/cgi-bin\//, '')}`;
  switch (route) {
    case 'GET get_system_info.cgi':
      return json(systemInfo(facts, host));
    case 'GET miner_type.cgi':
      return json({
        miner_type: facts.typeName,
        subtype: 'AMLCtrl_BHB68603',
        fw_version: versionOf(facts, host).compiled,
      });
    case 'GET get_network_info.cgi':
      return json(networkInfo(facts));
    case 'GET summary.cgi':
      return json(webSummary(facts, host));
    case 'GET stats.cgi':
      return json(webStats(facts, host));
    case 'GET get_miner_conf.cgi':
      return json(minerConf(host, endpoint, facts));
    case 'POST set_miner_conf.cgi':
      return setMinerConf(host, endpoint, body);
    case 'POST blink.cgi':
      return blink(host, endpoint, body);
    case 'GET get_blink_status.cgi':
      return json({ blink: facts.locating });
    case 'POST reboot.cgi':
    case 'GET reboot.cgi':
      host.send({ op: 'reboot', i: endpoint.index });
      return json({ stats: 'success', code: 'M000', msg: 'OK!' });
    default:
      return { status: 404, headers: HEADERS, body: '404 - Not Found' };
  }
}

const systemInfo = (facts: MinerFacts, host: Host): object => ({
  minertype: facts.typeName,
  nettype: 'DHCP',
  netdevice: 'eth0',
  macaddr: facts.mac.toUpperCase(),
  hostname: 'Antminer',
  ipaddress: facts.address,
  netmask: '255.255.0.0',
  gateway: '',
  dnsservers: '',
  system_mode: 'GNU/Linux',
  system_kernel_version: 'Linux 4.9.113 #1 SMP PREEMPT Thu Oct 9 18:55:45 CST 2025',
  system_filesystem_version: versionOf(facts, host).compiled,
  firmware_type: 'Release',
  serinum: facts.serial,
});

const networkInfo = (facts: MinerFacts): object => ({
  nettype: 'DHCP',
  netdevice: 'eth0',
  macaddr: facts.mac.toUpperCase(),
  ipaddress: facts.address,
  netmask: '255.255.0.0',
  conf_nettype: 'DHCP',
  conf_hostname: 'Antminer',
  conf_ipaddress: '',
  conf_netmask: '',
  conf_gateway: '',
  conf_dnsservers: '',
});

const webStatus = (facts: MinerFacts): object => ({
  STATUS: 'S',
  when: facts.when,
  Msg: 'summary',
  api_version: '1.0.0',
});

function infoOf(facts: MinerFacts, host: Host): object {
  const { miner, compiled } = versionOf(facts, host);
  return { miner_version: miner, CompileTime: compiled, type: facts.typeName };
}

function webSummary(facts: MinerFacts, host: Host): object {
  return {
    STATUS: webStatus(facts),
    INFO: infoOf(facts, host),
    SUMMARY: [
      {
        elapsed: facts.elapsedS,
        rate_5s: round2(facts.hashThs * 1000),
        rate_30m: round2(facts.averageThs * 1000),
        rate_avg: round2(facts.lifeThs * 1000),
        rate_ideal: round2(facts.point.hashThs * 1000),
        rate_unit: 'GH/s',
        hw_all: Math.floor(facts.elapsedS / 90),
        bestshare: facts.shareDifficulty * 24,
        status: ['rate', 'network', 'fans', 'temp'].map((type) => ({ type, status: 's', code: 0, msg: '' })),
      },
    ],
  };
}

function webStats(facts: MinerFacts, host: Host): object {
  return {
    STATUS: { ...webStatus(facts), Msg: 'stats' },
    INFO: infoOf(facts, host),
    STATS: [
      {
        elapsed: facts.elapsedS,
        rate_5s: round2(facts.hashThs * 1000),
        rate_30m: round2(facts.averageThs * 1000),
        rate_avg: round2(facts.lifeThs * 1000),
        rate_ideal: round2(facts.point.hashThs * 1000),
        rate_unit: 'GH/s',
        chain_num: 3,
        fan_num: facts.fanRpm.length,
        fan: facts.fanRpm,
        hwp_total: 0.0003,
        'miner-mode': host.world.miners.state.curtailed[host.world.endpoints[facts.number]!.index] === 1 ? 1 : 0,
        'freq-level': 100,
        chain: facts.boardThs.map((ths, index) => ({
          index,
          freq_avg: facts.point.frequencyMhz,
          rate_ideal: round2((facts.point.hashThs * 1000) / 3),
          rate_real: round2(ths * 1000),
          asic_num: facts.chips,
          temp_pic: [facts.exhaustC - 12, facts.intakeC, facts.intakeC, facts.exhaustC - 12],
          temp_pcb: [facts.exhaustC - 5, facts.intakeC, facts.intakeC, facts.exhaustC - 5],
          temp_chip: [facts.exhaustC, facts.intakeC, facts.intakeC, facts.exhaustC],
          hw: 0,
          eeprom_loaded: true,
          sn: `${facts.serial}${index}`,
        })),
      },
    ],
  };
}

function minerConf(host: Host, endpoint: Endpoint, facts: MinerFacts): object {
  const mode = workModeOf(host.world.miners, endpoint.index);
  const key = modeKeyOf(endpoint.number, host.world.seed);
  return {
    pools: [0, 1, 2].map((n) => {
      const pool = facts.pools[n];
      return { url: pool?.url ?? '', user: pool?.user ?? '', pass: pool?.password ?? '' };
    }),
    'api-listen': true,
    'api-network': true,
    'api-groups': 'A:stats:pools:devs:summary:version',
    'api-allow': 'A:0/0,W:*',
    'bitmain-fan-ctrl': false,
    'bitmain-fan-pwm': '100',
    'bitmain-use-vil': true,
    'bitmain-freq': String(facts.point.frequencyMhz),
    'bitmain-voltage': '1400',
    'bitmain-ccdelay': '0',
    'bitmain-pwth': '0',
    [key]: key === 'miner-mode' ? mode : String(mode),
    'bitmain-freq-level': '100',
  };
}

function setMinerConf(host: Host, endpoint: Endpoint, body: string): HttpAnswer {
  const failed = json({ stats: 'error', code: 'M001', msg: 'illegal request!' });
  let given: Record<string, unknown>;
  try {
    given = JSON.parse(body) as Record<string, unknown>;
  } catch {
    return failed;
  }
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return failed;
  // The page writes `miner-mode` on every firmware; what newer firmware shows is taken as well.
  const own = modeKeyOf(endpoint.number, host.world.seed);
  const said = given[own] ?? given['miner-mode'];
  const value = Number(said);
  if (![0, 1, 3].includes(value) && said !== undefined) return failed;
  const mode = Number.isNaN(value) ? workModeOf(host.world.miners, endpoint.index) : value;
  const pools = poolsIn(given['pools']);
  if (fault === undefined) {
    if (pools !== undefined) host.send({ op: 'pools', i: endpoint.index, pools });
    host.send({ op: 'work-mode', i: endpoint.index, mode });
  }
  return json({ stats: 'success', code: 'M000', msg: 'OK!' });
}

/** The pools of a written configuration that are any; undefined where it holds none, which changes nothing. */
function poolsIn(given: unknown): SimPool[] | undefined {
  if (!Array.isArray(given)) return undefined;
  const word = (value: unknown): string => (typeof value === 'string' ? value : '');
  const pools = (given as readonly Record<string, unknown>[])
    .map((row) => ({ url: word(row['url']), user: word(row['user']), password: word(row['pass']) }))
    .filter(({ url }) => url !== '');
  return pools.length === 0 ? undefined : pools;
}

/** Newer firmware takes JSON and answers a code, older a form and whether it blinks now. */
function blink(host: Host, endpoint: Endpoint, body: string): HttpAnswer {
  const form = /action=(start|stop)Blink/.exec(body)?.[1];
  // Newer firmware knows the JSON alone.
  const isOld = modeKeyOf(endpoint.number, host.world.seed) === 'miner-mode' && form !== undefined;
  const asked = isOld ? form : /"blink"\s*:\s*"?(true|false)/.exec(body)?.[1];
  if (asked === undefined) return json({ isBlinking: minerFacts(host, endpoint).locating });
  const on = asked === 'start' || asked === 'true';
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return json({ stats: 'error', code: 'M001', msg: 'illegal request!' });
  if (fault === undefined) host.send({ op: 'locate', i: endpoint.index, on });
  return isOld ? json({ isBlinking: on }) : json({ code: on ? 'B000' : 'B100' });
}
