import { cpus } from 'node:os';
import { connectMaster } from '../sim/grid-senders.ts';
import { freePort, startSmall } from '../test/support/site/small.ts';

/** Ports of the emulated machines, beside those of every other bench and test. */
const OFFSET = 9_400;
const CONNECTION_W = 400_000;
const SPEED = 6;
/** Down, up, and by steps of a few machines: kW at a site whose connection carries 400. */
const POINTS_KW = [330, 250, 210, 240, 280, 300, 345, 300, 260, 320];
/** Each is held so long on the wall. A controller moves once in four seconds to five minutes of the site's time. */
const HELD_MS = (5 * 60_000) / SPEED;
/** Within this share of the connection import has come to rest at a base point. */
const BAND = 0.02;
/** For so long in a row, four telemetry intervals of the site's time. */
const REST_MS = 16_000 / SPEED;
const LOOK_MS = 250;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const say = (text: string) => process.stderr.write(`${text}\n`);
const round = (value: number, digits = 100): number => Math.round(value * digits) / digits;

/**
 * A site controller that moves the base point down and up over Modbus, and the truth at the feeder of the emulated site: how long
 * import takes to come to rest within 2 % of the connection, and how far off it is after that.
 */
export async function basePointBench(args: readonly string[]): Promise<Record<string, unknown>> {
  const moves = Number(args[args.indexOf('--moves') + 1]) || POINTS_KW.length;
  const port = await freePort();
  const source = { id: 'iso', kind: 'base-point', port, stale: { seconds: 20, policy: 'hold' } };
  const small = await startSmall({
    offset: OFFSET,
    from: '2026-03-29T05:01:00Z',
    speed: SPEED,
    adjust: (raw) => Object.assign(raw, { gridSignals: [source] }),
  });
  const offPct: number[] = [];
  const settled: {
    basePointKw: number;
    fromKw: number;
    settleMs: number | null;
    restMeanKw: number | null;
    restMaxOffPct: number | null;
  }[] = [];
  try {
    say('the site settles at its own plan (90 s)');
    await sleep(90_000);
    const master = await connectMaster(port);
    for (const basePointKw of POINTS_KW.slice(0, moves)) {
      const fromKw = round(small.sim.truth().feederW / 1000, 10);
      await master.send(basePointKw);
      const started = performance.now();
      let within: number | undefined;
      let restedMs: number | null = null;
      const seen: number[] = [];
      while (performance.now() - started < HELD_MS) {
        await sleep(LOOK_MS);
        await master.beat();
        const importW = small.sim.truth().feederW;
        const off = Math.abs(importW - basePointKw * 1000) / CONNECTION_W;
        const ms = performance.now() - started;
        if (restedMs === null) {
          within = off <= BAND ? (within ?? ms) : undefined;
          if (within !== undefined && ms - within >= REST_MS) restedMs = within;
          continue;
        }
        // Once at rest, every look counts, whatever it shows.
        offPct.push(100 * off);
        seen.push(importW);
      }
      const restMeanKw = seen.length === 0 ? null : round(seen.reduce((a, b) => a + b, 0) / seen.length / 1000, 10);
      const offs = seen.map((importW) => (100 * Math.abs(importW - basePointKw * 1000)) / CONNECTION_W);
      const restMaxOffPct = offs.length === 0 ? null : round(Math.max(...offs));
      const settleMs = restedMs === null ? null : Math.round(restedMs * SPEED);
      settled.push({ basePointKw, fromKw, settleMs, restMeanKw, restMaxOffPct });
      say(
        `${fromKw} kW -> ${basePointKw} kW: at rest after ${settleMs ?? 'never'} ms of site time, at ${restMeanKw ?? '?'} kW`,
      );
    }
    master.close();
  } finally {
    await small.close();
  }
  const sorted = offPct.toSorted((a, b) => a - b);
  const at = (share: number): number | null =>
    sorted.length === 0 ? null : round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);
  const times = settled.flatMap(({ settleMs }) => settleMs ?? []).toSorted((a, b) => a - b);
  return {
    machines: 72,
    connectionKw: CONNECTION_W / 1000,
    cores: cpus().length,
    siteSpeed: SPEED,
    looks: sorted.length,
    followedWithinPct: { p50: at(0.5), p99: at(0.99), max: at(1) },
    settleMs: { median: times[Math.floor(times.length / 2)] ?? null, max: times.at(-1) ?? null },
    neverSettled: settled.filter(({ settleMs }) => settleMs === null).length,
    moves: settled,
  };
}
