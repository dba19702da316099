import { createSocket } from 'node:dgram';
import {
  OUT_OF_RANGE,
  PROPERTY,
  TYPE,
  UNKNOWN_OBJECT,
  UNKNOWN_PROPERTY,
  WRITE_DENIED,
  WRONG_TYPE,
  answerTo,
  type Controller,
  type ObjectId,
  type Value,
} from './bacnet-frames.ts';
import { isLoopback, type Host } from './net.ts';
import { PURPOSE, bellAt } from './random.ts';
import { designSetPointC } from './set-points.ts';
import type { Endpoint, World } from './world.ts';

/**
 * Controllers of cooling plants over BACnet/IP, each with the objects the site file names for it (or a usual layout
 * where it names none). The set point can be written at priority 8; written null, the plant returns to its design.
 */
type PointName = 'supply' | 'return' | 'setPoint' | 'flow' | 'pressure' | 'fan' | 'pump' | 'running' | 'start';

const USUAL: Readonly<Record<Exclude<PointName, 'start'>, string>> = {
  supply: 'analog-input,1',
  return: 'analog-input,2',
  setPoint: 'analog-value,1',
  flow: 'analog-input,3',
  pressure: 'analog-input,4',
  fan: 'analog-output,1',
  pump: 'analog-output,2',
  running: 'binary-input,1',
};
/** A plant that can be started stands still by its own program; pumps and fans take so long to run up. */
const NAMES: readonly PointName[] = [...(Object.keys(USUAL) as PointName[]), 'start'];
const RUN_UP_MS = 40_000;
const TYPES: Readonly<Record<string, number>> = {
  'analog-input': TYPE.analogInput,
  'analog-output': TYPE.analogOutput,
  'analog-value': TYPE.analogValue,
  'binary-input': TYPE.binaryInput,
  'binary-output': TYPE.binaryOutput,
  'binary-value': TYPE.binaryValue,
};
const OPERATOR = 8;
/** What the controller itself takes, wider than any site file would ask for. */
const LEAST_C = 5;
const MOST_C = 45;

export interface CoolingAgents {
  close(): void;
}

export function openCoolingAgents(host: Host, port: number): CoolingAgents {
  const sockets = host.world.endpoints
    .filter(({ kind }) => kind === 'cooling')
    .map((endpoint) => {
      const controller = controllerOf(host, endpoint);
      const socket = createSocket({ type: 'udp4', reuseAddr: true });
      socket.on('message', (packet, { address, port: from }) => {
        if (!isLoopback(address)) return;
        const fault = host.faults.onRequest(endpoint, port);
        if (fault === 'silent' || fault === 'refused') return;
        const answer = answerTo(packet, controller);
        if (answer === undefined) return;
        const sent = fault === 'garbled' ? answer.subarray(0, answer.length - 3) : answer;
        const reply = (): void => socket.send(sent, from, address, () => {});
        if (fault === 'late') setTimeout(reply, host.faults.lateMs(endpoint)).unref();
        else reply();
      });
      socket.on('error', (error) => process.emitWarning(`BACnet at ${endpoint.address}:${port}: ${error.message}`));
      socket.bind(port, endpoint.address);
      return socket;
    });
  return { close: () => sockets.forEach((socket) => socket.close()) };
}

function pointsOf(world: World, endpoint: Endpoint): ReadonlyMap<string, PointName> {
  const named = world.site.plant.find(({ id }) => id === endpoint.id)?.settings['points'];
  const points = { ...(typeof named === 'object' && named !== null ? named : USUAL) } as Record<string, unknown>;
  return new Map(
    NAMES.flatMap((name) => {
      const [type = '', instance = ''] = (typeof points[name] === 'string' ? points[name] : '').split(',');
      return TYPES[type] === undefined ? [] : [[`${TYPES[type]},${Number(instance)}`, name] as const];
    }),
  );
}

