import { status, type CgminerCommand, type CgminerReply } from './cgminer-reply.ts';
import type { SimPool } from './command.ts';
import { minerFacts } from './miner-facts.ts';
import type { MinerGroup } from './miners.ts';
import type { Host } from './net.ts';
import { hash32 } from './random.ts';
import type { Endpoint } from './world.ts';

/** What LuxOS lets one change, and the session that every change needs (docs.luxor.tech/firmware/api/sessions). */
export const LUXOS_VERSION = '2025.4.8.220305-57b389c7';
export const LUXOS_DESCRIPTION = `LUXminer ${LUXOS_VERSION}`;

/** A session ends by itself a minute after its last use. */
const SESSION_MS = 60_000;

interface Session {
  readonly id: string;
  usedAt: number;
}

export interface LuxosGroup {
  readonly id: number;
  readonly name: string;
  readonly quota: number;
}

/** What a machine was told beside its pools and its profile, by its number; a restart of the site forgets it. */
export interface LuxosSettings {
  groups: readonly LuxosGroup[];
  /** Whether it changes its profile by itself when it is warm. */
  atm: boolean;
  /** Its red light as it was last told. */
  red: string;
}

interface Sessions {
  readonly settings: Map<number, LuxosSettings>;
  readonly open: Map<number, Session>;
  /** Number of the pool that each machine was switched to; the first where it was to none. */
  readonly worked: Map<number, number>;
  count: number;
}

const sessionsOf = new WeakMap<Host, Sessions>();
function sessions(host: Host): Sessions {
  const known = sessionsOf.get(host) ?? {
    settings: new Map<number, LuxosSettings>(),
    open: new Map<number, Session>(),
    worked: new Map<number, number>(),
    count: 0,
  };
  sessionsOf.set(host, known);
  return known;
}

export function settingsOf(host: Host, number: number): LuxosSettings {
  const { settings } = sessions(host);
  const known = settings.get(number) ?? { groups: [{ id: 0, name: 'default', quota: 1 }], atm: true, red: 'auto' };
  settings.set(number, known);
  return known;
}

function openSession(host: Host, i: number): Session | undefined {
  const session = sessions(host).open.get(i);
  if (session !== undefined && host.wallNow() - session.usedAt < SESSION_MS) return session;
  sessions(host).open.delete(i);
  return undefined;
}

export const refuse = (host: Host, code: number, message: string): CgminerReply => ({
  STATUS: status(host.siteNow(), 'E', code, message, LUXOS_DESCRIPTION),
  id: 1,
});
const accept = (host: Host, code: number, message: string, body: object): CgminerReply => ({
  STATUS: status(host.siteNow(), 'S', code, message, LUXOS_DESCRIPTION),
  ...body,
  id: 1,
});

type Write = (host: Host, endpoint: Endpoint, command: CgminerCommand) => CgminerReply;

