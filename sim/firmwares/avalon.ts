import type { AsicModel } from '../../src/model/index.ts';
import { answerCgminer, parseCommand } from '../cgminer.ts';
import { round2, status, type CgminerCommand, type CgminerReply } from '../cgminer-reply.ts';
import type { SimPool } from '../command.ts';
import type { Firmware } from '../firmware.ts';
import { minerFacts, type MinerFacts } from '../miner-facts.ts';
import { FAILURE } from '../miners.ts';
import type { Host } from '../net.ts';
import type { SimPoint } from '../points.ts';
import type { Endpoint } from '../world.ts';

/**
 * Avalons of the A series on 4028 (captured replies of an A1246 and Canaan's API manual): what they measure in strings
 * of `KEY[...]`. `softon` and a reboot end the connection in place of an answer.
 */
export const avalon: Firmware = {
  name: 'avalon',
  points: workModes,
  ports: {
    cgminer: {
      kind: 'text',
      answer(host, endpoint, text) {
        const command = parseCommand(text);
        const dropped = command?.name === 'ascset' && /^0,(softon|reboot)\b/.test(command.parameter);
        if (command?.name === 'restart') return restart(host, endpoint);
        const answer = answerCgminer(reply, host, endpoint, text);
        return dropped && answer.includes('"S"') ? undefined : answer;
      },
    },
  },
};

const DESCRIPTION = 'cgminer 4.11.1';
const WEB_ACCOUNT = 'root,root,';

/** Work modes 0 and 1; what high draws beside the nameplate is assumed. */
function workModes(model: AsicModel): SimPoint[] {
  const at = (name: string, step: number, power: number, hash: number): SimPoint => ({
    name,
    powerW: Math.round(model.nameplateW * power),
    hashThs: Math.round(model.nameplateThs * hash * 10) / 10,
    frequencyMhz: Math.round(500 * hash),
    voltage: 13.2,
    step,
  });
  return [at('normal', 0, 1, 1), at('high', 1, 1.12, 1.07)];
}

function reply(host: Host, endpoint: Endpoint, command: CgminerCommand): CgminerReply {
  const say = (letter: 'S' | 'E' | 'I', code: number, message: string, body: object = {}): CgminerReply => ({
    STATUS: status(host.siteNow(), letter, code, message, DESCRIPTION),
    ...body,
    id: 1,
  });
  const facts = minerFacts(host, endpoint);
  switch (command.name) {
    case 'version':
      return say('S', 22, 'CGMiner versions', { VERSION: [versionOf(facts)] });
    case 'summary':
      return say('S', 11, 'Summary', { SUMMARY: [summaryOf(facts)] });
    case 'devs':
      return say('S', 9, '1 ASC(s)', {
        DEVS: [{ ASC: 0, Name: 'AVA10', ID: 0, Enabled: 'Y', Status: 'Alive', ...summaryOf(facts) }],
      });
    case 'devdetails':
      return say('S', 69, 'Device Details', {
        DEVDETAILS: [{ DEVDETAILS: 0, Name: 'AVA10', ID: 0, Driver: 'avalon10', Kernel: '', Model: '' }],
      });
    case 'pools':
      return say('S', 7, `${facts.pools.length} Pool(s)`, {
        POOLS: facts.pools.map((pool, n) => poolOf(facts, pool, n)),
      });
    case 'stats':
    case 'estats':
      return say('S', 70, 'CGMiner stats', { STATS: [statsOf(facts)] });
    case 'ascset': {
      const { letter, message } = ascset(host, endpoint, command.parameter);
      return say(letter, letter === 'S' ? 119 : letter === 'I' ? 118 : 120, message);
    }
    case 'setpool':
      return setPool(host, endpoint, facts, command.parameter)
        ? say('S', 118, 'Set pool success, please reboot to take effect')
        : say('E', 118, 'Set pool failed, user or pass err');
    default:
      return say('E', 14, 'Invalid command');
  }
}

/** cgminer's own: it says the one word, and starts again. */
function restart(host: Host, endpoint: Endpoint): string {
  const fault = host.faults.onWrite(endpoint);
  if (fault === undefined) host.send({ op: 'reboot', i: endpoint.index });
  return '{"STATUS":"RESTART"}\0';
}

type Said = { readonly letter: 'S' | 'E' | 'I'; readonly message: string };
const LEAST_LIMIT_W = 500;
const HELP = 'help|fan-spd|led|workmode|worklevel|reboot|softon|softoff|time|';

