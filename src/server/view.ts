import { ALARMS } from '../alarms/catalogue.ts';
import { marginOf } from '../books/book.ts';
import { settle } from '../books/tariff.ts';
import { breakEvenUsdPerMwh } from '../dispatch/economics.ts';
import { nextChange } from '../dispatch/next-change.ts';
import type { Activity, IntervalView, MachineRow, Overview, PlanView } from '../model/api.ts';
import {
  blockOf,
  CATALOGUE,
  dayStart,
  fromMicroUsd,
  marginalPerW,
  isoUtc,
  leasesHeld,
  modeKey,
  powerText,
  quarterStart,
  valueAt,
  type Command,
  type Interval,
  type Plan,
  type PlanWhy,
  type SeriesName,
} from '../model/index.ts';
import type { ActWithStages } from '../store/store.ts';
import { flowOf, hashpriceNow, keptFraction } from './flow.ts';
import type { FleetMachine } from './fleet.ts';
import type { GroupPicture, Picture } from './picture.ts';
import type { Runtime } from './runtime.ts';
import { feedViews, plannedWith, shadowToday, uplinkViews } from './view-world.ts';

/** What the pages, the command line and the API show, from what the runtime knows. Unknown is null, never 0. */

const orNull = <T>(value: T | undefined): T | null => value ?? null;
const MW = 1e6;

export interface Today {
  readonly shadow: Overview['shadow'];
  readonly marginUsd: number | null;
  readonly energyMwh: number | null;
  readonly intervals: number;
  readonly since: string | null;
}

export function overviewOf(runtime: Runtime, today: Today): Overview {
  const { site, clock, markets, reconciler } = runtime;
  const picture = runtime.picture();
  const plan = runtime.plan();
  const flow = flowOf(site, picture, markets, plan, runtime.curtailment);
  const money = moneyNow(runtime, picture);
  const { ai, hpc, mining } = flow.lines;
  const known = [ai, hpc, mining].every((line) => line.revenueUsdPerHour !== undefined) && money !== undefined;
  const revenue = [ai, hpc, mining].reduce(
    (sum, line) => sum + (line.revenueUsdPerHour ?? 0) - line.penaltyUsdPerHour,
    0,
  );
  const costUsdPerHour = money === undefined ? undefined : money.energyUsdPerHour + flow.leaseCostUsdPerHour;
  return {
    at: isoUtc(picture.at),
    site: { name: site.name, trust: runtime.people.trust(), mostTrust: site.trust, emulated: runtime.emulated },
    shadow: today.shadow,
    clock: {
      speed: clock.speed,
      lagMs: runtime.lagMs(),
      readEveryMs: runtime.readEveryMs,
      planEveryMs: runtime.planEveryMs,
    },
    sentence: sentence(runtime, picture, plan),
    connection: {
      limitW: site.connection.limitMw * MW,
      importW: orNull(picture.importW),
      ageMs: orNull(picture.importAgeMs),
      blockW: blockOf(site.tariff).blockW,
      explainedW: picture.explainedW,
      unknownW: picture.importW === undefined ? null : picture.importW - picture.explainedW,
    },
    halls: picture.halls.map((h) => ({
      id: h.hall.id,
      name: h.hall.name,
      breakerW: h.hall.breakerMw * MW,
      meterW: orNull(h.meterW),
      meterAgeMs: orNull(h.meterAgeMs),
      machinesW: h.machinesW,
      machines: h.machinesW.total,
      byState: h.byState,
      hottestC: orNull(h.hottestC),
    })),
    uplinks: uplinkViews(runtime, picture, plan),
    machines: { total: runtime.fleet.machines.length, answering: picture.answering, byState: picture.byState },
    hashrateThs: picture.hashrateThs,
    lines: [
      { line: 'mining', ...lineView(mining), detail: miningDetail(runtime, picture) },
      { line: 'ai', ...lineView(ai), detail: workDetail(runtime, picture, 'ai') },
      { line: 'hpc', ...lineView(hpc), detail: workDetail(runtime, picture, 'hpc') },
      {
        line: 'grid',
        powerW: orNull(money?.soldW),
        revenueUsdPerHour: orNull(money?.gridUsdPerHour),
        detail: 'unused block sold at the real-time price',
      },
    ],
    costUsdPerHour: orNull(costUsdPerHour),
    marginUsdPerHour: known && costUsdPerHour !== undefined ? revenue + money.gridUsdPerHour - costUsdPerHour : null,
    today: { marginUsd: today.marginUsd, energyMwh: today.energyMwh, intervals: today.intervals, since: today.since },
    feeds: feedViews(runtime),
    prices: priceViews(runtime, picture),
    weather: { temperatureC: orNull(markets.value('temperatureC', picture.at)), wetBulbC: orNull(picture.wetBulbC) },
    work: picture.work.map(({ workClass, told, runningGpus, queuedGpus, heldGpus, pausedGpus, usdPerGpuHour }) => ({
      id: workClass.id,
      className: workClass.class,
      line: workClass.line,
      gpuModel: workClass.gpu,
      runningGpus: told ? runningGpus : null,
      queuedGpus: told ? queuedGpus : null,
      heldGpus: told ? heldGpus : null,
      pausedGpus: told ? pausedGpus : null,
      committedGpus: workClass.committedGpus,
      usdPerGpuHour: orNull(usdPerGpuHour),
    })),
    leases: leasesHeld(site, picture.at).map(({ lease: { id, name }, ...held }) => ({
      id,
      name,
      ...held,
    })),
    cohorts: cohortViews(runtime, picture, plan),
    plan:
      plan === undefined
        ? null
        : {
            id: plan.id,
            madeAt: isoUtc(plan.madeAt),
            solver: plan.solver,
            steps: plan.steps.length,
            status: plan.status,
            solveMs: plan.solveMs,
            targetW: stepNow(plan, picture)?.importW ?? plan.steps[0]?.importW ?? 0,
            nextChange: nextChangeView(runtime, plan),
          },
    commands: { inFlight: reconciler.inFlight(), byStage: newestStages(runtime), skipped: reconciler.skipCounts() },
    afterOutage: runtime.afterOutages.counts(),
    alarms: runtime.alarms().map(({ code, subject, message, since }) => ({
      id: `${code}:${subject}`,
      code,
      severity: ALARMS[code].severity,
      subject,
      message: `${ALARMS[code].title}: ${message}`,
      meaning: ALARMS[code].meaning,
      since: isoUtc(since),
    })),
  };
}

