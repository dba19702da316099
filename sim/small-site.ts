import { connect } from 'node:net';
import { siteSchema, type Site } from '../src/model/index.ts';
import { simSchema, type SimConfig } from './sim-schema.ts';
import { startSim, type Sim, type SimOptions } from './site.ts';

/** For tests only: a site of 21 machines in 127.21.0.0/16, a clock that stands still, and a bare TCP client. */

const START = Date.parse('2026-03-24T12:00:00Z');
export const UNIX_START = 1_800_000_000_000;

export function smallSite(): Site {
  const cooling = {
    kind: 'air',
    baseKw: 1,
    marginal: [
      { wetBulbC: 10, marginalW: 0.05 },
      { wetBulbC: 26, marginalW: 0.12 },
    ],
  };
  const meter = (id: string, last: number, measures: unknown): object => ({
    id,
    driver: 'modbus-meter',
    address: `127.21.9.${last}`,
    measures,
    settings: {},
  });
  const group = (id: string, kind: string, model: string, driver: string, hall: string, addresses: string): object => ({
    id,
    kind,
    model,
    driver,
    hall,
    addresses,
  });
  return siteSchema.parse({
    name: 'Small site',
    connection: { limitMw: 0.2, lossPct: 1 },
    tariff: { kind: 'block-and-real-time', blockMw: 0, blockUsdPerMwh: 0 },
    mining: {},
    halls: [
      { id: 'm', name: 'Miners', breakerMw: 0.1, cooling },
      { id: 'g', name: 'GPUs', breakerMw: 0.1, cooling: { ...cooling, kind: 'chilled' } },
    ],
    meters: [meter('feeder', 1, 'connection'), meter('meter-m', 2, { hall: 'm' }), meter('meter-g', 3, { hall: 'g' })],
    machines: [
      group('lux', 'asic', 'antminer-s21', 'luxos', 'm', '127.21.1.1-127.21.1.6'),
      group('lux-k', 'asic', 'antminer-s19k-pro', 'luxos', 'm', '127.21.2.1-127.21.2.4'),
      group('stock', 'asic', 'antminer-s19j-pro', 'antminer-stock', 'm', '127.21.3.1-127.21.3.6'),
      group('h100', 'gpu-server', 'gpu-8x-h100', 'gpu-server', 'g', '127.21.5.1-127.21.5.4'),
      group('rtx', 'gpu-server', 'gpu-8x-rtx4090', 'gpu-server', 'g', '127.21.6.1'),
    ],
    clusters: [
      {
        id: 'slurm',
        driver: 'slurm',
        hall: 'g',
        settings: { url: 'http://127.21.8.1:6820' },
        classes: [
          workClass('h100-reserved', 'reserved', 'h100'),
          workClass('h100-preemptible', 'preemptible', 'h100'),
          workClass('rtx-batch', 'batch', 'rtx4090'),
        ],
      },
    ],
    feeds: [],
  });
}

function workClass(id: string, name: string, gpu: string): object {
  return { id, class: name, line: 'ai', gpu, match: { partition: gpu, qos: name }, usdPerGpuHour: 1 };
}

/** Nothing fails by itself, so that a test sees only what it asks for. */
export const CALM = {
  failures: { deadPct: 0, darkPct: 0, boardPct: 0, hotPct: 0 },
  requests: {
    garbledPct: 0,
    latePct: 0,
    refusedPct: 0,
    silentPct: 0,
    sentinelPct: 0,
    writeIgnoredPct: 0,
    writeRefusedPct: 0,
  },
  work: {
    'h100-reserved': { gpus: 16, sizes: [8], medianHours: 20 },
    'h100-preemptible': { gpus: 32, sizes: [4, 8], medianHours: 10, queueJobs: 4 },
    'rtx-batch': { gpus: 6, sizes: [2], medianHours: 2 },
  },
};

export const calmConfig = (more: object = {}): SimConfig => simSchema.parse({ ...CALM, ...more });

export interface TestSim {
  readonly sim: Sim;
  /** Moves site and wall time on, at speed 1. */
  pass(seconds: number): void;
  unixNow(): number;
}

export async function testSim(portOffset: number, more: Partial<SimOptions> = {}): Promise<TestSim> {
  let unix = UNIX_START;
  const sim = await startSim({
    site: smallSite(),
    config: calmConfig(),
    clock: { epochSiteMs: START, epochUnixMs: UNIX_START, speed: 1 },
    seed: 5,
    portOffset,
    unixNow: () => unix,
    // Counts from when the process began, as it does in earnest: nothing that is dated may be taken from it.
    wallNow: () => unix - UNIX_START + 60_000,
    timer: false,
    ...more,
  });
  return {
    sim,
    unixNow: () => unix,
    pass(seconds) {
      unix += seconds * 1000;
      sim.advance();
    },
  };
}

/** Sends bytes and collects what comes back until the peer closes, resets or stays silent. */
export function talk(
  host: string,
  port: number,
  data: string | Buffer,
  silentAfterMs = 300,
): Promise<{ bytes: Buffer; end: 'closed' | 'reset' | 'silent' }> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    const socket = connect({ host, port });
    const finish = (end: 'closed' | 'reset' | 'silent'): void => {
      socket.destroy();
      resolve({ bytes: Buffer.concat(parts), end });
    };
    socket.setTimeout(silentAfterMs, () => finish('silent'));
    socket.on('connect', () => socket.write(data));
    socket.on('data', (part) => parts.push(part));
    socket.on('error', () => finish('reset'));
    socket.on('close', () => finish('closed'));
  });
}

type Json = Record<string, never> & Record<string, unknown>;

/** One cgminer command; the reply without its NUL. */
export async function cgminer(sim: Sim, host: string, command: string, parameter?: string): Promise<Json> {
  const { bytes } = await talk(host, sim.ports.cgminer, JSON.stringify({ command, parameter }));
  return JSON.parse(bytes.toString('utf8').replace(/\0$/, '')) as Json;
}

/** A path such as `SUMMARY.0.Accepted` in a reply. */
export function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((found, key) => (found as Record<string, unknown> | undefined)?.[key], value);
}
