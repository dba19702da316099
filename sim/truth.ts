import { PHASE, minerAnswers } from './miners.ts';
import { serverUp } from './servers.ts';
import type { World } from './world.ts';

/** What is really so, for tests and training; no machine says it on the wire. */
export interface Truth {
  /** Site time, ms. */
  readonly at: number;
  readonly feederW: number;
  readonly feederWh: number;
  readonly feederOpen: boolean;
  readonly halls: Readonly<
    Record<string, { itW: number; coolingW: number; totalW: number; energyWh: number; breakerOpen: boolean }>
  >;
  readonly machines: { readonly running: number; readonly sleeping: number; readonly dead: number };
  readonly hashThs: number;
  readonly weather: { readonly temperatureC: number; readonly wetBulbC: number };
  readonly jobs: {
    readonly running: number;
    readonly pending: number;
    /** By `partition/qos`. */
    readonly gpus: Readonly<Record<string, { running: number; queued: number; held: number }>>;
  };
}

export function truthOf(world: World): Truth {
  const { miners, servers, halls, state } = world;
  const machines = { running: 0, sleeping: 0, dead: 0 };
  let hashThs = 0;
  for (let i = 0; i < miners.count; i += 1) {
    hashThs += miners.state.hashThs[i]!;
    const phase = miners.state.phase[i]!;
    if (!minerAnswers(miners, i)) machines.dead += 1;
    else if (phase === PHASE.asleep || phase === PHASE.down) machines.sleeping += 1;
    else machines.running += 1;
  }
  for (let n = 0; n < servers.count; n += 1) {
    if (serverUp(servers, n, state.t) && world.deadServers[n] === 0) machines.running += 1;
    else machines.dead += 1;
  }
  return {
    at: state.t,
    feederW: state.feeder.powerW,
    feederWh: state.feeder.energyWh,
    feederOpen: state.feeder.breaker.closesAt !== undefined,
    halls: Object.fromEntries(
      halls.map((hall) => {
        const { itW, coolingW, energyWh, breaker } = hall.state;
        return [
          hall.config.id,
          { itW, coolingW, totalW: itW + coolingW, energyWh, breakerOpen: breaker.closesAt !== undefined },
        ];
      }),
    ),
    machines,
    hashThs,
    weather: world.weather.at(state.t),
    jobs: jobsTruth(world),
  };
}

function jobsTruth(world: World): Truth['jobs'] {
  const gpus: Record<string, { running: number; queued: number; held: number }> = {};
  let running = 0;
  let pending = 0;
  for (const job of world.jobs.state.list.values()) {
    const row = (gpus[`${job.partition}/${job.qos}`] ??= { running: 0, queued: 0, held: 0 });
    if (job.state === 'RUNNING') {
      running += 1;
      row.running += job.gpus;
    } else if (job.state === 'PENDING') {
      pending += 1;
      row[job.held ? 'held' : 'queued'] += job.gpus;
    }
  }
  return { running, pending, gpus };
}
