import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { NO_TROUBLE } from '../sim/sim-schema.ts';
import type { Command } from '../src/model/index.ts';
import type { FleetMachine } from '../src/server/fleet.ts';
import { createApi } from '../src/server/api.ts';
import { startRuntime, type Runtime } from '../src/server/runtime.ts';
import { createSecrets } from '../src/vault/secrets.ts';
import { RAMP_DOWN_S, RELOAD_S } from '../sim/miner-commands.ts';
import { bareConnectMs, wireOf, type Wire } from './shed/bare.ts';
import { writeShedSite } from './shed/site.ts';
import { watchWrites } from './shed/writes.ts';

const DEFAULT_MACHINES = 10_000;
const OFFSET = 9_000;
const PORT = 7_498;
const WATCHERS = 50;
/** Of all machines, those that fail in each of the ways. */
const FAILING_PCT = 5;
const WAYS = ['silent', 'refused', 'garbled', 'late', 'lies'] as const;
/** Until every machine is seen in its mode before the event, and confirmed or named after it. */
const SETTLE_MS = 130_000;
const WATCH_MS = 120_000;

const log = pino({ level: 'warn' }, pino.destination(2));
const say = (text: string) => process.stderr.write(`${text}\n`);
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * The whole answer to a safe stop, at the clock of a real site: orders, plan, reconciler, drivers, fleet and meters are the
 * server's own, in this process; the machines are emulated in another.
 */