export const WRITES: Readonly<Record<string, Write>> = {
  session: (host, endpoint) =>
    accept(host, 319, 'Session information', { SESSION: [{ SessionID: openSession(host, endpoint.index)?.id ?? '' }] }),
  logon: (host, endpoint) => {
    if (openSession(host, endpoint.index) !== undefined) return refuse(host, 402, 'Another session is already active');
    const known = sessions(host);
    known.count += 1;
    const now = host.wallNow();
    const id = hash32(host.world.seed, endpoint.number, Math.floor(now), known.count)
      .toString(36)
      .padStart(8, 'y')
      .slice(-8);
    known.open.set(endpoint.index, { id, usedAt: now });
    return accept(host, 316, 'Session created', { SESSION: [{ SessionID: id }] });
  },
  logoff: (host, endpoint, command) => {
    const session = openSession(host, endpoint.index);
    if (session === undefined || session.id !== command.parameter.trim())
      return refuse(host, 402, 'Invalid session id');
    sessions(host).open.delete(endpoint.index);
    return accept(host, 317, 'Session terminated', {});
  },
  curtail: (host, endpoint, command) =>
    inSession(host, endpoint, command, ([action = '']) => {
      if (action !== 'sleep' && action !== 'wakeup') return refuse(host, 404, 'Invalid curtail action');
      return (
        perform(host, endpoint, () => {
          host.send({ op: action === 'sleep' ? 'sleep' : 'wake', i: endpoint.index });
        }) ??
        accept(host, 335, 'Curtailment command sent', {
          CURTAIL: [{ Action: action === 'sleep' ? 'sleep mode' : 'wake up' }],
        })
      );
    }),
  profileset: (host, endpoint, command) =>
    inSession(host, endpoint, command, (words) => {
      // Older firmware took a board number first; LuxOS still accepts it and applies the profile to all boards.
      const name = words.length > 1 && /^[0-3]$/.test(words[0]!) ? words[1]! : (words[0] ?? '');
      const { table } = groupOf(host, endpoint);
      const point = table.points.findIndex((candidate) => candidate.name === name);
      if (point < 0) return refuse(host, 404, `Profile ${name} not found`);
      return (
        perform(host, endpoint, () => host.send({ op: 'point', i: endpoint.index, point })) ??
        accept(host, 321, 'Profile Set', {
          PROFILE: [0, 1, 2].map((Board) => ({ Board, FrequencyStep: 5, Profile: name, VoltageStep: 0.05 })),
        })
      );
    }),
  ledset: (host, endpoint, command) =>
    inSession(host, endpoint, command, ([color = '', state = '']) => {
      if (!['red', 'green'].includes(color) || !['on', 'off', 'blink', 'auto'].includes(state))
        return refuse(host, 404, 'Invalid led state');
      return (
        perform(host, endpoint, () => {
          if (color === 'red') settingsOf(host, endpoint.number).red = state;
          host.send({ op: 'locate', i: endpoint.index, on: state === 'blink' || state === 'on' });
        }) ?? accept(host, 332, 'LED set', {})
      );
    }),
  // The pool commands of cgminer need no session.
  addpool: (host, endpoint, command) => {
    const [url = '', user = '', password = '', given = '0'] = command.parameter.split(',');
    if (url === '' || user === '') return refuse(host, 53, `Invalid addpool details '${command.parameter}'`);
    const group = Number(given);
    if (!settingsOf(host, endpoint.number).groups.some(({ id }) => id === group))
      return refuse(host, 404, `Invalid group '${given}'`);
    return setPools(host, endpoint, (pools) => [...pools, { url, user, password, group }], 55, `Added pool '${url}'`);
  },
  switchpool: (host, endpoint, command) => {
    const id = poolId(host, endpoint, command);
    if (id === undefined) return refuse(host, 26, `Invalid pool id '${command.parameter}'`);
    sessions(host).worked.set(endpoint.index, id);
    return perform(host, endpoint, () => {}) ?? accept(host, 27, `Switching to pool ${id}`, {});
  },
  removepool: (host, endpoint, command) => {
    const id = poolId(host, endpoint, command);
    if (id === undefined) return refuse(host, 26, `Invalid pool id '${command.parameter}'`);
    if (id === (sessions(host).worked.get(endpoint.index) ?? 0))
      return refuse(host, 67, `Cannot remove active pool ${id}`);
    return setPools(host, endpoint, (pools) => pools.filter((_, n) => n !== id), 68, `Removed pool ${id}`, id);
  },
  // A group goes with its pools; the numbers of those that stay do not change.
  removegroup: (host, endpoint, command) => {
    const settings = settingsOf(host, endpoint.number);
    const gone = settings.groups.find(({ id }) => String(id) === command.parameter.trim());
    if (gone === undefined) return refuse(host, 404, `Invalid group '${command.parameter}'`);
    const stay = (pool: SimPool): boolean => (pool.group ?? 0) !== gone.id;
    return setPools(
      host,
      endpoint,
      (pools) => pools.filter(stay),
      325,
      `Removed group ${gone.id}`,
      undefined,
      () => (settings.groups = settings.groups.filter((group) => group !== gone)),
    );
  },
  addgroup: (host, endpoint, command) => {
    const settings = settingsOf(host, endpoint.number);
    const [name = '', quota = '1'] = command.parameter.split(',');
    const id = settings.groups.reduce((most, group) => Math.max(most, group.id + 1), 0);
    return (
      perform(host, endpoint, () => {
        settings.groups = [...settings.groups, { id, name, quota: Number(quota) || 1 }];
      }) ?? accept(host, 324, `Added group ${id}`, {})
    );
  },
  groupquota: (host, endpoint, command) => {
    const settings = settingsOf(host, endpoint.number);
    const [id = '', quota = ''] = command.parameter.split(',');
    if (!settings.groups.some((group) => String(group.id) === id) || !/^\d+$/.test(quota))
      return refuse(host, 404, `Invalid group '${command.parameter}'`);
    const change = (group: LuxosGroup): LuxosGroup =>
      String(group.id) === id ? { ...group, quota: Number(quota) } : group;
    return (
      perform(host, endpoint, () => {
        settings.groups = settings.groups.map(change);
      }) ?? accept(host, 326, `Quota of group ${id} set`, {})
    );
  },
  atmset: (host, endpoint, command) =>
    inSession(host, endpoint, command, (words) => {
      const enabled = words.map((word) => /^enabled=(true|false)$/i.exec(word)?.[1]).find((word) => word !== undefined);
      const act = (): void => {
        if (enabled !== undefined) settingsOf(host, endpoint.number).atm = enabled.toLowerCase() === 'true';
      };
      return perform(host, endpoint, act) ?? accept(host, 338, 'ATM configuration updated', {});
    }),
  // The program starts again, and the machine with it.
  resetminer: (host, endpoint, command) => WRITES['rebootdevice']!(host, endpoint, command),
  rebootdevice: (host, endpoint, command) =>
    inSession(
      host,
      endpoint,
      command,
      () =>
        perform(host, endpoint, () => {
          host.send({ op: 'reboot', i: endpoint.index });
          // Sessions are the program's own, and end with it.
          sessions(host).open.delete(endpoint.index);
        }) ?? accept(host, 340, 'Device rebooting', {}),
    ),
};

