import { breakEvenUsdPerMwh } from '../../dispatch/economics.ts';
import { feederLoadW, hallLoadW, undecidedW } from '../../dispatch/problem.ts';
import { roomWithin } from '../../dispatch/round.ts';
import { betweenPerW, coolingCurve, DAY, heatLimitW, HOUR, siteMs, type Site, type SiteMs } from '../../model/index.ts';
import type { CohortCase, Running, SiteCase, Wanted } from './facts.ts';
import { monthCalendar } from './ledger.ts';
import type { Conditions, Truth } from './truth.ts';

/**
 * Everything that fits: AI first, the best paid class before the others, then miners at stock, the most efficient first. No breaker, no
 * feeder, no uplink and not the connection is loaded beyond what a plan may use.
 * @param runs whether a cohort is wanted at all
 */
export function fillUp(
  facts: SiteCase,
  { wetBulbC }: Pick<Conditions, 'wetBulbC'>,
  wanted: readonly Wanted[],
  usdPerGpuHour: readonly number[],
  runs: (cohort: CohortCase) => boolean = () => true,
): Running {
  const { halls, feeders, cohorts, work, lossFraction } = facts;
  const cooling = halls.map((hall) => coolingCurve(hall.cooling, wetBulbC));
  const asleepW = halls.map((_, h) =>
    cohorts.reduce((sum, { hall, machines, sleepW }) => sum + (hall === h ? machines * sleepW : 0), 0),
  );
  const least = halls.map((hall, h) => hallLoadW(hall, cooling[h]!, asleepW[h]!));
  const room = roomWithin({
    cooling,
    itW: halls.map((hall, h) => undecidedW(hall) + asleepW[h]!),
    heatW: cooling.map(heatLimitW),
    hallW: halls.map(({ usableW }, h) => usableW - least[h]!),
    feederW: feeders.map(({ usableW, hallIds }) => {
      const below = halls.flatMap(({ id }, h) => (hallIds.includes(id) ? [h] : []));
      return usableW - feederLoadW(below, least, lossFraction);
    }),
    siteW: facts.usableW - least.reduce((sum, watts) => sum + watts, 0) * (1 + lossFraction),
    above: halls.map(({ id }) => [...feeders.keys()].filter((f) => feeders[f]!.hallIds.includes(id))),
    lossFraction,
  });
  /** How many things of so many watts of IT still fit, `most` at the most; they are taken. */
  const take = (hall: number, wattsEach: number, most: number): number => {
    const count = Math.max(0, Math.min(most, Math.floor(room.most(hall, wattsEach) + 1e-9)));
    room.take(hall, wattsEach * count);
    return count;
  };

  const gpus: Record<string, number> = {};
  const partLeft = new Map(work.map(({ hall, config, partGpus }) => [`${hall} ${config.gpu}`, partGpus]));
  const uplinkLeft = halls.map(({ uplinkMbps }) => uplinkMbps ?? Number.POSITIVE_INFINITY);
  const owed = (i: number): number => usdPerGpuHour[i]! + wanted[i]!.penaltyUsdPerGpuHour;
  for (const i of [...work.keys()].sort((a, b) => owed(b) - owed(a))) {
    const { id, hall, config, marginalWPerGpu } = work[i]!;
    const part = `${hall} ${config.gpu}`;
    const byUplink = config.uplinkMbpsPerGpu > 0 ? Math.floor(uplinkLeft[hall]! / config.uplinkMbpsPerGpu) : Infinity;
    const count = take(hall, marginalWPerGpu, Math.min(wanted[i]!.demandGpus, partLeft.get(part)!, byUplink));
    gpus[id] = count;
    partLeft.set(part, partLeft.get(part)! - count);
    uplinkLeft[hall]! -= count * config.uplinkMbpsPerGpu;
  }

  const placed = new Map<string, number>();
  for (const cohort of cohorts.toSorted((a, b) => joulePerTh(a) - joulePerTh(b))) {
    if (runs(cohort)) placed.set(cohort.id, take(cohort.hall, cohort.stock.powerW - cohort.sleepW, cohort.machines));
  }
  const running = cohorts.map(({ id, machines, stock }): [string, Record<string, number>] => {
    const awake = placed.get(id) ?? 0;
    return [id, { sleep: machines - awake, [stock.profile]: awake }];
  });
  return { cohorts: Object.fromEntries(running), gpus };
}

const joulePerTh = ({ stock }: CohortCase): number => stock.powerW / stock.hashrateThs;

/** Price in $/MWh at the connection above which a cohort at stock earns more asleep: what it draws beyond sleep no longer pays. */
export function breakEvenOf(facts: SiteCase, cohort: CohortCase, conditions: Conditions): number {
  const { hall, machines, stock, sleepW } = cohort;
  const alwaysW = undecidedW(facts.halls[hall]!);
  const cooling = coolingCurve(facts.halls[hall]!.cooling, conditions.wetBulbC);
  // A rule of thumb: as if nothing else that can be decided ran in the hall.
  const perW = betweenPerW(cooling, alwaysW + machines * sleepW, alwaysW + machines * stock.powerW);
  const multiplier = (1 + perW) * (1 + facts.lossFraction);
  const joules = (stock.powerW - sleepW) / stock.hashrateThs;
  return breakEvenUsdPerMwh(conditions.hashpriceUsdPerPhDay, facts.keptFraction, joules, multiplier);
}

/** A day counts as a likely peak from this share of the highest load of the month so far. */
const LIKELY_SHARE = 0.95;
/** Local hours in which such days peak: from the first until before the last. */
const LIKELY_HOURS = { from: 16, to: 18 };

/**
 * Whether a careful operator without a forecast switches miners off: in the late afternoon of days that look like a peak of their month,
 * judged by yesterday's highest load and today's so far. Only loads of hours that are over count.
 */
export function likelyPeaks({ timezone }: Pick<Site, 'timezone'>, truth: Truth): (t: SiteMs) => boolean {
  const mwAt = new Map(truth.load.map(({ start, mw }) => [start as number, mw]));
  const charged = new Set(truth.peaks.map(({ month }) => month));
  const monthOf = monthCalendar({ timezone });
  const hourOf = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, hour: 'numeric', hourCycle: 'h23' });
  const highest = (from: number, to: number): number => {
    let top = 0;
    for (let t = Math.ceil(from / HOUR) * HOUR; t + HOUR <= to; t += HOUR) top = Math.max(top, mwAt.get(t) ?? 0);
    return top;
  };
  let known: { readonly hour: number; readonly likely: boolean } | undefined;
  const likelyAt = (hour: SiteMs): boolean => {
    const month = monthOf(hour).start;
    if (!charged.has(month)) return false;
    const local = Number(hourOf.format(hour));
    if (local < LIKELY_HOURS.from || local >= LIKELY_HOURS.to) return false;
    // The local day began so many hours ago, give or take the hour of a clock change.
    const today = hour - local * HOUR;
    const level = Math.max(highest(today - DAY, today), highest(today, hour));
    return level >= LIKELY_SHARE * highest(month, today);
  };
  return (t) => {
    const hour = siteMs(Math.floor(t / HOUR) * HOUR);
    if (known?.hour !== hour) known = { hour, likely: likelyAt(hour) };
    return known.likely;
  };
}
