import type { Forecast, Serves, WorkFacts } from '../model/index.ts';

/**
 * GPUs that keep a latency target at a rate of requests. A GPU works on `requestsPerSecondPerGpu x serviceMs` requests at once (Little's law: what
 * is inside is rate times time); all places of all GPUs serve one queue, M/M/c. The probability to wait at all is Erlang's C formula (A. K. Erlang,
 * 1917), by the recursion of his B; to wait longer than t it is C e^(-(c mu - lambda) t). The smallest whole number of replicas is taken with which
 * no more than 100 - `withinPct` % wait longer than the target leaves beside the service itself.
 * @param requestsPerSecond told, `headroomPct` not yet in it
 */
export function gpusFor(requestsPerSecond: number, serves: Serves): number {
  const { requestsPerSecondPerGpu, serviceMs, latencyTargetMs, withinPct, minGpus, gpusPerReplica } = serves;
  const least = Math.ceil(minGpus / gpusPerReplica) * gpusPerReplica;
  const arrivals = requestsPerSecond * (1 + serves.headroomPct / 100);
  if (arrivals <= 0) return least;
  const placesPerGpu = Math.max(1, Math.round((requestsPerSecondPerGpu * serviceMs) / 1000));
  const perPlace = requestsPerSecondPerGpu / placesPerGpu;
  const load = arrivals / perPlace;
  const mayWaitS = (latencyTargetMs - serviceMs) / 1000;
  const late = 1 - withinPct / 100;
  let blocked = 1;
  let places = 0;
  for (let gpus = gpusPerReplica; ; gpus += gpusPerReplica) {
    for (; places < gpus * placesPerGpu; places += 1) blocked = (load * blocked) / (places + 1 + load * blocked);
    if (places <= load) continue;
    const waits = blocked / (1 - (load / places) * (1 - blocked));
    if (waits * Math.exp(-(places * perPlace - arrivals) * mayWaitS) <= late) return Math.max(least, gpus);
  }
}

/** The same for many rates: each is rounded up to three digits, so that a month of quarter-hours takes few sums. */
export function createSizing(serves: Serves): (requestsPerSecond: number) => number {
  const known = new Map<number, number>();
  return (requestsPerSecond) => {
    const size = requestsPerSecond <= 0 ? 0 : 10 ** (Math.floor(Math.log10(requestsPerSecond)) - 2);
    const rate = size === 0 ? 0 : Math.ceil(requestsPerSecond / size - 1e-9) * size;
    const found = known.get(rate) ?? gpusFor(rate, serves);
    known.set(rate, found);
    return found;
  };
}

/** What a class that answers requests needs now. */
export interface ServingNeed {
  readonly gpus: number;
  readonly serves: Serves;
}

/**
 * The classes of a snapshot with what their requests need: GPUs that no job asks for yet count as queued, all that is needed as committed, so that
 * a plan gives up none of it for less than the penalty of the class; bytes of requests as load of the uplink.
 */
export function withServing(
  work: readonly WorkFacts[],
  needs: ReadonlyMap<string, ServingNeed>,
  { steps }: Pick<Forecast, 'steps'>,
): WorkFacts[] {
  return work.map((facts) => {
    const need = needs.get(facts.id);
    if (need === undefined) return facts;
    const { serves, gpus } = need;
    const most = Math.max(gpus, ...steps.map(({ wantedGpus }) => Math.ceil(wantedGpus?.[facts.id] ?? 0)));
    const mbps = (serves.requestsPerSecondPerGpu * serves.kbPerRequest * 8) / 1000;
    return {
      ...facts,
      queuedGpus: Math.max(facts.queuedGpus, gpus - facts.runningGpus - facts.heldGpus),
      committedGpus: Math.max(facts.committedGpus, most),
      uplinkMbpsPerGpu: Math.max(facts.uplinkMbpsPerGpu ?? 0, mbps),
    };
  });
}