function ascset(host: Host, endpoint: Endpoint, parameter: string): Said {
  const [asc = '', option = '', ...rest] = parameter.split(',');
  const i = endpoint.index;
  const failed = (why: string): Said => ({ letter: 'E', message: `ASC 0 set failed: ${why}` });
  if (asc !== '0') return { letter: 'E', message: `Invalid ASC id ${asc} - range is 0 - 0` };
  const done = (act: () => void, message = 'ASC 0 set OK', letter: 'S' | 'I' = 'S'): Said => {
    const fault = host.faults.onWrite(endpoint);
    if (fault === 'refused') return failed('busy');
    if (fault === undefined) act();
    return { letter, message };
  };
  // `1:1753434821`, or nothing on older firmware.
  const at = rest[0] === undefined ? undefined : /^1:\s*(\d+)$/.exec(rest[0])?.[1];
  switch (option) {
    case 'help':
      return { letter: 'I', message: `ASC 0 set info: ${HELP}` };
    case 'softoff':
      if (rest[0] !== undefined && at === undefined) return failed('Invalid parameter');
      return done(() => host.send({ op: 'sleep', i }), `ASC 0 set info: success softoff:${at ?? 0}`, 'I');
    case 'softon':
      return done(() => host.send({ op: 'wake', i }));
    case 'reboot':
      return done(() => host.send({ op: 'reboot', i }));
    case 'workmode': {
      // The A series takes the number alone; the word "set" belongs to the home machines.
      const point = rest.length === 1 && /^\d$/.test(rest[0]!) ? Number(rest[0]) : -1;
      const { miners } = host.world;
      if (miners.groups[miners.group[i]!]!.table.points[point] === undefined) return failed('Invalid parameter');
      return done(() => host.send({ op: 'point', i, point }));
    }
    case 'worklevel': {
      // `set,0` on are its levels; public clients send watts as well, and `MPO` tells what it keeps to.
      const wanted = rest[0] === 'set' ? Number.parseFloat(rest[1] ?? '') : NaN;
      const { miners } = host.world;
      if (miners.groups[miners.group[i]!]!.table.points[wanted] !== undefined)
        return done(() => host.send({ op: 'point', i, point: wanted }));
      if (!(wanted >= LEAST_LIMIT_W && wanted < 99_999)) return failed('Invalid parameter');
      return done(() => host.send({ op: 'limit', i, watts: Math.round(wanted) }));
    }
    case 'led': {
      const on = /^1-([01])$/.exec(rest[0] ?? '')?.[1];
      return on === undefined
        ? failed('Invalid parameter')
        : done(() => host.send({ op: 'locate', i, on: on === '1' }));
    }
    default:
      return failed(`Unknown option: ${option}`);
  }
}

/** `root,PASSWORD,PLACE,URL,WORKER,PASSWORD`: one place of three. */
function setPool(host: Host, endpoint: Endpoint, facts: MinerFacts, parameter: string): boolean {
  if (!parameter.startsWith(WEB_ACCOUNT)) return false;
  const [place = '', url = '', user = '', password = ''] = parameter.slice(WEB_ACCOUNT.length).split(',');
  if (!/^[0-2]$/.test(place)) return false;
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return false;
  const pools: (SimPool | undefined)[] = [0, 1, 2].map((n) => facts.pools[n]);
  pools[Number(place)] = url === '' ? undefined : { url, user, password };
  const kept = pools.filter((pool) => pool !== undefined);
  if (fault === undefined && kept.length > 0) host.send({ op: 'pools', i: endpoint.index, pools: kept });
  return true;
}

/** `Avalon A1246` says 1246 of itself, an A1566 no more than 15. */
function numberOf(facts: MinerFacts): string {
  const number = /\d+/.exec(facts.group.model.name)?.[0] ?? '1566';
  return number.startsWith('15') ? '15' : number;
}

/** What it calls its model: with the hashrate it was sold for, and an A1566 with that of the best of its bins. */
const modelOf = (facts: MinerFacts): string =>
  `${numberOf(facts)}-${facts.group.model.id === 'avalon-a1566' ? 194 : Math.round(facts.group.model.nameplateThs)}`;

const versionOf = (facts: MinerFacts): object => ({
  CGMiner: '4.11.1',
  API: '3.7',
  PROD: `AvalonMiner ${numberOf(facts)}`,
  MODEL: modelOf(facts),
  HWTYPE: 'MM4v2_X3',
  SWTYPE: 'MM317',
  VERSION: '24102401_25462b2_9ddf522',
  LOADER: 'd0d779de.00',
  DNA: facts.serial.slice(0, 16).toLowerCase(),
  MAC: facts.mac.replaceAll(':', '').toLowerCase(),
  UPAPI: 2,
});

const mhs = (ths: number): number => round2(ths * 1e6);

