import { z } from 'zod';
import {
  AFTER_OUTAGE,
  Fault,
  run,
  secretRef,
  SLEEP,
  type AfterOutage,
  type HttpReply,
  type OperatingMode,
  type Reading,
  type WallMs,
} from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { fields, list, text, type Fields } from './wire/fields.ts';
import { serverModel, shareOfLimit, withHost } from './wire/gpus.ts';
import { asFields, expectOk } from './wire/http.ts';
import { parts } from './wire/parts.ts';
import {
  fansOf,
  gpuMetrics,
  hottestOf,
  linkOf,
  membersOf,
  powerOf,
  troublesOf,
  type GpuMetrics,
} from './wire/redfish.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(443),
  scheme: z.enum(['https', 'http']).default('https'),
  certificate: z
    .union([
      z.enum(['verify', 'any']),
      z.strictObject({ sha256: z.string().regex(/^([0-9a-fA-F]{2}:?){32}$/, 'a SHA-256 in hex') }),
    ])
    .default('verify')
    .describe("how the BMC's certificate is judged: by the system's authorities, not at all, or by its own SHA-256"),
  username: z.string().optional(),
  password: secretRef.optional(),
  auth: z.enum(['basic', 'session']).default('basic').describe('session: one sign-in, kept as long as the BMC does'),
  system: z.string().optional().describe('id below /redfish/v1/Systems; absent: the first that is no GPU baseboard'),
  chassis: z.string().optional().describe('id below /redfish/v1/Chassis; absent: the one the system names'),
  gracefulSeconds: z
    .number()
    .min(0)
    .default(120)
    .describe('a shutdown asked for again within it is not asked again: to some systems that means at once'),
  timeoutMs: z.number().int().positive().default(5000),
});

const ROOT = '/redfish/v1';
/** NVIDIA's GPU baseboard is a system of its own beside the host's. */
const BASEBOARD = /HGX_Baseboard/i;
const MOST_GPUS = 16;

/** Where things lie; learned once, as walking there costs a request a step. */
interface Places {
  readonly system: string;
  readonly power: readonly string[];
  readonly thermal: string | undefined;
  readonly processors: readonly string[];
}

/**
 * A server through its management controller (Redfish, DMTF DSP0266): power of the whole machine as it measures it,
 * on and off, and the power limits of its GPUs. It is never forced off from here.
 */
