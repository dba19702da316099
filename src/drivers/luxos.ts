import { z } from 'zod';
import {
  Fault,
  modeKey,
  run,
  SLEEP,
  type BoardReading,
  type ModePoint,
  type OperatingMode,
  type Reading,
} from '../model/index.ts';
import { defineDriver, type PoolSetting } from './driver.ts';
import { askCgminer, expectSuccess, part, poolsOf, requirePart } from './wire/cgminer.ts';
import { amount, fields, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { parts } from './wire/parts.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(4028),
  timeoutMs: z.number().int().positive().default(3000),
});

type Ask = (command: string, parameter?: string, signal?: AbortSignal) => Promise<Fields>;

/**
 * LuxOS over the cgminer API (docs.luxor.tech). Reads are open; a write needs a session from `logon`, of which the
 * machine grants one at a time, so it is given back at once. Sleep survives a reboot.
 */
export const luxos = defineDriver({
  name: 'luxos',
  // docs.luxor.tech, `curtail`: the state persists over a restart, and only `wakeup` ends it.
  afterOutage: { always: 'last-state' },
  about: 'Antminers with LuxOS firmware (cgminer API on 4028)',
  serves: ['asic'],
  config,
  recognises: (seen) => /LUXminer/i.test(seen.banners.get(4028) ?? ''),
  open({ address, config: { port, timeoutMs } }, io) {
    const target = { host: address, port, timeoutMs };
    const ask: Ask = (command, parameter, signal) => askCgminer(io.tcp, target, command, parameter, signal);

    async function inSession(write: (session: string) => Promise<void>, signal?: AbortSignal): Promise<void> {
      const logon = await ask('logon', undefined, signal);
      expectSuccess(logon, `${address} logon`);
      const session = text(part(logon, 'logon', 'SESSION')[0]?.['SessionID']);
      if (session === undefined) throw new Fault('garbled', `${address}: logon without a session id`);
      try {
        await write(session);
      } finally {
        // The session ends by itself after a minute; failing to end it now must not hide how the write went.
        await ask('logoff', session).catch(() => {});
      }
    }

    async function write(command: string, argument: string, signal?: AbortSignal): Promise<void> {
      await inSession(async (session) => {
        const reply = await ask(command, `${session},${argument}`, signal);
        expectSuccess(reply, `${address} ${command} ${argument}`);
      }, signal);
    }

    const wake = (signal?: AbortSignal) => write('curtail', 'wakeup', signal);

    return {
      async read(signal) {
        const reply = await ask('summary+power+config+temps', undefined, signal);
        // A capture may hold only some of the four.
        if (PARTS.every(([command, key]) => part(reply, command, key).length === 0))
          requirePart(reply, 'summary', 'SUMMARY', 'Elapsed', `${address} summary`);
        return toReading(io.siteNow(), reply);
      },
      inspect: (signal) => inspect(ask, io.siteNow, address, signal),
      sleep: (signal) => write('curtail', 'sleep', signal),
      wake,
      async setMode(profile, signal) {
        const config_ = part(await ask('config', undefined, signal), 'config', 'CONFIG')[0] ?? {};
        if (text(config_['Profile']) !== profile) await write('profileset', profile, signal);
        // A profile set on a sleeping machine takes effect when it wakes.
        const mode = toMode(config_);
        if (mode !== undefined && modeKey(mode) === 'sleep') await wake(signal);
      },
      reboot: (signal) =>
        inSession(async (session) => {
          expectSuccess(await ask('rebootdevice', session, signal), `${address} rebootdevice`);
        }, signal),
      setPools: (pools, signal) => replacePools(ask, pools, address, signal),
      // Its lights are its own again at `auto`.
      locate: (on, signal) => write('ledset', `red,${on ? 'blink' : 'auto'}`, signal),
      close() {},
    };
  },
});

function toMode(config_: Fields): OperatingMode | undefined {
  const curtail = text(config_['CurtailMode']);
  if (curtail === undefined) return undefined;
  if (/sleep/i.test(curtail)) return SLEEP;
  const profile = text(config_['Profile']);
  return profile === undefined ? undefined : run(profile);
}

function toPoint(entry: Fields): ModePoint[] {
  const profile = text(entry['Profile Name']);
  const powerW = amount(entry['Watts']);
  const hashrateThs = amount(entry['Hashrate']);
  if (profile === undefined || powerW === undefined || hashrateThs === undefined) return [];
  return [{ profile, powerW, hashrateThs }];
}

const PARTS = [
  ['summary', 'SUMMARY'],
  ['power', 'POWER'],
  ['config', 'CONFIG'],
  ['temps', 'TEMPS'],
] as const;

function toReading(at: Reading['at'], reply: Fields): Reading {
  const summary = part(reply, 'summary', 'SUMMARY')[0] ?? {};
  const config_ = part(reply, 'config', 'CONFIG')[0] ?? {};
  const ghs = amount(summary['GHS 5s']) ?? amount(summary['GHS av']);
  const powerW = amount(part(reply, 'power', 'POWER')[0]?.['Watts']);
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs: ghs === undefined ? undefined : ghs / 1000,
    mode: toMode(config_),
    temperatureC: max(part(reply, 'temps', 'TEMPS').flatMap(boardTemperatures)),
    uptimeS: amount(summary['Elapsed']),
    acceptedShares: amount(summary['Accepted']),
    rejectedShares: amount(summary['Rejected']),
    model: text(config_['Model']),
    serial: text(config_['SerialNumber']),
    mac: macAddress(config_['MACAddr']),
    hostname: text(config_['Hostname']),
  };
}

