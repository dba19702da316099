import { Fault, run, SLEEP, type BoardReading, type PoolReading, type Reading } from '../../model/index.ts';
import type { DriverIo, PoolSetting } from '../driver.ts';
import type { BraiinsBackend, BraiinsTarget } from '../braiins.ts';
import { amount, boardIndex, dig, fields, list, macAddress, max, num, text, type Fields } from './fields.ts';
import { expectOk } from './http.ts';
import { expectTold, parts } from './parts.ts';
import { asObject, webSession } from './web-session.ts';

/** A machine as it was installed has no password. */
const FACTORY_PASSWORD = '';

const SYSTEM =
  '{ bos { hostname faultLight info { version { full } } uptime { durationS } } bosminer { info { modelName ' +
  'workSolver { realHashrate { mhs5S } nominalMhs childSolvers { temperatures { name degreesC } } } ' +
  'fans { name speed rpm } summary { power { limitW approxConsumptionW } } } } }';
/** @param serial the field that tells it, where the release has one */
const boardsQuery = (serial: string): string =>
  '{ bosminer { info { workSolver { childSolvers { name realHashrate { mhs5S } nominalMhs ' +
  `hwDetails { chips frequencyMhz voltageV${serial} } temperatures { name degreesC } } } } } }`;
/** Year and month of a release, `24.09`, in its long name; boards tell their serials from 25.03 on. */
const RELEASE = /-(\d{2})\.(\d{2})(?:\.\d+)?(?:-|$)/;
const serialField = (version: string | undefined): string => {
  const [, year = '', month = ''] = RELEASE.exec(version ?? '') ?? [];
  return Number(`${year}${month}`) >= 2503 ? ' hbSerialNumber' : '';
};
const POOLS =
  '{ bosminer { info { poolGroups { name pools { url user status active ' +
  'shares { acceptedSolutions rejectedSolutions } } } } } }';
const TUNING =
  '{ bosminer { config { ... on BosminerConfig { autotuning { mode powerTarget } } } ' +
  'info { summary { power { limitW } } } } }';
const EVENTS = '{ events { appeals { kind message timestamp } } }';

const LOGIN =
  'mutation ($username: String!, $password: String!) ' +
  '{ auth { login(username: $username, password: $password) { __typename } } }';
const STOP = 'mutation { bosminer { stop { __typename } } }';
const START = 'mutation { bosminer { start { __typename } } }';
const RESTART = 'mutation { bosminer { restart { __typename } } }';
const REBOOT = 'mutation { bos { reboot { __typename } } }';
const LIGHT = 'mutation ($enable: Boolean!) { bos { setFaultLight(enable: $enable) { __typename } } }';
const LIMIT =
  'mutation ($limit: Int!) { bosminer { config { ' +
  'updateAutotuning(input: { powerTarget: $limit }, apply: true) { __typename } } } }';
const GROUPS =
  'mutation ($groups: [Group!]!) { bosminer { config { updateGroups(groups: $groups) ' +
  '{ __typename ... on GroupListError { message } } } } }';

type Events = (signal?: AbortSignal) => Promise<Reading['errors']>;

/**
 * Braiins OS before 25.07: GraphQL on the web port, with a session in a cookie. Reads are open on most versions and are
 * tried without a session first. Every write answers with a type whose name tells how it went.
 */
