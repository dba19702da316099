import type { IncomingMessage } from 'node:http';
import { FAILURE, PHASE } from './miners.ts';
import { minerFacts, type MinerFacts } from './miner-facts.ts';
import { select } from './graphql.ts';
import type { Host, HttpAnswer } from './net.ts';
import type { Endpoint } from './world.ts';
import { carryOut, json, objectIn, poolRows, tokens } from './web.ts';

/**
 * Braiins OS 24.09: GraphQL with a session in a cookie for writes, and LuCI for the network (captured answers). GraphQL is
 * there beside REST later on as well: clients ask it for model and version, whatever they speak then.
 */

/** What differs from release to release. */
interface Release {
  readonly version: string;
  /** Of root; a machine without one lets any in. */
  readonly passwords: readonly string[];
  /** From 25.03 on boards tell their serials. */
  readonly hasSerials: boolean;
}
export const WITHOUT_REST: Release = {
  version: '2024-10-17-0-75912fc7-24.09-plus',
  passwords: ['', 'root'],
  hasSerials: false,
};
export const BESIDE_REST: Release = {
  version: '2025-08-06-0-3881c51d-25.07-plus',
  passwords: ['root'],
  hasSerials: true,
};

const session = tokens(3_600_000);
const NOT_FOUND: HttpAnswer = { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>Not Found</h1>' };
const ROOT = '<!doctype html><html><head><title>Braiins OS</title></head><body></body></html>';
const VOID = { __typename: 'VoidResult', void: 'void' };

export function braiinsGraphqlPage(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const route = `${request.method ?? 'GET'} ${(request.url ?? '/').split('?')[0]!}`;
  if (route === 'GET /') return { status: 200, headers: { 'content-type': 'text/html' }, body: ROOT };
  if (route === 'POST /graphql') return graphqlPage(WITHOUT_REST, host, endpoint, request, body);
  if (route === 'POST /cgi-bin/luci') {
    const given = new URLSearchParams(body);
    if (!mayEnter(WITHOUT_REST, given.get('luci_username'), given.get('luci_password'))) return FORBIDDEN;
    const headers = { 'content-type': 'text/html', ...cookieOf(host, endpoint) };
    return { status: 200, headers, body: ROOT };
  }
  if (!route.startsWith('GET /cgi-bin/luci/')) return NOT_FOUND;
  if (!isKnown(host, endpoint, request)) return FORBIDDEN;
  if (route.endsWith('/admin/network/iface_status/lan'))
    return json([{ macaddr: minerFacts(host, endpoint).mac, ipaddrs: [{ addr: endpoint.address }] }]);
  return route.endsWith('/bos/info') ? json({ version: WITHOUT_REST.version, mode: 'NAND' }) : NOT_FOUND;
}

const FORBIDDEN: HttpAnswer = { status: 403, body: 'Forbidden' };
const mayEnter = ({ passwords }: Release, user: unknown, password: unknown): boolean =>
  user === 'root' && passwords.includes(String(password));
const cookieOf = (host: Host, endpoint: Endpoint): { 'set-cookie': string } => ({
  'set-cookie': `session_id=${session.grant(host, endpoint)}; Path=/; HttpOnly`,
});
const isKnown = (host: Host, endpoint: Endpoint, request: IncomingMessage): boolean =>
  session.holds(host, endpoint, /session_id=([^;\s]+)/.exec(request.headers.cookie ?? '')?.[1]);

const declined = (message: string): HttpAnswer => json({ data: null, errors: [{ message }] });

export function graphqlPage(
  release: Release,
  host: Host,
  endpoint: Endpoint,
  request: IncomingMessage,
  body: string,
): HttpAnswer {
  const given = objectIn(body);
  const query = given['query'];
  if (typeof query !== 'string') return { status: 400, body: 'no query' };
  const variables = (given['variables'] ?? {}) as Readonly<Record<string, unknown>>;
  if (!/^\s*mutation\b/.test(query)) return answer(treeOf(minerFacts(host, endpoint), release), query);
  if (/\blogin\s*\(/.test(query)) {
    const word = (name: string) => variables[name] ?? new RegExp(`${name}\\s*:\\s*"([^"]*)"`).exec(query)?.[1];
    if (!mayEnter(release, word('username'), word('password')))
      return json({ data: { auth: { login: { __typename: 'AuthError', message: 'Invalid credentials' } } } });
    const entered = answer({ auth: { login: VOID } }, query);
    return { ...entered, headers: { ...entered.headers, ...cookieOf(host, endpoint) } };
  }
  return isKnown(host, endpoint, request)
    ? mutation(host, endpoint, query, variables)
    : declined('Unauthorized: log in first');
}

function answer(tree: object, query: string): HttpAnswer {
  try {
    return json({ data: select(tree, query) });
  } catch (error) {
    return declined(error instanceof Error ? error.message : String(error));
  }
}

/** What is told under the mutation's own field, and what carries it out. */
function mutation(
  host: Host,
  endpoint: Endpoint,
  query: string,
  variables: Readonly<Record<string, unknown>>,
): HttpAnswer {
  const i = endpoint.index;
  const bosError = { __typename: 'BosminerError', message: 'Failed to carry it out' };
  const done = (act: () => void, result: object = VOID): object => (carryOut(host, endpoint, act) ? result : bosError);
  const argument = (name: string): unknown =>
    variables[name] ?? literal(new RegExp(`\\b${name}\\s*:\\s*(true|false|\\d+)`).exec(query)?.[1]);
  if (/\bstop\b/.test(query)) return answer({ bosminer: { stop: done(() => host.send({ op: 'sleep', i })) } }, query);
  if (/\brestart\b/.test(query)) return answer({ bosminer: { restart: VOID } }, query);
  if (/\bstart\b/.test(query)) return answer({ bosminer: { start: done(() => host.send({ op: 'wake', i })) } }, query);
  if (/\breboot\b/.test(query)) return answer({ bos: { reboot: done(() => host.send({ op: 'reboot', i })) } }, query);
  if (/\bsetFaultLight\b/.test(query)) {
    const on = argument('enable') === true;
    const result = done(() => host.send({ op: 'locate', i, on }), { __typename: 'FaultLight', enabled: on });
    return answer({ bos: { setFaultLight: result } }, query);
  }
  if (/\bupdateAutotuning\b/.test(query)) {
    const watts = Number(argument('limit') ?? argument('powerTarget'));
    if (!(watts > 0)) return declined('Invalid value for argument "powerTarget"');
    const autotuning = { powerTarget: watts, enabled: true, mode: 'POWER_TARGET' };
    const result = done(() => host.send({ op: 'limit', i, watts }), { __typename: 'AutotuningOut', autotuning });
    return answer({ bosminer: { config: { updateAutotuning: result } } }, query);
  }
  if (/\bupdateGroups\b/.test(query)) {
    const groups = Array.isArray(variables['groups']) ? (variables['groups'] as readonly { pools?: unknown }[]) : [];
    const pools = groups.flatMap((group) => poolRows(group.pools, 'url', 'user', 'password') ?? []);
    const failed = { __typename: 'GroupListError', message: 'No pool' };
    const listed = { __typename: 'GroupList', groups: [{ id: '0' }] };
    const result = pools.length === 0 ? failed : done(() => host.send({ op: 'pools', i, pools }), listed);
    return answer({ bosminer: { config: { updateGroups: result } } }, query);
  }
  return declined('Unknown field on type "Mutation"');
}

const literal = (word: string | undefined): unknown =>
  word === undefined ? undefined : word === 'true' ? true : word === 'false' ? false : Number(word);

/** Everything that can be asked for. */
function treeOf(facts: MinerFacts, release: Release): object {
  return {
    bos: {
      hostname: facts.id,
      faultLight: facts.locating,
      info: { version: { full: release.version } },
      uptime: { durationS: facts.elapsedS },
      log: [`${facts.when} bosminer: ${facts.curtailed ? 'paused' : 'running'}`],
    },
    bosminer: {
      config: {
        __typename: 'BosminerConfig',
        autotuning: { enabled: true, mode: 'POWER_TARGET', powerTarget: limitOf(facts), hashrateTarget: null },
        groups: [{ id: '0', strategy: { __typename: 'QuotaStrategy', quota: 1 } }],
      },
      metadata: { autotuning: { powerTarget: boundsOf(facts) } },
      // The mining program tells nothing of itself while it is stopped.
      info: facts.curtailed || facts.phase === PHASE.boot ? null : infoOf(facts, release),
    },
    events: { appeals: eventsOf(facts) },
  };
}

const limitOf = (facts: MinerFacts): number => Math.round(facts.limitW ?? facts.point.powerW);

const boundsOf = ({ group: { model } }: MinerFacts): object => ({
  default: model.nameplateW,
  min: Math.round(model.nameplateW * 0.3),
  max: Math.round(model.nameplateW * 1.25),
});

function infoOf(facts: MinerFacts, { hasSerials }: Release): object {
  return {
    modelName: facts.typeName,
    fans: facts.fanRpm.map((rpm, i) => ({ name: String(i), rpm, speed: facts.fanPct })),
    summary: { power: { limitW: limitOf(facts), approxConsumptionW: Math.round(facts.reportedW) } },
    workSolver: {
      nominalMhs: facts.point.hashThs * 1e6,
      realHashrate: { mhs5S: facts.hashThs * 1e6 },
      childSolvers: facts.boardThs.map((ths, i) => ({
        name: String(i + 1),
        nominalMhs: (facts.point.hashThs * 1e6) / 3,
        realHashrate: { mhs5S: ths * 1e6 },
        hwDetails: {
          chips: facts.failure === FAILURE.board && i === 1 ? 0 : facts.chips,
          frequencyMhz: facts.point.frequencyMhz,
          voltageV: facts.point.voltage,
          ...(hasSerials ? { hbSerialNumber: `${facts.serial}${i}` } : {}),
        },
        temperatures: [
          { name: 'Board', degreesC: facts.exhaustC - 15 },
          { name: 'Chip', degreesC: facts.exhaustC },
        ],
      })),
    },
    poolGroups: [
      {
        name: 'default',
        pools: facts.pools.map(({ url, user }, n) => ({
          url,
          user,
          active: n === 0,
          status: 'ALIVE',
          shares: {
            acceptedSolutions: n === 0 ? facts.accepted : 0,
            rejectedSolutions: n === 0 ? facts.rejected : 0,
          },
        })),
      },
    ],
  };
}

function eventsOf(facts: MinerFacts): object[] {
  const words =
    facts.failure === FAILURE.board
      ? 'Hashboard 2 is not responding'
      : facts.failure === FAILURE.hot
        ? 'Hot temperature was reached'
        : undefined;
  if (words === undefined) return [];
  return [{ id: '1', kind: 'ERROR', message: words, timestamp: Math.round(facts.sinceMs / 1000) }];
}