function controllerOf(host: Host, endpoint: Endpoint): Controller {
  const points = pointsOf(host.world, endpoint);
  const instance = 1000 + endpoint.number;
  const nameOf = ({ type, instance: n }: ObjectId): PointName | undefined => points.get(`${type},${n}`);
  return {
    instance,
    read(object, property) {
      const isDevice = object.type === TYPE.device;
      const name = isDevice ? undefined : nameOf(object);
      if (isDevice ? object.instance !== instance : name === undefined) return UNKNOWN_OBJECT;
      if (property === PROPERTY.objectIdentifier) return { tag: 'object', ...object };
      if (property === PROPERTY.objectName) return { tag: 'text', text: name ?? endpoint.id };
      if (property === PROPERTY.objectType) return { tag: 'enumerated', number: object.type };
      if (property !== PROPERTY.presentValue || name === undefined) return UNKNOWN_PROPERTY;
      const value = presentValue(host.world, endpoint, name, [...points.values()].includes('start'));
      const isBinary = ([TYPE.binaryInput, TYPE.binaryOutput, TYPE.binaryValue] as number[]).includes(object.type);
      return { tag: isBinary ? 'enumerated' : 'real', number: value };
    },
    write(object, property, value, priority) {
      const name = nameOf(object);
      if (name === undefined) return UNKNOWN_OBJECT;
      if (property !== PROPERTY.presentValue) return UNKNOWN_PROPERTY;
      if (name === 'start' && priority === OPERATOR) return demand(host, endpoint, value);
      if (name !== 'setPoint' || priority !== OPERATOR) return WRITE_DENIED;
      return setPoint(host, endpoint, value);
    },
  };
}

function setPoint(host: Host, endpoint: Endpoint, value: Value) {
  const hall = host.world.site.halls[endpoint.hall]!;
  if (value.tag !== 'null' && value.tag !== 'real') return WRONG_TYPE;
  const celsius = value.tag === 'null' ? designSetPointC(hall) : value.number;
  if (!(celsius >= LEAST_C && celsius <= MOST_C)) return OUT_OF_RANGE;
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return WRITE_DENIED;
  if (fault === undefined) host.send({ op: 'set-point', cooling: endpoint.index, celsius });
  return undefined;
}

function demand(host: Host, endpoint: Endpoint, value: Value) {
  if (value.tag !== 'null' && value.tag !== 'enumerated') return WRONG_TYPE;
  if (value.tag === 'enumerated' && value.number > 1) return OUT_OF_RANGE;
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return WRITE_DENIED;
  const cooling = endpoint.index;
  if (fault === undefined)
    host.send(
      value.tag === 'null'
        ? { op: 'demand-cooling', cooling }
        : { op: 'demand-cooling', cooling, on: value.number === 1 },
    );
  return undefined;
}

/** A plant follows its hall: flow stands, fans and pumps follow the load, what comes back is warmer by the heat it carries. */
function presentValue(world: World, endpoint: Endpoint, name: PointName, hasStart: boolean): number {
  const hall = world.halls[endpoint.hall]!;
  const step = Math.round(world.state.t / world.stepMs);
  const noise = (of: number) => 1 + 0.01 * bellAt(world.seed, PURPOSE.meter, endpoint.number * 8 + of, step);
  const asked = world.state.setPoints.get(endpoint.index) ?? designSetPointC(hall.config);
  const demanded = world.state.demands.get(endpoint.index);
  const isOn = !hasStart || demanded?.on === true;
  const supplied = world.state.feeder.breaker.closesAt === undefined && hall.state.breaker.closesAt === undefined;
  const runs = supplied && isOn && (!hasStart || world.state.t - demanded!.since >= RUN_UP_MS);
  const load = hall.designW > 0 ? hall.state.itW / hall.designW : 0;
  switch (name) {
    case 'setPoint':
      return asked;
    case 'supply':
      return asked + (runs ? 0.2 * noise(1) : 6);
    case 'return':
      return asked + (runs ? 0.2 + 8 * load * noise(2) : 6);
    // Water carries 4.18 kJ for a litre and degree: at design load 8 degrees apart.
    case 'flow':
      return runs ? (hall.designW / 1000 / (4.18 * 8)) * 60 * noise(3) : 0;
    case 'pressure':
      return runs ? 210 * noise(4) : 95;
    case 'fan':
      return runs ? Math.min(100, (25 + 70 * load) * noise(5)) : 0;
    case 'pump':
      return runs ? Math.min(100, 80 * noise(6)) : 0;
    case 'start':
      return demanded?.on === true ? 1 : 0;
    default:
      return supplied && isOn ? 1 : 0;
  }
}