export function braiinsGraphql(target: BraiinsTarget, io: DriverIo): BraiinsBackend & { events: Events } {
  const { address, port, timeoutMs, username } = target;
  const base = `http://${address}:${port}`;
  const secret = () => target.password() ?? FACTORY_PASSWORD;
  let cookie: Readonly<Record<string, string>> | undefined;

  async function post(name: string, query: string, variables: object | undefined, signal?: AbortSignal) {
    const where = `${address} ${name}`;
    const body = JSON.stringify(variables === undefined ? { query } : { query, variables });
    const headers = { 'content-type': 'application/json', ...cookie };
    const url = `${base}/graphql`;
    const reply = await io.http.ask({ method: 'POST', url, headers, body, timeoutMs, name, signal });
    return { where, reply, answer: asObject(expectOk(reply, where), where) };
  }

  async function login(signal?: AbortSignal): Promise<void> {
    cookie = undefined;
    const variables = { username, password: secret() };
    const { where, reply, answer } = await post('gql_login', LOGIN, variables, signal);
    const type = text(dig(answer, 'data', 'auth', 'login', '__typename'));
    const declined = type === undefined ? list(answer['errors']).length > 0 : type.endsWith('Error');
    if (declined) throw new Fault('unauthorised', `${where}: check the user and password in the site file`);
    if (type === undefined) throw new Fault('garbled', `${where}: no result`, { bytes: reply.body });
    const session = /session_id=([^;,\s]+)/.exec(reply.headers['set-cookie'] ?? '')?.[1];
    cookie = session === undefined ? {} : { cookie: `session_id=${session}` };
  }

  /** The `data` of an answer. What the schema could not fill in is null there, and told under `errors`. */
  async function query(name: string, words: string, signal?: AbortSignal): Promise<Fields> {
    try {
      const { answer, where } = await post(name, words, undefined, signal);
      return dataOf(answer, where);
    } catch (error) {
      if (!(error instanceof Fault) || error.kind !== 'unauthorised') throw error;
      await login(signal);
      const { answer, where } = await post(name, words, undefined, signal);
      return dataOf(answer, where);
    }
  }

  async function mutate(
    name: string,
    words: string,
    path: readonly string[],
    variables?: object,
    signal?: AbortSignal,
  ): Promise<void> {
    const send = async () => {
      const { answer, where } = await post(name, words, variables, signal);
      const result = fields(dig(dataOf(answer, where), ...path));
      const type = text(result['__typename']);
      if (type === undefined) throw declinedOf(answer, where);
      if (type.endsWith('Error')) throw new Fault('refused', `${where}: ${text(result['message']) ?? type}`);
    };
    const isNew = cookie === undefined;
    if (isNew) await login(signal);
    try {
      await send();
    } catch (error) {
      // A session that ended meanwhile; one that has just begun would not be better the second time.
      if (isNew || !(error instanceof Fault) || error.kind !== 'unauthorised') throw error;
      await login(signal);
      await send();
    }
  }

  const system = async (signal?: AbortSignal): Promise<Fields> => {
    const data = await query('gql_system', SYSTEM, signal);
    if (!('bosminer' in data) && !('bos' in data))
      throw new Fault('garbled', `${address}: neither bos nor bosminer`, { bytes: JSON.stringify(data) });
    return data;
  };
  async function events(signal?: AbortSignal): Promise<Reading['errors']> {
    const data = await query('gql_events', EVENTS, signal);
    const appeals = dig(data, 'events', 'appeals');
    if (!Array.isArray(appeals)) return undefined;
    return [...new Set(appeals.flatMap((one: unknown) => text(dig(one, 'message')) ?? []))];
  }
  const wake = (signal?: AbortSignal) => mutate('gql_start', START, ['bosminer', 'start'], undefined, signal);
  const limit = (watts: number, signal?: AbortSignal) =>
    mutate('gql_limit', LIMIT, ['bosminer', 'config', 'updateAutotuning'], { limit: Math.round(watts) }, signal);

  return {
    read: async (signal) => toReading(io.siteNow(), await system(signal)),
    async inspect(signal) {
      const asked = parts();
      const told = await asked.get('identity', () => system(signal));
      const serial = serialField(text(dig(told, 'bos', 'info', 'version', 'full')));
      const boards = await asked.get('boards', () => query('gql_boards', boardsQuery(serial), signal));
      const pools = await asked.get('pools', () => query('gql_pools', POOLS, signal));
      const tuning = await asked.extra('settings', () => query('gql_tuning', TUNING, signal));
      const errors = await asked.get('errors', () => events(signal));
      const mac = await asked.get('network', () => macOf(base, target, io, secret(), signal));
      const gaps = asked.gaps();
      return expectTold(toInspection(io.siteNow(), told, { boards, pools, tuning, errors, mac, gaps }), address);
    },
    async prepare(signal) {
      if (cookie === undefined) await login(signal);
    },
    sleep: (signal) => mutate('gql_stop', STOP, ['bosminer', 'stop'], undefined, signal),
    wake,
    async setMode(profile, signal) {
      const limitW = limitOf(await system(signal));
      if (profile !== 'default')
        throw new Fault('unsupported', `${address}: this version lists no profiles; it keeps to ${limitW ?? '?'} W`);
      await wake(signal);
    },
    async setPowerLimit(watts, signal) {
      if (limitOf(await system(signal)) !== Math.round(watts)) await limit(watts, signal);
    },
    async setPools(pools, signal) {
      const now = await query('gql_pools', POOLS, signal);
      const groups = groupsOf(pools, nameOfGroup(now), address);
      await mutate('gql_groups', GROUPS, ['bosminer', 'config', 'updateGroups'], groups, signal);
      // A start brings them into force by itself, and a restart might wake what sleeps.
      if (!isStopped(now)) await mutate('gql_restart', RESTART, ['bosminer', 'restart'], undefined, signal);
    },
    reboot: (signal) => mutate('gql_reboot', REBOOT, ['bos', 'reboot'], undefined, signal),
    locate: (on, signal) => mutate('gql_light', LIGHT, ['bos', 'setFaultLight'], { enable: on }, signal),
    events,
    close() {
      cookie = undefined;
    },
  };
}