const groupOf = (host: Host, endpoint: Endpoint): MinerGroup =>
  host.world.miners.groups[host.world.miners.group[endpoint.index]!]!;

/** Checks the session id that leads the parameter and hands on the rest. */
function inSession(
  host: Host,
  endpoint: Endpoint,
  command: CgminerCommand,
  act: (words: string[]) => CgminerReply,
): CgminerReply {
  const [id = '', ...words] = command.parameter.split(',').map((word) => word.trim());
  const session = openSession(host, endpoint.index);
  if (id === '') return refuse(host, 401, 'Missing session id');
  if (session === undefined || session.id !== id) return refuse(host, 402, 'Invalid session id');
  session.usedAt = host.wallNow();
  return act(words);
}

/** Carries a write out unless it is drawn to fail; a refusal is returned, an ignored write looks like a success. */
function perform(host: Host, endpoint: Endpoint, act: () => void): CgminerReply | undefined {
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return refuse(host, 406, 'Command failed, try again');
  if (fault === undefined) act();
  return undefined;
}

const poolId = (host: Host, endpoint: Endpoint, { parameter }: CgminerCommand): number | undefined =>
  /^\d+$/.test(parameter) && Number(parameter) < minerFacts(host, endpoint).pools.length
    ? Number(parameter)
    : undefined;

/** Changes the list; the numbers above one that goes move down. @param removed its number */
function setPools(
  host: Host,
  endpoint: Endpoint,
  change: (pools: readonly SimPool[]) => readonly SimPool[],
  code: number,
  message: string,
  removed?: number,
  also?: () => void,
): CgminerReply {
  const pools = change(minerFacts(host, endpoint).pools);
  const refused = perform(host, endpoint, () => {
    host.send({ op: 'pools', i: endpoint.index, pools });
    also?.();
    const { worked } = sessions(host);
    const now = worked.get(endpoint.index);
    if (removed !== undefined && now !== undefined && now > removed) worked.set(endpoint.index, now - 1);
  });
  return refused ?? accept(host, code, message, {});
}
