import { hashpriceUsdPerPhDay } from '../dispatch/economics.ts';
import type { ConvertResult } from '../model/convert-api.ts';
import {
  HOUR,
  isoUtc,
  valueAt,
  type Interval,
  type Machine,
  type Series,
  type SeriesName,
  type Site,
} from '../model/index.ts';
import { hallCases, type HallCase } from './hall.ts';
import { monthsToConvert } from './flows.ts';
import type { Judged } from './judged.ts';
import { hallMonths } from './mining.ts';
import type { GpuPart } from './hardware.ts';
import { measuredOf } from './measured.ts';
import { describe, optionsOf, refuse, value, type Valued } from './options.ts';
import { publishedCases } from './published.ts';
import { createReplay, type Replay } from './replay.ts';
import { planFor } from './site-plan.ts';
import { breakEvenCurves, tornadoOf, type Lab } from './sensitivity.ts';
import { resolve, type Inputs, type Study, type Told } from './study.ts';
import { conclude, notesOf, whyOf } from './words.ts';
import { createWorld, hottestWetBulbC, tablesFor, type World, type WorldFacts } from './world.ts';

export interface StudyRequest {
  readonly site: Site;
  readonly machines?: readonly Machine[];
  readonly series: readonly Series[];
  readonly study: Study;
  /** Replayed period, Unix ms, `to` excluded; absent: all that the price series has. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Booked intervals of the site, where there is a ledger to compare with. */
  readonly intervals?: readonly Interval[] | undefined;
  /** Told what comes next, in words: a study of a year takes seconds. */
  readonly onStage?: ((stage: string) => void) | undefined;
}

/** Answers which hall goes from mining to AI first, and what each option earns. @throws Error in words where it cannot. */
export function runStudy(request: StudyRequest): ConvertResult {
  const { site, study, onStage = () => {} } = request;
  const byName = new Map(request.series.map((series) => [series.name, series]));
  const price = byName.get('priceUsdPerMwh');
  if (price === undefined)
    throw new Error(
      'no price series: a study replays recorded prices of power (--prices, or a recorded feed of the site)',
    );
  const weather = { temperature: byName.get('temperatureC'), dewPoint: byName.get('dewPointC') };
  const replayAt = (wetBulb: number): Replay => createReplay({ price, ...weather }, wetBulb, request);
  onStage(`replaying ${price.points.length.toLocaleString('en-US')} prices`);
  const first = replayAt(0);
  const recorded = recordedPrices(byName, first);
  const { inputs, assumptions } = resolve(study, recorded);
  const replay = replayAt(inputs.values.wetBulbC);
  const start = startOf(study, replay);
  const factsFor = (one: Replay): WorldFacts => ({
    replay: one,
    tariff: site.tariff,
    lossFraction: site.connection.lossPct / 100,
    keptFraction: (1 - site.mining.poolFeePct / 100) * (1 - site.mining.stalePct / 100),
    start,
    months: study.years * 12,
    partsToday: partsToday(site, inputs, recorded.gpu),
  });
  const facts = factsFor(replay);
  const tables = tablesFor(facts);
  const worldAt = (values: Inputs['values']): World =>
    values.wetBulbC === inputs.values.wetBulbC || replay.weatherCoverage === 1
      ? createWorld(facts, values, tables)
      : createWorld(factsFor(replayAt(values.wetBulbC)), values);
  const halls = hallCases(site, study.halls, request.machines);
  const unknown = Object.keys(study.halls).filter((id) => !halls.some((hall) => hall.id === id));
  if (unknown.length > 0) throw new Error(`the study names halls the site does not have: ${unknown.join(', ')}`);
  const hotWetBulbC = hottestWetBulbC(replay, inputs.values);
  const world = worldAt(inputs.values);
  const judged = halls.map((hall) => {
    onStage(`reckoning what ${hall.name} earns`);
    return judge(world, hall, inputs, study, hotWetBulbC);
  });
  const lab: Lab = { inputs, study, worldAt, replay, assumptions };
  const ranking = rank(judged);
  onStage('searching the plan over all halls');
  const plan = planFor(world, judged, study, site, start);
  const chosen = ranking.flatMap(({ hallId, optionId }) => {
    const one = judged.find(({ hall }) => hall.id === hallId)!;
    return [{ judged: one, option: one.options.find(({ id }) => id === optionId)! }];
  });
  onStage('where AI equals mining, and what the answer hangs on');
  const breakEven = chosen.flatMap(({ judged: one, option }) => breakEvenCurves(lab, one.hall, option));
  const tornado = chosen.map(({ judged: one, option }) => tornadoOf(lab, one.hall, option));
  return {
    study: {
      name: study.name ?? null,
      site: site.name,
      start: `${start.year}-${String(start.month + 1).padStart(2, '0')}-01`,
      years: study.years,
      discountPct: inputs.values.discountPct,
    },
    conclusion: conclude({ judged, ranking, plan, tornado, years: study.years }),
    notes: notesOf({ replay, judged, recorded, study, site, priced: facts.partsToday }),
    replay: {
      source: replay.source,
      from: isoUtc(replay.from),
      to: isoUtc(replay.to),
      intervalMinutes: replay.intervalMs / 60_000,
      intervals: replay.intervals,
      coveragePct: (100 * replay.intervals) / replay.expected,
      gaps: replay.gaps.map(({ from, to, intervals }) => ({ from: isoUtc(from), to: isoUtc(to), intervals })),
      seasonal: replay.seasonal,
      weatherCoveragePct: 100 * replay.weatherCoverage,
      meanUsdPerMwh: replay.meanUsdPerMwh,
      lowestUsdPerMwh: replay.lowestUsdPerMwh,
      highestUsdPerMwh: replay.highestUsdPerMwh,
    },
    assumptions: assumptions.map(({ key, label, unit, group, value: at, low, high, basis, from, source }) => ({
      key,
      label,
      unit,
      group,
      value: at,
      low,
      high,
      basis,
      from,
      source,
    })),
    hardware: hardwareOf(inputs),
    halls: judged.map(({ told }) => told),
    ranking,
    breakEven,
    tornado,
    plan,
    measured: request.intervals === undefined ? null : measuredOf(request.intervals, modelPerMwh(world, judged)),
    published: publishedCases(),
  };
}