function dataOf(answer: Fields, where: string): Fields {
  const data = answer['data'];
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as Fields;
  throw declinedOf(answer, where);
}

/** The fault that `errors` tells of; garbled where it tells of none. */
function declinedOf(answer: Fields, where: string): Fault {
  const message = text(dig(list(answer['errors'])[0], 'message'));
  if (message === undefined) return new Fault('garbled', `${where}: no data`, { bytes: JSON.stringify(answer) });
  if (/auth|log ?in|session|permission|denied|forbidden/i.test(message))
    return new Fault('unauthorised', `${where}: ${message}; check the user and password in the site file`);
  const isUnknown = /unknown (field|argument|type)|cannot query|no field/i.test(message);
  return new Fault(isUnknown ? 'unsupported' : 'refused', `${where}: ${message}`);
}

const limitOf = (data: Fields | undefined): number | undefined =>
  amount(dig(data, 'bosminer', 'info', 'summary', 'power', 'limitW'));

/** A mining program that was stopped has nothing to tell of itself; one that runs has a solver. */
function isStopped(data: Fields): boolean {
  const info = dig(data, 'bosminer', 'info');
  return data['bosminer'] === null || info === null || dig(info, 'workSolver') === null;
}

const thsOf = (solver: unknown): number | undefined => {
  const mhs = amount(dig(solver, 'realHashrate', 'mhs5S'));
  return mhs === undefined ? undefined : mhs / 1e6;
};

const hottestOf = (solvers: unknown): number | undefined =>
  max(
    list(solvers).flatMap((solver) => list(dig(solver, 'temperatures')).map((sensor) => num(dig(sensor, 'degreesC')))),
  );

function toReading(at: Reading['at'], data: Fields): Reading {
  const info = dig(data, 'bosminer', 'info');
  const solver = dig(info, 'workSolver');
  const powerW = amount(dig(info, 'summary', 'power', 'approxConsumptionW'));
  const fans = list(dig(info, 'fans')).map((fan) => amount(dig(fan, 'rpm')));
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    // A program that was stopped tells no hashrate, and has none.
    hashrateThs: isStopped(data) ? 0 : thsOf(solver),
    mode: isStopped(data) ? SLEEP : solver === undefined ? undefined : run('default'),
    temperatureC: hottestOf(dig(solver, 'childSolvers')),
    fanRpm: max(fans),
    fansRpm: fans.some((rpm) => rpm !== undefined) ? fans : undefined,
    uptimeS: amount(dig(data, 'bos', 'uptime', 'durationS')),
    powerLimitW: limitOf(data),
  };
}

interface Answers {
  readonly boards: Fields | undefined;
  readonly pools: Fields | undefined;
  readonly tuning: Fields | undefined;
  readonly errors: Reading['errors'];
  readonly mac: string | undefined;
  readonly gaps: Reading['gaps'];
}

