import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import type { Desire } from '../control/commands.ts';
import type { Reconciler } from '../control/reconciler.ts';
import { PLANNER, type Trust } from '../control/trust.ts';
import { buildForecast } from '../dispatch/forecast.ts';
import type { Scenario } from '../dispatch/plan.ts';
import type { Planner } from '../dispatch/planner.ts';
import { bestRoleMove } from '../dispatch/roles.ts';
import { createWantedForecaster, type WantedForecaster } from '../dispatch/wanted.ts';
import { type PriceErrors, priceErrors, priceScenarios } from '../dispatch/scenarios.ts';
import {
  HOUR,
  isOfClass,
  modeKey,
  type DemandFacts,
  type Forecast,
  type Plan,
  type Series,
  type Site,
  type SiteClock,
  type SiteMs,
  type Snapshot,
} from '../model/index.ts';
import type { Hold, Store } from '../store/store.ts';
import type { Planned } from './bookkeeper.ts';
import { actionsFor, type SiteClusters } from './clusters.ts';
import { type Apart, describeChanges, type Desires, desiresOf, stoppedBy, withStatesBefore } from './desires.ts';
import type { AvailabilityOf } from './availability.ts';
import type { CurtailmentOf } from './flow.ts';
import type { Gpus } from './gpu/gpus.ts';
import type { Fleet } from './fleet.ts';
import { wallNow } from './io.ts';
import type { NodeMoves } from './node-moves.ts';
import { createPeakWatch } from './peak-outlook.ts';
import type { JobCommands } from './job-commands.ts';
import type { Journal } from './journal.ts';
import type { MeterWitness } from './meter-witness.ts';
import { type Order, stopsMiners, withOrders } from './orders/orders.ts';
import type { LimitsBefore } from './orders/limits-before.ts';
import type { StatesBefore } from './orders/states-before.ts';
import { takePicture, type Picture, type PictureSources } from './picture.ts';
import type { createResponseWatch } from './response-watch.ts';
import type { PowerBudgets } from './power-budgets.ts';
import type { QueueStops } from './queue-stops.ts';
import type { PowerSaving } from './power-saving.ts';
import { powerLimitNotes, withPowerLimits } from './power-limits.ts';
import type { Measurements, RuntimeEvents } from './runtime.ts';
import { rateNow } from './shadow.ts';
import { takeSnapshot, type Billed, type DeadlineOf } from './snapshot.ts';
import { jobSuggestionOf } from './trust/job-suggestions.ts';
import { keptOf, withKept } from './trust/kept.ts';
import type { Levels } from './trust/levels.ts';
import { type Suggestion, suggestionOf, type Suggestions } from './trust/suggestions.ts';
import { createServing, type Serving } from './serving.ts';
import { wantedClasses, type WantedHistory } from './wanted.ts';
import { createWorkLimits } from './work-limits.ts';

/** From what is known to a plan, and from a plan to what machines and jobs are wanted to do. */
export interface Planning {
  /** The first cause given since the last plan is the one told. */
  because(why: string): void;
  once(): Promise<void>;
  plan(): Plan | undefined;
  planned(): Planned | undefined;
  /** What the plan in force wants of machines; empty before the first. */
  desires(): ReadonlyMap<string, Desire>;
  /** Wall time since the last plan; undefined before the first. */
  ageMs(): number | undefined;
  /**
   * What would be planned now with an order more and without it; nothing is carried out. Undefined where no plan can be made.
   * Solved beside the plans that are, which never wait for it.
   */
  preview(order: Order): Promise<PlannedWith | undefined>;
  /** A safe stop is carried out at once: what sleeps, and that it shall, no plan has to say. */
  stop(order: Order): void;
  /** Wants nothing more of a cohort that is held now, unless a safe stop stands over its hold. */
  leave(cohortId: string): void;
  /** Ids of miners that run, as far as they have been read, and that a safe stop would put to sleep now. */
  wouldStop(order: Order): readonly string[];
}

export interface PlannedWith {
  readonly snapshot: Snapshot;
  readonly without: Plan;
  readonly withIt: Plan;
}

const MOST_MEASURED = 1_000;
/** How long a plan waits at the most for machines to be told to draw less. */
const SHEDS_FIRST_MS = 4_000;

