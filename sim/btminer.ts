import { round2, status, type CgminerReply } from './cgminer-reply.ts';
import type { SimPool } from './command.ts';
import { minerFacts, type MinerFacts } from './miner-facts.ts';
import type { Host } from './net.ts';
import { errorCodes, hardwareType, isOff } from './whatsminer.ts';
import type { Endpoint } from './world.ts';

/** The readable half of btminer's API, in the shapes of captured replies with this machine's own values. */

export type Command = Readonly<Record<string, unknown>>;

export function parseBtminer(text: string): Command | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Command) : undefined;
  } catch {
    return undefined;
  }
}

/** Older documentation writes `cmd`, clients of cgminer `command`; the firmware takes both. */
export const nameOf = (command: Command): string => {
  const name = command['cmd'] ?? command['command'];
  return typeof name === 'string' ? name : '';
};

/** STATUS stands alone in what is btminer's own. */
export const say = (host: Host, letter: 'S' | 'E', code: number, message: unknown): CgminerReply => ({
  STATUS: letter,
  When: Math.floor(host.siteNow() / 1000),
  Code: code,
  Msg: message,
  Description: '',
});

/** Commands taken over from cgminer can be joined; those of btminer stand alone. */
export function answerRead(host: Host, endpoint: Endpoint, name: string, firmware: string): CgminerReply {
  const names = name.split('+');
  if (names.length === 1) return readBtminer(host, endpoint, name, firmware);
  const joined = Object.fromEntries(names.map((one) => [one, [readBtminer(host, endpoint, one, firmware)]]));
  return { ...joined, id: 1 };
}

/** One read in plain text. @param firmware the version it tells: the API is older on a newer machine */
export function readBtminer(host: Host, endpoint: Endpoint, name: string, firmware: string): CgminerReply {
  const facts = minerFacts(host, endpoint);
  const old = (code: number, message: string, body: object): CgminerReply => ({
    STATUS: status(host.siteNow(), 'S', code, message, 'cgminer 4.9.2'),
    ...body,
    id: 1,
  });
  switch (name) {
    case 'summary':
      return old(11, 'Summary', { SUMMARY: [summaryOf(facts, firmware)] });
    case 'devs':
    case 'edevs':
      return old(9, '3 ASC(s)', { DEVS: facts.boardThs.map((ths, slot) => boardOf(facts, ths, slot)) });
    case 'devdetails':
      return old(69, 'Device Details', {
        DEVDETAILS: facts.boardThs.map((_, n) => ({
          DEVDETAILS: n,
          Name: 'SM',
          ID: n,
          Driver: 'bitmicro',
          Kernel: '',
          Model: hardwareType(facts),
        })),
      });
    case 'pools':
      return old(7, `${facts.pools.length} Pool(s)`, { POOLS: facts.pools.map((pool, n) => poolOf(facts, pool, n)) });
    case 'get_version':
      return say(host, 'S', 131, { api_ver: '2.0.5', fw_ver: firmware, platform: 'H616', chip: 'K20C220-2302' });
    case 'get_miner_info':
      return say(host, 'S', 131, infoOf(facts));
    case 'get_psu':
      return say(host, 'S', 131, psuOf(facts));
    case 'get_error_code':
      return say(host, 'S', 131, { error_code: errorCodes(facts).map(({ code, since }) => ({ [code]: since })) });
    case 'status':
      return say(host, 'S', 131, statusOf(facts, firmware));
    default:
      return say(host, 'E', 14, 'invalid cmd');
  }
}

const mhs = (ths: number): number => round2(ths * 1e6);
const modeWord = ({ point }: MinerFacts): string => point.name.charAt(0).toUpperCase() + point.name.slice(1);
const limitOf = (facts: MinerFacts): number => Math.round(facts.limitW ?? facts.point.powerW * 1.05);

