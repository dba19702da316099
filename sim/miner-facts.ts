import { workerOf } from '../src/model/index.ts';
import type { SimPool } from './command.ts';
import { FAILURE, PHASE, type MinerGroup } from './miners.ts';
import type { Host } from './net.ts';
import type { SimPoint } from './points.ts';
import { macAt, serialAt } from './random.ts';
import type { Endpoint } from './world.ts';

/** What one miner would say of itself now, before a protocol puts it into words. */
export interface MinerFacts {
  readonly id: string;
  readonly number: number;
  readonly address: string;
  readonly group: MinerGroup;
  readonly typeName: string;
  readonly phase: number;
  readonly failure: number;
  readonly curtailed: boolean;
  readonly point: SimPoint;
  /** What it reports, which is not quite what it draws. */
  readonly reportedW: number;
  readonly hashThs: number;
  readonly averageThs: number;
  /** Mean since boot. */
  readonly lifeThs: number;
  readonly boardThs: readonly number[];
  readonly exhaustC: number;
  readonly intakeC: number;
  readonly fanRpm: readonly number[];
  readonly fanPct: number;
  readonly chips: number;
  readonly elapsedS: number;
  readonly shareDifficulty: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly rejectedPct: number;
  /** Accepted shares per minute. */
  readonly utility: number;
  readonly mac: string;
  readonly serial: string;
  readonly worker: string;
  /** In order of preference; the first is worked for. */
  readonly pools: readonly SimPool[];
  /** Watts it was told to keep to; undefined for none. */
  readonly limitW: number | undefined;
  readonly locating: boolean;
  /** Unix seconds on the site clock. */
  readonly when: number;
  readonly sinceMs: number;
}

/** Hashes behind one share of difficulty 1, in TH. */
const TH_PER_DIFF1 = 2 ** 32 / 1e12;
const SHARE_DIFFICULTY = 524_288;
const REJECTED = 0.0012;

/** Chips of a board, as the makers build them; another model is taken for an S21. */
const CHIPS: Readonly<Record<string, number>> = {
  'antminer-s19-xp': 110,
  'antminer-s19j-pro': 126,
  'antminer-s19k-pro': 77,
  'antminer-s21-plus': 55,
  'antminer-s21-pro': 65,
  'antminer-s21-xp': 91,
  'avalon-a1566': 160,
  'whatsminer-m50s': 135,
  'whatsminer-m60s': 245,
  'whatsminer-m66': 192,
};

export function minerFacts(host: Host, endpoint: Endpoint): MinerFacts {
  const { miners } = host.world;
  const i = endpoint.index;
  const s = miners.state;
  const group = miners.groups[miners.group[i]!]!;
  const phase = s.phase[i]!;
  const elapsedS = Math.max(0, Math.floor((host.siteNow() - s.bootedAt[i]!) / 1000));
  const hashThs = s.hashThs[i]!;
  const shares = Math.floor(s.workTh[i]! / (SHARE_DIFFICULTY * TH_PER_DIFF1));
  const rejected = Math.floor(shares * REJECTED);
  const running = phase === PHASE.run || phase === PHASE.wake;
  const fanPct = group.model.cooling === 'hydro' ? 0 : running ? Math.min(100, Math.round(s.chipC[i]! + 12)) : 20;
  const pools = host.world.state.pools.get(i) ?? poolsOf(host, endpoint, group.id);
  const chipC = Math.round(s.chipC[i]!);
  return {
    id: endpoint.id,
    number: endpoint.number,
    address: endpoint.address,
    group,
    typeName: group.model.name,
    phase,
    failure: s.failure[i]!,
    curtailed: s.curtailed[i] === 1,
    point: group.table.points[s.point[i]!]!,
    reportedW: s.powerW[i]! * miners.bias[i]!,
    hashThs,
    averageThs: s.averageThs[i]!,
    lifeThs: elapsedS > 0 ? s.workTh[i]! / elapsedS : 0,
    boardThs:
      s.failure[i] === FAILURE.board ? [hashThs / 2, 0, hashThs / 2] : [0.334, 0.331, 0.335].map((x) => x * hashThs),
    exhaustC: chipC,
    intakeC: Math.round(chipC * 0.45 + 12),
    fanRpm: group.model.cooling === 'hydro' ? [] : [0, 1, 2, 3].map((fan) => fanPct * 62 + (fan % 2) * 120),
    fanPct,
    chips: CHIPS[group.model.id] ?? 108,
    elapsedS,
    shareDifficulty: SHARE_DIFFICULTY,
    accepted: shares - rejected,
    rejected,
    rejectedPct: shares > 0 ? Math.round((1e6 * rejected) / shares) / 1e4 : 0,
    utility: elapsedS > 0 ? Math.round((6000 * (shares - rejected)) / elapsedS) / 100 : 0,
    mac: macAt(endpoint.number, 1),
    serial: serialAt(17, endpoint.number, 2),
    worker: pools[0]?.user ?? '',
    pools,
    limitW: s.limitW[i] === 0 ? undefined : s.limitW[i],
    locating: s.locate[i] === 1,
    when: Math.floor(host.siteNow() / 1000),
    sinceMs: Math.round(s.since[i]!),
  };
}

/** A miner nobody has told otherwise works for the pools of the site file, or for the sim file's where that names none. */
function poolsOf({ world: { site, config } }: Host, endpoint: Endpoint, groupId: string): readonly SimPool[] {
  const wanted = site.machines.find(({ id }) => id === groupId)?.pools;
  const pools = wanted === undefined ? site.pools : wanted.flatMap((id) => site.pools.filter((pool) => pool.id === id));
  const { url, account } = config.pool;
  if (pools.length === 0) return [{ url, user: `${account}.${endpoint.id}`, password: 'x' }];
  return pools.map((pool) => ({ url: pool.url, user: workerOf(pool.worker, endpoint), password: 'x' }));
}