const lineView = (line: { powerW: number | undefined; revenueUsdPerHour: number | undefined }) => ({
  powerW: orNull(line.powerW),
  revenueUsdPerHour: orNull(line.revenueUsdPerHour),
});

const stepNow = (plan: Plan, picture: Picture) =>
  plan.steps.find(({ start, durationMs }) => start <= picture.at && picture.at < start + durationMs);

/** Energy at this moment's rates; undefined while the meter or the price is silent. */
function moneyNow({ site, markets }: Runtime, picture: Picture) {
  const price = markets.value('priceUsdPerMwh', picture.at);
  if (price === undefined || picture.importW === undefined) return undefined;
  const block = blockOf(site.tariff);
  const settled = settle(block, picture.importW, 1, price);
  return {
    energyUsdPerHour: fromMicroUsd(settled.energyCost),
    gridUsdPerHour: fromMicroUsd(settled.gridRevenue),
    soldW: settled.soldMwh * MW,
  };
}

/** `38.2 of 40 MW`: both in the unit of the limit, so that they can be compared at a glance. */
function ofLimit(watts: number, limitW: number): string {
  const [unit, scale] = limitW >= 1e6 ? ['MW', 1e6] : limitW >= 1e3 ? ['kW', 1e3] : ['W', 1];
  return `${(watts / scale).toFixed(1)} of ${Number((limitW / scale).toFixed(2))} ${unit}`;
}

/** Are we safe, are we on plan, what comes next: in one sentence. */
function sentence(runtime: Runtime, picture: Picture, plan: Plan | undefined): string {
  const limitW = runtime.site.connection.limitMw * MW;
  const { importW } = picture;
  if (importW === undefined)
    return `The feeder meter is silent: import unknown, at most ${powerText(limitW)} allowed. No machine is woken.`;
  const now = ofLimit(importW, limitW);
  const critical = runtime.alarms().find(({ code }) => ALARMS[code].severity === 'critical');
  if (critical !== undefined) return `${ALARMS[critical.code].title}: ${critical.message}. Import ${now}.`;
  if (plan === undefined) return `Reading the machines before anything is commanded: ${now}; no plan yet.`;
  const target = stepNow(plan, picture)?.importW;
  const next = nextChange(plan, picture.at);
  const change =
    next === undefined
      ? '; no change planned in the next day'
      : `; next change ${isoUtc(next.at).slice(11, 16)} UTC, ${next.deltaW < 0 ? '\u2212' : '+'}${powerText(Math.abs(next.deltaW))}`;
  return `${leadOf(runtime, importW, target, now)}${change}.`;
}

