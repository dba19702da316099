import { round2, statsOf, status, type CgminerCommand, type CgminerReply } from './cgminer-reply.ts';
import { FAILURE, PHASE } from './miners.ts';
import { PARTS } from './luxos-parts.ts';
import { LUXOS_DESCRIPTION, LUXOS_VERSION, settingsOf, WRITES, refuse, type LuxosSettings } from './luxos-writes.ts';
import type { SimPool } from './command.ts';
import type { Host } from './net.ts';
import { minerFacts, type MinerFacts } from './miner-facts.ts';
import { serialAt } from './random.ts';
import type { Endpoint } from './world.ts';

/**
 * LuxOS on 4028: shapes as LuxOS 2025 answers on an S19k Pro, commands as docs.luxor.tech/firmware/api describes
 * them (logon, logoff, session, curtail, profileset). The values are this machine's own.
 */
const COMPILED = 'Tue Apr  8 22:05:35 UTC 2025';
export function luxosReply(host: Host, endpoint: Endpoint, command: CgminerCommand): CgminerReply {
  const read = READS[command.name];
  if (read !== undefined) {
    const facts = minerFacts(host, endpoint);
    const { code, message, body } = read(facts, host);
    return { STATUS: status(host.siteNow(), 'S', code, message, LUXOS_DESCRIPTION), ...body, id: 1 };
  }
  const part = PARTS[command.name];
  if (part !== undefined) {
    const facts = minerFacts(host, endpoint);
    const { groups, atm } = settingsOf(host, endpoint.number);
    const { code, message, body } = part(facts, command, groups, atm);
    return { STATUS: status(host.siteNow(), 'S', code, message, LUXOS_DESCRIPTION), ...body, id: 1 };
  }
  const write = WRITES[command.name];
  if (write !== undefined) return write(host, endpoint, command);
  return refuse(host, 14, 'Invalid command');
}

type Read = (facts: MinerFacts, host: Host) => { code: number; message: string; body: object };

const READS: Readonly<Record<string, Read>> = {
  version: (facts) => ({
    code: 22,
    message: 'LUXminer versions',
    body: {
      VERSION: [
        { API: '3.7', CompileTime: COMPILED, LUXminer: LUXOS_VERSION, Miner: '2025.4.8.220305', Type: facts.typeName },
      ],
    },
  }),
  summary: (facts) => ({ code: 11, message: 'Summary', body: { SUMMARY: [summaryOf(facts)] } }),
  power: (facts) => ({
    code: 311,
    message: 'Power usage',
    body: { POWER: [{ PSU: false, Watts: Math.round(facts.reportedW) }] },
  }),
  config: (facts, host) => ({
    code: 33,
    message: 'LUXminer config',
    body: { CONFIG: [configOf(facts, settingsOf(host, facts.number))] },
  }),
  temps: (facts) => ({
    code: 201,
    message: '3 Temp(s)',
    body: {
      METADATA: [
        {
          BottomLeft: { Label: 'Board Exhaust (bottom)', Position: [1, 0] },
          BottomRight: { Label: 'Board Intake (bottom)', Position: [1, 1] },
          TopLeft: { Label: 'Board Exhaust (top)', Position: [0, 0] },
          TopRight: { Label: 'Board Intake (top)', Position: [0, 1] },
        },
      ],
      TEMPS: [0, 1, 2].map((board) => ({
        BottomLeft: facts.exhaustC + board,
        BottomRight: facts.intakeC,
        ID: board,
        TEMP: board,
        TopLeft: facts.exhaustC + board,
        TopRight: facts.intakeC,
      })),
    },
  }),
  fans: (facts) => ({
    code: 202,
    message: '4 Fan(s)',
    body: {
      FANCTRL: [{ MinFans: 3, PowerOffSpeed: 20 }],
      FANS: facts.fanRpm.map((rpm, id) => ({ FAN: `FAN${id + 1}`, ID: id, RPM: rpm, Speed: facts.fanPct })),
    },
  }),
  devs: (facts) => ({
    code: 9,
    message: '3 ASC(s)',
    body: { DEVS: facts.boardThs.map((ths, b) => boardOf(facts, ths, b)) },
  }),
  stats: (facts) => ({
    code: 70,
    message: 'LUXminer stats',
    body: { STATS: [{ CompileTime: COMPILED, Miner: '2025.4.8.220305', Type: facts.typeName }, statsOf(facts)] },
  }),
  pools: (facts) => ({
    code: 7,
    message: `${facts.pools.length} Pool(s)`,
    body: { POOLS: facts.pools.map((pool, n) => poolOf(facts, pool, n)) },
  }),
  profiles: (facts) => ({
    code: 323,
    message: 'List profiles',
    body: {
      PROFILES: facts.group.table.points.map((point) => ({
        CanRestore: true,
        Frequency: point.frequencyMhz,
        HasOverrides: false,
        Hashrate: point.hashThs,
        IsDynamic: true,
        IsTuned: point.name === facts.point.name,
        'Profile Name': point.name,
        Step: String(point.step),
        Voltage: point.voltage,
        Watts: point.powerW,
      })),
    },
  }),
  events: (facts) => ({ code: 357, message: 'Miner Events', body: { EVENTS: eventsOf(facts) } }),
};

