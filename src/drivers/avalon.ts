import { z } from 'zod';
import { Fault, modeKey, secretRef, type Reading, type WallMs } from '../model/index.ts';
import { defineDriver, type PoolSetting } from './driver.ts';
import {
  fansOf,
  hottestOf,
  isHomeMachine,
  modeNumber,
  modeOf,
  modulesOf,
  numberIn,
  troublesOf,
  wattsOf,
  workModesOf,
  type Module,
} from './wire/avalon.ts';
import { askCgminer, expectSuccess, parseReply, part, poolsOf, requirePart, sharesOf } from './wire/cgminer.ts';
import { factoryPoints } from './wire/factory-points.ts';
import { amount, fields, list, macAddress, max, num, text, type Fields } from './wire/fields.ts';
import { parts } from './wire/parts.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(4028),
  username: z.string().default('root').describe('of the web page; asked for when pools are written'),
  password: secretRef.optional().describe('absent: the factory password'),
  timeoutMs: z.number().int().positive().default(3000),
});

/** Smallest first: home machines have all three, the A series may know the last alone. */
const FAST = ['litestats', 'estats', 'stats'];
const SLOW = ['stats', 'estats', 'litestats'];
/** Canaan's factory password, and how far ahead `softoff` is dated: its clock is a few seconds coarse. */
const FACTORY_PASSWORD = 'root';
const AHEAD_S = 5;
/** So long one that was seen running is taken to run, by the clock it had. */
const AWAKE_HOLDS_MS = 10 * 60_000;
const MOST_POOLS = 3;

/**
 * Avalons of the A series and the home machines (Q, Nano, Mini) over the cgminer API on 4028 (Canaan's API manual and
 * captured replies). What they measure stands in `KEY[...]` strings. `softoff` is dated by the machine's own clock;
 * `softon` and a reboot drop the connection in place of an answer.
 */