function toInspection(at: Reading['at'], told: Fields | undefined, answers: Answers): Reading {
  const { boards, pools, tuning, errors, mac, gaps } = answers;
  const solvers = list(dig(boards, 'bosminer', 'info', 'workSolver', 'childSolvers'));
  const poolList = poolsOf(pools);
  const active = poolList?.find((pool) => pool.active === true);
  return {
    at,
    model: text(dig(told, 'bosminer', 'info', 'modelName')),
    firmware: text(dig(told, 'bos', 'info', 'version', 'full')),
    mac,
    hostname: text(dig(told, 'bos', 'hostname')),
    temperatureC: hottestOf(solvers),
    boards: solvers.length === 0 ? undefined : solvers.map(toBoard),
    pools: poolList,
    pool: active && { url: active.url, worker: active.worker },
    acceptedShares: sumOf(poolList?.map((pool) => pool.acceptedShares)),
    rejectedShares: sumOf(poolList?.map((pool) => pool.rejectedShares)),
    powerLimitW:
      limitOf(told) ?? limitOf(tuning) ?? amount(dig(tuning, 'bosminer', 'config', 'autotuning', 'powerTarget')),
    errors,
    gaps,
  };
}

/** A sum only where every part is known. */
function sumOf(values: readonly (number | undefined)[] | undefined): number | undefined {
  if (values === undefined || values.length === 0 || values.includes(undefined)) return undefined;
  return values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

const toBoard = (solver: unknown, i: number): BoardReading => ({
  index: boardIndex(dig(solver, 'name'), i),
  hashrateThs: thsOf(solver),
  temperatureC: hottestOf([solver]),
  chips: amount(dig(solver, 'hwDetails', 'chips')),
  serial: text(dig(solver, 'hwDetails', 'hbSerialNumber')),
});

function poolsOf(data: Fields | undefined): readonly PoolReading[] | undefined {
  const pools = list(dig(data, 'bosminer', 'info', 'poolGroups'))
    .flatMap((group) => list(dig(group, 'pools')))
    .flatMap((pool): PoolReading[] => {
      const url = text(dig(pool, 'url'));
      if (url === undefined) return [];
      const active = dig(pool, 'active');
      const status = text(dig(pool, 'status'));
      return [
        {
          url,
          worker: text(dig(pool, 'user')) ?? '',
          active: typeof active === 'boolean' ? active : undefined,
          alive: status === undefined ? undefined : /alive|running|active/i.test(status),
          acceptedShares: amount(dig(pool, 'shares', 'acceptedSolutions')),
          rejectedShares: amount(dig(pool, 'shares', 'rejectedSolutions')),
        },
      ];
    });
  return pools.length === 0 ? undefined : pools;
}

const nameOfGroup = (data: Fields): string =>
  text(dig(list(dig(data, 'bosminer', 'info', 'poolGroups'))[0], 'name')) ?? 'default';

/** There is one group from then on, which keeps the name of the first. */
function groupsOf(pools: readonly PoolSetting[], name: string, address: string): object {
  if (pools.length === 0) throw new Fault('unsupported', `${address}: Braiins OS cannot be left without a pool`);
  const list = pools.map(({ url, worker, password }) => ({ url, user: worker, password }));
  return { groups: [{ name, quota: 1, pools: list }] };
}

/** The network page of LuCI, which answers only to clients that call themselves so, and has a session of its own. */
async function macOf(base: string, target: BraiinsTarget, io: DriverIo, password: string, signal?: AbortSignal) {
  const agent = { 'user-agent': 'BTC Tools v0.1' };
  const { timeoutMs, username, address } = target;
  const where = `${address} network`;
  const session = webSession({
    http: io.http,
    base,
    timeoutMs,
    openReads: false,
    async login() {
      const headers = { ...agent, 'content-type': 'application/x-www-form-urlencoded' };
      const body = new URLSearchParams({ luci_username: username, luci_password: password }).toString();
      const url = `${base}/cgi-bin/luci`;
      const reply = await io.http.ask({ method: 'POST', url, headers, body, timeoutMs, name: 'luci_login', signal });
      // It answers a redirect; only a denial says anything.
      if (reply.status >= 400) expectOk(reply, where);
      const cookie = /((?:session_id|sysauth)=[^;,\s]+)/.exec(reply.headers['set-cookie'] ?? '')?.[1];
      return cookie === undefined ? agent : { ...agent, cookie };
    },
  });
  const path = '/cgi-bin/luci/admin/network/iface_status/lan';
  const answer = await session.json(path, signal, 'web_net_conf');
  const mac = macAddress(dig(answer, 0, 'macaddr'));
  if (mac === undefined) throw new Fault('garbled', `${where}: no macaddr`, { bytes: JSON.stringify(answer) });
  return mac;
}
