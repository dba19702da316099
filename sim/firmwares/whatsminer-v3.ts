import { createDecipheriv, createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { answerRead, nameOf, parseBtminer, say, type Command } from '../btminer.ts';
import type { SimPool } from '../command.ts';
import type { Firmware } from '../firmware.ts';
import { minerFacts, type MinerFacts } from '../miner-facts.ts';
import type { Host } from '../net.ts';
import {
  carryOut,
  errorCodes,
  hardwareType,
  isOff,
  PASSWORDS,
  pointNamed,
  saltOf,
  whatsminerPoints,
} from '../whatsminer.ts';
import type { Endpoint } from '../world.ts';

/**
 * Whatsminers with API 3.0 on 4433 (apidoc.whatsminer.com): frames of a length and JSON, several on one connection. The
 * older API still answers reads on 4028, and its encrypted writes no more.
 */
export const whatsminerV3: Firmware = {
  name: 'whatsminer-v3',
  points: whatsminerPoints,
  ports: {
    whatsminer: { kind: 'bytes', serve },
    cgminer: {
      kind: 'text',
      answer(host, endpoint, text) {
        const command = parseBtminer(text);
        if (command === undefined) return JSON.stringify(say(host, 'E', 23, 'Invalid JSON message'));
        return JSON.stringify(answerRead(host, endpoint, nameOf(command), FIRMWARE));
      },
    },
  },
};

const FIRMWARE = '20251209.16.Rel2';
const LONGEST_FRAME = 65_536;
const IDLE_MS = 10_000;
/** A token's time may be this far from the machine's clock. */
const MOST_SKEW_S = 120;
const ACCOUNT = 'super';

function serve(host: Host, endpoint: Endpoint, socket: Socket): void {
  let waiting = Buffer.alloc(0);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('data', (part: Buffer) => {
    waiting = Buffer.concat([waiting, part]);
    while (waiting.length >= 4) {
      const length = waiting.readUInt32LE(0);
      if (length > LONGEST_FRAME) {
        socket.destroy();
        return;
      }
      if (waiting.length < 4 + length) return;
      const text = waiting.subarray(4, 4 + length).toString('utf8');
      waiting = waiting.subarray(4 + length);
      const reply = Buffer.from(JSON.stringify(answer(host, endpoint, text)));
      const head = Buffer.alloc(4);
      head.writeUInt32LE(reply.length);
      socket.write(Buffer.concat([head, reply]));
    }
  });
}

interface Answer {
  readonly code: number;
  readonly msg: unknown;
}
const done: Answer = { code: 0, msg: 'ok' };
const fail: Answer = { code: -1, msg: 'fail' };
const denied: Answer = { code: -4, msg: 'no permission' };
const unknown: Answer = { code: -2, msg: 'invalid command' };

function answer(host: Host, endpoint: Endpoint, text: string): object {
  const command = parseBtminer(text);
  if (command === undefined) return { code: -3, when: nowS(host), msg: 'invalid json', desc: '' };
  const cmd = nameOf(command);
  const { code, msg } = cmd.startsWith('set.')
    ? write(host, endpoint, cmd, command)
    : read(host, endpoint, cmd, command);
  return { code, when: nowS(host), msg, desc: cmd };
}

/** The clock of the machine. */
const nowS = (host: Host): number => Math.floor(host.unixNow() / 1000);
const saltAt = (host: Host, { number }: Endpoint): string => saltOf(host.world.seed, number, 3);

function read(host: Host, endpoint: Endpoint, cmd: string, { param }: Command): Answer {
  const facts = minerFacts(host, endpoint);
  const wanted = typeof param === 'string' && param !== '' ? param.split('+') : undefined;
  const chosen = (all: Record<string, unknown>): Answer => ({
    code: 0,
    msg: Object.fromEntries(Object.entries(all).filter(([key]) => wanted === undefined || wanted.includes(key))),
  });
  switch (cmd) {
    case 'get.device.info':
      return chosen(deviceInfo(facts, saltAt(host, endpoint)));
    case 'get.miner.status':
      return chosen({
        summary: summaryOf(facts),
        pools: facts.pools.map((pool, n) => poolOf(facts, pool, n)),
        edevs: facts.boardThs.map((ths, id) => boardOf(facts, ths, id)),
      });
    case 'get.miner.setting':
      return {
        code: 0,
        msg: {
          'power-limit': limitOf(facts),
          'upfreq-speed': 0,
          'power-mode': facts.point.name,
          'fast-boot': 'disable',
          'target-freq': 0,
          power: '',
          'power-percent': 100,
        },
      };
    default:
      return unknown;
  }
}

/** The digest that a token is the beginning of; undefined where the token is none for this machine and time. */
function keyOf(host: Host, endpoint: Endpoint, cmd: string, { ts, token, account }: Command): Buffer | undefined {
  if (typeof ts !== 'number' || Math.abs(ts - nowS(host)) > MOST_SKEW_S || account !== ACCOUNT) return undefined;
  const key = createHash('sha256')
    .update(`${cmd}${PASSWORDS.v3}${saltAt(host, endpoint)}${ts}`)
    .digest();
  return key.toString('base64').startsWith(String(token)) && String(token).length === 8 ? key : undefined;
}

function write(host: Host, endpoint: Endpoint, cmd: string, command: Command): Answer {
  const key = keyOf(host, endpoint, cmd, command);
  if (key === undefined) return denied;
  const act = actOf(host, endpoint, cmd, command['param'], key);
  if (act === undefined) return unknown;
  return act !== 'wrong' && carryOut(host, endpoint, act) ? done : fail;
}

function actOf(
  host: Host,
  endpoint: Endpoint,
  cmd: string,
  param: unknown,
  key: Buffer,
): (() => void) | 'wrong' | undefined {
  const i = endpoint.index;
  switch (cmd) {
    case 'set.miner.service':
      if (param === 'stop' || param === 'disable') return () => host.send({ op: 'sleep', i });
      if (param === 'start' || param === 'enable') return () => host.send({ op: 'wake', i });
      return param === 'restart' ? () => host.send({ op: 'reboot', i }) : 'wrong';
    // Firmware and its clients have both names for it.
    case 'set.miner.mode':
    case 'set.miner.power_mode': {
      const point = typeof param === 'string' ? pointNamed(host, endpoint, param) : -1;
      return point < 0 ? 'wrong' : () => host.send({ op: 'point', i, point });
    }
    case 'set.miner.power_limit': {
      const watts = Number(param);
      return watts > 0 && watts < 99_999 ? () => host.send({ op: 'limit', i, watts }) : 'wrong';
    }
    case 'set.miner.pools': {
      const pools = openPools(param, key);
      return pools === undefined ? 'wrong' : () => host.send({ op: 'pools', i, pools });
    }
    case 'set.system.led':
      return () => host.send({ op: 'locate', i, on: param !== 'auto' });
    case 'set.system.reboot':
      return () => host.send({ op: 'reboot', i });
    default:
      return undefined;
  }
}

/** Public clients pad with zeros or as PKCS 7 has it; the firmware takes what stands before either. */
function openPools(param: unknown, key: Buffer): SimPool[] | undefined {
  const bytes = Buffer.from(typeof param === 'string' ? param : '', 'base64');
  if (bytes.length === 0 || bytes.length % 16 !== 0) return undefined;
  const decipher = createDecipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const plain = Buffer.concat([decipher.update(bytes), decipher.final()]).toString('utf8');
  const given = parseBtminer(plain.slice(0, plain.lastIndexOf(']') + 1));
  if (!Array.isArray(given)) return undefined;
  const pools = (given as readonly Record<string, unknown>[]).flatMap(({ pool, worker, passwd }) =>
    typeof pool === 'string' && pool !== '' ? [{ url: pool, user: String(worker), password: String(passwd) }] : [],
  );
  return pools.length === 0 ? undefined : pools;
}

const limitOf = (facts: MinerFacts): number => Math.round(facts.limitW ?? facts.point.powerW * 1.05);
const tenths = (value: number): number => Math.round(value * 10) / 10;

function deviceInfo(facts: MinerFacts, salt: string): Record<string, unknown> {
  const errors = errorCodes(facts).map(({ code, reason, since }) => ({ [code]: since, reason }));
  return {
    ...(errors.length === 0 ? {} : { 'error-code': errors }),
    miner: {
      working: isOff(facts) ? 'false' : 'true',
      type: hardwareType(facts),
      'hash-board': 'K20',
      'detect-hash-rate': '',
      'hash-percent': '0',
      'pool-strategy': 'FAILOVER',
      'fast-boot': 'disable',
      'board-num': '3',
      'miner-sn': facts.serial,
      pcbsn0: `${facts.serial}0`,
      pcbsn1: `${facts.serial}1`,
      pcbsn2: `${facts.serial}2`,
    },
    network: {
      ip: facts.address,
      proto: 'dhcp',
      netmask: '255.255.0.0',
      dns: '',
      mac: facts.mac.toUpperCase(),
      gateway: '',
      hostname: 'WhatsMiner',
    },
    power: {
      type: 'P221B',
      mode: String(['low', 'normal', 'high'].indexOf(facts.point.name)),
      hwversion: 'RT0159',
      swversion: '230224.220429',
      model: 'P221B',
      vendor: '1',
      sn: `P${facts.serial}`,
      fanspeed: facts.fanPct > 0 ? 6344 : 0,
    },
    salt,
    system: {
      api: '3.0.2',
      platform: 'H616',
      fwversion: FIRMWARE,
      'control-board-version': 'CB6V10',
      apiswitch: '1',
      ledstatus: facts.locating ? 'manual' : 'auto',
    },
  };
}

const summaryOf = (facts: MinerFacts): object => ({
  elapsed: facts.elapsedS,
  'bootup-time': facts.elapsedS + 90,
  'freq-avg': facts.point.frequencyMhz,
  'target-freq': facts.point.frequencyMhz,
  'factory-hash': facts.group.model.nameplateThs,
  'hash-average': facts.lifeThs,
  'hash-1min': facts.averageThs,
  'hash-15min': facts.averageThs,
  'hash-realtime': facts.hashThs,
  'power-rate': facts.hashThs > 0 ? tenths(facts.reportedW / facts.hashThs) : 0,
  'power-5min': tenths(facts.reportedW),
  'power-realtime': tenths(facts.reportedW),
  'environment-temperature': facts.intakeC,
  'board-temperature': [0, 1, 2].map((board) => facts.exhaustC - 30 + board),
  'chip-temp-min': facts.intakeC,
  'chip-temp-avg': (facts.exhaustC + facts.intakeC) / 2,
  'chip-temp-max': facts.exhaustC,
  'power-limit': limitOf(facts),
  'up-freq-finish': facts.hashThs > 0 ? 1 : 0,
  'fan-speed-in': facts.fanRpm[0] ?? 0,
  'fan-speed-out': facts.fanRpm[1] ?? 0,
});

const poolOf = (facts: MinerFacts, { url, user }: SimPool, n: number): object => ({
  id: n + 1,
  url,
  status: 'alive',
  account: user,
  'stratum-active': n === 0 && !isOff(facts),
  'reject-rate': n === 0 ? facts.rejectedPct : 0,
  'last-share-time': n === 0 ? facts.when : 0,
  'pool-priority': n,
});

const boardOf = (facts: MinerFacts, ths: number, id: number): object => ({
  id,
  slot: id,
  status: 'alive',
  'hash-average': ths,
  'hash-realtime': ths,
  'factory-hash': tenths(facts.group.model.nameplateThs / 3),
  freq: facts.point.frequencyMhz,
  'effective-chips': ths > 0 || facts.hashThs === 0 ? facts.chips : 0,
  'chip-temp-min': facts.intakeC,
  'chip-temp-avg': (facts.exhaustC + facts.intakeC) / 2,
  'chip-temp-max': facts.exhaustC + id,
});
