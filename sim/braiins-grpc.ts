import type { IncomingHttpHeaders } from 'node:http2';
import type { SimCommand } from './command.ts';
import { GRPC, type GrpcAnswer } from './grpc.ts';
import { FAILURE, PHASE } from './miners.ts';
import { minerFacts, type MinerFacts } from './miner-facts.ts';
import type { Host } from './net.ts';
import { decode, double, int, message, messagesAt, numberAt, str, textAt } from './protobuf.ts';
import { carryOut, tokens } from './web.ts';
import type { Endpoint } from './world.ts';

/**
 * Braiins OS over gRPC on 50051, its public API since 23.03, as far as clients ask it. Numbers of fields are those that
 * such clients send and expect.
 */

const PASSWORD = 'root';
const TOKEN_S = 3600;
const session = tokens(TOKEN_S * 1000);
const API = { major: 1, minor: 7 } as const;

const given = (...parts: readonly Buffer[]): GrpcAnswer => ({ message: Buffer.concat(parts) });
const declined = (code: number, words: string): GrpcAnswer => ({ code, words });

export interface GrpcRelease {
  readonly version: string;
}

export function braiinsGrpc(
  release: GrpcRelease,
  host: Host,
  endpoint: Endpoint,
  [path, request, headers]: readonly [string, Buffer, IncomingHttpHeaders],
): GrpcAnswer {
  if (path === '/braiins.bos.ApiVersionService/GetApiVersion') return given(int(1, API.major), int(2, API.minor));
  const name = /^\/braiins\.bos\.v1\.\w+Service\/(\w+)$/.exec(path)?.[1] ?? '';
  if (name === 'Login') return login(host, endpoint, request);
  const read = READS[name];
  const write = WRITES[name];
  if (read === undefined && write === undefined) return declined(GRPC.unimplemented, `no ${path}`);
  if (!session.holds(host, endpoint, headers.authorization)) return declined(GRPC.unauthenticated, 'log in first');
  const facts = minerFacts(host, endpoint);
  if (read !== undefined) return given(...read(facts, release));
  const { answer, command, wrong } = write!(facts, request);
  if (wrong !== undefined) return declined(GRPC.invalid, wrong);
  const done = carryOut(host, endpoint, () => {
    if (command !== undefined) host.send({ ...command, i: endpoint.index });
  });
  return done ? given(...answer) : declined(GRPC.unavailable, 'Failed to carry it out');
}

function login(host: Host, endpoint: Endpoint, request: Buffer): GrpcAnswer {
  const said = decode(request);
  if (textAt(said, 1) !== 'root' || textAt(said, 2) !== PASSWORD)
    return declined(GRPC.unauthenticated, 'wrong user name or password');
  const token = session.grant(host, endpoint);
  return { message: Buffer.concat([str(1, token), int(2, TOKEN_S)]), headers: { authorization: token } };
}

const gigahash = (field: number, ths: number): Buffer => message(field, double(1, ths * 1000));
const watts = (field: number, w: number): Buffer => message(field, int(1, Math.round(w)));
const celsius = (field: number, c: number): Buffer => message(field, double(1, c));
const sensor = (field: number, c: number): Buffer => message(field, int(1, 1), int(2, 1), celsius(3, c));
/** Its target, where nobody set one the watts of the operating point. */
const targetW = (facts: MinerFacts): number => facts.limitW ?? facts.point.powerW;
/** 1 not started, 2 normal, 3 paused. */
const statusOf = (facts: MinerFacts): number => (facts.curtailed ? 3 : facts.phase === PHASE.boot ? 1 : 2);

/** Means over 5, 15 and 30 s, then minutes and hours. */
const rates = (now: number, mean: number): Buffer[] =>
  Array.from({ length: 10 }, (_, i) => gigahash(i + 1, i < 4 ? now : mean));
const solver = (field: number, now: number, mean: number, nominal: number, best = 0): Buffer =>
  message(field, message(1, ...rates(now, mean)), gigahash(2, nominal), message(3), int(5, best));
const shares = (field: number, facts: MinerFacts, isWorked: boolean): Buffer =>
  message(
    field,
    int(1, isWorked ? facts.accepted : 0),
    int(2, isWorked ? facts.rejected : 0),
    int(4, facts.shareDifficulty),
  );

