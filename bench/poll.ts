import { execFileSync, fork, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drivers } from '../src/drivers/index.ts';
import { REAL_TIME, siteClock, type Machine, type Site } from '../src/model/index.ts';
import { openFleet, type Fleet } from '../src/server/fleet.ts';
import { openWorld } from '../src/server/io.ts';
import { bareLoop, type BareRequest } from './poll/bare.ts';
import { FIRST_NET, SILENT_NET } from './poll/addresses.ts';
import { families, type Family } from './poll/families.ts';

const IN_FLIGHT = 500;
const DEFAULT_MACHINES = 100_000;
const DEAD_PCT = 10;

/** Host numbers 1 to 250 in each of 256 nets: the nth machine of a family. */
const addressOf = (net: number, index: number): string => `127.${net}.${Math.floor(index / 250)}.${(index % 250) + 1}`;

/**
 * A fast read of every machine against the same requests by a bare loop (and a C client where there is a compiler), then the same
 * fleet with one in ten dead.
 */
export async function pollBench(args: readonly string[]): Promise<Record<string, unknown>> {
  const machines = Number(args[args.indexOf('--machines') + 1] ?? Number.NaN) || DEFAULT_MACHINES;
  const all = families();
  const emulator = await startChild('emulator.ts');
  const stalled = await startStalled();
  try {
    const port = emulator.port;
    const requests = await requestsOf(all, emulator.child, port);
    const parts = partsOf(machines, all.length);
    const fleets = parts.map((part) => openBenchFleet(all, inSiteOrder(part, all.length), port));
    for (let warmUp = 0; warmUp < 2; warmUp += 1) for (const fleet of fleets) await fleet.sweep();
    // The collector's alone: what the bare loop leaves behind is not its own.
    const rssMB = Math.round(process.memoryUsage().rss / 2 ** 20);
    const emulatorBefore = await cpuOf(emulator.child);
    const rounds: { readonly read: Cycle; readonly bare: Cycle }[][] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const pairs = [];
      for (const [i, fleet] of fleets.entries()) {
        const read = await measured(async () => (await fleet.sweep()).answered);
        const asked = bareRequests(requests, inSiteOrder(parts[i]!, all.length));
        pairs.push({ read, bare: await measured(() => bareLoop(port, asked, IN_FLIGHT)) });
      }
      rounds.push(pairs);
    }
    const emulatorCpu = ((await cpuOf(emulator.child)) - emulatorBefore) / (2 * ROUNDS);
    for (const fleet of fleets) fleet.close();
    const pairs = rounds.flat();
    const ratios = pairs.map(({ read, bare }) => read.cpuUs / bare.cpuUs).sort((a, b) => a - b);
    const mixed = await mixedRatio(all, requests, numbersOf(parts[0]!), port);
    const read = least(rounds.map((round) => total(round.map((pair) => pair.read))));
    const yardstick = least(rounds.map((round) => total(round.map((pair) => pair.bare))));
    const c = cYardstick(port, machines, all.length, requests);
    const dead = await withDead(all, machines, port, stalled.port);
    const us = (cycle: Cycle) => Math.round((10 * cycle.cpuUs) / machines) / 10;
    return {
      machines,
      families: all.map(({ driver }) => driver),
      requestsPerRead: Math.round((100 * requests.flat().length) / all.length) / 100,
      answered: read.value,
      cycleMs: Math.round(read.ms),
      cycleCpuMs: Math.round(read.cpuUs / 1000),
      cpuUsPerRead: us(read),
      bareNodeCpuUsPerRead: us(yardstick),
      ratio: hundredths(quantile(ratios, 0.5)),
      // Of all pairs, how far what else the machine did spreads them.
      ratioQuartiles: [hundredths(quantile(ratios, 0.25)), hundredths(quantile(ratios, 0.75))],
      ratioOfSums: hundredths(
        total(pairs.map((pair) => pair.read)).cpuUs / total(pairs.map((pair) => pair.bare)).cpuUs,
      ),
      // The same where no machine is followed by one of its own family: the processor then never has the code at hand.
      ratioEachOfAnotherFamily: hundredths(mixed),
      bareNodeMs: Math.round(yardstick.ms),
      bareCCpuUsPerRead: c === undefined ? null : Math.round((10 * c) / machines) / 10,
      emulatorCpuMsPerCycle: Math.round(emulatorCpu / 1000),
      rssMB,
      withDead: dead,
    };
  } finally {
    emulator.child.disconnect();
    stalled.child.kill('SIGKILL');
  }
}