async function inspect(
  ask: Ask,
  siteNow: () => Reading['at'],
  address: string,
  signal?: AbortSignal,
): Promise<Reading> {
  const collected = parts();
  const told = async (name: string, command: string, key: string): Promise<readonly Fields[] | undefined> => {
    const reply = await collected.get(name, async () => {
      const answer = await ask(command, undefined, signal);
      expectSuccess(answer, `${address} ${command}`);
      return answer;
    });
    return reply === undefined ? undefined : part(reply, command, key);
  };
  const version = (await told('version', 'version', 'VERSION'))?.[0] ?? {};
  const config_ = (await told('config', 'config', 'CONFIG'))?.[0] ?? {};
  const profiles = await told('profiles', 'profiles', 'PROFILES');
  const fanRows = await told('fans', 'fans', 'FANS');
  const devs = await told('boards', 'devs', 'DEVS');
  const stats = await told('chips', 'stats', 'STATS');
  const poolRows = await told('pools', 'pools', 'POOLS');
  const events = await told('events', 'events', 'EVENTS');
  const gaps = collected.gaps();
  const points = profiles?.flatMap(toPoint) ?? [];
  const fans = (fanRows ?? []).map((row) => amount(row['RPM']));
  const pools = poolRows === undefined ? undefined : poolsOf({ POOLS: poolRows });
  const active = pools?.find((pool) => pool.active === true);
  return {
    at: siteNow(),
    model: text(config_['Model']) ?? text(version['Type']),
    firmware: text(version['LUXminer']),
    serial: text(config_['SerialNumber']),
    mac: macAddress(config_['MACAddr']),
    hostname: text(config_['Hostname']),
    fanRpm: max(fans),
    fansRpm: fans.some((rpm) => rpm !== undefined) ? fans : undefined,
    boards: toBoards(devs ?? [], stats?.find((row) => 'GHS 5s' in row) ?? {}),
    pools,
    pool: active && { url: active.url, worker: active.worker },
    points: points.length === 0 ? undefined : points,
    errors: events?.flatMap(toError),
    gaps,
  };
}

function toBoards(devs: readonly Fields[], chips: Fields): readonly BoardReading[] | undefined {
  const boards = devs.flatMap((row): BoardReading[] => {
    // They come in no order of their own: a board without its number could be any.
    const index = amount(row['ID']) ?? amount(row['ASC']);
    if (index === undefined) return [];
    const mhs = amount(row['MHS 5s']) ?? amount(row['MHS av']);
    return [
      {
        index,
        hashrateThs: mhs === undefined ? undefined : mhs / 1e6,
        temperatureC: num(row['Temperature']) || undefined,
        chips: amount(chips[`chain_acn${index + 1}`]),
        serial: text(row['SerialNumber']),
      },
    ];
  });
  return boards.length === 0 ? undefined : boards.toSorted((a, b) => a.index - b.index);
}

/** An event stands until what caused it is over: "Board reboot due to it not hashing." */
function toError(row: Fields): string[] {
  const words = text(row['Description']) ?? text(row['Code']);
  if (words === undefined) return [];
  const board = num(row['ID']);
  const where = text(row['Target']) === 'BOARD' && board !== undefined ? `board ${board}: ` : '';
  const since = text(row['CreatedAt']);
  return [`${where}${words.replace(/\.$/, '')}${since === undefined ? '' : `, since ${since}`}`];
}

/**
 * The wanted pools are added behind those it has, the first of them is switched to, and the old ones are removed from
 * the last one down: a pool that is worked for cannot be removed, and the numbers below one that goes stay.
 */
async function replacePools(
  ask: Ask,
  pools: readonly PoolSetting[],
  address: string,
  signal?: AbortSignal,
): Promise<void> {
  if (pools.length === 0) throw new Fault('unsupported', `${address}: LuxOS cannot be left without a pool`);
  if (pools.some(({ url, worker, password }) => [url, worker, password].some((word) => word.includes(','))))
    throw new Fault('unsupported', `${address}: LuxOS takes no comma in a pool's address, worker or password`);
  const write = async (command: string, parameter: string): Promise<void> =>
    expectSuccess(await ask(command, parameter, signal), `${address} ${command}`);
  const rows = async (): Promise<readonly Fields[]> => {
    const reply = await ask('pools', undefined, signal);
    expectSuccess(reply, `${address} pools`);
    return part(reply, 'pools', 'POOLS').toSorted((a, b) => (num(a['Priority']) ?? 0) - (num(b['Priority']) ?? 0));
  };
  const is = (row: Fields | undefined, { url, worker }: PoolSetting): boolean =>
    text(row?.['URL']) === url && (text(row?.['User']) ?? '') === worker;

  const before = await rows();
  if (before.length === pools.length && pools.every((pool, i) => is(before[i], pool))) return;
  const old = before.map((row) => num(row['POOL'])).filter((id) => id !== undefined);
  if (old.length !== before.length) throw new Fault('garbled', `${address}: a pool without a number`);
  for (const { url, worker, password } of pools) await write('addpool', [url, worker, password].join(','));
  const first = (await rows()).find((row) => is(row, pools[0]!) && !old.includes(num(row['POOL']) ?? -1));
  if (first === undefined) throw new Fault('refused', `${address}: a pool was acknowledged and is not among its pools`);
  await write('switchpool', String(num(first['POOL'])));
  for (const id of old.toSorted((a, b) => b - a)) await write('removepool', String(id));
}

function boardTemperatures(board: Fields): (number | undefined)[] {
  // A sensor that is not there reads 0 on this firmware.
  return ['TopLeft', 'TopRight', 'BottomLeft', 'BottomRight'].map((at) => num(fields(board)[at]) || undefined);
}