type Read = (facts: MinerFacts, release: GrpcRelease) => readonly Buffer[];
const READS: Readonly<Record<string, Read>> = {
  GetMinerDetails: (facts, { version }) => [
    str(1, `uid${facts.number}`),
    message(2, int(1, 1), str(3, facts.typeName), str(4, facts.typeName)),
    int(4, 4),
    message(5, str(1, version), str(2, version), int(3, true)),
    str(6, facts.id),
    str(7, facts.mac),
    int(8, facts.elapsedS),
    gigahash(9, facts.group.model.nameplateThs),
    int(10, facts.elapsedS),
    int(11, facts.elapsedS),
    int(12, statusOf(facts)),
    str(13, '4.9.113'),
    message(14, str(4, 'APW12')),
    str(16, facts.serial),
  ],
  GetMinerStats: (facts) => [
    shares(1, facts, true),
    solver(2, facts.hashThs, facts.averageThs, facts.point.hashThs, facts.shareDifficulty * 24),
    message(
      3,
      watts(1, facts.reportedW),
      message(2, double(1, facts.hashThs > 0 ? facts.reportedW / facts.hashThs : 0)),
    ),
  ],
  GetHashboards: (facts) =>
    facts.boardThs.map((ths, i) =>
      message(
        1,
        str(1, String(i + 1)),
        int(2, true),
        message(3, int(1, facts.failure === FAILURE.board && i === 1 ? 0 : facts.chips)),
        message(4, double(1, facts.point.voltage)),
        message(5, double(1, facts.point.frequencyMhz * 1e6)),
        sensor(6, facts.exhaustC),
        celsius(7, facts.exhaustC - 12),
        solver(8, ths, ths, facts.point.hashThs / 3),
        str(12, `${facts.serial}${i}`),
        str(13, 'BHB56801'),
        str(14, 'BM1366'),
      ),
    ),
  GetCoolingState: (facts) => [
    ...facts.fanRpm.map((rpm, i) => message(1, int(1, i), int(2, rpm), double(3, facts.fanPct / 100))),
    sensor(2, facts.exhaustC),
  ],
  GetPoolGroups: (facts) => [
    message(
      1,
      str(1, 'default'),
      message(2, int(1, 1)),
      ...facts.pools.map(({ url, user }, n) =>
        message(
          4,
          str(1, `pool${n}`),
          str(2, url),
          str(3, user),
          int(4, true),
          int(5, true),
          int(6, n === 0),
          shares(7, facts, n === 0),
        ),
      ),
    ),
  ],
  GetMinerConfiguration: (facts) => [
    groupOf(facts),
    message(2, int(1, 1), message(2, celsius(1, 65), celsius(2, 90), celsius(3, 100))),
    message(3, int(1, true), int(2, 1), watts(3, targetW(facts))),
  ],
  GetActivePerformanceMode: (facts) => [message(2, message(1, watts(1, targetW(facts))))],
  GetTunerState: (facts) => [int(1, 3), message(2, message(1), watts(2, targetW(facts)))],
  GetLocateDeviceStatus: (facts) => [int(1, facts.locating)],
  GetMinerStatus: (facts) => [int(1, statusOf(facts))],
  GetErrors: (facts) =>
    facts.failure === FAILURE.board
      ? [message(1, str(1, new Date(facts.sinceMs).toISOString()), str(2, 'Hashboard 2 is not responding'))]
      : [],
};

/** Pools as they are configured, the way they are written. */
const groupOf = (facts: MinerFacts): Buffer =>
  message(
    1,
    str(1, 'group0'),
    str(2, 'default'),
    message(3, int(1, 1)),
    ...facts.pools.map(({ url, user, password }, n) =>
      message(5, str(1, `pool${n}`), str(2, url), str(3, user), str(4, password), int(5, true)),
    ),
  );

/** One of the commands of this machine; its number is filled in where it is sent. */
type Told = SimCommand extends infer Command
  ? Command extends { readonly i: number }
    ? Omit<Command, 'i'>
    : never
  : never;
interface Written {
  readonly answer: readonly Buffer[];
  readonly command?: Told;
  readonly wrong?: string;
}
type Write = (facts: MinerFacts, request: Buffer) => Written;

const limit = (facts: MinerFacts, w: number): Written => {
  const { nameplateW } = facts.group.model;
  const [least, most] = [Math.round(nameplateW * 0.3), Math.round(nameplateW * 1.25)];
  if (w < least || w > most) return { answer: [], wrong: `power target must be between ${least} and ${most} W` };
  return { answer: [watts(1, w)], command: { op: 'limit', watts: w } };
};

const WRITES: Readonly<Record<string, Write>> = {
  PauseMining: (facts) => ({ answer: [int(1, facts.curtailed)], command: { op: 'sleep' } }),
  ResumeMining: (facts) => ({ answer: [int(1, !facts.curtailed)], command: { op: 'wake' } }),
  Stop: (facts) => ({ answer: [int(1, !facts.curtailed)], command: { op: 'sleep' } }),
  Start: (facts) => ({ answer: [int(1, !facts.curtailed)], command: { op: 'wake' } }),
  Restart: () => ({ answer: [int(1, true)] }),
  Reboot: () => ({ answer: [], command: { op: 'reboot' } }),
  SetLocateDeviceStatus: (_, request) => {
    const on = numberAt(decode(request), 1) === 1;
    return { answer: [int(1, on)], command: { op: 'locate', on } };
  },
  SetPowerTarget: (facts, request) => limit(facts, wattsAt(request, 2)),
  SetDefaultPowerTarget: (facts) => limit(facts, facts.group.model.nameplateW),
  SetPerformanceMode: (facts, request) => {
    const wanted = wattsAt(request, 2, 2, 1, 1);
    if (wanted === 0) return { answer: [], wrong: 'only a power target is known here' };
    const { answer, ...rest } = limit(facts, wanted);
    return { ...rest, answer: answer.length === 0 ? [] : [message(2, message(1, watts(1, wanted)))] };
  },
  SetPoolGroups: (_, request) => {
    const pools = messagesAt(decode(request), 2)
      .flatMap((group) => messagesAt(group, 5))
      .map((pool) => ({ url: textAt(pool, 2), user: textAt(pool, 3), password: textAt(pool, 4) }))
      .filter(({ url }) => url !== '');
    if (pools.length === 0) return { answer: [], wrong: 'no pool' };
    return { answer: [...(decode(request).get(2) ?? [])].flatMap(asGroup), command: { op: 'pools', pools } };
  },
};

const asGroup = (value: number | Buffer): Buffer[] => (typeof value === 'number' ? [] : [message(1, value)]);

/** Watts at the end of a path of fields; 0 where they are not there. */
function wattsAt(request: Buffer, ...path: readonly number[]): number {
  let found = decode(request);
  for (const field of path) {
    const [next] = messagesAt(found, field);
    if (next === undefined) return 0;
    found = next;
  }
  return numberAt(found, 1);
}