/** First month of the study: as told, else the month after the replayed period. */
function startOf(study: Study, replay: Replay): { year: number; month: number } {
  if (study.start !== undefined) {
    const [year, month] = study.start.split('-').map(Number);
    return { year: year!, month: month! - 1 };
  }
  const end = new Date(replay.to - 1);
  const month = end.getUTCFullYear() * 12 + end.getUTCMonth() + 1;
  return { year: Math.floor(month / 12), month: month % 12 };
}

/** Means over the replayed period of what the feeds tell beside power: hashprice from the chain, and GPU rents. */
function recordedPrices(
  byName: ReadonlyMap<SeriesName, Series>,
  { from, to }: Replay,
): { hashprice: Told | undefined; gpu: Map<SeriesName, Told> } {
  const mean = (at: (t: Series['points'][number]['start']) => number | undefined): number | undefined => {
    let total = 0;
    let count = 0;
    for (let t = from; t < to; t += HOUR) {
      const one = at(t as Series['points'][number]['start']);
      if (one === undefined) continue;
      total += one;
      count += 1;
    }
    return count === 0 ? undefined : total / count;
  };
  const [difficulty, fees, btc] = (['difficulty', 'feesBtcPerBlock', 'btcUsd'] as const).map((name) =>
    byName.get(name),
  );
  const fresh = (series: Series | undefined, t: Series['points'][number]['start']): number | undefined => {
    const found = series === undefined ? undefined : valueAt(series, t);
    return found === undefined || found.stale ? undefined : found.value;
  };
  const value = mean((t) => {
    const [d, f, b] = [fresh(difficulty, t), fresh(fees, t), fresh(btc, t)];
    return d === undefined || f === undefined || b === undefined
      ? undefined
      : hashpriceUsdPerPhDay({ difficulty: d, feesBtcPerBlock: f, btcUsd: b });
  });
  const gpu = new Map<SeriesName, Told>();
  for (const [name, series] of byName) {
    if (!name.startsWith('gpuUsdPerHour.')) continue;
    const rent = mean((t) => fresh(series, t));
    if (rent !== undefined)
      gpu.set(name, { value: rent, source: `Mean over the replayed period, ${series.provenance}: ${series.source}` });
  }
  const hashprice =
    value === undefined
      ? undefined
      : {
          value,
          source: `Mean over the replayed period from difficulty, fees and the price of bitcoin (${btc?.source}; ${difficulty?.source})`,
        };
  return { hashprice, gpu };
}

/** Parts of the GPU servers the site has: with the rent of the study, of a feed, or of a class of work with a price of its own. */
function partsToday(site: Site, inputs: Inputs, gpu: ReadonlyMap<SeriesName, Told>): Map<string, GpuPart> {
  const parts = new Map<string, GpuPart>(inputs.parts.map((part) => [part.id, part]));
  const classes = site.clusters.flatMap((cluster) => cluster.classes);
  for (const gpuModel of ['h100', 'a100', 'rtx4090', 'rtxa6000'] as const) {
    if (parts.has(gpuModel)) continue;
    const fixed = classes.find((one) => one.gpu === gpuModel && typeof one.usdPerGpuHour === 'number')?.usdPerGpuHour;
    const usdPerGpuHour =
      gpu.get(`gpuUsdPerHour.${gpuModel}`)?.value ?? (typeof fixed === 'number' ? fixed : undefined);
    if (usdPerGpuHour === undefined) continue;
    const any = inputs.parts[0];
    if (any === undefined) continue;
    parts.set(gpuModel, {
      ...any,
      id: gpuModel,
      name: gpuModel,
      usdPerGpuHour,
      utilisationFactor: 1,
      series: undefined,
    });
  }
  return parts;
}