export async function shedBench(args: readonly string[]): Promise<Record<string, unknown>> {
  const wanted = Number(args[args.indexOf('--machines') + 1] ?? Number.NaN) || DEFAULT_MACHINES;
  const isFailing = args.includes('--failing');
  const isBusy = args.includes('--busy');
  const folder = mkdtempSync(join(tmpdir(), 'busbar-bench-'));
  const closers: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    const { file, site, machines } = writeShedSite(folder, wanted);
    const clock = { epochSiteMs: Date.parse('2026-03-23T12:00:00Z'), epochUnixMs: Date.now(), speed: 1 };
    const simFile = join(folder, 'sim.yaml');
    writeFileSync(simFile, JSON.stringify(NO_TROUBLE));
    const sim = await startSim(file, simFile, clock);
    closers.push(() => stop(sim));
    const runtime = await startRuntime({
      site,
      machines,
      folder,
      secrets: createSecrets(folder, {}, () => undefined),
      storeFile: join(folder, 'busbar.sqlite'),
      clock,
      emulated: true,
      portOffset: OFFSET,
      log,
    });
    closers.push(() => runtime.close());
    say(`${machines.length} machines: waiting until all are as planned`);
    await settled(runtime);
    const wires = await wiresOf(runtime);
    // What was put to sleep to be counted is none of the figures.
    const mine = runtime.fleet.machines.filter(({ machine }) => machine.id !== wires.get(machine.groupId)!.machineId);
    if (isBusy) closers.push(await makeBusy(runtime));
    const failing = isFailing
      ? await breakSome(
          sim,
          mine.map(({ machine }) => machine.id),
        )
      : new Map();
    const sweepMs = await sweepOnce(runtime);
    say('the event');
    const event = await stopAll(runtime, mine, clock.epochUnixMs - clock.epochSiteMs);
    say('yardstick: bare connections');
    for (const close of closers.splice(2).toReversed()) await close();
    const bareMs = await bareConnectMs(
      mine.map(({ machine }) => ({ address: machine.address, wire: wires.get(machine.groupId)! })),
      event.inFlight,
    );
    const driverOf = new Map(site.machines.map(({ id, driver }) => [id, driver]));
    return {
      ...report(
        mine.map(({ machine }) => machine.id),
        event,
        bareMs,
        failing,
      ),
      byFirmware: byFirmware(
        mine.map(({ machine }) => (failing.has(machine.id) ? undefined : driverOf.get(machine.groupId)!)),
        event,
        sweepMs,
      ),
    };
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

async function startSim(file: string, simFile: string, clock: { epochSiteMs: number; epochUnixMs: number }) {
  const options = {
    site: file,
    sim: simFile,
    seed: 1,
    'port-offset': OFFSET,
    'epoch-site': clock.epochSiteMs,
    'epoch-unix': clock.epochUnixMs,
    speed: 1,
  };
  const sim = fork(
    join(import.meta.dirname, '..', 'sim', 'main.ts'),
    Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  const [message] = (await once(sim, 'message')) as [{ type: string }];
  if (message.type !== 'ready') throw new Error('the emulated site did not start');
  return sim;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

async function until(what: string, withinMs: number, met: () => boolean): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (!met()) {
    if (performance.now() > end) {
      say(`not within ${withinMs / 1000} s: ${what}`);
      return false;
    }
    await sleep(250);
  }
  return true;
}

/** All machines answer and hash in the mode that the plan has for them. */
async function settled(runtime: Runtime): Promise<void> {
  const isSettled = () => {
    const { wanted, seen } = runtime.orders.inPlace();
    return (
      wanted >= 0.999 * runtime.fleet.machines.length && seen >= 0.999 * wanted && runtime.reconciler.inFlight() === 0
    );
  };
  if (!(await until('all machines as planned', SETTLE_MS, isSettled)))
    say(JSON.stringify([runtime.orders.inPlace(), runtime.reconciler.skipCounts()]).slice(0, 500));
}

/** One machine of each group is told to sleep to see what it takes on the wire. */
async function wiresOf(runtime: Runtime): Promise<Map<string, Wire & { machineId: string }>> {
  const wires = new Map<string, Wire & { machineId: string }>();
  for (const { id } of runtime.site.machines) {
    const member = runtime.fleet.machines.find(({ machine }) => machine.groupId === id)!;
    const ask = () => wireOf(member.machine.address, () => member.device.sleep!());
    // A computer that is busy with other things may let one answer wait too long.
    const wire = await ask().catch(ask);
    wires.set(id, { ...wire, machineId: member.machine.id });
  }
  return wires;
}

/** Fifty watchers of the event stream, and a planner that solves one plan after the other. */
async function makeBusy(runtime: Runtime): Promise<() => Promise<void>> {
  const api = await createApi({
    runtime,
    host: '127.0.0.1',
    port: PORT,
    names: [],
    tls: undefined,
    openReads: true,
    tokenFile: undefined,
    pages: undefined,
    version: '0',
    log,
  });
  const url = await api.listen();
  const watchers = fork(join(import.meta.dirname, 'shed', 'watchers.ts'), [url, String(WATCHERS)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await once(watchers, 'message');
  const end = new AbortController();
  const planning = (async () => {
    while (!end.signal.aborted)
      await runtime.orders.preview({ kind: 'curtail', mw: 1, minutes: 60 }, 'bench').catch(() => sleep(50));
  })();
  return async () => {
    end.abort();
    await planning;
    watchers.disconnect();
    await api.close();
  };
}

/** From the moment of the event on, one machine in twenty fails in each of the ways. */
async function breakSome(sim: ChildProcess, ids: readonly string[]): Promise<Map<string, string>> {
  const failing = new Map<string, string>();
  const every = Math.round(100 / FAILING_PCT);
  for (const [n, id] of ids.entries()) {
    const way = WAYS[n % every];
    if (way !== undefined) failing.set(id, way);
  }
  for (const way of WAYS) {
    const targets = [...failing].flatMap(([id, its]) => (its === way ? [id] : []));
    const answered = once(sim, 'message');
    sim.send({ type: 'inject', targets, fault: way });
    await answered;
  }
  return failing;
}

/** How long one sweep over all machines takes now. */
async function sweepOnce({ fleet }: Runtime): Promise<number> {
  const { sweep } = fleet;
  try {
    return await new Promise((resolve) => {
      fleet.sweep = async () => {
        const report = await sweep.call(fleet);
        resolve(report.tookMs);
        return report;
      };
    });
  } finally {
    fleet.sweep = sweep;
  }
}

interface Event {
  /** When the order was given, on the site's clock: all times count from here. */
  readonly askedAt: number;
  /** From the order to what each machine shall do. */
  readonly decidedMs: number;
  readonly commands: readonly (Command | undefined)[];
  /**
   * When the last bytes of the first try of each command were handed to its connection, on the site's clock; of a machine that took no
   * connection, when it was asked for one. Later tries of machines that refuse or do not obey are none of it.
   */
  readonly writtenAt: readonly (number | undefined)[];
  /** Processor time of this process until the last was acknowledged or named. */
  readonly cpuMs: number;
  readonly reasons: readonly (string | undefined)[];
  readonly inFlight: number;
}

/** A safe stop, from the order to every machine confirmed at the meter or named. */
async function stopAll(runtime: Runtime, members: readonly FleetMachine[], unixAheadMs: number): Promise<Event> {
  const { reconciler, orders, clock } = runtime;
  const ids = members.map(({ machine }) => machine.id);
  const firstTryEnded = noteFirstTries(members);
  const writes = watchWrites();
  const preview = await orders.preview({ kind: 'stop' }, 'bench');
  const asked = clock.now();
  const cpuBefore = process.cpuUsage();
  await orders.apply(preview.id, { who: 'bench', name: 'bench', via: 'session' }, 'a benchmark');
  let cpuMs = Number.NaN;
  const commandOf = (id: string) => {
    const command = reconciler.commandOf(id);
    return command?.action === 'sleep' ? command : undefined;
  };
  /** Those that failed at least once: named with a reason, whether or not a later try goes well. */
  const failed = new Map<string, number>();
  await until('every machine confirmed or named', WATCH_MS, () => {
    for (const id of ids) if (commandOf(id)?.stage === 'failed' && !failed.has(id)) failed.set(id, clock.now());
    if (Number.isNaN(cpuMs) && ids.every((id) => failed.has(id) || commandOf(id)?.acknowledgedAt !== undefined)) {
      const { user, system } = process.cpuUsage(cpuBefore);
      cpuMs = Math.round((user + system) / 1_000);
    }
    return ids.every((id) => failed.has(id) || commandOf(id)?.stage === 'seen-at-meter');
  });
  writes.stop();
  const commands = ids.map(commandOf);
  const writtenAt = members.map((member) => {
    const at = writes.lastTo(member.machine.address, firstTryEnded.get(member) ?? Number.POSITIVE_INFINITY);
    return at === undefined ? undefined : at - unixAheadMs;
  });
  const [act] = await runtime.store.actsById([commands.find((one) => one !== undefined)!.batchId]);
  return {
    askedAt: asked,
    decidedMs: act!.at - asked,
    commands,
    writtenAt,
    cpuMs,
    reasons: ids.map((id) => reconciler.skipped(id)?.reason),
    inFlight: reconciler.shedsInFlight,
  };
}

/** When the first try to put each machine to sleep went well or badly, Unix milliseconds; filled while the event runs. */
function noteFirstTries(members: readonly FleetMachine[]): ReadonlyMap<FleetMachine, number> {
  const ended = new Map<FleetMachine, number>();
  for (const member of members) {
    const { device } = member;
    const sleepWell = device.sleep!.bind(device);
    device.sleep = (signal) => {
      const told = sleepWell(signal);
      if (ended.has(member)) return told;
      const end = () => void (ended.has(member) || ended.set(member, Date.now()));
      told.then(end, end);
      return told;
    };
  }
  return ended;
}

const figures = (values: readonly number[]) => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? null };
};

function report(ids: readonly string[], event: Event, bareMs: number, failing: ReadonlyMap<string, string>) {
  const { commands, askedAt, reasons, cpuMs } = event;
  const since = (key: 'acknowledgedAt' | 'seenInPowerAt' | 'seenAtMeterAt') =>
    figures(commands.flatMap((command) => (command?.[key] === undefined ? [] : [command[key] - askedAt])));
  const isConfirmed = (command: Command | undefined) =>
    command?.stage === 'seen-in-power' || command?.stage === 'seen-at-meter';
  const unconfirmed = commands.flatMap((command, i) => (isConfirmed(command) ? [] : [reasons[i] ?? 'unnamed']));
  const sent = (isWanted: (way: string | undefined) => boolean) =>
    figures(
      event.writtenAt.flatMap((at, i) => (at === undefined || !isWanted(failing.get(ids[i]!)) ? [] : [at - askedAt])),
    );
  const sentMs = sent(() => true);
  return {
    machines: ids.length,
    cores: cpus().length,
    inFlight: event.inFlight,
    decidedMs: event.decidedMs,
    cpuMs,
    sentMs,
    acknowledgedMs: since('acknowledgedAt'),
    seenInPowerMs: since('seenInPowerAt'),
    seenAtMeterMs: since('seenAtMeterAt'),
    atMeter: commands.filter((command) => command?.stage === 'seen-at-meter').length,
    unconfirmed: unconfirmed.length,
    unnamed: unconfirmed.filter((reason) => reason === 'unnamed').length,
    reasons: Object.fromEntries([...Map.groupBy(unconfirmed, (one) => one)].map(([key, all]) => [key, all.length])),
    failing: failing.size,
    ...(failing.size > 0 && {
      sentToHealthyMs: sent((way) => way === undefined),
      sentToFailingMs: Object.fromEntries(WAYS.map((one) => [one, sent((way) => way === one)])),
    }),
    bareConnectMs: Math.round(bareMs),
    ratio: Math.round((100 * (sentMs.max ?? Number.NaN)) / bareMs) / 100,
  };
}

const most = ({ least, more }: { readonly least: number; readonly more: number }): number => 1_000 * (least + more);

/**
 * Whether each machine was seen in power within its firmware's ramp and one sweep; stock firmware answers nothing while it reloads.
 * @param drivers undefined: one that is made to fail, of which nothing is promised
 */
function byFirmware(
  drivers: readonly (string | undefined)[],
  { commands, writtenAt, askedAt }: Event,
  sweepMs: number,
) {
  const all = Map.groupBy(
    commands.flatMap((command, i) => {
      const driver = drivers[i];
      return driver === undefined ? [] : [{ driver, command, at: writtenAt[i] }];
    }),
    ({ driver }) => driver,
  );
  const rows = [...all].map(([driver, members]) => {
    const rampMs = most(driver === 'antminer-stock' ? RELOAD_S : RAMP_DOWN_S);
    const seenMs = members.flatMap(({ command }) =>
      command?.seenInPowerAt === undefined ? [] : [command.seenInPowerAt - askedAt],
    );
    const inTime = seenMs.filter((ms) => ms <= rampMs + sweepMs).length;
    const sentMs = figures(members.flatMap(({ at }) => (at === undefined ? [] : [at - askedAt])));
    return { driver, machines: members.length, sentMs, rampMs, seenInPowerMs: figures(seenMs), inTime };
  });
  return { sweepMs: Math.round(sweepMs), rows };
}