const summaryOf = (facts: MinerFacts): object => ({
  Elapsed: facts.elapsedS,
  'MHS av': mhs(facts.lifeThs),
  'MHS 5s': mhs(facts.hashThs),
  'MHS 1m': mhs(facts.averageThs),
  'MHS 5m': mhs(facts.averageThs),
  'MHS 15m': mhs(facts.averageThs),
  Accepted: facts.accepted,
  Rejected: facts.rejected,
  'Hardware Errors': 0,
  Utility: facts.utility,
  'Pool Rejected%': facts.rejectedPct,
  'Total MH': mhs(facts.lifeThs) * facts.elapsedS,
});

const poolOf = (facts: MinerFacts, { url, user }: SimPool, n: number): object => ({
  POOL: n,
  URL: url,
  Status: 'Alive',
  Priority: n,
  Quota: 1,
  Accepted: n === 0 ? facts.accepted : 0,
  Rejected: n === 0 ? facts.rejected : 0,
  User: user,
  'Stratum Active': n === 0 && !facts.curtailed,
  'Stratum URL': url,
  'Has Stratum': true,
});

/** What the boards take of what the supply draws; assumed. */
const PSU_SHARE = 0.94;

function statsOf(facts: MinerFacts): object {
  const idle = facts.hashThs === 0;
  const list = (value: (board: number) => number | string): string => [0, 1, 2].map(value).join(' ');
  const watts = Math.round(facts.reportedW);
  const said = [
    `Ver[${modelOf(facts)}-24102401_25462b2_9ddf522]`,
    `DNA[${facts.serial.slice(0, 16).toLowerCase()}]`,
    'MEMFREE[1201472.0]',
    'NETFAIL[0 0 0 0 0 0 0 0]',
    `SYSTEMSTATU[Work: ${facts.curtailed ? 'In Idle' : idle ? 'In Init' : 'In Work'}, Hash Board: 3 ]`,
    `Elapsed[${facts.elapsedS}]`,
    'BOOTBY[0x08.00000000]',
    'DH[2.732%]',
    `Temp[${facts.intakeC}]`,
    `TMax[${idle ? 0 : facts.exhaustC}]`,
    `TAvg[${idle ? 0 : Math.round((facts.exhaustC + facts.intakeC) / 2)}]`,
    ...facts.fanRpm.map((rpm, n) => `Fan${n + 1}[${rpm}]`),
    `FanR[${facts.fanPct}%]`,
    'Vo[329]',
    `PS[0 1214 1316 ${Math.round(watts / 13.2)} ${Math.round(watts * PSU_SHARE)} 1320 ${watts}]`,
    `GHSspd[${(facts.hashThs * 1000).toFixed(2)}]`,
    `GHSmm[${(facts.point.hashThs * 1000).toFixed(2)}]`,
    `GHSavg[${(facts.lifeThs * 1000).toFixed(2)}]`,
    `Freq[${facts.point.frequencyMhz}]`,
    `Led[${facts.locating ? 1 : 0}]`,
    `MGHS[${list((board) => (facts.boardThs[board]! * 1000).toFixed(2))}]`,
    `ITemp[${facts.intakeC}]`,
    `MTmax[${list((board) => (idle ? 0 : facts.exhaustC - board))}]`,
    `MTavg[${list(() => (idle ? 0 : Math.round((facts.exhaustC + facts.intakeC) / 2)))}]`,
    `MVavg[${list(() => (idle ? 0 : facts.point.voltage * 100))}]`,
    `TA[${facts.chips * 3}]`,
    'Core[A3201]',
    'PING[17]',
    `SoftOFF[${facts.curtailed ? 4 : 0}]`,
    `ECHU[${list((board) => (facts.failure === FAILURE.board && board === 1 ? 512 : 0))}]`,
    'ECMM[0]',
    ...[0, 1, 2].map(
      (board) => `PVT_T${board}[${Array.from({ length: facts.chips }, () => facts.exhaustC).join(' ')}]`,
    ),
    ...[0, 1, 2].map(
      (board) =>
        `MW${board}[${Array.from({ length: facts.chips }, () => (facts.boardThs[board]! > 0 ? 21_500 : 0)).join(' ')}]`,
    ),
    `MPO[${Math.round(facts.limitW ?? facts.point.powerW)}]`,
    `WALLPOWER[${watts}]`,
    `WORKMODE[${facts.group.table.points.findIndex(({ name }) => name === facts.point.name)}]`,
  ];
  return {
    STATS: 0,
    ID: 'AVA100',
    Elapsed: facts.elapsedS,
    Calls: 0,
    Wait: 0,
    Max: 0,
    Min: 99999999,
    'MM ID0': said.join(' '),
    'MM Count': 1,
    'Smart Speed': 1,
    'Voltage Level Offset': 0,
    'Nonce Mask': 25,
  };
}