export const avalon = defineDriver({
  name: 'avalon',
  about: 'Avalons with Canaan firmware (cgminer API on 4028)',
  serves: ['asic'],
  config,
  factory: { username: 'root', password: FACTORY_PASSWORD },
  recognises: ({ banners }) => /avalon|"MM ID0/i.test(banners.get(4028) ?? ''),
  open({ address, modelId, config: { port, timeoutMs, username, password } }, io) {
    const target = { host: address, port, timeoutMs };
    const ask = (command: string, parameter?: string, signal?: AbortSignal) =>
      askCgminer(io.tcp, target, command, parameter, signal);
    let fast: string | undefined;
    /** When it was last seen running, and how far its clock was ahead of ours then. */
    let awake: { readonly aheadS: number; readonly at: WallMs } | undefined;

    /** The first of the commands that this firmware has. */
    async function stats(commands: readonly string[], signal?: AbortSignal): Promise<Stats> {
      for (const command of commands) {
        try {
          const reply = await ask(command, undefined, signal);
          const modules = modulesOf(reply, command);
          if (modules.length > 0) return { command, modules, reply };
          expectSuccess(reply, `${address} ${command}`);
          throw new Fault('garbled', `${address} ${command}: no "MM ID"`, { bytes: JSON.stringify(reply) });
        } catch (error) {
          const last = command === commands.at(-1);
          if (last || !(error instanceof Fault) || error.kind !== 'unsupported') throw error;
        }
      }
      throw new Fault('unsupported', `${address}: none of ${commands.join(', ')}`);
    }

    async function now(signal?: AbortSignal): Promise<Stats> {
      const told = await stats(fast === undefined ? FAST : [fast], signal);
      fast = told.command;
      const aheadS = clockOf(told, io.unixNow()) - io.unixNow() / 1000;
      awake = isAsleep(told) ? undefined : { aheadS, at: io.wallNow() };
      return told;
    }

    async function softoff(deviceUnixS: number, signal?: AbortSignal): Promise<void> {
      await set(`softoff,1:${Math.floor(deviceUnixS) + AHEAD_S}`, signal).catch(async (error: unknown) => {
        // Firmware from before the dated form takes the bare word.
        if (!(error instanceof Fault) || error.kind !== 'unsupported') throw error;
        await set('softoff', signal);
      });
    }

    async function set(option: string, signal?: AbortSignal): Promise<void> {
      expectSet(await ask('ascset', `0,${option}`, signal), `${address} ${option}`);
    }

    /** For what ends the connection in place of an answer. */
    async function setAndDrop(option: string, signal?: AbortSignal): Promise<void> {
      await set(option, signal).catch((error: unknown) => {
        if (!isDropped(error)) throw error;
      });
    }

    async function workMode(module: Module, wanted: number, signal?: AbortSignal): Promise<void> {
      const forms = [`workmode,set,${wanted}`, `workmode,${wanted}`];
      const [first, second] = isHomeMachine(module) ? forms : forms.toReversed();
      try {
        await set(first!, signal);
      } catch (error) {
        if (!(error instanceof Fault) || (error.kind !== 'unsupported' && error.kind !== 'refused')) throw error;
        await set(second!, signal);
      }
    }

    async function wake(signal?: AbortSignal): Promise<void> {
      const told = await now(signal);
      if (!isAsleep(told)) return;
      await setAndDrop(`softon,1:${clockOf(told, io.unixNow()) + AHEAD_S}`, signal);
    }

    return {
      async read(signal) {
        const collected = parts();
        const told = await collected.get('stats', () => now(signal));
        if (told !== undefined) return toReading(io.siteNow(), told.modules, modelId);
        // Where the strings are not there or not understood, cgminer's own rows still tell the hashrate.
        const devs = await collected.get('devs', () => ask('devs', undefined, signal));
        const rows = devs === undefined ? [] : part(devs, 'devs', 'DEVS');
        const mhs = rows.map((row) => amount(row['MHS 5s']) ?? amount(row['MHS 1m']));
        const [first] = rows;
        if (devs !== undefined && first === undefined) requirePart(devs, 'devs', 'DEVS', 'MHS 1m', `${address} devs`);
        const gaps = collected.gaps();
        return {
          at: io.siteNow(),
          hashrateThs: mhs.includes(undefined) ? undefined : mhs.reduce<number>((all, one) => all + one! / 1e6, 0),
          uptimeS: amount(first?.['Device Elapsed']) ?? amount(first?.['Elapsed']),
          gaps,
        };
      },
      inspect: (signal) => inspect(ask, () => stats(SLOW, signal), io.siteNow, address, signal),
      async sleep(signal) {
        // A shed does not ask again what the last reading showed; what is refused is asked first the next time.
        const seen = awake;
        awake = undefined;
        if (seen !== undefined && io.wallNow() - seen.at < AWAKE_HOLDS_MS)
          return softoff(io.unixNow() / 1000 + seen.aheadS, signal);
        const told = await now(signal);
        if (!isAsleep(told)) await softoff(clockOf(told, io.unixNow()), signal);
      },
      wake,
      async setMode(profile, signal) {
        const told = await now(signal);
        const module = told.modules[0]!;
        const wanted = modeNumber(module, profile);
        if (wanted === undefined)
          throw new Fault('unsupported', `${address}: no "${profile}" among ${workModesOf(module).join(', ')}`);
        if (numberIn(module, 'WORKMODE') !== wanted) await workMode(module, wanted, signal);
        if (isAsleep(told)) await wake(signal);
      },
      async setPools(pools, signal) {
        const places = poolPlaces(await ask('pools', undefined, signal), pools, address);
        const secret = password === undefined ? FACTORY_PASSWORD : io.secret(password);
        for (const [i, pool] of places.entries()) {
          const parameter = [username, secret, i, pool.url, pool.worker, pool.password].join(',');
          const { host, port: at } = target;
          const data = JSON.stringify({ command: 'setpool', parameter });
          // Named apart from its argument: that holds the password.
          const where = `${address} setpool ${i}`;
          const reply = await io.tcp.ask({
            host,
            port: at,
            data,
            timeoutMs,
            name: `setpool_${i}`,
            complete: (received) => received.at(-1) === 0 || received.at(-1) === 10,
            read: (reply) => parseReply(reply.toString('utf8'), where),
            signal,
          });
          expectSet(reply, where);
        }
        // It goes on with the old pools until it starts again.
        await setAndDrop('reboot,0', signal);
      },
      reboot: (signal) => setAndDrop('reboot,0', signal),
      locate: (on, signal) => set(`led,1-${on ? 1 : 0}`, signal),
      close() {},
    };
  },
});

