import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:net';
import type { AfterOutage } from '../src/model/index.ts';
import { gpuPart, isTpu } from './gpu-parts.ts';
import { httpServer, type Host, type HttpAnswer } from './net.ts';
import { hash32, serialAt } from './random.ts';
import { GPUS, gpusOf, isSupplied, minimumLimitW, serverUp } from './servers.ts';
import type { Endpoint } from './world.ts';

/**
 * The management controller of every GPU server (Redfish, DMTF DSP0266; resources as DSP2046 describes them): the host
 * as system `1` in chassis `1`, NVIDIA's baseboard as `HGX_Baseboard_0`. It answers while there is supply, the server
 * on or off. Requests without credentials are let in, wrong ones are not.
 */
const ROOT = '/redfish/v1';
const USER = 'admin';
const PASSWORD = 'admin';
const SESSION_MS = 30 * 60_000;

interface Bmc {
  readonly tokens: Map<string, number>;
  locating: boolean;
}
const bmcs = new WeakMap<Host, Map<number, Bmc>>();

function bmcOf(host: Host, endpoint: Endpoint): Bmc {
  const all = bmcs.get(host) ?? new Map<number, Bmc>();
  bmcs.set(host, all);
  const bmc = all.get(endpoint.index) ?? { tokens: new Map(), locating: false };
  all.set(endpoint.index, bmc);
  return bmc;
}

export function redfishServer(host: Host): Server {
  const alive = ({ index, hall, driver }: Endpoint): 'yes' | 'silent' | 'refused' => {
    if (driver === 'tpu-exporter') return 'refused';
    const { servers, halls, state } = host.world;
    const live = state.feeder.breaker.closesAt === undefined && halls[hall]!.state.breaker.closesAt === undefined;
    return live && isSupplied(servers, index, host.world) ? 'yes' : 'silent';
  };
  return httpServer(host, ['server'], alive, (request, body, endpoint) => answer(host, endpoint, request, body));
}