export const redfish = defineDriver({
  name: 'redfish',
  about: 'GPU servers through their BMC (Redfish over HTTPS)',
  serves: ['gpu-server'],
  config,
  afterOutage: { arms: () => AFTER_OUTAGE },
  ports: [443],
  probes: [{ port: 443, path: '/redfish/v1' }],
  recognises: (seen) => [...seen.pages].some(([at, body]) => at.endsWith('/redfish/v1') && /RedfishVersion/.test(body)),
  open({ address, modelId, config: settings }, io) {
    const { port, scheme, certificate, timeoutMs } = settings;
    const server = serverModel(modelId);
    let places: Places | undefined;
    let token: string | undefined;
    let askedOffAt: WallMs | undefined;

    const send = (
      method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
      path: string,
      body: object | undefined,
      headers: Record<string, string>,
      signal?: AbortSignal,
    ): Promise<HttpReply> =>
      io.http.ask({
        method,
        url: `${scheme}://${address}:${port}${path}`,
        headers: { accept: 'application/json', ...(body && { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        certificate,
        timeoutMs,
        signal,
      });

    async function credentials(signal?: AbortSignal): Promise<Record<string, string>> {
      const { username, password, auth } = settings;
      if (username === undefined || password === undefined) return {};
      const secret = io.secret(password);
      if (auth === 'basic')
        return { authorization: `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}` };
      if (token === undefined) {
        const path = `${ROOT}/SessionService/Sessions`;
        const reply = expectOk(
          await send('POST', path, { UserName: username, Password: secret }, {}, signal),
          `${address} sign-in`,
        );
        token = text(reply.headers['x-auth-token']);
        if (token === undefined) throw new Fault('garbled', `${address} sign-in: no token`, { bytes: reply.body });
      }
      return { 'x-auth-token': token };
    }

    async function ask(
      method: 'GET' | 'POST' | 'PATCH',
      path: string,
      body?: object,
      headers: Record<string, string> = {},
      signal?: AbortSignal,
    ): Promise<HttpReply> {
      const first = await send(method, path, body, { ...headers, ...(await credentials(signal)) }, signal);
      if (first.status !== 401 || token === undefined) return expectOk(first, `${address} ${path}`);
      // The session has ended: one new sign-in, and no more.
      token = undefined;
      const again = await send(method, path, body, { ...headers, ...(await credentials(signal)) }, signal);
      return expectOk(again, `${address} ${path}`);
    }

    const get = async (path: string, signal?: AbortSignal): Promise<Fields> =>
      asFields(await ask('GET', path, undefined, {}, signal), `${address} ${path}`);

    async function find(signal?: AbortSignal): Promise<Places> {
      const systems = membersOf(await get(`${ROOT}/Systems`, signal), `${address} Systems`);
      const system =
        settings.system === undefined
          ? (systems.find((uri) => !BASEBOARD.test(uri)) ?? systems[0])
          : `${ROOT}/Systems/${settings.system}`;
      if (system === undefined) throw new Fault('unsupported', `${address}: the BMC names no system`);
      const found = await get(system, signal);
      const chassisUri =
        settings.chassis === undefined
          ? list(fields(found['Links'])['Chassis'])
              .map(linkOf)
              .find((link) => link !== undefined)
          : `${ROOT}/Chassis/${settings.chassis}`;
      const chassis = chassisUri === undefined ? {} : await get(chassisUri, signal);
      const subsystem = linkOf(chassis['ThermalSubsystem']);
      const baseboard = systems.find((uri) => BASEBOARD.test(uri));
      return {
        system,
        power: [linkOf(chassis['EnvironmentMetrics']), linkOf(chassis['Power'])].filter((link) => link !== undefined),
        thermal: linkOf(chassis['Thermal']) ?? (subsystem === undefined ? undefined : `${subsystem}/ThermalMetrics`),
        processors: [
          ...(baseboard === undefined ? [] : [`${baseboard}/Processors`]),
          ...[linkOf(found['Processors'])].filter((link) => link !== undefined),
        ],
      };
    }

    const placesOf = async (signal?: AbortSignal): Promise<Places> => (places ??= await find(signal));

    /** A part that this BMC does not have is none; a silent BMC is still a fault. */
    async function orNone<T>(work: Promise<T>): Promise<T | undefined> {
      return work.catch((error: unknown) => {
        if (error instanceof Fault && error.kind === 'unsupported') return undefined;
        throw error;
      });
    }

    async function measured(at: Places, signal?: AbortSignal): Promise<number | undefined> {
      for (const uri of at.power) {
        const resource = await orNone(get(uri, signal));
        const watts = resource === undefined ? undefined : powerOf(resource);
        if (watts !== undefined) return watts;
      }
      return undefined;
    }

    async function gpusOf(at: Places, signal?: AbortSignal): Promise<GpuMetrics[]> {
      for (const collection of at.processors) {
        const found = await orNone(get(collection, signal));
        const all = found === undefined ? [] : membersOf(found, `${address} ${collection}`);
        const gpus = all
          .filter((uri) => /GPU[^/]*$/i.test(uri))
          .sort(byNumber)
          .slice(0, MOST_GPUS);
        if (gpus.length === 0) continue;
        const metrics: GpuMetrics[] = [];
        for (const [index, uri] of gpus.entries())
          metrics.push(gpuMetrics(`${uri}/EnvironmentMetrics`, index, await get(`${uri}/EnvironmentMetrics`, signal)));
        return metrics;
      }
      return [];
    }

    async function reset(type: string, signal?: AbortSignal): Promise<void> {
      const system = await get((await placesOf(signal)).system, signal);
      const action = fields(fields(system['Actions'])['#ComputerSystem.Reset']);
      const path = text(action['target']);
      if (path === undefined) throw new Fault('unsupported', `${address}: the BMC offers no reset of its system`);
      const allowed = list(action['ResetType@Redfish.AllowableValues']);
      if (allowed.length > 0 && !allowed.includes(type))
        throw new Fault('unsupported', `${address}: the BMC knows no ${type}, only ${allowed.join(', ')}`);
      const state = modeOf(system);
      if (type === 'On' && state?.kind === 'run') return;
      if (type === 'GracefulShutdown') {
        if (state?.kind === 'sleep') return;
        const now = io.wallNow();
        if (askedOffAt !== undefined && now - askedOffAt < settings.gracefulSeconds * 1000) return;
        askedOffAt = now;
      } else askedOffAt = undefined;
      await ask('POST', path, { ResetType: type }, {}, signal);
    }

    return {
      async read(signal) {
        const at = await placesOf(signal);
        const system = await get(at.system, signal);
        if (text(system['PowerState']) === undefined && text(system['@odata.id']) === undefined) {
          places = undefined;
          throw new Fault('garbled', `${address} ${at.system}: no system of Redfish`);
        }
        const mode = modeOf(system);
        if (mode?.kind === 'sleep') askedOffAt = undefined;
        const powerW = await measured(at, signal);
        const thermal = at.thermal === undefined ? undefined : await orNone(get(at.thermal, signal));
        return {
          at: io.siteNow(),
          powerW,
          powerBasis: powerW === undefined ? undefined : 'measured',
          mode,
          temperatureC: thermal === undefined ? undefined : hottestOf(thermal),
          afterOutage: restoreOf(system),
        } satisfies Reading;
      },

      async inspect(signal) {
        const told = parts();
        places = undefined;
        const at = await placesOf(signal);
        const system = await told.get('identity', () => get(at.system, signal));
        const thermal =
          at.thermal === undefined ? undefined : await told.get('temperatures', () => get(at.thermal!, signal));
        const power = await told.get('power', async () => {
          const uri = at.power.at(-1);
          return uri === undefined ? {} : get(uri, signal);
        });
        const gpus = await told.get('gpus', () => gpusOf(at, signal));
        const errors = [...systemTrouble(system), ...[thermal, power].flatMap((one) => troublesOf(one ?? {}))];
        const model = [text(system?.['Manufacturer']), text(system?.['Model'])].filter((word) => word !== undefined);
        const gaps = told.gaps();
        return {
          at: io.siteNow(),
          model: model.length === 0 ? undefined : model.join(' '),
          serial: text(system?.['SerialNumber']),
          firmware: text(system?.['BiosVersion']),
          hostname: text(system?.['HostName']),
          ...fansOf(thermal ?? {}),
          gpus: gpus === undefined || gpus.length === 0 ? undefined : gpus.map(({ reading }) => reading),
          powerLimitW:
            gpus === undefined
              ? undefined
              : withHost(
                  gpus.map(({ limitW }) => limitW),
                  server,
                ),
          errors: errors.length === 0 ? undefined : errors,
          gaps,
        } satisfies Reading;
      },

      sleep: (signal) => reset('GracefulShutdown', signal),
      wake: (signal) => reset('On', signal),
      reboot: (signal) => reset('GracefulRestart', signal),

      /** An equal share to each GPU, inside what each of them allows now. */
      async setPowerLimit(watts, signal) {
        const where = `${address} power limit`;
        const gpus = await gpusOf(await placesOf(signal), signal);
        if (gpus.length === 0) throw new Fault('unsupported', `${where}: the BMC names no GPU`);
        const ranges = gpus.map(({ index, leastW, mostW }) => ({ gpu: String(index), leastW, mostW }));
        if (ranges.some(({ leastW, mostW }) => leastW === undefined || mostW === undefined))
          throw new Fault('unsupported', `${where}: a GPU tells no range; its power can not be limited from here`);
        const setPoint = Math.floor(shareOfLimit(watts, server, ranges, where));
        for (const { uri, etag, limitW } of gpus) {
          if (limitW === setPoint) continue;
          const headers: Record<string, string> = etag === undefined ? {} : { 'if-match': etag };
          await ask('PATCH', uri, { PowerLimitWatts: { SetPoint: setPoint } }, headers, signal);
        }
      },

      /** `PowerRestorePolicy` of the system (ComputerSystem 1.6 and later). */
      async setAfterOutage(what, signal) {
        const where = `${address} PowerRestorePolicy`;
        const uri = (await placesOf(signal)).system;
        const system = await get(uri, signal);
        if (text(system['PowerRestorePolicy']) === undefined)
          throw new Fault('unsupported', `${where}: the BMC has no such setting`);
        if (restoreOf(system) === what) return;
        const allowed = list(system['PowerRestorePolicy@Redfish.AllowableValues']);
        if (allowed.length > 0 && !allowed.includes(RESTORE[what]))
          throw new Fault('unsupported', `${where}: the BMC knows no ${RESTORE[what]}, only ${allowed.join(', ')}`);
        const etag = text(system['@odata.etag']);
        const headers: Record<string, string> = etag === undefined ? {} : { 'if-match': etag };
        await ask('PATCH', uri, { PowerRestorePolicy: RESTORE[what] }, headers, signal);
      },

      async locate(on, signal) {
        const uri = (await placesOf(signal)).system;
        const system = await get(uri, signal);
        // The boolean replaced the named states in ComputerSystem 1.12.
        const change =
          'LocationIndicatorActive' in system
            ? { LocationIndicatorActive: on }
            : 'IndicatorLED' in system
              ? { IndicatorLED: on ? 'Blinking' : 'Off' }
              : undefined;
        if (change === undefined) throw new Fault('unsupported', `${address}: the BMC has no indicator light`);
        await ask('PATCH', uri, change, {}, signal);
      },
      close() {},
    };
  },
});

/** What Redfish calls each (DSP2046, PowerRestorePolicyTypes). */
const RESTORE: Readonly<Record<AfterOutage, string>> = {
  'stay-off': 'AlwaysOff',
  'last-state': 'LastState',
  start: 'AlwaysOn',
};

const restoreOf = (system: Fields): AfterOutage | undefined =>
  AFTER_OUTAGE.find((what) => RESTORE[what] === system['PowerRestorePolicy']);

/** GPU_SXM_10 comes after GPU_SXM_9, however the BMC lists them. */
const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** While it is powering on or off it is neither. */
function modeOf(system: Fields): OperatingMode | undefined {
  const state = system['PowerState'];
  return state === 'Off' ? SLEEP : state === 'On' ? run('default') : undefined;
}

function systemTrouble(system: Fields | undefined): string[] {
  const status = fields(system?.['Status']);
  const health = text(status['HealthRollup']) ?? text(status['Health']);
  return health === 'Warning' || health === 'Critical' ? [`the BMC calls the system ${health.toLowerCase()}`] : [];
}