function leadOf(runtime: Runtime, importW: number, target: number | undefined, now: string): string {
  if (target === undefined) return `The plan has run out: ${now}`;
  if (runtime.people.trust() === 'shadow')
    return `In shadow, writing to nothing: ${now}; the plan would draw ${powerText(target)}`;
  const tolerance = 0.03 * runtime.site.connection.limitMw * MW;
  if (Math.abs(importW - target) <= tolerance) return `Following plan: ${now}`;
  if (runtime.reconciler.inFlight() > 0) return `Moving to plan: ${now}, to ${powerText(target)}`;
  return `Off plan: ${now}, planned ${powerText(target)}`;
}

function nextChangeView(runtime: Runtime, plan: Plan) {
  const next = nextChange(plan, runtime.clock.now(), (id) => nameOf(runtime, id));
  return next === undefined ? null : { at: isoUtc(next.at), deltaW: next.deltaW, why: next.why };
}

/** `d-s21xp` -> `Antminer S21 XP Hyd (hall d)`; classes of work keep their id. */
function nameOf({ site }: Runtime, id: string): string {
  const group = site.machines.find((one) => one.id === id);
  const model = group === undefined ? undefined : CATALOGUE.get(group.model);
  return group === undefined || model === undefined
    ? id
    : `${model.name} (hall ${group.hall.length <= 2 ? group.hall.toUpperCase() : group.hall})`;
}

function miningDetail({ markets }: Runtime, picture: Picture): string {
  const hashprice = hashpriceNow(markets, picture.at);
  const { value, of, total } = picture.hashrateThs;
  const phs = `${Math.round(value / 1000).toLocaleString('en-US')} PH/s from ${of.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} miners`;
  return hashprice === undefined ? `${phs}; hash value unknown` : `${phs} at $${hashprice.toFixed(2)}/PH/day`;
}

function workDetail({ site }: Runtime, picture: Picture, line: 'ai' | 'hpc'): string {
  const mine = picture.work.filter((one) => one.workClass.line === line);
  const gpus = mine.reduce((sum, one) => sum + one.runningGpus, 0);
  const told = mine.every((one) => one.told)
    ? `${gpus.toLocaleString('en-US')} GPUs at work`
    : 'the scheduler has not answered yet';
  const leases = leasesHeld(site, picture.at).filter(({ lease }) => lease.line === line);
  const leased = leases.map(({ lease, chips }) => `, ${chips} leased ${lease.chip} chips`).join('');
  return `${told}${leased}`;
}

const PRICE_UNITS: Readonly<Record<SeriesName, string>> = {
  priceUsdPerMwh: '$/MWh',
  dayAheadUsdPerMwh: '$/MWh',
  temperatureC: '°C',
  dewPointC: '°C',
  difficulty: '',
  btcUsd: '$/BTC',
  feesBtcPerBlock: 'BTC/block',
  systemLoadMw: 'MW',
  blockHeight: '',
  'gpuUsdPerHour.h100': '$/GPU-h',
  'gpuUsdPerHour.h200': '$/GPU-h',
  'gpuUsdPerHour.a100': '$/GPU-h',
  'gpuUsdPerHour.rtx4090': '$/GPU-h',
  'gpuUsdPerHour.rtxa6000': '$/GPU-h',
  'availableMw.solar': 'MW',
  'availableMw.wind': 'MW',
  'availableMw.gas': 'MW',
  requestsPerSecond: '1/s',
};
export const unitOf = (name: SeriesName): string => PRICE_UNITS[name];

function priceViews({ markets }: Runtime, picture: Picture): Overview['prices'] {
  return [...markets.series.values()]
    .filter(({ name }) => name !== 'temperatureC' && name !== 'dewPointC' && name !== 'blockHeight')
    .map((series) => {
      const now = valueAt(series, picture.at);
      return {
        name: series.name,
        value: orNull(now?.value),
        unit: unitOf(series.name),
        ageMs: orNull(now?.ageMs),
        stale: now?.stale ?? true,
        provenance: series.provenance,
        source: series.source,
        plannedWith: plannedWith(series, picture.at),
      };
    });
}

