import {
  Fault,
  MINUTE,
  run,
  SLEEP,
  type BoardReading,
  type ModePoint,
  type OperatingMode,
  type PoolReading,
  type Reading,
  type WallMs,
} from '../../model/index.ts';
import type { DriverIo, PoolSetting } from '../driver.ts';
import type { BraiinsBackend, BraiinsTarget } from '../braiins.ts';
import { amount, boardIndex, dig, fields, list, macAddress, max, num, text, type Fields } from './fields.ts';
import { expectTold, optional, parts } from './parts.ts';
import { tokenIn, webSession, type WebSession } from './web-session.ts';

/** What BOS ships since its REST API. */
const FACTORY_PASSWORD = 'root';
/** How long what was read of the state and the target is believed; a hashrate it cannot explain ends that at once. */
const STATE_HOLDS_MS = 5 * MINUTE;

/** Values of `status` in `miner/details` (enum MinerStatus of the public API). */
const STATUS = { normal: 2, paused: 3, suspended: 4 } as const;

interface KnownState {
  readonly status: number | undefined;
  readonly uptimeS: number | undefined;
  readonly targetW: number | undefined;
  /** The profile of the target itself. */
  readonly tuned: readonly ModePoint[] | undefined;
  readonly readAt: WallMs;
}

/** What GraphQL lists under `events`, which newer versions have kept for it alone. */
type Events = (signal?: AbortSignal) => Promise<Reading['errors']>;

/**
 * Braiins OS from 25.07: REST under `/api/v1` (developer.braiins-os.com). The token of `auth/login` goes into the
 * header as it is. Watts are the tuner's own approximation of its boards and supply.
 */
export function braiinsRest(target: BraiinsTarget, io: DriverIo, events: Events): BraiinsBackend {
  const { address, port, timeoutMs, username } = target;
  const web = webSession({
    http: io.http,
    base: `http://${address}:${port}/api/v1`,
    timeoutMs,
    openReads: false,
    async login(ask, signal) {
      const password = target.password() ?? FACTORY_PASSWORD;
      const reply = await ask('POST', '/auth/login', { password, username }, signal);
      return { authorization: tokenIn(reply, `${address} login`, 'token') };
    },
  });
  let known: KnownState | undefined;
  /** Every profile, as the last slow read listed them: a write of ours changes the target and not the profiles. */
  let listed: readonly ModePoint[] | undefined;

  async function state(hashing: boolean | undefined, signal?: AbortSignal): Promise<KnownState> {
    const now = io.wallNow();
    if (known !== undefined && now - known.readAt < STATE_HOLDS_MS) {
      const saysHashing = known.status === STATUS.normal;
      if (hashing === undefined || saysHashing === hashing) return known;
    }
    const details = await optional(web.json('/miner/details', signal));
    const tuner = await optional(web.json('/performance/tuner-state', signal));
    known = {
      status: num(dig(details, 'status')),
      uptimeS: uptimeOf(details),
      targetW: targetOf(tuner),
      tuned: pointsOf(tuner, undefined),
      readAt: now,
    };
    return known;
  }

  async function write(path: string, body: unknown, signal?: AbortSignal): Promise<void> {
    known = undefined;
    await web.send('PUT', path, body, signal);
  }
  const wake = (signal?: AbortSignal) => write('/actions/resume', undefined, signal);

  return {
    async read(signal) {
      const stats = fields(await web.json('/miner/stats', signal));
      if (!('miner_stats' in stats) && !('power_stats' in stats))
        throw new Fault('garbled', `${address}: statistics without miner_stats`, { bytes: JSON.stringify(stats) });
      const cooling = await optional(web.json('/cooling/state', signal));
      const ghs = hashrateGhs(stats['miner_stats']);
      const told = await state(ghs === undefined ? undefined : ghs > 0, signal);
      return toReading(io.siteNow(), stats, { cooling, ghs, told, listed });
    },
    async inspect(signal) {
      const { reading, points } = await inspect(web, { address, io, events }, signal);
      listed = points ?? listed;
      return reading;
    },
    prepare: (signal) => web.prepare(signal),
    sleep: (signal) => write('/actions/pause', undefined, signal),
    wake,
    async setMode(profile, signal) {
      const tuner = await web.json('/performance/tuner-state', signal);
      if (num(dig(tuner, 'overall_tuner_state')) === undefined && dig(tuner, 'mode_state') === undefined)
        throw new Fault('garbled', `${address}: a tuner without a state`, { bytes: JSON.stringify(tuner) });
      const profiles = await optional(web.json('/performance/target-profiles', signal));
      const point = pointsOf(tuner, profiles)?.find((one) => one.profile === profile);
      if (point === undefined && profile !== 'default')
        throw new Fault('unsupported', `${address}: the tuner has no profile "${profile}"`);
      const watts = point === undefined ? undefined : wattsOf(profile);
      if (watts !== undefined && targetOf(tuner) !== watts)
        await write('/performance/power-target', { watt: watts }, signal);
      await wake(signal);
    },
    setPowerLimit: (watts, signal) => write('/performance/power-target', { watt: Math.round(watts) }, signal),
    setPools: (pools, signal) => setPools(web, address, pools, signal),
    reboot: (signal) => write('/actions/reboot', undefined, signal),
    locate: (on, signal) => write('/actions/locate', on, signal),
    close: () => web.forget(),
  };
}