function summaryOf(facts: MinerFacts): object {
  const ghs = round2(facts.hashThs * 1000);
  const average = round2(facts.averageThs * 1000);
  return {
    Accepted: facts.accepted,
    'Best Share': facts.shareDifficulty,
    'Device Hardware%': 0,
    'Device Rejected%': 0,
    'Difficulty Accepted': facts.accepted * facts.shareDifficulty,
    'Difficulty Rejected': facts.rejected * facts.shareDifficulty,
    'Difficulty Stale': 0,
    Discarded: 0,
    Elapsed: facts.elapsedS,
    'Found Blocks': 0,
    'GHS 15m': average,
    'GHS 1m': ghs,
    'GHS 24h': round2(facts.lifeThs * 1000),
    'GHS 30m': average,
    'GHS 5m': average,
    'GHS 5s': ghs,
    'GHS av': round2(facts.lifeThs * 1000),
    'Get Failures': 0,
    Getworks: Math.floor(facts.elapsedS / 5),
    'Hardware Errors': 0,
    'Last getwork': facts.when - 3,
    'Local Work': 0,
    'Network Blocks': 0,
    'Pool Rejected%': facts.rejectedPct,
    'Pool Stale%': 0,
    Rejected: facts.rejected,
    'Remote Failures': 0,
    Stale: 0,
    'Total MH': facts.lifeThs * 1e6 * facts.elapsedS,
    Utility: facts.utility,
    'Work Utility': round2(facts.utility * 0.44),
  };
}

function configOf(facts: MinerFacts, { atm, red }: LuxosSettings): object {
  const asleep = facts.phase === PHASE.asleep || facts.phase === PHASE.down;
  return {
    'ASC Count': 3,
    BcastAddr: facts.address.replace(/\.\d+$/, '.255'),
    ControlBoardType: 'cvitek',
    Cooling: facts.group.model.cooling === 'air' ? 'Air' : 'Hydro',
    CurtailMode: facts.curtailed ? 'Sleep' : 'None',
    DHCP: true,
    'DNS Servers': '',
    'Device Code': '',
    FPGABuildIdHex: '0x18351835',
    FPGABuildIdStr: '2018-35-18 35:00',
    FeeStatus: 'Ok',
    Gateway: facts.address.replace(/\.\d+$/, '.1'),
    GreenLed: 'auto',
    Hostname: facts.id,
    Hotplug: 'None',
    IPAddr: facts.address,
    ImmersionMode: false,
    IsAtmEnabled: atm,
    IsPowerSupplyOn: !asleep,
    IsSingleVoltage: true,
    IsTuning: false,
    'Log Interval': 0,
    LogFileLevel: 'info',
    MACAddr: facts.mac,
    Model: facts.group.model.name,
    NameplateTHS: facts.group.model.nameplateThs,
    Netmask: '255.255.0.0',
    OS: 'LuxOS',
    'PGA Count': 0,
    PSUHwVersion: '75',
    PSULabel: 'APW121215e',
    'Pool Count': facts.pools.length,
    Profile: facts.point.name,
    ProfileStep: String(facts.point.step),
    RedLed: facts.locating && red !== 'on' ? 'blink' : red,
    SerialNumber: facts.serial,
    Strategy: 'Failover',
    SystemStatus: asleep ? 'Sleep' : facts.phase === PHASE.wake ? 'Initializing' : 'Normal',
    UpdateOnStartup: 'off',
    UpdateOnTimeout: 'off',
    UpdateOnUser: 'full',
    UpdateSource: 'https://storage.googleapis.com/luxor-firmware/stable',
    UpdateTimeout: 60,
  };
}

