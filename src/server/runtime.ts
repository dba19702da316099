import { EventEmitter } from 'node:events';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { createBook, type Book } from '../books/book.ts';
import type { Trust } from '../control/trust.ts';
import { createReconciler, type Reconciler, type Target } from '../control/reconciler.ts';
import { buildForecast } from '../dispatch/forecast.ts';
import { createPlanner, type Planner } from '../dispatch/planner.ts';
import {
  blockOf,
  CATALOGUE,
  DAY,
  isoUtc,
  siteClock,
  siteMs,
  type ClockSetting,
  type Command,
  type Interval,
  type Machine,
  type Plan,
  type Point,
  type Site,
  type SiteClock,
  type Snapshot,
} from '../model/index.ts';
import { openHistory, type History } from '../store/history/history.ts';
import { StoreFailure } from '../store/queue.ts';
import { openStore, type Act, type ActWithStages, type Hold, type Store } from '../store/store.ts';
import { createJobs, type Jobs, type ProcessFacts } from './backup.ts';
import { actionsFor, carryOut, openClusters, type SiteClusters } from './clusters.ts';
import { openFleet, type Fleet, type FleetMachine } from './fleet.ts';
import { desiresOf, describeChanges } from './desires.ts';
import { flowOf, hashpriceNow } from './flow.ts';
import { openWorld, wallNow, type World } from './io.ts';
import { openMarkets, type Markets } from './markets.ts';
import { checkSiteFile, type Problem } from './offline/check.ts';
import type { Secrets } from './secrets.ts';
import { createShadowBook, plannedFlow, shadowOf } from './shadow.ts';
import { changeText, diffSites, type SiteChange } from './site-diff.ts';
import { openUplinks, UPLINK_EVERY_MS, type Uplinks } from './uplinks.ts';
import { loop } from './loop.ts';
import { createJobCommands } from './job-commands.ts';
import { createMeterWitness, type MeterWitness } from './meter-witness.ts';
import { takePicture, type Picture, type PictureSources } from './picture.ts';
import { openPlant, type Plant } from './plant.ts';
import { createResponseWatch, type Response } from './response-watch.ts';
import { createRoom } from './room.ts';
import { takeSnapshot } from './snapshot.ts';
import { createTelemetry, type Telemetry } from './telemetry.ts';
import { createUnexplained, type Unexplained } from './unexplained.ts';
import { createAlarmBook, watch, type StandingAlarm } from './watch.ts';

export interface RuntimeOptions {
  readonly site: Site;
  readonly machines: readonly Machine[];
  /** Where relative paths of the site file start. */
  readonly folder: string;
  /** The site file itself, for reload; absent: reload is refused. */
  readonly siteFile?: string;
  readonly secrets: Secrets;
  readonly storeFile: string;
  /** How the process is started again after a restore; absent: restore is refused. */
  readonly process?: ProcessFacts;
  readonly clock: ClockSetting;
  readonly emulated: boolean;
  readonly portOffset?: number;
  readonly log: Logger;
}

/** Wall cadences; each is the site's own where the clock is slow enough, and stretched to this where it is fast. */
const READ_SITE_MS = 30_000;
const READ_WALL_MS = 10_000;
const PLAN_SITE_MS = 5 * 60_000;
const PLAN_WALL_MS = 8_000;
const CLUSTER_SITE_MS = 15_000;
const CLUSTER_WALL_MS = 2_000;
const SECOND_MS = 1_000;
const CONTROL_MS = 400;
const CHECKPOINT_MS = 5_000;
/** A kill loses at most this much of the gauges; energy is counted by the meters. */
const HISTORY_MS = 60_000;
const ACTIVITY_MS = 1_000;
const SOLVER_TIMEOUT_MS = 20_000;
/** A plan is 70 kB, and what became of it is in the books and in Activity. */
const KEEP_PLANS_MS = 2 * DAY;
const KEEP_COMMANDS_MS = 90 * DAY;
const PRUNE_MS = 600_000;

export interface RuntimeEvents {
  picture: [Picture];
  plan: [Plan];
  interval: [Interval];
  activity: [ActWithStages];
}