/** A profile is named for the watts of its target. */
const profileName = (watts: number): string => `${watts}W`;
const wattsOf = (profile: string): number | undefined => num(/^(\d+)W$/.exec(profile)?.[1]);

const hashrateGhs = (stats: unknown): number | undefined => {
  const rates = dig(stats, 'real_hashrate');
  return ['last_5s', 'last_15s', 'last_1m', 'last_5m']
    .map((span) => amount(dig(rates, span, 'gigahash_per_second')))
    .find((rate) => rate !== undefined);
};

const uptimeOf = (details: unknown): number | undefined =>
  amount(dig(details, 'system_uptime_s')) ?? amount(dig(details, 'system_uptime'));

const targetOf = (tuner: unknown): number | undefined =>
  amount(dig(tuner, 'mode_state', 'powertargetmodestate', 'current_target', 'watt'));

/** Profiles the tuner has been through: the one it keeps to, and those of `performance/target-profiles`. */
function pointsOf(tuner: unknown, listed: unknown): readonly ModePoint[] | undefined {
  const found = new Map<string, ModePoint>();
  const entries = [
    ...list(dig(listed, 'power_target_profiles')),
    dig(tuner, 'mode_state', 'powertargetmodestate', 'profile'),
  ];
  for (const entry of entries) {
    const targetW = amount(dig(entry, 'target', 'watt'));
    const ghs = amount(dig(entry, 'measured_hashrate', 'gigahash_per_second'));
    if (targetW === undefined || ghs === undefined) continue;
    const powerW = amount(dig(entry, 'estimated_power_consumption', 'watt')) ?? targetW;
    found.set(profileName(targetW), { profile: profileName(targetW), powerW, hashrateThs: ghs / 1000 });
  }
  return found.size === 0 ? undefined : [...found.values()].sort((a, b) => a.powerW - b.powerW);
}

function toMode(
  { status, targetW, tuned = [] }: KnownState,
  listed: readonly ModePoint[] = [],
): OperatingMode | undefined {
  if (status === STATUS.paused || status === STATUS.suspended) return SLEEP;
  if (status !== STATUS.normal) return undefined;
  const profile = targetW === undefined ? undefined : profileName(targetW);
  // A target of which the tuner has no profile yet is nothing a plan could choose.
  const isKnown = [...tuned, ...listed].some((point) => point.profile === profile);
  return run(profile !== undefined && isKnown ? profile : 'default');
}

interface Fast {
  readonly cooling: unknown;
  readonly ghs: number | undefined;
  readonly told: KnownState;
  readonly listed: readonly ModePoint[] | undefined;
}

function toReading(at: Reading['at'], stats: Fields, { cooling, ghs, told, listed }: Fast): Reading {
  const powerW = amount(dig(stats, 'power_stats', 'approximated_consumption', 'watt'));
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs: ghs === undefined ? undefined : ghs / 1000,
    mode: toMode(told, listed),
    temperatureC: num(dig(cooling, 'highest_temperature', 'temperature', 'degree_c')),
    ...fansOf(cooling),
    uptimeS: told.uptimeS,
    acceptedShares: amount(dig(stats, 'pool_stats', 'accepted_shares')),
    rejectedShares: amount(dig(stats, 'pool_stats', 'rejected_shares')),
    powerLimitW: told.targetW,
  };
}

function fansOf(cooling: unknown): Pick<Reading, 'fanRpm' | 'fansRpm'> {
  const fans = list(dig(cooling, 'fans')).map((fan) => amount(fields(fan)['rpm']));
  return { fanRpm: max(fans), fansRpm: fans.some((rpm) => rpm !== undefined) ? fans : undefined };
}

interface Inspected {
  readonly reading: Reading;
  readonly points: readonly ModePoint[] | undefined;
}

interface Around {
  readonly address: string;
  readonly io: DriverIo;
  readonly events: Events;
}