function summaryOf(facts: MinerFacts, firmware: string): object {
  return {
    Elapsed: facts.elapsedS,
    'MHS av': mhs(facts.lifeThs),
    'MHS 5s': mhs(facts.hashThs),
    'MHS 1m': mhs(facts.averageThs),
    'MHS 5m': mhs(facts.averageThs),
    'MHS 15m': mhs(facts.averageThs),
    'HS RT': mhs(facts.hashThs),
    Accepted: facts.accepted,
    Rejected: facts.rejected,
    'Total MH': mhs(facts.lifeThs) * facts.elapsedS,
    Temperature: facts.exhaustC - 8,
    freq_avg: facts.point.frequencyMhz,
    'Fan Speed In': facts.fanRpm[0] ?? 0,
    'Fan Speed Out': facts.fanRpm[1] ?? 0,
    Power: Math.round(facts.reportedW),
    'Power Rate': facts.hashThs > 0 ? round2(facts.reportedW / facts.hashThs) : 0,
    'Pool Rejected%': facts.rejectedPct,
    'Pool Stale%': 0,
    'Last getwork': 0,
    Uptime: facts.elapsedS + 90,
    'Hash Stable': facts.hashThs > 0,
    'Target Freq': facts.point.frequencyMhz,
    'Target MHS': mhs(facts.point.hashThs),
    'Env Temp': facts.intakeC,
    'Power Mode': modeWord(facts),
    'Factory GHS': Math.round(facts.group.model.nameplateThs * 1000),
    'Power Limit': limitOf(facts),
    'Chip Temp Min': facts.intakeC,
    'Chip Temp Max': facts.exhaustC,
    'Chip Temp Avg': Math.round((facts.exhaustC + facts.intakeC) / 2),
    MAC: facts.mac.toUpperCase(),
    'Firmware Version': firmware,
    'CB Platform': 'H616',
  };
}

const boardOf = (facts: MinerFacts, ths: number, slot: number): object => ({
  ASC: slot,
  Name: 'SM',
  ID: slot,
  Slot: slot,
  Enabled: 'Y',
  Status: 'Alive',
  Temperature: facts.exhaustC - 8 + slot,
  'Chip Frequency': facts.point.frequencyMhz,
  'MHS av': mhs(ths),
  'MHS 5s': mhs(ths),
  'MHS 1m': mhs(ths),
  'Factory GHS': Math.round((facts.group.model.nameplateThs * 1000) / 3),
  Accepted: Math.floor(facts.accepted / 3),
  Rejected: 0,
  'Device Elapsed': facts.elapsedS,
  'Effective Chips': ths > 0 || facts.hashThs === 0 ? facts.chips : 0,
  'PCB SN': `${facts.serial}${slot}`,
  'Chip Temp Min': facts.intakeC,
  'Chip Temp Max': facts.exhaustC + slot,
  'Chip Temp Avg': Math.round((facts.exhaustC + facts.intakeC) / 2),
});

function poolOf(facts: MinerFacts, { url, user }: SimPool, n: number): object {
  const first = n === 0;
  return {
    POOL: n + 1,
    URL: url,
    Status: 'Alive',
    Priority: n,
    Quota: 1,
    Getworks: first ? Math.floor(facts.elapsedS / 13) : 0,
    Accepted: first ? facts.accepted : 0,
    Rejected: first ? facts.rejected : 0,
    Stale: 0,
    User: user,
    'Stratum Active': first && !isOff(facts),
    'Stratum Difficulty': facts.shareDifficulty,
    'Pool Rejected%': facts.rejectedPct,
    'Pool Stale%': 0,
  };
}

const infoOf = (facts: MinerFacts): object => ({
  ip: facts.address,
  proto: 'dhcp',
  netmask: '255.255.0.0',
  gateway: '',
  dns: '',
  hostname: 'WhatsMiner',
  mac: facts.mac.toUpperCase(),
  ledstat: facts.locating ? 'manual' : 'auto',
  minersn: facts.serial,
  powersn: `P${facts.serial}`,
});

const psuOf = (facts: MinerFacts): object => ({
  name: 'P222B',
  model: 'P222B',
  hw_version: 'V03.00',
  sw_version: '230208.220429',
  serial_no: `P${facts.serial}`,
  vin: '23000',
  iin: String(Math.round(facts.reportedW / 0.23)),
  fan_speed: String(facts.fanPct > 0 ? 6000 : 0),
});

const statusOf = (facts: MinerFacts, firmware: string): object => ({
  mineroff: isOff(facts) ? 'true' : 'false',
  mineroff_reason: isOff(facts) ? 'api' : '',
  mineroff_time: '',
  FirmwareVersion: firmware,
  power_mode: facts.point.name,
  power_limit_set: facts.limitW === undefined ? '' : String(Math.round(facts.limitW)),
  hash_percent: '0',
});