export function createPlanning(options: {
  readonly sources: PictureSources;
  readonly clock: SiteClock;
  readonly planner: Planner;
  /** Another one, for previews. */
  previewer(): Planner;
  readonly store: Store;
  readonly events: EventEmitter<RuntimeEvents>;
  readonly log: Logger;
  readonly fleet: Fleet;
  readonly clusters: SiteClusters;
  readonly reconciler: Reconciler;
  readonly journal: Journal;
  readonly witness: MeterWitness;
  readonly responses: ReturnType<typeof createResponseWatch>;
  readonly answers: NonNullable<Billed['answers']>;
  readonly jobCommands: JobCommands;
  readonly gpus: Pick<Gpus, 'watch'>;
  readonly powerBudgets: Pick<PowerBudgets, 'set'>;
  readonly queueStops: Pick<QueueStops, 'set'>;
  readonly powerSaving: Pick<PowerSaving, 'plan'>;
  askPlan(why: string): void;
  readonly statesBefore: StatesBefore;
  readonly limitsBefore: Pick<LimitsBefore, 'keep'>;
  readonly measurements: Pick<Measurements, 'planMs'>;
  trust(): Trust;
  /** Cohorts that a person holds out of the plan. */
  holds(): ReadonlyMap<string, Pick<Hold, 'since'>>;
  /** How far the site and its cohorts may be acted on. */
  readonly levels: Pick<Levels, 'site' | 'of'>;
  readonly suggestions: Suggestions;
  /** Orders in force. */
  orders(): readonly Order[];
  /** The facts with what the grid demands over them. */
  grid(snapshot: Snapshot): Snapshot;
  picture(): Picture;
  /** Something else is wanted of machines: nothing waits for the next round of control. */
  onWish(): void;
  /** A picture that was taken for a plan is the newest there is. */
  onPicture(picture: Picture): void;
  /** Where the month's demand charge stands. */
  demand(at: SiteMs): DemandFacts | undefined;
  readonly curtailment: CurtailmentOf;
  readonly availability: AvailabilityOf;
  readonly deadline: DeadlineOf;
  readonly wanted: WantedHistory;
  readonly nodeMoves: Pick<NodeMoves, 'roles' | 'propose'>;
}): Planning {
  const { sources, clock, store, journal, log, reconciler, trust } = options;
  const facing = createPeakWatch();
  const mayGo = createScenarios();
  const wants = createWanted();
  const serving = createServing();
  const workLimits = createWorkLimits({
    ...options,
    site: () => sources.site,
    work: () => options.picture().work,
  });
  let plan: Plan | undefined;
  let planned: Planned | undefined;
  let wanted: ReadonlyMap<string, Desire> = new Map();
  let planWall: number | undefined;
  let previewing: Promise<void> = Promise.resolve();
  let cause: { readonly why: string; readonly wall: number } | undefined;

  function look(): Picture {
    const picture = takePicture(sources);
    options.onPicture(picture);
    return picture;
  }

  async function takeOver(taken: Planned, because: { why: string; wall: number }): Promise<void> {
    const made = taken.plan;
    plan = made;
    planWall = wallNow();
    store.savePlan(made);
    const picture = look();
    const price = made.steps[0]?.priceUsdPerMwh;
    const why = `${because.why}; price ${price === undefined ? 'unknown' : `$${price.toFixed(2)}/MWh`}`;
    const act = { actId: made.id, who: PLANNER, why };
    const { cohorts } = taken.snapshot;
    const orders = options.orders();
    const aside = apart(orders);
    wish(
      desiresOf(sources.site, made, cohorts, picture, reconciler, aside, act, orders),
      act,
      picture,
      aside,
      because.wall,
    );
    options.events.emit('plan', made);
    await workLimits.limit(taken, why);
    await options.powerSaving.plan(made);
  }

  /** Puts on record what machines shall do from now on, and has control do it. */
  function wish(
    byPlan: Desires,
    act: { readonly actId: string; readonly who: string; readonly why: string },
    picture: Picture,
    aside: Apart,
    causedWall: number,
  ): void {
    options.limitsBefore.keep(byPlan.all);
    const facts = { at: clock.now(), fleet: options.fleet, reconciler, left: aside.left, holds: options.holds() };
    const desires = withStatesBefore(byPlan, options.statesBefore, act, facts);
    const decision = { id: act.actId, at: clock.now(), who: act.who, why: act.why };
    journal.keepOnly(new Set([...desires.all.values()].map(({ actId }) => actId)));
    if (desires.changed.length === 0) {
      journal.later({ ...decision, what: 'keep machines as planned' });
    } else {
      const what = describeChanges(desires, (id) => options.fleet.byId(id)?.machine.groupId ?? id);
      journal.act({ ...decision, what: trust() === 'shadow' ? `would tell ${what} (in shadow)` : what });
      options.witness.begin(act.actId, picture, desires.changed);
      options.responses.begin(act.actId, causedWall, desires.changed.length);
    }
    wanted = desires.all;
    reconciler.want(wanted);
    options.onWish();
  }

  const heldUnder = (orders: readonly Order[]): ReadonlySet<string> =>
    new Set(stopsMiners(orders) ? [] : options.holds().keys());

  /** What this plan does not move as it likes. */
  function apart(orders: readonly Order[]): Apart {
    const { waiting, onlyDown } = keptOf(sources.site, options.levels, orders.length > 0);
    const confirmed = orders.length > 0 ? [] : options.suggestions.underway().flatMap(({ left }) => [...left]);
    return { left: new Set([...heldUnder(orders), ...waiting]), onlyDown, confirmed: new Map(confirmed) };
  }

  function stopOf(order: Order, under: readonly Order[]) {
    const act = { actId: `stop-${order.id}`, who: order.who, why: order.why };
    const aside = apart(under);
    return { act, aside, stopped: stoppedBy(wanted, options.fleet.machines, reconciler, aside, act) };
  }

  /** What confirmed suggestions still change in a cohort: machines by mode key, come less gone. */
  function moving(cohortId: string): Record<string, number> {
    const change: Record<string, number> = {};
    const left = options.suggestions.underway().find(({ cohort }) => cohort === cohortId)?.left;
    for (const [id, { mode }] of left ?? []) {
      const member = options.fleet.byId(id);
      const seen = member?.reading?.mode === undefined ? undefined : modeKey(member.reading.mode);
      if (seen === undefined || !options.picture().groups.get(cohortId)!.answering.includes(member!)) continue;
      change[seen] = (change[seen] ?? 0) - 1;
      change[mode] = (change[mode] ?? 0) + 1;
    }
    return change;
  }

  /** GPUs of a class whose jobs wait because a person confirmed it. */
  function confirmedHeldGpus(classId: string): number {
    const one = options.picture().work.find(({ workClass }) => workClass.id === classId);
    const cluster = one && options.clusters.byId.get(one.clusterId);
    if (one === undefined || cluster?.reading === undefined) return 0;
    return cluster.reading.jobs.reduce(
      (sum, job) =>
        job.state === 'held' && isOfClass(job, one.workClass) && cluster.heldAsConfirmed.has(job.id)
          ? sum + job.gpus
          : sum,
      0,
    );
  }

  /** What each cohort that waits for a person would do, were the plan to move it alone: worked out beside the plan in force. */
  async function suggest(
    { plan: made, snapshot }: Planned,
    work: Snapshot['work'],
    forecast: Forecast,
    scenarios: readonly Scenario[],
  ) {
    const round = options.suggestions.planned();
    const moved = new Set(options.suggestions.underway().map(({ cohort }) => cohort));
    const waiting = snapshot.cohorts.filter(({ id, waits }) => waits === true && !moved.has(id));
    const wanted: Suggestion[] = [];
    for (const cohort of waiting) {
      const cohorts = snapshot.cohorts.map((one) => (one === cohort ? { ...one, held: false, waits: false } : one));
      const free = await beside((planner) => planner.plan({ ...snapshot, cohorts }, forecast, [], scenarios));
      if (plan?.id !== made.id) return;
      const found = suggestionOf({
        id: randomUUID(),
        cohort,
        trust: options.levels.of(cohort.id) === 'suggest' ? 'suggest' : 'shadow',
        kept: made,
        free,
        at: made.madeAt,
        rateUsdPerHour: (of) => rateNow(sources, snapshot, of),
      });
      if (found !== undefined) wanted.push(found);
    }
    if (options.levels.site() === 'suggest' && options.orders().length === 0) {
      const freed = { ...snapshot, work };
      const free = await beside((planner) => planner.plan(freed, forecast, [], scenarios));
      if (plan?.id !== made.id) return;
      wanted.push(...jobsWanted({ plan: free, snapshot: freed }, made, snapshot));
    }
    options.suggestions.tell(round, wanted);
  }

  /** Which nodes another role would earn more with, worked out beside the plan in force; a time that an order bends is no measure of it. */
  async function lookAtRoles({ plan: made, snapshot }: Planned, forecast: Forecast, scenarios: readonly Scenario[]) {
    const roles = options.nodeMoves.roles();
    if (roles.length === 0 || options.orders().length > 0) return;
    const best = await bestRoleMove(roles, snapshot, made, (facts) =>
      beside((planner) => planner.plan(facts, forecast, [], scenarios)),
    );
    if (plan?.id === made.id) options.nodeMoves.propose(best);
  }

  /** What a plan that may move work wants of each cluster's jobs. */
  function jobsWanted(free: Planned, kept: Plan, snapshot: Snapshot): Suggestion[] {
    return [...options.clusters.byId.values()].flatMap((cluster) => {
      const { work } = options.picture();
      const why = `price $${free.plan.steps[0]?.priceUsdPerMwh.toFixed(2)}/MWh`;
      const found = jobSuggestionOf({
        id: randomUUID(),
        clusterId: cluster.id,
        classIds: work.flatMap(({ clusterId, workClass }) => (clusterId === cluster.id ? [workClass.id] : [])),
        actions: actionsFor(cluster, work, free, why),
        kept,
        free: free.plan,
        at: kept.madeAt,
        rateUsdPerHour: (of) => rateNow(sources, of === kept ? snapshot : free.snapshot, of),
      });
      return found === undefined ? [] : [found];
    });
  }

  /** Machines that are being told to draw less come first: for a few seconds nothing is planned beside that. */
  async function shedsSent(): Promise<void> {
    const end = wallNow() + SHEDS_FIRST_MS;
    while (reconciler.isShedding() && wallNow() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  /** Solves beside the plans that are carried out, one after the other: a planner gives whoever asked before the plan of whoever asks next. */
  function beside<T>(solve: (planner: Planner) => Promise<T>): Promise<T> {
    const solved = previewing.then(() => solve(options.previewer()));
    previewing = solved.then(
      () => {},
      () => {},
    );
    return solved;
  }

  /** Adds to a plan that still holds what power limits on GPUs would earn. A site that closes meanwhile needs no answer. */
  async function compare(made: Plan, limited: Promise<Plan>): Promise<void> {
    const other = await limited.catch(() => undefined);
    const notes = other === undefined ? [] : powerLimitNotes(made, other);
    if (notes.length === 0 || plan !== made) return;
    plan = { ...made, notes: [...made.notes, ...notes] };
    options.events.emit('plan', plan);
  }

  /** All that a plan is made of, as it is now under these orders; undefined where nothing can be forecast. */
  function gather(orders: readonly Order[]) {
    const { series } = sources.markets;
    const built = buildForecast([...series.values()], clock.now());
    if (built.forecast === undefined) {
      log.warn({ notes: built.notes }, 'no plan can be made');
      return undefined;
    }
    const faced = facing(sources.site, series.get('systemLoadMw'), built.forecast);
    const picture = look();
    const facts = takeSnapshot(sources, picture, heldUnder(orders), {
      demand: options.demand(picture.at),
      curtailment: options.curtailment,
      availability: options.availability,
      answers: options.answers,
      deadline: options.deadline,
    });
    const served = serving.at(sources.site, series.get('requestsPerSecond'), picture.at);
    const wanted = wants(sources.site, options.wanted, picture, faced.forecast, served);
    const { scenarios, notes } = mayGo(sources.site.planning.scenarios, [...series.values()], wanted.forecast);
    return {
      snapshot: options.grid(
        withOrders(
          withKept(
            served.inSnapshot(facts, wanted.forecast),
            keptOf(sources.site, options.levels, orders.length > 0),
            moving,
            confirmedHeldGpus,
          ),
          orders,
        ),
      ),
      /** As it is, where jobs are left to their schedulers, too. */
      work: facts.work,
      forecast: wanted.forecast,
      notes: [...built.notes, ...faced.notes, ...wanted.notes, ...served.notes, ...notes],
      scenarios,
    };
  }

  return {
    because(why) {
      cause ??= { why, wall: wallNow() };
    },
    async once() {
      const because = cause ?? { why: 'five-minute plan', wall: wallNow() };
      cause = undefined;
      await shedsSent();
      const started = wallNow();
      const under = options.orders();
      const asked = gather(under);
      if (asked === undefined) return;
      const { snapshot, forecast, scenarios } = asked;
      const made = await options.planner.plan(snapshot, forecast, asked.notes, scenarios);
      // Everything was stopped while it was solved: it would wake what has just been told to sleep. The next is asked for already.
      if (stopsMiners(options.orders()) && !stopsMiners(under)) return;
      const { solver, solveMs } = made;
      const { planMs } = options.measurements;
      planMs.push({ ms: wallNow() - started, solveMs, solver, cold: plan === undefined });
      if (planMs.length > MOST_MEASURED) planMs.shift();
      planned = { plan: made, snapshot };
      await takeOver(planned, because);
      // A site that closes meanwhile suggests nothing.
      suggest(planned, asked.work, forecast, scenarios)
        .then(() => lookAtRoles({ plan: made, snapshot }, forecast, scenarios))
        .catch((error: unknown) => log.debug({ err: error }, 'nothing is suggested'));
      const limited = withPowerLimits(snapshot, sources.site);
      if (limited !== undefined)
        void beside((planner) => compare(made, planner.plan(limited, forecast, [], scenarios)));
    },
    async preview(order) {
      await shedsSent();
      const without = gather(options.orders());
      const withIt = gather([...options.orders(), order]);
      if (without === undefined || withIt === undefined) return undefined;
      return beside(async (planner) => ({
        snapshot: withIt.snapshot,
        without: await planner.plan(without.snapshot, without.forecast),
        withIt: await planner.plan(withIt.snapshot, withIt.forecast),
      }));
    },
    stop(order) {
      const { stopped, act, aside } = stopOf(order, options.orders());
      wish(stopped, act, options.picture(), aside, wallNow());
    },
    leave(cohortId) {
      if (stopsMiners(options.orders())) return;
      const isLeft = (id: string): boolean => options.fleet.byId(id)?.machine.groupId === cohortId;
      wanted = new Map([...wanted].filter(([id]) => !isLeft(id)));
      reconciler.want(wanted);
    },
    wouldStop: (order) => stopOf(order, [...options.orders(), order]).stopped.changed,
    plan: () => plan,
    planned: () => planned,
    desires: () => wanted,
    ageMs: () => (planWall === undefined ? undefined : wallNow() - planWall),
  };
}

/** The forecast with what classes of work are expected to want; one whose scheduler does not answer is planned for as it told last. */
function createWanted() {
  let kept: { readonly timezone: string; readonly forecaster: WantedForecaster } | undefined;
  return (site: Site, history: WantedHistory, { work }: Picture, forecast: Forecast, serving: Serving) => {
    const { timezone } = site;
    if (kept?.timezone !== timezone) kept = { timezone, forecaster: createWantedForecaster(timezone) };
    const now = new Map(
      work
        .filter(({ answers }) => answers)
        .map((one) => [one.workClass.id, one.runningGpus + one.queuedGpus + one.heldGpus]),
    );
    const classes = wantedClasses(site, history).flatMap((one) => {
      const nowGpus = now.get(one.id);
      return nowGpus === undefined ? [] : [serving.asWanted({ ...one, nowGpus })];
    });
    const made = kept.forecaster.add(forecast, classes);
    return { ...made, forecast: serving.inSteps(made.forecast) };
  };
}

/** Other ways prices may go, where the site file asks for them; errors are worked out anew by the hour. */
function createScenarios() {
  let kept: { readonly hour: number; readonly errors: PriceErrors | undefined } | undefined;
  return (
    wanted: number,
    series: readonly Series[],
    forecast: Forecast,
  ): { readonly scenarios: readonly Scenario[]; readonly notes: readonly string[] } => {
    if (wanted === 1) return { scenarios: [], notes: [] };
    const hour = Math.floor(forecast.madeAt / HOUR);
    if (kept?.hour !== hour) kept = { hour, errors: priceErrors(series, forecast.madeAt) };
    const { errors } = kept;
    if (errors === undefined)
      return { scenarios: [], notes: ['planned on the forecast alone: too few past prices to tell how far it errs'] };
    return { scenarios: priceScenarios(forecast, errors), notes: [] };
  };
}