interface Stats {
  readonly command: string;
  readonly modules: readonly Module[];
  readonly reply: Fields;
}

const isAsleep = ({ modules }: Stats): boolean => {
  const mode = modeOf(modules[0]!);
  return mode !== undefined && modeKey(mode) === 'sleep';
};

/** Seconds on the machine's clock: every reply tells them. Ours where it does not. */
function clockOf({ reply }: Stats, unixMs: number): number {
  const told = amount(fields(list(reply['STATUS'])[0])['When']);
  return told === undefined || told === 0 ? Math.floor(unixMs / 1000) : Math.floor(told);
}

/**
 * Captured replies: a write that was taken is "ASC 0 set OK" or "ASC 0 set info: success softoff:1753434821"; one that
 * was not is an error, or an info that says so.
 */
function expectSet(reply: Fields, where: string): void {
  const row = fields(list(reply['STATUS'])[0]);
  const message = text(row['Msg']) ?? '';
  if (/unknown option|not support/i.test(message)) throw new Fault('unsupported', `${where}: ${message}`);
  if (/(user|pass)\w*\s*(err|wrong|incorrect)|auth/i.test(message))
    throw new Fault('unauthorised', `${where}: ${message}; check the web page's user and password in the site file`);
  expectSuccess(reply, where);
  if (text(row['STATUS']) === 'S' || /success|\bOK\b/i.test(message)) return;
  throw new Fault('refused', `${where}: ${message === '' ? 'no message' : message}`);
}

/** The connection was closed or reset after the command was sent, in place of an answer; nothing was received. */
function isDropped(error: unknown): boolean {
  if (!(error instanceof Fault)) return false;
  if (error.kind === 'garbled') return error.bytes === undefined;
  return error.kind === 'unreachable' && fields(error.cause)['code'] === 'ECONNRESET';
}

/** The wanted pools in their places, and an empty one for each place that holds a pool now and shall hold none. */
function poolPlaces(reply: Fields, pools: readonly PoolSetting[], address: string): readonly PoolSetting[] {
  if (pools.length === 0 || pools.length > MOST_POOLS)
    throw new Fault('unsupported', `${address}: an Avalon keeps 1 to ${MOST_POOLS} pools, ${pools.length} were given`);
  if (pools.some(({ url, worker, password }) => [url, worker, password].some((word) => word.includes(','))))
    throw new Fault('unsupported', `${address}: an Avalon takes no comma in a pool's address, worker or password`);
  expectSuccess(reply, `${address} pools`);
  const held = Math.min(MOST_POOLS, part(reply, 'pools', 'POOLS').length);
  const none = { url: '', worker: '', password: '' };
  return Array.from({ length: Math.max(held, pools.length) }, (_, i) => pools[i] ?? none);
}

/** The sum over the machines of one controller; undefined where none of them told it. */
function sum(modules: readonly Module[], of: (module: Module) => number | undefined): number | undefined {
  const told = modules.map(of).filter((value) => value !== undefined);
  return told.length === 0 ? undefined : told.reduce((a, b) => a + b, 0);
}

/** GH/s of now; `MGHS` and `GHSavg` are means that outlast the work. */
const thsOf = (module: Module): number | undefined => {
  const ghs =
    amount(numberIn(module, 'GHSspd')) ?? amount(numberIn(module, 'GHSavg')) ?? amount(numberIn(module, 'MGHS'));
  return ghs === undefined ? undefined : ghs / 1000;
};