function answer(host: Host, endpoint: Endpoint, request: IncomingMessage, body: string): HttpAnswer {
  const path = (request.url ?? '/').replace(/[?#].*$/, '').replace(/(?<=.)\/$/, '');
  if (path === '/redfish' && request.method === 'GET') return json({ v1: `${ROOT}/` });
  if (path === ROOT && request.method === 'GET') return json(resourcesOf(host, endpoint).get('')!);
  if (!path.startsWith(`${ROOT}/`)) return failed(404, 'Base.1.8.ResourceMissingAtURI');
  const inner = path.slice(ROOT.length);
  const fields = parse(body);
  if (inner === '/SessionService/Sessions' && request.method === 'POST') return signIn(host, endpoint, fields);
  if (!mayEnter(host, endpoint, request)) return failed(401, 'Base.1.8.NoValidSession');
  const resource = resourcesOf(host, endpoint).get(inner);
  if (request.method === 'GET' || request.method === 'HEAD')
    return resource === undefined ? failed(404, 'Base.1.8.ResourceMissingAtURI') : json(resource);
  if (request.method === 'DELETE' && inner.startsWith('/SessionService/Sessions/')) return { status: 204, body: '' };
  if (inner === '/Systems/1/Actions/ComputerSystem.Reset' && request.method === 'POST')
    return reset(host, endpoint, fields['ResetType']);
  if (request.method === 'PATCH' && inner === '/Systems/1')
    return 'PowerRestorePolicy' in fields ? restore(host, endpoint, fields) : locate(host, endpoint, fields);
  const gpu = /^\/Systems\/HGX_Baseboard_0\/Processors\/(GPU_SXM_\d+)\/EnvironmentMetrics$/.exec(inner)?.[1];
  if (request.method === 'PATCH' && gpu !== undefined && resource !== undefined)
    return limit(host, endpoint, Number(gpu.slice('GPU_SXM_'.length)) - 1, fields);
  return resource === undefined
    ? failed(404, 'Base.1.8.ResourceMissingAtURI')
    : failed(405, 'Base.1.8.OperationNotAllowed');
}

const HEADERS = { 'content-type': 'application/json; charset=utf-8', 'odata-version': '4.0' };

const json = (body: object, status = 200, headers: Readonly<Record<string, string>> = {}): HttpAnswer => ({
  status,
  headers: { ...HEADERS, ...headers },
  body: JSON.stringify(body),
});

function failed(status: number, id: string): HttpAnswer {
  const message = { MessageId: id, Message: id.split('.').at(-1) };
  return json({ error: { code: id, message: message.Message, '@Message.ExtendedInfo': [message] } }, status);
}

function parse(body: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function signIn(host: Host, endpoint: Endpoint, fields: Record<string, unknown>): HttpAnswer {
  if (fields['UserName'] !== USER || fields['Password'] !== PASSWORD) return failed(401, 'Base.1.8.NoValidSession');
  const { tokens } = bmcOf(host, endpoint);
  const id = String(tokens.size + 1);
  const token = hash32(host.world.seed, endpoint.number, tokens.size, 0x7ed).toString(16).padStart(8, '0').repeat(4);
  tokens.set(token, host.wallNow() + SESSION_MS);
  const uri = `${ROOT}/SessionService/Sessions/${id}`;
  return json({ '@odata.id': uri, Id: id, Name: 'User Session', UserName: USER }, 201, {
    'x-auth-token': token,
    location: uri,
  });
}

function mayEnter(host: Host, endpoint: Endpoint, { headers }: IncomingMessage): boolean {
  const token = headers['x-auth-token'];
  if (typeof token === 'string') return (bmcOf(host, endpoint).tokens.get(token) ?? -Infinity) > host.wallNow();
  const given = headers.authorization;
  return given === undefined || given === `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;
}

const RESETS = ['On', 'ForceOff', 'GracefulShutdown', 'GracefulRestart', 'ForceRestart'] as const;

function reset(host: Host, endpoint: Endpoint, type: unknown): HttpAnswer {
  if (!RESETS.includes(type as never)) return failed(400, 'Base.1.8.ActionParameterNotSupported');
  const isOff = host.world.state.serversOff.has(endpoint.index);
  if (isOff && (type === 'GracefulRestart' || type === 'ForceRestart'))
    return failed(409, 'Base.1.8.ResourceInStandby');
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return failed(503, 'Base.1.8.ServiceTemporarilyUnavailable');
  if (fault === undefined) {
    const power = (on: boolean) => host.send({ op: 'server-power', n: endpoint.index, on });
    if (type !== 'On' && !isOff) power(false);
    if (type === 'On' ? isOff : type === 'GracefulRestart' || type === 'ForceRestart') power(true);
  }
  return { status: 204, body: '' };
}

function locate(host: Host, endpoint: Endpoint, fields: Record<string, unknown>): HttpAnswer {
  const on = fields['LocationIndicatorActive'];
  if (typeof on !== 'boolean') return failed(400, 'Base.1.8.PropertyUnknown');
  bmcOf(host, endpoint).locating = on;
  return { status: 204, body: '' };
}

const POLICIES: Readonly<Record<string, AfterOutage>> = {
  AlwaysOn: 'start',
  AlwaysOff: 'stay-off',
  LastState: 'last-state',
};

function restore(host: Host, endpoint: Endpoint, fields: Record<string, unknown>): HttpAnswer {
  const what = POLICIES[String(fields['PowerRestorePolicy'])];
  if (what === undefined) return failed(400, 'Base.1.8.PropertyValueNotInList');
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return failed(503, 'Base.1.8.ServiceTemporarilyUnavailable');
  if (fault === undefined) host.send({ op: 'server-restore', n: endpoint.index, what });
  return { status: 204, body: '' };
}

function limit(host: Host, endpoint: Endpoint, gpu: number, fields: Record<string, unknown>): HttpAnswer {
  const model = host.world.servers.models[host.world.servers.model[endpoint.index]!]!;
  const watts = (fields['PowerLimitWatts'] as { SetPoint?: unknown } | undefined)?.SetPoint;
  if (typeof watts !== 'number' || watts < minimumLimitW(model) || watts > model.gpuTdpW)
    return failed(400, 'Base.1.8.PropertyValueOutOfRange');
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return failed(503, 'Base.1.8.ServiceTemporarilyUnavailable');
  if (fault === undefined) host.send({ op: 'gpu-limit', n: endpoint.index, gpus: [gpu], watts });
  return { status: 204, body: '' };
}

/** Every resource by its path below the root. */
function resourcesOf(host: Host, endpoint: Endpoint): Map<string, object> {
  const { world } = host;
  const { servers } = world;
  const n = endpoint.index;
  const model = servers.models[servers.model[n]!]!;
  const isOn = !world.state.serversOff.has(n);
  const isUp = serverUp(servers, n, host.siteNow());
  const watts = Math.round(servers.state.serverW[n]!);
  const all = new Map<string, object>();
  const add = (path: string, type: string, name: string, body: object): void => {
    const id = path.split('/').at(-1) || 'RootService';
    all.set(path, { '@odata.id': ROOT + path, '@odata.type': `#${type}`, Id: id, Name: name, ...body });
  };
  const link = (path: string) => ({ '@odata.id': ROOT + path });
  const collection = (path: string, type: string, members: readonly string[]): void =>
    add(path, `${type}Collection.${type}Collection`, `${type} Collection`, {
      'Members@odata.count': members.length,
      Members: members.map((member) => link(`${path}/${member}`)),
    });
  const ok = { State: 'Enabled', Health: 'OK' };
  const gpus = isTpu(model.gpuModel) ? [] : Array.from({ length: gpusOf(servers, n) }, (_, gpu) => gpu);

  add('', 'ServiceRoot.v1_9_0.ServiceRoot', 'Root Service', {
    RedfishVersion: '1.11.0',
    UUID: `00000000-0000-4000-8000-${hash32(world.seed, endpoint.number).toString(16).padStart(12, '0')}`,
    Systems: link('/Systems'),
    Chassis: link('/Chassis'),
    Managers: link('/Managers'),
    SessionService: link('/SessionService'),
    Links: { Sessions: link('/SessionService/Sessions') },
  });
  add('/SessionService', 'SessionService.v1_1_8.SessionService', 'Session Service', {
    ServiceEnabled: true,
    Sessions: link('/SessionService/Sessions'),
  });
  collection('/SessionService/Sessions', 'Session', []);
  collection('/Managers', 'Manager', ['BMC']);
  add('/Managers/BMC', 'Manager.v1_11_0.Manager', 'BMC', {
    ManagerType: 'BMC',
    FirmwareVersion: '24.09.1',
    Status: ok,
  });
  collection('/Systems', 'ComputerSystem', gpus.length === 0 ? ['1'] : ['HGX_Baseboard_0', '1']);
  add('/Systems/1', 'ComputerSystem.v1_16_0.ComputerSystem', 'System', {
    SystemType: 'Physical',
    Manufacturer: 'Busbar Works',
    Model: model.name,
    SerialNumber: serialAt(12, endpoint.number, 5),
    BiosVersion: '1.4.2',
    HostName: world.nodes[n]!.name,
    PowerState: isOn ? (isUp ? 'On' : 'PoweringOn') : 'Off',
    LocationIndicatorActive: bmcOf(host, endpoint).locating,
    PowerRestorePolicy: Object.keys(POLICIES).find(
      (name) => POLICIES[name] === (world.state.restores.get(n) ?? 'last-state'),
    ),
    'PowerRestorePolicy@Redfish.AllowableValues': Object.keys(POLICIES),
    Status: { ...ok, HealthRollup: 'OK', State: isOn ? 'Enabled' : 'Disabled' },
    Processors: link('/Systems/1/Processors'),
    Links: { Chassis: [link('/Chassis/1')], ManagedBy: [link('/Managers/BMC')] },
    Actions: {
      '#ComputerSystem.Reset': {
        target: `${ROOT}/Systems/1/Actions/ComputerSystem.Reset`,
        'ResetType@Redfish.AllowableValues': RESETS,
      },
    },
  });
  collection('/Systems/1/Processors', 'Processor', ['CPU_0', 'CPU_1']);
  for (const cpu of ['CPU_0', 'CPU_1'])
    add(`/Systems/1/Processors/${cpu}`, 'Processor.v1_16_0.Processor', cpu, { ProcessorType: 'CPU', Status: ok });
  collection('/Chassis', 'Chassis', ['1']);
  add('/Chassis/1', 'Chassis.v1_21_0.Chassis', 'Chassis', {
    ChassisType: 'RackMount',
    Model: model.name,
    PowerState: isOn ? 'On' : 'Off',
    EnvironmentMetrics: link('/Chassis/1/EnvironmentMetrics'),
    Power: link('/Chassis/1/Power'),
    Thermal: link('/Chassis/1/Thermal'),
    Status: ok,
  });
  add('/Chassis/1/EnvironmentMetrics', 'EnvironmentMetrics.v1_3_0.EnvironmentMetrics', 'Chassis Environment Metrics', {
    PowerWatts: { Reading: watts, ReadingUnits: 'W' },
  });
  add('/Chassis/1/Power', 'Power.v1_7_1.Power', 'Power', {
    PowerControl: [
      {
        '@odata.id': `${ROOT}/Chassis/1/Power#/PowerControl/0`,
        MemberId: '0',
        Name: 'System Power Control',
        PowerConsumedWatts: watts,
        PowerCapacityWatts: Math.round(model.nameplateW * 1.3),
        Status: ok,
      },
    ],
    PowerSupplies: [0, 1, 2, 3].map((psu) => ({ MemberId: String(psu), Name: `PSU ${psu + 1}`, Status: ok })),
  });
  const hottest = Math.max(...servers.state.gpuC.subarray(n * GPUS, n * GPUS + Math.max(1, gpus.length)));
  const inlet = 18 + (world.halls[endpoint.hall]!.designW > 0 ? 6 : 0);
  add('/Chassis/1/Thermal', 'Thermal.v1_7_1.Thermal', 'Thermal', {
    Temperatures: [
      { MemberId: '0', Name: 'Inlet Temp', ReadingCelsius: inlet, PhysicalContext: 'Intake', Status: ok },
      isUp
        ? { MemberId: '1', Name: 'GPU Temp', ReadingCelsius: Math.round(hottest), PhysicalContext: 'GPU', Status: ok }
        : {
            MemberId: '1',
            Name: 'GPU Temp',
            ReadingCelsius: null,
            PhysicalContext: 'GPU',
            Status: { State: 'Absent' },
          },
    ],
    Fans: Array.from({ length: 6 }, (_, fan) => ({
      MemberId: String(fan),
      Name: `Fan ${fan + 1}`,
      Reading: isOn ? Math.round(3000 + 6000 * (watts / model.nameplateW)) : 0,
      ReadingUnits: 'RPM',
      Status: ok,
    })),
  });
  if (gpus.length === 0) return all;
  const board = '/Systems/HGX_Baseboard_0';
  add(board, 'ComputerSystem.v1_16_0.ComputerSystem', 'HGX Baseboard', {
    SystemType: 'Physical',
    Processors: link(`${board}/Processors`),
    Status: ok,
  });
  collection(
    `${board}/Processors`,
    'Processor',
    gpus.map((gpu) => `GPU_SXM_${gpu + 1}`),
  );
  for (const gpu of gpus) {
    const g = n * GPUS + gpu;
    const path = `${board}/Processors/GPU_SXM_${gpu + 1}`;
    add(path, 'Processor.v1_16_0.Processor', `GPU ${gpu + 1}`, {
      ProcessorType: 'GPU',
      Model: gpuPart(model.gpuModel).name,
      EnvironmentMetrics: link(`${path}/EnvironmentMetrics`),
      Status: ok,
    });
    add(`${path}/EnvironmentMetrics`, 'EnvironmentMetrics.v1_3_0.EnvironmentMetrics', `GPU ${gpu + 1} Environment`, {
      PowerWatts: { Reading: isUp ? Number(servers.state.gpuW[g]!.toFixed(2)) : null },
      TemperatureCelsius: { Reading: isUp ? Number(servers.state.gpuC[g]!.toFixed(1)) : null },
      EnergyJoules: { Reading: isUp ? Math.floor(servers.state.gpuEnergyMj[g]! / 1000) : null },
      PowerLimitWatts: {
        SetPoint: servers.state.gpuLimitW[g]!,
        AllowableMin: minimumLimitW(model),
        AllowableMax: model.gpuTdpW,
        ControlMode: 'Automatic',
      },
    });
  }
  return all;
}