function cohortViews(runtime: Runtime, picture: Picture, plan: Plan | undefined): Overview['cohorts'] {
  const hashprice = hashpriceNow(runtime.markets, picture.at);
  return runtime.site.machines
    .filter((group) => group.kind === 'asic')
    .map((group) => {
      const facts = picture.groups.get(group.id);
      const model = CATALOGUE.get(group.model);
      const hold = runtime.people.holds().get(group.id);
      return {
        id: group.id,
        hallId: group.hall,
        model: model?.name ?? group.model,
        machines: facts?.total ?? 0,
        answering: facts?.answering.length ?? 0,
        modes: facts?.modes ?? {},
        planned: wanted(runtime, facts, plan === undefined),
        breakEvenUsdPerMwh:
          hashprice === undefined ? null : orNull(breakEven(runtime, picture, group.hall, group.model, hashprice)),
        held: hold === undefined ? null : { who: hold.who, why: hold.why, since: isoUtc(hold.since) },
        trust: runtime.people.levels.of(group.id),
      };
    });
}

function wanted({ reconciler }: Runtime, facts: GroupPicture | undefined, none: boolean): Record<string, number> {
  const counts: Record<string, number> = {};
  if (none) return counts;
  for (const { machine } of facts?.answering ?? []) {
    const mode = reconciler.desired(machine.id)?.mode;
    if (mode !== undefined) counts[mode] = (counts[mode] ?? 0) + 1;
  }
  return counts;
}

function breakEven(
  { site }: Runtime,
  picture: Picture,
  hallId: string,
  modelId: string,
  hashprice: number,
): number | undefined {
  const model = CATALOGUE.get(modelId);
  if (model?.kind !== 'asic') return undefined;
  const hall = picture.halls.find((h) => h.hall.id === hallId);
  const coolingPerW = hall === undefined ? 0 : marginalPerW(hall.cooling, hall.machinesW.value);
  const siteMultiplier = (1 + coolingPerW) * (1 + site.connection.lossPct / 100);
  return breakEvenUsdPerMwh(hashprice, keptFraction(site), model.nameplateW / model.nameplateThs, siteMultiplier);
}

function newestStages({ fleet, reconciler }: Runtime): Overview['commands']['byStage'] {
  const counts: Record<string, number> = {};
  const commands = fleet.machines.flatMap(({ machine }) => reconciler.commandOf(machine.id) ?? []);
  let newest: Command | undefined;
  for (const command of commands) if (newest === undefined || command.sentAt > newest.sentAt) newest = command;
  for (const { batchId, stage } of commands) if (batchId === newest?.batchId) counts[stage] = (counts[stage] ?? 0) + 1;
  return counts;
}

/** The name of a machine's owner, where it is not the site's own. */
function ownerOf({ site }: Runtime, groupId: string): string | undefined {
  const owner = site.machines.find(({ id }) => id === groupId)?.owner;
  return owner === undefined ? undefined : (site.owners.find(({ id }) => id === owner)?.name ?? owner);
}

export function machineRow(runtime: Runtime, member: FleetMachine): MachineRow {
  const { machine, reading, readWall } = member;
  const { id, kind, modelId, hallId, address, driver } = machine;
  const { state, why } = runtime.picture().states.get(id) ?? { state: 'stale' as const, why: undefined };
  const skipped = runtime.reconciler.skipped(id);
  return {
    id,
    kind,
    model: CATALOGUE.get(modelId)?.name ?? modelId,
    hallId,
    address,
    driver,
    owner: orNull(ownerOf(runtime, machine.groupId)),
    state,
    why: orNull(why ?? skipped?.words),
    mode: reading?.mode === undefined ? null : modeKey(reading.mode),
    wanted: orNull(runtime.reconciler.desired(id)?.mode),
    skipped: orNull(skipped),
    powerW: orNull(reading?.powerW),
    powerBasis: orNull(reading?.powerBasis),
    hashrateThs: orNull(reading?.hashrateThs),
    temperatureC: orNull(reading?.temperatureC),
    firmware: orNull(reading?.firmware),
    afterOutage: runtime.afterOutages.machine(member),
    ageMs: readWall === undefined ? null : Math.round((runtime.picture().wall - readWall) * runtime.clock.speed),
  };
}