function toReading(at: Reading['at'], modules: readonly Module[], modelId: string): Reading {
  const first = modules[0]!;
  const powerW = sum(modules, wattsOf);
  const fans = modules.flatMap(fansOf);
  const uptimeS = amount(numberIn(first, 'Elapsed'));
  const mode = modeOf(first);
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs: sum(modules, thsOf),
    mode,
    temperatureC: max(modules.map(hottestOf)),
    fanRpm: max(fans),
    fansRpm: fans.some((rpm) => rpm !== undefined) ? fans : undefined,
    uptimeS,
    powerLimitW: sum(modules, (module) => amount(numberIn(module, 'MPO')) || undefined),
    // The catalogue knows none of the home machines.
    points: isHomeMachine(first) ? undefined : factoryPoints(modelId),
  };
}

async function inspect(
  ask: (command: string, parameter?: string, signal?: AbortSignal) => Promise<Fields>,
  stats: () => Promise<Stats>,
  siteNow: () => Reading['at'],
  address: string,
  signal?: AbortSignal,
): Promise<Reading> {
  const collected = parts();
  const told = (name: string, command: string) =>
    collected.get(name, async () => {
      const reply = await ask(command, undefined, signal);
      expectSuccess(reply, `${address} ${command}`);
      return reply;
    });
  const version = await told('version', 'version');
  const boards = await collected.get('boards', stats);
  const pools = await told('pools', 'pools');
  const gaps = collected.gaps();
  const row = version === undefined ? {} : (part(version, 'version', 'VERSION')[0] ?? {});
  const poolList = pools === undefined ? undefined : poolsOf(pools);
  const active = poolList?.find((pool) => pool.active === true);
  return {
    at: siteNow(),
    model: modelName(row),
    firmware: text(row['LVERSION']) ?? text(row['VERSION']) ?? text(row['CGVERSION']),
    serial: text(row['DNA']),
    mac: macAddress(row['MAC']),
    boards: boards === undefined ? undefined : toBoards(boards.modules),
    pools: poolList,
    pool: active && { url: active.url, worker: active.worker },
    acceptedShares: sharesOf(poolList, 'acceptedShares'),
    rejectedShares: sharesOf(poolList, 'rejectedShares'),
    errors: allTroubles(boards?.modules ?? []),
    gaps,
  };
}

/** Of the 15 series the product name tells no more than that it is one: `AvalonMiner 15` with the model `15-194`. */
function modelName(row: Fields): string | undefined {
  const [product, model] = [text(row['PROD']), text(row['MODEL'])];
  const series = product === undefined ? undefined : /\b\d\d$/.exec(product)?.[0];
  if (series === undefined || model === undefined || !model.startsWith(`${series}-`)) return product ?? model;
  return `${product}${model.slice(series.length)}`;
}

/** What is wrong with any of them; undefined where none of them tells. */
function allTroubles(modules: readonly Module[]): Reading['errors'] {
  const told = modules.map(troublesOf).filter((troubles) => troubles !== undefined);
  return told.length === 0 ? undefined : told.flat();
}

/** The means of the boards, and what was last read of their chips, outlast the work. */
const isHashing = (module: Module): boolean => (numberIn(module, 'GHSspd') ?? 1) > 0;

/** The hottest of a board, by its chips where it tells no more; a cooled one tells the water behind it. */
const boardTemperature = (module: Module, board: number): number | undefined =>
  numberIn(module, 'MTmax', board) ||
  // A machine of one board tells the machine's.
  ((module.get('MGHS')?.length ?? 0) === 1 ? numberIn(module, 'TMax') : undefined) ||
  (isHashing(module) ? max((module.get(`PVT_T${board}`) ?? []).map((said) => num(said) || undefined)) : undefined) ||
  numberIn(module, 'HBOTemp', board) ||
  undefined;

function toBoards(modules: readonly Module[]): Reading['boards'] {
  const boards = modules.flatMap((module) => {
    const hashing = isHashing(module);
    return (module.get('MGHS') ?? []).map((said, i) => {
      const ghs = hashing ? amount(num(said)) : undefined;
      const chips = module.get(`PVT_T${i}`)?.filter((reading) => Number(reading) > 0).length;
      return {
        hashrateThs: ghs === undefined ? undefined : ghs / 1000,
        temperatureC: boardTemperature(module, i),
        chips: chips === 0 ? undefined : chips,
      };
    });
  });
  return boards.length === 0 ? undefined : boards.map((board, index) => ({ index, ...board }));
}