async function inspect(web: WebSession, { address, io, events }: Around, signal?: AbortSignal): Promise<Inspected> {
  const asked = parts();
  const get = (part: string, path: string) => asked.get(part, () => web.json(path, signal));
  const details = await get('identity', '/miner/details');
  const network = await get('network', '/network');
  const boards = await get('boards', '/miner/hw/hashboards');
  const cooling = await get('fans', '/cooling/state');
  const pools = await get('pools', '/pools');
  const tuner = await get('profiles', '/performance/tuner-state');
  const settings = await asked.extra('settings', () => web.json('/configuration/miner', signal));
  const listed = await asked.extra('profiles', () => web.json('/performance/target-profiles', signal));
  const errors = await asked.get('errors', () =>
    errorsOf(web, address, signal).catch((error: unknown) => {
      if (error instanceof Fault && error.kind === 'unsupported') return events(signal);
      throw error;
    }),
  );
  const gaps = asked.gaps();
  const poolList = poolsOf(pools);
  const active = poolList?.find((pool) => pool.active === true);
  const points = pointsOf(tuner, listed);
  const reading: Reading = {
    at: io.siteNow(),
    model: text(dig(details, 'miner_identity', 'miner_model')) ?? text(dig(details, 'miner_identity', 'name')),
    firmware: text(dig(details, 'bos_version', 'current')),
    serial: text(dig(details, 'serial_number')),
    mac: macAddress(dig(network, 'mac_address')) ?? macAddress(dig(details, 'mac_address')),
    hostname: text(dig(network, 'hostname')) ?? text(dig(details, 'hostname')),
    uptimeS: uptimeOf(details),
    boards: boardsOf(boards),
    ...fansOf(cooling),
    pools: poolList,
    pool: active && { url: active.url, worker: active.worker },
    powerLimitW: targetOf(tuner) ?? amount(dig(settings, 'tuner', 'power_target', 'watt')),
    points,
    errors,
    gaps,
  };
  return { reading: expectTold(reading, address), points };
}

function boardsOf(answer: unknown): readonly BoardReading[] | undefined {
  const boards = list(dig(answer, 'hashboards')).map((board, i): BoardReading => {
    const ghs = hashrateGhs(dig(board, 'stats'));
    const sensors = [dig(board, 'highest_chip_temp', 'temperature', 'degree_c'), dig(board, 'board_temp', 'degree_c')];
    return {
      index: boardIndex(dig(board, 'id'), i),
      hashrateThs: ghs === undefined ? undefined : ghs / 1000,
      temperatureC: max(sensors.map(num)),
      chips: amount(dig(board, 'chips_count')),
      serial: text(dig(board, 'serial_number')),
    };
  });
  return boards.length === 0 ? undefined : boards;
}

function poolsOf(answer: unknown): readonly PoolReading[] | undefined {
  const pools = list(answer)
    .flatMap((group) => list(dig(group, 'pools')))
    .flatMap((pool): PoolReading[] => {
      const url = text(dig(pool, 'url'));
      if (url === undefined) return [];
      const [active, alive] = [dig(pool, 'active'), dig(pool, 'alive')];
      return [
        {
          url,
          worker: text(dig(pool, 'user')) ?? '',
          active: typeof active === 'boolean' ? active : undefined,
          alive: typeof alive === 'boolean' ? alive : undefined,
          acceptedShares: amount(dig(pool, 'stats', 'accepted_shares')),
          rejectedShares: amount(dig(pool, 'stats', 'rejected_shares')),
        },
      ];
    });
  return pools.length === 0 ? undefined : pools;
}

/** Its list goes back to the last restart and repeats itself: each message once. Older replies name codes beside it. */
async function errorsOf(web: WebSession, address: string, signal?: AbortSignal): Promise<Reading['errors']> {
  const answer = await web.json('/miner/errors', signal);
  const rows = dig(answer, 'errors');
  if (!Array.isArray(rows))
    throw new Fault('garbled', `${address}: errors without a list`, { bytes: JSON.stringify(answer) });
  const words = rows.flatMap((row: unknown) => {
    const codes = list(dig(row, 'error_codes')).flatMap((code) => text(dig(code, 'code')) ?? []);
    const message =
      text(dig(row, 'message')) ?? list(dig(row, 'error_codes')).flatMap((c) => text(dig(c, 'reason')) ?? [])[0];
    if (message === undefined) return codes.length === 0 ? [] : [`error ${codes.join(', ')}`];
    return [codes.length === 0 ? message : `${message} (${codes.join(', ')})`];
  });
  return [...new Set(words)];
}

/** `pools/batch` replaces every group: the first one keeps its name, and there is one from then on. */
async function setPools(
  web: WebSession,
  address: string,
  pools: readonly PoolSetting[],
  signal?: AbortSignal,
): Promise<void> {
  if (pools.length === 0) throw new Fault('unsupported', `${address}: Braiins OS cannot be left without a pool`);
  const groups = await web.json('/pools', signal);
  if (!Array.isArray(groups) && !Array.isArray(dig(groups, 'groups')))
    throw new Fault('garbled', `${address}: pools without groups`, { bytes: JSON.stringify(groups) });
  const name = text(dig(list(groups)[0], 'name')) ?? 'default';
  const body = [
    {
      name,
      pools: pools.map(({ url, worker, password }) => ({ url, user: worker, password })),
      load_balance_strategy: { quota: { value: 1 } },
    },
  ];
  await web.send('PUT', '/pools/batch', body, signal);
}
