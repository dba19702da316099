import { z } from 'zod';
import { Fault, secretRef } from '../model/index.ts';
import { defineDriver, type Device, type DriverIo } from './driver.ts';
import { braiinsGraphql } from './wire/braiins-graphql.ts';
import { braiinsRest } from './wire/braiins-rest.ts';
import { braiinsRpc } from './wire/braiins-rpc.ts';
import { dig, num } from './wire/fields.ts';
import { expectOk } from './wire/http.ts';
import { asJson } from './wire/web-session.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(80),
  rpcPort: z.number().int().min(1).max(65535).default(4028),
  api: z
    .enum(['auto', 'rest', 'graphql', 'rpc'])
    .default('auto')
    .describe('auto finds it out once; REST exists from 25.07, rpc is the cgminer API alone'),
  username: z.string().default('root'),
  password: secretRef.optional().describe('absent: the factory password'),
  timeoutMs: z.number().int().positive().default(3000),
});

/** What REST answers to anybody (captured reply). */
const VERSION_PAGE = /^\s*\{\s*"major"\s*:\s*\d+\s*,\s*"minor"\s*:\s*\d+\s*,\s*"patch"/;

/** Everything a Braiins machine does, whichever of its APIs it is told over. */
export type BraiinsBackend = Required<
  Pick<
    Device,
    'read' | 'inspect' | 'sleep' | 'wake' | 'setMode' | 'setPowerLimit' | 'setPools' | 'reboot' | 'locate' | 'close'
  >
> &
  Pick<Device, 'prepare'>;

export interface BraiinsTarget {
  readonly address: string;
  readonly port: number;
  readonly rpcPort: number;
  readonly timeoutMs: number;
  readonly username: string;
  /** Undefined where the site file names none. */
  password(): string | undefined;
}

/**
 * Braiins OS over its web port: REST from 25.07 (developer.braiins-os.com), GraphQL before; where that answers neither, what
 * its cgminer API gives. Sleep is a pause of the
 * mining program; a power limit is the tuner's power target, and each target it has been through is a profile.
 */
export const braiins = defineDriver({
  name: 'braiins',
  about: 'Miners with Braiins OS (REST or GraphQL on port 80)',
  serves: ['asic'],
  config,
  probes: [
    { port: 80, path: '/api/v1/version' },
    { port: 80, path: '/api/v1/miner/details' },
  ],
  factory: { username: 'root', password: 'root' },
  recognises: ({ banners, pages }) =>
    /"BOS(er|miner)/i.test(banners.get(4028) ?? '') ||
    /Braiins ?OS|BOSminer/i.test(banners.get(80) ?? '') ||
    /"bos_version"/.test(pages.get('80/api/v1/miner/details') ?? '') ||
    VERSION_PAGE.test(pages.get('80/api/v1/version') ?? ''),
  // Where the page is closed or of another kind `auto` finds it out, and again after an upgrade.
  settingsFor: ({ pages }) => (VERSION_PAGE.test(pages.get('80/api/v1/version') ?? '') ? { api: 'rest' } : {}),
  open({ address, config: { password, api, ...rest } }, io) {
    const target: BraiinsTarget = {
      address,
      ...rest,
      password: () => (password === undefined ? undefined : io.secret(password)),
    };
    const graphql = braiinsGraphql(target, io);
    const rpc = braiinsRpc(target, io);
    const backends = { rest: braiinsRest(target, io, graphql.events), graphql, rpc };
    let found: keyof typeof backends | undefined = api === 'auto' ? undefined : api;

    const backend = async (signal?: AbortSignal): Promise<BraiinsBackend> => {
      found ??= await whichApi(target, io, { graphql, rpc }, signal);
      return backends[found];
    };
    return {
      read: async (signal) => (await backend(signal)).read(signal),
      inspect: async (signal) => (await backend(signal)).inspect(signal),
      prepare: async (signal) => (await backend(signal)).prepare?.(signal),
      sleep: async (signal) => (await backend(signal)).sleep(signal),
      wake: async (signal) => (await backend(signal)).wake(signal),
      setMode: async (profile, signal) => (await backend(signal)).setMode(profile, signal),
      setPowerLimit: async (watts, signal) => (await backend(signal)).setPowerLimit(watts, signal),
      setPools: async (pools, signal) => (await backend(signal)).setPools(pools, signal),
      reboot: async (signal) => (await backend(signal)).reboot(signal),
      locate: async (on, signal) => (await backend(signal)).locate(on, signal),
      close() {
        backends.rest.close();
        backends.graphql.close();
      },
    };
  },
});

/** Only REST tells its version as three numbers; firmware from before it answers that page with another, or with none. */
async function whichApi(
  { address, port, timeoutMs }: BraiinsTarget,
  io: DriverIo,
  { graphql, rpc }: Readonly<Record<'graphql' | 'rpc', BraiinsBackend>>,
  signal?: AbortSignal,
): Promise<'rest' | 'graphql' | 'rpc'> {
  const url = `http://${address}:${port}/api/v1/version`;
  try {
    const reply = await io.http.ask({ method: 'GET', url, timeoutMs, signal });
    if (reply.status === 401 || reply.status === 403) return 'rest';
    const isElsewhere = reply.status >= 300 && reply.status < 400;
    if (isElsewhere || expectOk(reply, url).body.trimStart().startsWith('<')) return 'graphql';
    if (num(dig(asJson(reply, url), 'major')) !== undefined) return 'rest';
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'unsupported') throw error;
  }
  // Nothing of that page, or another: whoever answers GraphQL speaks it.
  const speaks = (backend: BraiinsBackend): Promise<boolean> =>
    backend.read(signal).then(
      () => true,
      (failed: unknown) => {
        if (failed instanceof Fault && failed.kind === 'unsupported') return false;
        throw failed;
      },
    );
  if (await speaks(graphql)) return 'graphql';
  // A closed 4028 says nothing of the web port; one that answers badly is there.
  const isRpc = await speaks(rpc).catch((failed: unknown) => {
    if (failed instanceof Fault) return failed.kind === 'garbled' || failed.kind === 'refused';
    throw failed;
  });
  return isRpc ? 'rpc' : 'rest';
}