const ROUNDS = 5;
const MIXED_PAIRS = 25;
/**
 * What else the machine does comes and goes within seconds: the collector and the bare loop take turns on a part of the site, so
 * that both of a pair meet the same, and the middle pair counts.
 */
const PARTS = 10;

interface Part {
  readonly from: number;
  readonly to: number;
}

/** As a site file names them and a hall holds them: machines of one group follow one another. */
const inSiteOrder = (part: Part, count: number): number[] =>
  numbersOf(part).sort((a, b) => (a % count) - (b % count) || a - b);
const numbersOf = ({ from, to }: Part): number[] => Array.from({ length: to - from }, (_, i) => from + i);

async function mixedRatio(
  all: readonly Family[],
  requests: readonly (readonly Buffer[])[],
  numbers: readonly number[],
  port: number,
): Promise<number> {
  const fleet = openBenchFleet(all, numbers, port);
  await fleet.sweep();
  const ratios: number[] = [];
  for (let pair = 0; pair < MIXED_PAIRS; pair += 1) {
    const read = await measured(async () => (await fleet.sweep()).answered);
    const bare = await measured(() => bareLoop(port, bareRequests(requests, numbers), IN_FLIGHT));
    ratios.push(read.cpuUs / bare.cpuUs);
  }
  fleet.close();
  return quantile(
    ratios.sort((a, b) => a - b),
    0.5,
  );
}

/** Machine numbers, in parts that hold every family alike. */
function partsOf(machines: number, count: number): Part[] {
  const size = Math.ceil(machines / PARTS / count) * count;
  const starts = Array.from({ length: Math.ceil(machines / size) }, (_, i) => i * size);
  return starts.map((from) => ({ from, to: Math.min(machines, from + size) }));
}

interface Cycle {
  readonly ms: number;
  readonly cpuUs: number;
  readonly value: number;
}

async function measured(run: () => Promise<number>): Promise<Cycle> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  const value = await run();
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - started, cpuUs: user + system, value };
}

const total = (cycles: readonly Cycle[]): Cycle =>
  cycles.reduce((sum, { ms, cpuUs, value }) => ({
    ms: sum.ms + ms,
    cpuUs: sum.cpuUs + cpuUs,
    value: sum.value + value,
  }));
const hundredths = (value: number): number => Math.round(100 * value) / 100;
const quantile = (sorted: readonly number[], share: number): number => sorted[Math.floor(share * sorted.length)]!;
const least = (cycles: readonly Cycle[]): Cycle => cycles.toSorted((a, b) => a.cpuUs - b.cpuUs)[0]!;

async function startChild(file: string): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(join(import.meta.dirname, 'poll', file), ['0'], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [message] = (await once(child, 'message')) as [{ port: number }];
  return { child, port: message.port };
}

/** A listener that is stopped with its queue full: a connect to it is never answered, as to a machine without supply. */
async function startStalled(): Promise<{ child: ChildProcess; port: number }> {
  const { child, port } = await startChild('stalled.ts');
  child.kill('SIGSTOP');
  return { child, port };
}

const ask = async <T>(child: ChildProcess, type: string): Promise<T> => {
  child.send({ type });
  const [message] = (await once(child, 'message')) as [T];
  return message;
};
const cpuOf = async (child: ChildProcess): Promise<number> => {
  const { cpu } = await ask<{ cpu: NodeJS.CpuUsage }>(child, 'cpu');
  return cpu.user + cpu.system;
};

/** Settings of a driver with every port at the emulator's. */
function settingsOf({ driver, config }: Family, port: number): Record<string, unknown> {
  const one = drivers.find(({ name }) => name === driver)!;
  const filled = one.config.parse(config) as Record<string, unknown>;
  const ports = Object.keys(filled).filter((key) => /port$/i.test(key));
  // Under load a slow answer is the bench's own doing, not the machine's.
  return one.config.parse({
    ...filled,
    ...Object.fromEntries(ports.map((key) => [key, port])),
    timeoutMs: 10_000,
  }) as Record<string, unknown>;
}

function openBenchFleet(all: readonly Family[], numbers: readonly number[], port: number): Fleet {
  const groups = all.map((family) => ({ id: family.driver, settings: settingsOf(family, port) }));
  const list = numbers.map((n): Machine => {
    const { driver, modelId } = all[n % all.length]!;
    const address = addressOf(FIRST_NET + (n % all.length), Math.floor(n / all.length));
    return { id: `m-${n}`, groupId: driver, kind: 'asic', modelId, hallId: 'h', driver, address };
  });
  const site = { machines: groups } as unknown as Site;
  return openFleet(site, list, worldIo(), { maxInFlight: IN_FLIGHT, inspectShare: 0, onRead() {} });
}

