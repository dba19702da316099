import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Server } from 'node:net';
import { parse } from 'yaml';
import {
  EMULATED_PORTS,
  STANDARD_PORTS,
  rehearsedSite,
  siteClock,
  siteSchema,
  type ClockSetting,
  type Site,
} from '../src/model/index.ts';
import type { SimCommand } from './command.ts';
import { openCoolingAgents } from './cooling.ts';
import { REQUEST_FAULTS, createFaults, type RequestFault } from './faults.ts';
import { dcgmServer, zeusdServer } from './gpu.ts';
import { kubernetesServer } from './kubernetes.ts';
import { minerServer } from './miner-ports.ts';
import { modbusServer } from './modbus.ts';
import { listen, type Host } from './net.ts';
import { redfishServer } from './redfish.ts';
import { simSchema, type SimConfig } from './sim-schema.ts';
import { slurmServer } from './slurm.ts';
import { stratumServer } from './stratum.ts';
import { NO_STORE, openStore } from './state.ts';
import { tpuServer } from './tpu.ts';
import { truthOf, type Truth } from './truth.ts';
import { openPduAgents } from './pdus.ts';
import { openUplinkAgents } from './uplinks.ts';
import { loadWeather } from './weather.ts';
import { advance, applyCommand, catchUp, createWorld, stepMsFor, type Endpoint, type World } from './world.ts';

export type SimPorts = Readonly<Record<keyof typeof EMULATED_PORTS, number>>;

export interface SimOptions {
  readonly site: Site;
  /** Parsed sim file; undefined: all defaults. */
  readonly config?: SimConfig;
  /** Folder that paths of the sim file start from. */
  readonly folder?: string;
  readonly clock: ClockSetting;
  readonly seed: number;
  /** Added to each port. */
  readonly portOffset?: number;
  /** Listens where real machines do (80, 502, 161): for clients that know no other port. */
  readonly standardPorts?: boolean;
  readonly statePath?: string;
  /** Unix time in ms, and a clock for sessions and nonces. */
  readonly unixNow: () => number;
  readonly wallNow?: () => number;
  /** False: time moves only when a method is called. */
  readonly timer?: boolean;
}

export interface Injection {
  /** A machine, group, hall, meter or cluster by id; `slurm` is every cluster. */
  readonly target: string;
  readonly fault: RequestFault | 'lies' | 'dead' | 'clear';
  /** Share of requests that suffer; 1 when absent. */
  readonly rate?: number;
}

export interface Sim {
  readonly machines: number;
  readonly ports: SimPorts;
  readonly world: World;
  truth(): Truth;
  /** @returns how many endpoints it met; 0 means no such target */
  inject(injection: Injection): number;
  /** Opens a hall's breaker (or the feeder's, hall `connection`). */
  trip(hall: string): void;
  /** Anything else that happens to a site: a GPU that fails, a job that hangs. */
  send(command: SimCommand): void;
  /** Brings the site to the present moment; the timer does so by itself. */
  advance(): void;
  close(): Promise<void>;
}

const TICK_MS = 150;
const SAVE_MS = 2000;
/** A site whose clock began longer ago than this (wall) starts at the present moment, not at its beginning. */
const LONG_AGO_MS = 300_000;