const whyView = ({ limits, cohorts, work, changes }: PlanWhy): NonNullable<PlanView['why']> => ({
  limits: [...limits],
  cohorts: cohorts.map((cohort) => ({
    ...cohort,
    leavesAboveUsdPerMwh: orNull(cohort.leavesAboveUsdPerMwh),
    below: orNull(cohort.below),
    leavesBelowUsdPerMwh: orNull(cohort.leavesBelowUsdPerMwh),
    above: orNull(cohort.above),
  })),
  ...(work === undefined
    ? {}
    : {
        work: work.map((one) => ({
          ...one,
          limitW: orNull(one.limitW),
          leavesAboveUsdPerMwh: orNull(one.leavesAboveUsdPerMwh),
          belowW: orNull(one.belowW),
          leavesBelowUsdPerMwh: orNull(one.leavesBelowUsdPerMwh),
          aboveW: orNull(one.aboveW),
        })),
      }),
  changes: [...changes],
});

export function planView(runtime: Runtime, plan: Plan): PlanView {
  return {
    id: plan.id,
    madeAt: isoUtc(plan.madeAt),
    solver: plan.solver,
    status: plan.status,
    solveMs: plan.solveMs,
    objectiveUsd: plan.objectiveUsd,
    notes: [...plan.notes],
    ...(plan.proposals === undefined ? {} : { proposals: [...plan.proposals] }),
    nextChange: nextChangeView(runtime, plan),
    why: plan.why === undefined ? null : whyView(plan.why),
    steps: plan.steps.map(({ start, durationMs, ...step }) => ({
      start: isoUtc(start),
      minutes: durationMs / 60_000,
      ...step,
    })),
  };
}

const mwh = (wh: number | undefined): number | null => (wh === undefined ? null : wh / MW);
const usd = (micro: number | undefined): number | null => (micro === undefined ? null : fromMicroUsd(micro));

export function intervalView(interval: Interval): IntervalView {
  return {
    start: isoUtc(interval.start),
    minutes: interval.durationMs / 60_000,
    importMwh: mwh(interval.importWh),
    plannedMwh: mwh(interval.planImportWh),
    coverage: interval.coverage,
    priceUsdPerMwh: orNull(interval.priceUsdPerMwh),
    lines: interval.lines.map((line) => ({
      line: line.line,
      energyMwh: mwh(line.energyWh),
      revenueUsd: usd(line.revenue),
      quantity: orNull(line.quantity),
      quantityUnit: line.quantityUnit,
      penaltyUsd: fromMicroUsd(line.penalty),
    })),
    unattributedMwh: mwh(interval.unattributedWh),
    energyCostUsd: usd(interval.energyCost),
    leaseCostUsd: fromMicroUsd(interval.leaseCost),
    marginUsd: usd(marginOf(interval)),
    wakes: interval.wakes,
  };
}

export function activityView(act: ActWithStages): Activity {
  const commands = Object.values(act.byStage).reduce((sum, n) => sum + (n ?? 0), 0);
  return {
    id: act.id,
    at: isoUtc(act.at),
    who: act.who,
    what: act.what,
    why: act.why,
    commands,
    byStage: act.byStage,
  };
}

/** The running day, in the site's own time zone, from the intervals booked. A day with an unknown interval says so by what it covers. */
export async function todayOf(runtime: Runtime): Promise<Today> {
  const midnight = dayStart(runtime.clock.now(), runtime.site.timezone);
  const booked = (await runtime.store.intervals(100)).filter(
    ({ start }) => start >= midnight && start < quarterStart(runtime.clock.now()),
  );
  const margins = booked.map(marginOf).filter((margin) => margin !== undefined);
  const energies = booked.map(({ importWh }) => importWh).filter((wh) => wh !== undefined);
  return {
    shadow: await shadowToday(runtime),
    marginUsd: margins.length === 0 ? null : fromMicroUsd(margins.reduce((sum, margin) => sum + margin, 0)),
    energyMwh: energies.length === 0 ? null : energies.reduce((sum, wh) => sum + wh, 0) / MW,
    intervals: margins.length,
    since: booked[0] === undefined ? null : isoUtc(booked[0].start),
  };
}