function judge(world: World, hall: HallCase, inputs: Inputs, study: Study, hotWetBulbC: number): Judged {
  const facts = hallMonths(world, hall, hotWetBulbC);
  const options = optionsOf(hall, inputs, study, hotWetBulbC).map((option) =>
    option.feasible && monthsToConvert(option.action, world) >= world.months
      ? { ...option, feasible: false, reasons: ['it would not be done within the years of the study'] }
      : option,
  );
  const valued = new Map(
    options.flatMap((option) => {
      const one = option.feasible ? value(world, facts, option) : undefined;
      return one === undefined ? [] : [[option.id, one] as const];
    }),
  );
  const keep = valued.get('keep')!;
  const told = options.map((option) => {
    const one = valued.get(option.id);
    return one === undefined ? refuse(option) : describe(world, facts, one, keep);
  });
  const best = told.filter(({ feasible }) => feasible).reduce((a, b) => (b.npvUsd > a.npvUsd ? b : a));
  const { fleet } = hall;
  const today = [
    ...hall.fleetNames,
    ...hall.gpusToday.map(({ gpus, gpuModel }) => `${gpus.toLocaleString('en-US')} ${gpuModel.toUpperCase()}`),
  ];
  return {
    hall,
    facts,
    options,
    valued,
    keep,
    told: {
      id: hall.id,
      name: hall.name,
      today: today.join(', ') || 'nothing',
      cooling: hall.cooling,
      usableMw: hall.usableMw,
      miningItMw: fleet.itMw,
      joulePerTh: fleet.hashrateThs === 0 ? null : (fleet.itMw * 1e6) / fleet.hashrateThs,
      gpus: hall.gpusToday.reduce((total, { gpus }) => total + gpus, 0),
      options: told,
      bestId: best.id,
    },
  };
}

/** Halls that mine, by what their best AI option gains over mining on. */
function rank(judged: readonly Judged[]): ConvertResult['ranking'] {
  return judged
    .flatMap((one) => {
      const ai = one.told.options.filter(
        ({ feasible, kind }) => feasible && (kind === 'colocation' || kind === 'cloud'),
      );
      if (one.hall.fleet.machines === 0 || ai.length === 0) return [];
      const best = ai.reduce((a, b) => (b.npvUsd > a.npvUsd ? b : a));
      return [
        {
          hallId: one.hall.id,
          optionId: best.id,
          gainUsd: best.versusKeep.npvUsd,
          paybackMonths: best.versusKeep.paybackMonths,
          because: whyOf(one.told, best),
        },
      ];
    })
    .sort((a, b) => b.gainUsd - a.gainUsd);
}

/** What the model earns in the first year per MWh at the meter of the line, to stand beside the books. */
function modelPerMwh(world: World, judged: readonly Judged[]): Map<string, number> {
  const year = Math.min(12, world.months);
  const total = (of: (valued: Valued) => readonly number[]) =>
    judged.reduce(
      (all, { keep }) =>
        all +
        of(keep)
          .slice(0, year)
          .reduce((a, b) => a + b, 0),
      0,
    );
  const figures = new Map<string, number>();
  const mining = total(({ flow }) => flow.miningMwh);
  const ai = total(({ flow }) => flow.aiMwh);
  if (mining > 0) figures.set('mining', total(({ flow }) => flow.miningUsd) / mining);
  if (ai > 0) figures.set('ai', total(({ flow }) => flow.aiUsd) / ai);
  return figures;
}

const hardwareOf = ({ asics, parts }: Inputs): ConvertResult['hardware'] => [
  ...asics.map(({ id, name, hashrateThs, powerW, usdPerTh, source }) => ({
    id,
    name,
    kind: 'asic' as const,
    facts: `${hashrateThs} TH/s, ${(powerW / hashrateThs).toFixed(1)} J/TH, $${usdPerTh}/TH`,
    source,
    caveat: null,
  })),
  ...parts.map(({ id, name, nameplateW, usdPerGpu, usdPerGpuHour, utilisationFactor, source, caveat }) => ({
    id,
    name,
    kind: 'gpu' as const,
    facts: `${Math.round(nameplateW)} W, $${usdPerGpu.toLocaleString('en-US')} and $${usdPerGpuHour.toFixed(2)}/h a GPU${utilisationFactor === 1 ? '' : `, sold ${utilisationFactor.toFixed(2)} times as often as assumed for all`}`,
    source,
    caveat: caveat ?? null,
  })),
];