/** Starts the emulated site and listens. Rejects when a port is taken or the state file is of another site. */
export async function startSim(options: SimOptions): Promise<Sim> {
  const config = options.config ?? simSchema.parse({});
  const clock = siteClock(options.clock, options.unixNow);
  const wallNow = options.wallNow ?? options.unixNow;
  const weatherFolder =
    config.weather === undefined ? undefined : resolve(options.folder ?? '.', config.weather.folder);
  const stepMs = stepMsFor(options.clock.speed);
  const now = clock.now();
  const world = createWorld(options.site, config, {
    seed: options.seed,
    stepMs,
    weather: loadWeather(weatherFolder),
    start: clock.toWall(now - options.clock.epochSiteMs) < LONG_AGO_MS ? options.clock.epochSiteMs : now,
  });
  // After a kill at most one save interval and its writing are lost: those steps are taken again as they were.
  const fineSteps = Math.ceil((3 * SAVE_MS * options.clock.speed) / stepMs);
  const store = options.statePath === undefined ? NO_STORE : openStore(options.statePath, world, now, fineSteps);
  catchUp(world, now);
  const host: Host = {
    world,
    faults: createFaults(world),
    siteNow: () => clock.now(),
    wallNow,
    unixNow: options.unixNow,
    send(command: SimCommand) {
      const at = clock.now();
      advance(world, at);
      store.record(at, command);
      applyCommand(world, command, at);
    },
  };
  const ports = portsOf(options);
  const servers = await openPorts(host, ports);
  // UDP is spoken for each address by a socket of its own.
  const agents = [
    openUplinkAgents(host, ports.snmp),
    openPduAgents(host, ports.snmp),
    openCoolingAgents(host, ports.bacnet),
  ];
  await store.save();
  const timers =
    options.timer === false
      ? []
      : [
          setInterval(() => catchUp(world, clock.now()), TICK_MS),
          setInterval(() => void store.save().catch(warn), SAVE_MS),
        ];
  return {
    machines: world.miners.count + world.servers.count,
    ports,
    world,
    truth: () => truthOf(world),
    inject: (injection) => inject(host, injection),
    trip(hall) {
      const index = world.halls.findIndex((candidate) => candidate.config.id === hall);
      if (index < 0 && hall !== 'connection') throw new Error(`no hall ${hall}`);
      host.send({ op: 'trip', hall: index });
    },
    send: (command) => host.send(command),
    advance: () => catchUp(world, clock.now()),
    async close() {
      for (const timer of timers) clearInterval(timer);
      for (const server of servers) dropAll(server);
      for (const agent of agents) agent.close();
      advance(world, clock.now());
      store.saveNow();
      store.close();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

/** A disk that is full must not stop the site; what is on it stays as it was. */
const warn = (error: unknown): void => process.emitWarning(`state not saved: ${String(error)}`);

const socketsOf = new WeakMap<Server, Set<{ destroy(): void }>>();

function track(server: Server): Server {
  const open = new Set<{ destroy(): void }>();
  socketsOf.set(server, open);
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  return server;
}

function dropAll(server: Server): void {
  for (const socket of socketsOf.get(server) ?? []) socket.destroy();
}

function portsOf({ standardPorts = false, portOffset = 0 }: SimOptions): SimPorts {
  const ports = Object.entries(standardPorts ? STANDARD_PORTS : EMULATED_PORTS);
  return Object.fromEntries(ports.map(([name, port]) => [name, port + portOffset])) as SimPorts;
}

/** What listens on TCP, each once for the whole site: the address a connection came in on says whose it is. */
const LISTENERS: Partial<Readonly<Record<keyof SimPorts, (host: Host, port: number) => Server>>> = {
  cgminer: (host, port) => minerServer(host, port, 'cgminer'),
  web: (host, port) => minerServer(host, port, 'web'),
  webToo: (host, port) => minerServer(host, port, 'webToo'),
  whatsminer: (host, port) => minerServer(host, port, 'whatsminer'),
  grpc: (host, port) => minerServer(host, port, 'grpc'),
  dcgm: dcgmServer,
  zeusd: zeusdServer,
  modbus: modbusServer,
  slurm: slurmServer,
  kubernetes: kubernetesServer,
  redfish: redfishServer,
  tpu: tpuServer,
  stratum: stratumServer,
};

async function openPorts(host: Host, ports: SimPorts): Promise<Server[]> {
  const servers: Server[] = [];
  try {
    for (const [name, open] of Object.entries(LISTENERS)) {
      const port = ports[name as keyof SimPorts];
      const server = track(open(host, port));
      await listen(server, port);
      servers.push(server);
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return servers;
}

function inject(host: Host, { target, fault, rate = 1 }: Injection): number {
  const { world, faults } = host;
  const hall = world.halls.findIndex((candidate) => candidate.config.id === target);
  const met = world.endpoints.filter(
    (e) =>
      e.id === target ||
      e.groupId === target ||
      (e.kind === 'slurm' && target === 'slurm') ||
      (hall >= 0 && e.hall === hall && (e.kind === 'miner' || e.kind === 'server')),
  );
  for (const endpoint of met) {
    if (fault === 'dead') setDead(world, endpoint, 1);
    else if (fault === 'clear') {
      setDead(world, endpoint, 0);
      faults.clear(endpoint);
    } else if (fault === 'lies') faults.injectLies(endpoint);
    else if (REQUEST_FAULTS.includes(fault)) faults.inject(endpoint, fault, rate);
  }
  if (fault === 'dead') {
    // A meter or controller without supply says nothing.
    for (const e of met) if (e.kind !== 'miner' && e.kind !== 'server') faults.inject(e, 'silent', 1);
  }
  return met.length;
}

function setDead(world: World, endpoint: Endpoint, value: 0 | 1): void {
  if (endpoint.kind === 'miner') world.deadMiners[endpoint.index] = value;
  else if (endpoint.kind === 'server') world.deadServers[endpoint.index] = value;
}

/** Reads and checks a site file and a sim file. Throws with the path and what is wrong. */
export function readFiles(
  sitePath: string,
  simPath: string | undefined,
): { site: Site; config: SimConfig; folder: string } {
  // The feeds are not the emulator's affair.
  const site = rehearsedSite(siteSchema.parse(parse(readFileSync(sitePath, 'utf8'))), undefined);
  const config = simSchema.parse(simPath === undefined ? {} : (parse(readFileSync(simPath, 'utf8')) ?? {}));
  return { site, config, folder: dirname(simPath ?? sitePath) };
}
