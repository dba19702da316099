import type { Flow, LineFlow, ServedFlow, WorkLine } from '../books/flow.ts';
import { hashpriceUsdPerPhDay } from '../dispatch/economics.ts';
import {
  countsServed,
  leasesHeld,
  type Commitment,
  type CurtailmentFacts,
  type Plan,
  type Site,
  type SiteMs,
} from '../model/index.ts';
import type { Markets } from './markets.ts';
import type { Picture, WorkPicture } from './picture.ts';

/**
 * Value of hash before fees, $ per PH/s and day; undefined while difficulty, bitcoin price or the mean fee is unknown. A
 * site that no feed ever tells of fees counts the subsidy alone, as its plans say.
 */
export function hashpriceNow(markets: Markets, at: SiteMs): number | undefined {
  const difficulty = markets.value('difficulty', at);
  const btcUsd = markets.value('btcUsd', at);
  const tellsFees = (markets.series.get('feesBtcPerBlock')?.points.length ?? 0) > 0;
  const feesBtcPerBlock = tellsFees ? markets.value('feesBtcPerBlock', at) : 0;
  return difficulty === undefined || btcUsd === undefined || feesBtcPerBlock === undefined
    ? undefined
    : hashpriceUsdPerPhDay({ difficulty, btcUsd, feesBtcPerBlock });
}

/** The fraction of expected FPPS that the pool pays out and stale shares leave. */
export const keptFraction = (site: Site): number =>
  (1 - site.mining.poolFeePct / 100) * (1 - site.mining.stalePct / 100);

/** Where the curtailment budget of a class of work stands at a moment. */
export type CurtailmentOf = (workClass: Commitment, at: SiteMs) => CurtailmentFacts | undefined;

/** Rates of this moment for the books and the page. */
export function flowOf(
  site: Site,
  picture: Picture,
  markets: Markets,
  plan: Plan | undefined,
  curtailment: CurtailmentOf,
): Flow {
  const hashprice = hashpriceNow(markets, picture.at);
  const phs = picture.hashrateThs.of === 0 ? undefined : picture.hashrateThs.value / 1000;
  const step = plan?.steps.find(({ start, durationMs }) => start <= picture.at && picture.at < start + durationMs);
  return {
    lines: {
      mining: {
        powerW: picture.linePowerW.mining,
        quantity: phs,
        revenueUsdPerHour:
          phs === undefined || hashprice === undefined ? undefined : (phs * hashprice * keptFraction(site)) / 24,
        penaltyUsdPerHour: 0,
      },
      ai: workFlow(site, picture, 'ai', curtailment),
      hpc: workFlow(site, picture, 'hpc', curtailment),
    },
    leaseCostUsdPerHour: leasesHeld(site, picture.at).reduce((sum, { costUsdPerHour }) => sum + costUsdPerHour, 0),
    planImportW: step?.importW,
    served: servedOf(site, picture),
    wanted: wantedOf(picture),
  };
}

/** Of classes with a curtailment budget, a minimum availability or a deadline. A cluster that does not answer may serve nothing. */
const servedOf = (site: Site, { work }: Picture): Record<string, ServedFlow> =>
  Object.fromEntries(
    work
      .filter(({ workClass }) => countsServed(site, workClass))
      .map((one) => [
        one.workClass.id,
        one.told
          ? { gpus: one.runningGpus, unservedGpus: unservedGpus(one) }
          : { gpus: 0, unservedGpus: one.workClass.committedGpus },
      ]),
  );

const wantedOf = ({ work }: Picture): Record<string, number> =>
  Object.fromEntries(
    work
      .filter(({ answers }) => answers)
      .map(({ workClass, runningGpus, queuedGpus, heldGpus }) => [workClass.id, runningGpus + queuedGpus + heldGpus]),
  );

/** What is paused is wanted, and not served. */
function unservedGpus({ workClass, runningGpus, queuedGpus, heldGpus, pausedGpus }: WorkPicture): number {
  const demand = runningGpus + queuedGpus + heldGpus + pausedGpus;
  return Math.max(0, Math.min(workClass.committedGpus, demand) - runningGpus);
}

function workFlow(
  site: Site,
  picture: Picture,
  line: Exclude<WorkLine, 'mining'>,
  curtailment: CurtailmentOf,
): LineFlow {
  const leased = leasesHeld(site, picture.at).filter(({ lease }) => lease.line === line);
  const leasedUsd = leased.reduce((sum, { revenueUsdPerHour }) => sum + revenueUsdPerHour, 0);
  const work = picture.work.filter((one) => one.workClass.line === line);
  const told = work.every((one) => one.told);
  const known = told && work.every((one) => one.usdPerGpuHour !== undefined);
  const gpus = work.reduce((sum, one) => sum + one.runningGpus, 0);
  const earned = work.reduce((sum, one) => sum + one.runningGpus * (one.usdPerGpuHour ?? 0), 0);
  const penalty = work.reduce((sum, one) => {
    if ((curtailment(one.workClass, picture.at)?.leftGpuHours ?? 0) > 0) return sum;
    return sum + unservedGpus(one) * one.workClass.penaltyUsdPerGpuHour;
  }, 0);
  return {
    powerW: picture.linePowerW[line],
    quantity: told ? gpus : undefined,
    revenueUsdPerHour: known ? earned + leasedUsd : undefined,
    penaltyUsdPerHour: penalty,
  };
}