const noSecrets = { resolve: () => 'secret', problem: () => undefined };
let io: ReturnType<typeof openWorld> | undefined;
function worldIo() {
  io ??= openWorld(
    siteClock(REAL_TIME, () => Date.now()),
    '.',
    noSecrets,
  );
  return io.drivers;
}

/** The bytes a fast read sends, by family, as the first machine of each heard them on its second read. */
async function requestsOf(all: readonly Family[], child: ChildProcess, port: number): Promise<Buffer[][]> {
  const byFamily: Buffer[][] = [];
  for (const [i, family] of all.entries()) {
    const driver = drivers.find(({ name }) => name === family.driver)!;
    const target = { address: addressOf(FIRST_NET + i, 0), modelId: family.modelId, config: settingsOf(family, port) };
    const device = driver.open(target, worldIo());
    await device.read();
    child.send({ type: 'forget' });
    await device.read();
    const { heard } = await ask<{ heard: string[] }>(child, 'heard');
    byFamily.push(heard.map((text) => Buffer.from(text, 'base64')));
    device.close();
  }
  return byFamily;
}

function* bareRequests(requests: readonly (readonly Buffer[])[], numbers: readonly number[]): Generator<BareRequest> {
  const count = requests.length;
  for (const n of numbers) {
    const address = addressOf(FIRST_NET + (n % count), Math.floor(n / count));
    for (const bytes of requests[n % count]!) yield { address, bytes };
  }
}

/** @returns CPU of the C client in microseconds; undefined where nothing can compile it */
function cYardstick(
  port: number,
  machines: number,
  count: number,
  requests: readonly (readonly Buffer[])[],
): number | undefined {
  const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (compiler === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'busbar-bench-'));
  try {
    const program = join(folder, 'epoll');
    execFileSync(compiler, ['-O2', '-o', program, join(import.meta.dirname, 'poll', 'epoll.c')]);
    const input = Buffer.concat(
      requests.flatMap((mine, family) =>
        mine.map((bytes) => Buffer.concat([Buffer.from(`${family} ${bytes.length} `), bytes])),
      ),
    );
    const args = [port, machines, IN_FLIGHT, count].map(String);
    const result = JSON.parse(execFileSync(program, args, { input, encoding: 'utf8' })) as {
      cpuUs: number;
      failed: number;
    };
    if (result.failed > 0) throw new Error(`the C client failed ${result.failed} times`);
    return result.cpuUs;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One in ten dead, half of them silent after the connect and half without an answer to it: how long the others take. */
async function withDead(
  all: readonly Family[],
  machines: number,
  port: number,
  stalledPort: number,
): Promise<Record<string, unknown>> {
  const few = Math.min(machines, 20_000);
  const groups = all.map((family) => ({
    id: family.driver,
    settings: { ...settingsOf(family, port), timeoutMs: 3_000 },
  }));
  const stalled = all.map((family) => ({
    id: `stalled ${family.driver}`,
    settings: { ...settingsOf(family, stalledPort), timeoutMs: 3_000 },
  }));
  const every = Math.round(100 / DEAD_PCT);
  const list: Machine[] = Array.from({ length: few }, (_, n) => {
    const family = all[n % all.length]!;
    const isDead = Math.floor(n / all.length) % every === 0;
    const isStalled = isDead && Math.floor(n / all.length / every) % 2 === 0;
    const net = isDead && !isStalled ? SILENT_NET : FIRST_NET + (n % all.length);
    return {
      id: `m-${n}`,
      groupId: isStalled ? `stalled ${family.driver}` : family.driver,
      kind: 'asic',
      modelId: family.modelId,
      hallId: 'h',
      driver: family.driver,
      address: isDead && !isStalled ? addressOf(net, n) : addressOf(net, Math.floor(n / all.length)),
    };
  });
  const site = { machines: [...groups, ...stalled] } as unknown as Site;
  const fleet = openFleet(site, list, worldIo(), { maxInFlight: IN_FLIGHT, inspectShare: 0, onRead() {} });
  const first = await measured(async () => (await fleet.sweep()).answered);
  const next = await measured(async () => (await fleet.sweep()).answered);
  fleet.close();
  return {
    machines: few,
    dead: few - next.value,
    firstCycleMs: Math.round(first.ms),
    cycleMs: Math.round(next.ms),
    answered: next.value,
    perThousandAliveMs: Math.round((1000 * next.ms) / next.value),
  };
}