export interface Measurements {
  readAllMs: number[];
  readAnswered: number;
  planMs: { readonly ms: number; readonly solveMs: number; readonly solver: string; readonly cold: boolean }[];
  readonly responses: Response[];
}

/** The running site: all loops, and what they last knew. */
export interface Runtime {
  readonly site: Site;
  readonly emulated: boolean;
  readonly clock: SiteClock;
  readonly events: EventEmitter<RuntimeEvents>;
  readonly store: Store;
  readonly fleet: Fleet;
  readonly plant: Plant;
  readonly markets: Markets;
  readonly clusters: SiteClusters;
  readonly uplinks: Uplinks;
  readonly history: History;
  readonly telemetry: Telemetry;
  /** Backups and restores. */
  readonly jobs: Jobs;
  readonly reconciler: Reconciler;
  readonly readEveryMs: number;
  readonly planEveryMs: number;
  readonly measurements: Measurements;
  picture(): Picture;
  plan(): Plan | undefined;
  alarms(): readonly StandingAlarm[];
  lagMs(): number;
  holds(): ReadonlyMap<string, Hold>;
  hold(cohortId: string, who: string, why: string): Promise<void>;
  unhold(cohortId: string, who: string, why: string): Promise<boolean>;
  /** How far the site acts now: what a person raised it to, at the most what the site file allows. */
  trust(): Trust;
  /** @throws Error where the site file allows less. */
  setTrust(trust: Trust, who: string, why: string): void;
  /** Reads the site file again and follows it, unless it is wrong or only a look is asked for. */
  reload(who: string, why: string, onlyLook: boolean): Promise<ReloadOutcome>;
  close(): Promise<void>;
}