function boardOf(facts: MinerFacts, ths: number, board: number): object {
  const mhs = ths * 1e6;
  return {
    ASC: board,
    Accepted: Math.floor(facts.accepted / 3),
    Board: 'BHB56903',
    Connector: `J${7 + board}`,
    ControllerIPVersionHex: '0x18351835',
    ControllerIPVersionStr: 'N/A',
    'Device Elapsed': Math.max(0, facts.elapsedS - 20),
    'Device Hardware%': 0,
    'Device Rejected%': 0,
    Enabled: ths > 0 || facts.phase !== PHASE.run ? 'Y' : 'N',
    'Hardware Errors': 0,
    ID: board,
    IsRamping: facts.phase === PHASE.wake,
    IsUserShutdown: false,
    'MHS 15m': mhs,
    'MHS 1m': mhs,
    'MHS 5m': mhs,
    'MHS 5s': mhs,
    'MHS av': mhs,
    Name: '',
    'Nominal MHS': (facts.point.hashThs * 1e6) / 3,
    Profile: facts.point.name,
    Rejected: 0,
    SerialNumber: serialAt(17, facts.number, 10 + board),
    Status: ths > 0 || facts.phase !== PHASE.run ? 'Alive' : 'Dead',
    Temperature: facts.exhaustC + board,
    'Total MH': (facts.lifeThs * 1e6 * facts.elapsedS) / 3,
    Utility: 0,
  };
}

function poolOf(facts: MinerFacts, { url, user, group = 0 }: SimPool, n: number): object {
  const worked = n === 0;
  return {
    Accepted: worked ? facts.accepted : 0,
    AsicBoost: true,
    'Bad Work': 0,
    'Best Share': facts.shareDifficulty,
    'Current Block Height': 0,
    'Current Block Version': 536870912,
    Diff: `${Math.round(facts.shareDifficulty / 1024)}K`,
    'Diff1 Shares': facts.accepted * facts.shareDifficulty,
    'Difficulty Accepted': facts.accepted * facts.shareDifficulty,
    'Difficulty Rejected': facts.rejected * facts.shareDifficulty,
    'Difficulty Stale': 0,
    Discarded: 0,
    GROUP: group,
    'Get Failures': 0,
    Getworks: Math.floor(facts.elapsedS / 5),
    'Has GBT': false,
    'Has Stratum': true,
    'Has Vmask': true,
    'Last Share Difficulty': facts.shareDifficulty,
    'Last Share Time': '00:00:01',
    'Long Pool': 'N',
    POOL: n,
    'Pool Rejected%': facts.rejectedPct,
    'Pool Stale%': 0,
    Priority: n,
    Proxy: '',
    'Proxy Type': '',
    Quota: 1,
    Rejected: worked ? facts.rejected : 0,
    'Remote Failures': 0,
    Stale: 0,
    Status: 'Alive',
    'Stratum Active': worked && !facts.curtailed,
    'Stratum Difficulty': facts.shareDifficulty,
    'Stratum URL': url.replace(/^\w+\+tcp:\/\//, ''),
    URL: url,
    User: user,
    'Work Difficulty': facts.shareDifficulty,
    Works: 0,
  };
}

function eventsOf(facts: MinerFacts): object[] {
  const event = (Code: string, Description: string, Target: string): object => ({
    Code,
    CreatedAt: new Date(facts.sinceMs).toISOString().replace(/\.\d+Z$/, '+00:00'),
    Description,
    DocUrl: `https://docs.luxor.tech/firmware/kb/eventstroubleshooting#${Code.toLowerCase().replaceAll('_', '-')}`,
    Target,
  });
  const events: object[] = [];
  if (facts.phase === PHASE.asleep) events.push(event('SLEEP', 'Miner is in Sleep mode.', 'MINER'));
  if (facts.failure === FAILURE.hot) {
    events.push(event('BOARD_HIGH_TEMPERATURE', 'Board temperature is above user-defined Hot Temperature.', 'BOARD'));
  }
  if (facts.failure === FAILURE.board) {
    events.push(event('BOARD_ASIC_ENUMERATION_FAILURE', 'Board failure due to ASIC enumeration failure.', 'BOARD'));
  }
  return events;
}