export type ReloadOutcome =
  | { readonly ok: true; readonly applied: boolean; readonly changes: readonly SiteChange[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const TRUST_KEY = 'trust';

export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { log } = options;
  let { site, machines } = options;
  const clock = siteClock(options.clock, Date.now);
  const world: World = openWorld(clock, options.folder, options.secrets, options.portOffset);
  const store: Store = await openStore(options.storeFile);
  const events = new EventEmitter<RuntimeEvents>();
  events.setMaxListeners(0);
  const readEveryMs = Math.max(READ_WALL_MS, READ_SITE_MS / clock.speed);
  const planEveryMs = Math.max(PLAN_WALL_MS, PLAN_SITE_MS / clock.speed);
  const clusterEveryMs = Math.max(CLUSTER_WALL_MS, CLUSTER_SITE_MS / clock.speed);
  const measurements: Measurements = { readAllMs: [], readAnswered: 0, planMs: [], responses: [] };

  const plant: Plant = openPlant(site, world.drivers);
  const markets: Markets = openMarkets(site, world.feeds);
  const clusters: SiteClusters = openClusters(site, world.clusters);
  const uplinks: Uplinks = openUplinks(site, world.drivers);
  const history: History = openHistory(join(dirname(options.storeFile), 'history'), {
    rawDays: site.history.rawDays,
    minuteDays: site.history.minuteDays,
    quarterHourDays: site.history.quarterHourDays,
    diskBytes: site.history.diskGb * 1e9,
  });
  const telemetry: Telemetry = createTelemetry(history, plant, uplinks);
  const jobs: Jobs = createJobs({
    dataFolder: dirname(options.storeFile),
    siteName: () => site.name,
    process: options.process,
    store,
    history,
    clock,
    recordAct,
    unixNow: Date.now,
  });
  const planner: Planner = createPlanner({ timeoutMs: SOLVER_TIMEOUT_MS, wallNow });
  const alarmBook = createAlarmBook();
  let room = createRoom(site, plant);
  let shadow = createShadowBook(site);
  /** The emulated site has nobody to protect; a real one waits in shadow until a person raises it. */
  let raised: Trust = options.emulated ? 'auto' : (((await store.getMeta(TRUST_KEY)) as Trust | undefined) ?? 'shadow');
  const trust = (): Trust => (site.trust === 'shadow' ? 'shadow' : raised);
  const holds = new Map((await store.holds()).map((hold) => [hold.cohortId, hold]));
  const book: Book = createBook(blockOf(site.tariff), await store.getMeta('book'), await store.lastBooked());

  const fleet: Fleet = openFleet(site, machines, world.drivers, {
    maxInFlight: 256,
    onRead: (member) => {
      if (member.reading === undefined || member.failures > 0) return;
      reconciler.observe(member.machine.id, member.reading);
      telemetry.machine(member.machine.id, member.reading);
    },
  });
  const reconciler: Reconciler = createReconciler(fleet.machines.flatMap(toTarget), {
    siteNow: () => clock.now(),
    wallNow,
    trust,
    mayIncrease: (id, hallId, deltaW) => room.mayIncrease(id, hallId, deltaW),
    wakesPerMinute: (hallId) => site.halls.find((hall) => hall.id === hallId)?.wakesPerMinute ?? 60,
    readSoon: (id) => fleet.readSoon(id),
  });
  let unexplained: Unexplained = createUnexplained(machines.length);
  const witness: MeterWitness = createMeterWitness(fleet);
  const sources: PictureSources = {
    get site() {
      return site;
    },
    clock,
    uplinks,
    fleet,
    plant,
    markets,
    clusters: clusters.byId,
    reconciler,
    unexplainedW: (hallId) => unexplained.hallW(hallId),
    wallNow,
    staleMs: 3 * readEveryMs + 6_000,
  };
  const jobCommands = createJobCommands();
  /** Decisions that changed nothing when they were made: written down with the first command they lead to after all. */
  const unwritten = new Map<string, Act>();
  /** Acts to tell listeners of. */
  const moved = new Set<string>();
  const responses = createResponseWatch(measurements.responses);

  let picture = takePicture(sources);
  let plan: Plan | undefined;
  let planned: Snapshot | undefined;
  let planWall: number | undefined;
  let alarms: readonly StandingAlarm[] = [];
  let swept = false;
  let sweepBehindMs = 0;
  let cause: { readonly why: string; readonly wall: number } | undefined;
  let pricePoint: Point | undefined;
  let criticals = '';
  let historyFailure: string | undefined;

  /** Plans at once. The first cause given is the one told. */
  function askPlan(why: string): void {
    cause ??= { why, wall: wallNow() };
    planLoop.now();
  }

  async function planOnce(): Promise<void> {
    if (!swept) return;
    const because = cause ?? { why: 'five-minute plan', wall: wallNow() };
    cause = undefined;
    const { forecast, notes } = buildForecast([...markets.series.values()], clock.now());
    if (forecast === undefined) {
      log.warn({ notes }, 'no plan can be made');
      return;
    }
    picture = takePicture(sources);
    const started = wallNow();
    const snapshot = takeSnapshot(sources, picture, new Set(holds.keys()));
    const made = await planner.plan(snapshot, forecast, notes);
    const { solver, solveMs } = made;
    measurements.planMs.push({ ms: wallNow() - started, solveMs, solver, cold: plan === undefined });
    if (measurements.planMs.length > 1_000) measurements.planMs.shift();
    planned = snapshot;
    await takeOver(made, because);
  }

  async function takeOver(made: Plan, because: { why: string; wall: number }): Promise<void> {
    plan = made;
    planWall = wallNow();
    store.savePlan(made);
    picture = takePicture(sources);
    const price = made.steps[0]?.priceUsdPerMwh;
    const why = `${because.why}; price ${price === undefined ? 'unknown' : `$${price.toFixed(2)}/MWh`}`;
    const act = { actId: made.id, who: 'planner', why };
    const desires = desiresOf(site, made, picture, reconciler, new Set(holds.keys()), act);
    const decision = { id: made.id, at: clock.now(), who: act.who, why };
    const wished = new Set([...desires.all.values()].map(({ actId }) => actId));
    for (const id of unwritten.keys()) if (!wished.has(id)) unwritten.delete(id);
    if (desires.changed.length === 0) {
      unwritten.set(made.id, { ...decision, what: 'keep machines as planned' });
    } else {
      const what = describeChanges(desires, (id) => fleet.byId(id)?.machine.groupId ?? id);
      recordAct({ ...decision, what: trust() === 'shadow' ? `would tell ${what} (in shadow)` : what });
      witness.begin(made.id, picture, desires.changed);
      responses.begin(made.id, because.wall, desires.changed.length);
    }
    reconciler.want(desires.all);
    events.emit('plan', made);
    await limitWork(made, why);
  }

  /** Holds, requeues and releases jobs as the plan says. */
  async function limitWork(made: Plan, why: string): Promise<void> {
    if (trust() === 'shadow') return;
    for (const cluster of clusters.byId.values()) {
      const actions = actionsFor(cluster, picture.work, made, why);
      if (actions.length === 0) continue;
      const id = `${made.id}-${cluster.id}`;
      const count = (kind: string) => actions.filter((action) => action.kind === kind).length;
      const what = (['hold', 'requeue', 'release'] as const)
        .flatMap((kind) => (count(kind) > 0 ? [`${kind} ${count(kind)} jobs`] : []))
        .join(', ');
      recordAct({ id, at: clock.now(), who: 'planner', what, why });
      const sentAt = clock.now();
      const outcomes = await carryOut(trust(), cluster, actions);
      save(jobCommands.add(cluster, id, outcomes, sentAt, clock.now()));
    }
  }

  function recordAct(act: Act): void {
    store.recordAct(act);
    moved.add(act.id);
  }

  function save(commands: readonly Command[]): void {
    for (const { batchId } of commands) {
      const act = unwritten.get(batchId);
      if (act === undefined) continue;
      unwritten.delete(batchId);
      recordAct(act);
    }
    store.saveCommands(commands);
    for (const { batchId } of commands) moved.add(batchId);
  }

  /** What the disk did not take before the end; the alarm had told of it. */
  function onLost(error: unknown): void {
    if (!(error instanceof StoreFailure)) throw error;
    log.error({ why: error.message }, 'the store could not be written');
  }

  /** Tells listeners of acts that are new, or whose commands got on. */
  async function tellActivity(): Promise<void> {
    if (moved.size === 0 || events.listenerCount('activity') === 0) return;
    const ids = [...moved];
    moved.clear();
    try {
      for (const act of await store.actsById(ids)) events.emit('activity', act);
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      log.warn({ why: error.message }, 'activity cannot be read');
    }
  }

  /** Once a second: feeds, meters, the picture, the books, the alarms. */
  async function everySecond(): Promise<void> {
    await Promise.all([plant.readAll(), markets.readAll()]);
    telemetry.handOver();
    picture = takePicture(sources);
    keepBooks();
    raiseAlarms();
    witness.examine(picture, reconciler);
    if (swept) unexplained.look(picture, reconciler);
    const newest = markets.series.get('priceUsdPerMwh')?.points.at(-1);
    // A price that is told anew, or told otherwise.
    if (newest !== undefined && (newest.start !== pricePoint?.start || newest.value !== pricePoint.value)) {
      if (pricePoint !== undefined && swept) askPlan(`price of ${isoUtc(newest.start).slice(11, 16)} told`);
      pricePoint = newest;
    }
    events.emit('picture', picture);
  }

  function keepBooks(): void {
    const meter = plant.connection;
    if (meter?.reading?.energyImportWh !== undefined)
      book.counter(meter.reading.at, meter.reading.energyImportWh, meter.reading.powerW);
    if (swept) book.look(picture.at, flowOf(site, picture, markets, plan));
    if (trust() === 'shadow') keepShadowBook();
    for (const interval of book.close(picture.at, (start) => markets.value('priceUsdPerMwh', start))) {
      // Told when it is on disk; while the disk takes nothing, the site runs on.
      void store.bookInterval(interval).then((isNew) => isNew && events.emit('interval', interval), onLost);
      store.setMeta('book', book.checkpoint());
    }
  }

  function keepShadowBook(): void {
    const { at } = picture;
    const flow =
      plan === undefined || planned === undefined
        ? undefined
        : plannedFlow(site, planned, plan, at, hashpriceNow(markets, at));
    shadow.look(at, flow);
    for (const interval of shadow.close(at, (start) => markets.value('priceUsdPerMwh', start)))
      store.bookShadow(shadowOf(interval));
  }

  /** Follows a changed site file in place: what stays as it was keeps its connections and all that is known of it. */
  function follow(next: Site, nextMachines: readonly Machine[]): void {
    site = next;
    machines = nextMachines;
    fleet.reload(site, machines);
    reconciler.retarget(fleet.machines.flatMap(toTarget));
    plant.reload(site);
    markets.reload(site);
    clusters.reload(site);
    uplinks.reload(site);
    book.retariff(blockOf(site.tariff));
    room = createRoom(site, plant);
    shadow = createShadowBook(site);
    unexplained = createUnexplained(machines.length);
    picture = takePicture(sources);
    askPlan('the site file changed');
  }

  function raiseAlarms(): void {
    const raised = watch(sources, picture, {
      plan,
      planEveryMs,
      lastPlanWallMs: planWall === undefined ? undefined : wallNow() - planWall,
      failedCommands: fleet.machines.filter(({ machine }) => reconciler.commandOf(machine.id)?.stage === 'failed')
        .length,
      sweepBehindMs,
      readEveryMs,
      historyFailure,
      storeFailure: store.problem(),
      historyUsage: telemetry.usage(),
      clusterFailures: new Map(
        [...clusters.byId.values()].flatMap(({ id, failure }) => (failure === undefined ? [] : [[id, failure]])),
      ),
      settled: swept,
    });
    alarms = alarmBook.update(raised, picture.at);
    const now = alarms
      .filter(({ code }) => REPLAN_ON.has(code))
      .map(({ code, subject }) => `${code} ${subject}`)
      .sort()
      .join();
    if (now !== criticals) {
      const added = now.split(',').find((one) => one !== '' && !criticals.includes(one));
      criticals = now;
      if (swept && added !== undefined) askPlan(`alarm: ${added}`);
    }
  }

  async function sweep(): Promise<void> {
    const report = await fleet.sweep();
    sweepBehindMs = Math.max(0, report.tookMs - readEveryMs);
    measurements.readAllMs.push(report.tookMs);
    measurements.readAnswered = report.answered;
    if (measurements.readAllMs.length > 1_000) measurements.readAllMs.shift();
    log.debug(report, 'sweep');
    if (!swept) {
      swept = true;
      askPlan('first plan');
    }
  }

  async function readClusters(): Promise<void> {
    await clusters.readAll();
    save(jobCommands.look(clusters.byId.values(), clock.now()));
  }

  async function saveHistory(): Promise<void> {
    historyFailure = await telemetry.save(clock.now());
  }

  function controlOnce(): void {
    room.refresh(reconciler);
    reconciler.tick();
    const changed = reconciler.drainChanged();
    const woke = changed.filter(({ action, stage }) => action === 'wake' && stage === 'acknowledged').length;
    if (woke > 0) book.woke(clock.now(), woke);
    save(changed);
    responses.look(changed);
  }

  await Promise.all([plant.readAll(), markets.readAll(), clusters.readAll(), uplinks.readAll()]);
  const planLoop = loop('plan', planEveryMs, planOnce, log);
  const loops = [
    planLoop,
    loop('second', SECOND_MS, everySecond, log),
    loop('sweep', readEveryMs, sweep, log),
    loop('clusters', clusterEveryMs, readClusters, log),
    loop('uplinks', UPLINK_EVERY_MS, () => uplinks.readAll(), log),
    loop('history', HISTORY_MS, saveHistory, log),
    loop('activity', ACTIVITY_MS, tellActivity, log),
    loop('control', CONTROL_MS, controlOnce, log),
    loop('checkpoint', CHECKPOINT_MS, () => store.setMeta('book', book.checkpoint()), log),
    loop(
      'prune',
      PRUNE_MS,
      () => store.prune(siteMs(clock.now() - KEEP_PLANS_MS), siteMs(clock.now() - KEEP_COMMANDS_MS)),
      log,
    ),
  ];

  return {
    get site() {
      return site;
    },
    emulated: options.emulated,
    clock,
    events,
    store,
    fleet,
    plant,
    markets,
    clusters,
    uplinks,
    history,
    telemetry,
    jobs,
    reconciler,
    readEveryMs,
    planEveryMs,
    measurements,
    picture: () => picture,
    plan: () => plan,
    alarms: () => alarms,
    lagMs: () => Math.round(Math.max(...loops.map((one) => one.lagMs()))),
    holds: () => holds,
    async hold(cohortId, who, why) {
      const hold: Hold = { cohortId, who, why, since: clock.now() };
      await store.setHold(hold);
      holds.set(cohortId, hold);
      recordAct({
        id: `hold-${cohortId}-${hold.since}`,
        at: hold.since,
        who,
        what: `hold ${cohortId} out of the plan`,
        why,
      });
      askPlan(`${cohortId} held`);
    },
    async unhold(cohortId, who, why) {
      const was = await store.clearHold(cohortId);
      holds.delete(cohortId);
      if (was) {
        const at = clock.now();
        recordAct({ id: `unhold-${cohortId}-${at}`, at, who, what: `give ${cohortId} back to the plan`, why });
        askPlan(`${cohortId} given back`);
      }
      return was;
    },
    trust,
    setTrust(next, who, why) {
      if (next === 'auto' && site.trust === 'shadow')
        throw new Error('the site file says trust: shadow, and a site is raised no further than its file allows');
      raised = next;
      store.setMeta(TRUST_KEY, next);
      const at = clock.now();
      const what =
        next === 'auto'
          ? 'raise the site to auto: it acts by itself'
          : 'lower the site to shadow: it writes to nothing';
      recordAct({ id: `trust-${at}`, at, who, what, why });
      shadow = createShadowBook(site);
      askPlan(`trust set to ${next}`);
    },
    async reload(who, why, onlyLook) {
      if (options.siteFile === undefined) throw new Error('this server was not started from a site file');
      const checked = await checkSiteFile(options.siteFile, options.secrets);
      if (!checked.ok) return { ok: false, problems: checked.problems };
      const changes = diffSites(site, checked.site);
      if (onlyLook || changes.length === 0) return { ok: true, applied: false, changes };
      follow(checked.site, checked.machines);
      const at = clock.now();
      const told = changes.slice(0, 6).map(changeText).join('; ');
      const more = changes.length > 6 ? ` and ${changes.length - 6} more` : '';
      recordAct({ id: `reload-${at}`, at, who, what: `reload the site file: ${told}${more}`, why });
      return { ok: true, applied: true, changes };
    },
    async close() {
      // In order: no new work, then what is known is written, then the doors are shut.
      await jobs.close();
      fleet.close();
      await Promise.all(loops.map((one) => one.stop()));
      save(reconciler.drainChanged());
      store.setMeta('book', book.checkpoint());
      await planner.close();
      telemetry.handOver();
      await history.close();
      plant.close();
      markets.close();
      clusters.close();
      uplinks.close();
      await world.close();
      await store.close().catch(onLost);
    },
  };
}

/** Alarms that change what can be done, and so call for a plan at once. */
const REPLAN_ON: ReadonlySet<string> = new Set([
  'connection-over-limit',
  'hall-over-breaker',
  'hall-dark',
  'meter-silent',
]);

function toTarget(member: FleetMachine): Target[] {
  const { machine, device } = member;
  const model = CATALOGUE.get(machine.modelId);
  if (model?.kind !== 'asic') return [];
  return [
    {
      id: machine.id,
      hallId: machine.hallId,
      handle: device,
      expect(mode) {
        if (mode.kind === 'sleep') return { powerW: model.sleepW, hashrateThs: 0 };
        const points = member.reading?.points ?? model.points;
        return points.find((point) => point.profile === mode.profile);
      },
    },
  ];
}
