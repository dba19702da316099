import { EventEmitter } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { putOffClosing } from '../drivers/wire/exchange.ts';
import type { Logger } from 'pino';
import type { Trust } from '../control/trust.ts';
import type { Target } from '../control/entry.ts';
import type { WorkAction } from '../control/work.ts';
import { createReconciler, type Reconciler, WEAR_MS } from '../control/reconciler.ts';
import { createPlanner, type Planner } from '../dispatch/planner.ts';
import {
  CATALOGUE,
  DAY,
  isoUtc,
  modeFromKey,
  modeKey,
  siteClock,
  siteMs,
  type ClockSetting,
  type Command,
  type GuardAuditLine,
  type Interval,
  type Machine,
  type Plan,
  type Point,
  type Site,
  type SiteClock,
  type SiteMs,
} from '../model/index.ts';
import type { OrderPreviewRequest, OrderPreviewView } from '../model/orders-api.ts';
import { processPort } from '../drivers/wire/processes.ts';
import { openHistory, type History } from '../store/history/history.ts';
import { StoreFailure } from '../store/queue.ts';
import { openStore, type ActWithStages, type Store } from '../store/store.ts';
import { createJobs, type Jobs, type ProcessFacts } from './backup.ts';
import { createAfterOutages, type AfterOutages } from './after-outage.ts';
import { createCoolingControl, type CoolingControl } from './cooling-control.ts';
import { answerTimes, type AnswerTimes } from './answer-times.ts';
import { createBallast } from './ballast.ts';
import { createBookkeeper, type Bookkeeper } from './bookkeeper.ts';
import type { AvailabilityOf } from './availability.ts';
import type { CurtailmentOf } from './flow.ts';
import { openClusterActs, type ClusterActs } from './cluster-acts.ts';
import { carryOutConfirmed, keptIn, openClusters, type SiteClusters } from './clusters.ts';
import { openGpus, type Gpus } from './gpu/gpus.ts';
import { createGrid, type Grid } from './grid/grid.ts';
import { openFleet, type Fleet, type FleetMachine } from './fleet.ts';
import { openWorld, wallNow, type World } from './io.ts';
import { createOutages, type Outages } from './outages.ts';
import { openMarkets, type Markets } from './markets.ts';
import { createCustomerMeter, type CustomerMeter } from './tenants/meter.ts';
import { createIdentities, type Identities } from './identities.ts';
import { createPeople, type People } from './people.ts';
import { createPools, type Pools } from './pools/pools.ts';
import { createJournal, type Journal } from './journal.ts';
import type { Secrets } from '../vault/secrets.ts';
import { createGates, type Gates } from './gates.ts';
import { openUplinks, UPLINK_EVERY_MS, type Uplinks } from './uplinks.ts';
import type { WantedHistory } from './wanted.ts';
import { assigned } from './desires.ts';
import { loop } from './loop.ts';
import { createOrders, OrderRefusal, type Orders } from './orders/orders.ts';
import { orderOf, previewOf, stopPreviewOf } from './orders/preview.ts';
import { createLimitsBefore, LIMITS_KEY, type LimitsBefore } from './orders/limits-before.ts';
import { createStatesBefore } from './orders/states-before.ts';
import { createJobCommands } from './job-commands.ts';
import { createMeterWitness, type MeterWitness } from './meter-witness.ts';
import { openSiteGuard, type GuardProcess, type SiteGuard } from './guard/site-guard.ts';
import { briefOf } from './guard/brief.ts';
import { takePicture, type Picture, type PictureSources } from './picture.ts';
import { createPlanning, type Planning } from './planning.ts';
import { openPlant, type Plant } from './plant.ts';
import { DEVICES_EVERY_MS, openPlantDevices, type PlantDevices } from './plant-devices.ts';
import { createResponseCurves, type ResponseCurves } from './response-curves.ts';
import { createResponseWatch, type Response } from './response-watch.ts';
import { createRoom } from './room.ts';
import { createTelemetry, type Telemetry } from './telemetry.ts';
import { createSuggestions, type Suggestions } from './trust/suggestions.ts';
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
  /** Absent: no guard, as in tests of what needs none. */
  readonly guard?: GuardProcess;
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
/** How old the picture may become while machines are told to draw less. */
const SHED_WAITS_MS = 4_000;
const CHECKPOINT_MS = 5_000;
/** The accounting of a cluster is a long answer, and of a month. */
const ENERGY_MS = 300_000;
/** A kill loses at most this much of the gauges; energy is counted by the meters. */
const HISTORY_MS = 60_000;
const ACTIVITY_MS = 1_000;
const RESULTS_MS = 10_000;
/** The guard's entries that are in the site's record, up to a number. */
const GUARD_SEQ_KEY = 'guard-audit-seq';
/** How long each group's machines took to sleep, in the store. */
const SLEEPS_KEY = 'sleep-times';
/** How machines of each model and firmware answer. */
const CURVES_KEY = 'response-curves';
/** Outages that are not over, and when this was last written. */
/** A safe stop can do without a plan, and waits for one no longer. */
const STOP_WAITS_MS = 5_000;
const OUTAGES_KEY = 'outages';
/** Cooling plants that were started from here. */
const COOLING_KEY = 'cooling-started';
/** What persons confirmed and is under way. */
const SUGGESTIONS_KEY = 'suggestions';
/** Jobs that wait because Busbar holds them. */
const HELD_JOBS_KEY = 'held-jobs';
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

/** Orders of people, and how far they are carried out. */
export interface SiteOrders extends Orders {
  /** What an order would do, kept for a while to be carried out by whom it was made for. @throws OrderRefusal where it makes no sense */
  preview(request: OrderPreviewRequest, by: string): Promise<OrderPreviewView>;
  /** How many miners are seen in the mode that is wanted of them. */
  inPlace(): InPlace;
}

export interface InPlace {
  readonly wanted: number;
  readonly seen: number;
  readonly failed: readonly { readonly id: string; readonly why: string }[];
}

/** The running site: all loops, and what they last knew. */
export interface Runtime extends ClusterActs {
  readonly site: Site;
  readonly emulated: boolean;
  readonly clock: SiteClock;
  readonly events: EventEmitter<RuntimeEvents>;
  readonly store: Store;
  readonly fleet: Fleet;
  readonly plant: Plant;
  readonly markets: Markets;
  readonly clusters: SiteClusters;
  /** What GPUs draw and do, by job, and which failed. */
  readonly gpus: Gpus;
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
  readonly curtailment: CurtailmentOf;
  readonly availability: AvailabilityOf;
  /** What classes of work wanted lately. */
  readonly wanted: WantedHistory;
  alarms(): readonly StandingAlarm[];
  lagMs(): number;
  readonly people: People;
  readonly orders: SiteOrders;
  /** What the plan would change of cohorts that wait for a person. */
  readonly suggestions: Suggestions;
  readonly pools: Pools;
  readonly grid: Grid;
  /** PDUs and cooling plant. */
  readonly devices: PlantDevices;
  readonly guard: SiteGuard | undefined;
  readonly journal: Journal;
  readonly identities: Identities;
  /** What tenants use and spend. */
  readonly customers: CustomerMeter;
  readonly curves: ResponseCurves;
  /** What machines and outlets do when their supply comes back. */
  readonly afterOutages: AfterOutages;
  /** How fast a group of miners answers, as far as that is known. */
  answers(group: Site['machines'][number]): AnswerTimes;
  close(): Promise<void>;
}

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
  const clusters: SiteClusters = openClusters(
    site,
    {
      ...world.clusters,
      processes: (at) => processPort(at ?? join(dirname(options.storeFile), 'jobs')),
      kept: keptIn(store),
    },
    (text) => store.setMeta(HELD_JOBS_KEY, text),
    await store.getMeta(HELD_JOBS_KEY),
    (address) => gpus.faults.isFaulty(address),
  );
  const gpus: Gpus = await openGpus(store, {
    clusters: () => clusters.byId.values(),
    siteNow: () => clock.now(),
    wallNow,
    staleMs: () => staleMsOf(readEveryMs) * clock.speed,
    trust: () => trust(),
    recordAct: (act) => journal.act(act),
    askPlan,
  });
  const uplinks: Uplinks = openUplinks(site, world.drivers);
  const history: History = openHistory(join(dirname(options.storeFile), 'history'), {
    rawDays: site.history.rawDays,
    minuteDays: site.history.minuteDays,
    quarterHourDays: site.history.quarterHourDays,
    diskBytes: site.history.diskGb * 1e9,
  });
  const telemetry: Telemetry = createTelemetry(history, plant, uplinks);
  const devices: PlantDevices = openPlantDevices(site, world.drivers, (id, reading) => telemetry.machine(id, reading));
  const jobs: Jobs = createJobs({
    dataFolder: dirname(options.storeFile),
    siteName: () => site.name,
    process: options.process,
    store,
    history,
    clock,
    recordAct: (act) => journal.act(act),
    unixNow: Date.now,
  });
  const planner: Planner = createPlanner({ timeoutMs: SOLVER_TIMEOUT_MS, wallNow });
  let previewer: Planner | undefined;
  const alarmBook = createAlarmBook();
  let room = createRoom(site, plant, () => picture.wetBulbC);
  const journal: Journal = createJournal(store, events, log, { site: () => clock.now(), wall: wallNow });
  const people: People = await createPeople({
    store,
    journal,
    secrets: options.secrets,
    siteFile: options.siteFile,
    emulated: options.emulated,
    site: () => site,
    siteNow: () => clock.now(),
    heldJobs: () => [...clusters.byId.values()].reduce((sum, { heldByUs }) => sum + heldByUs.size, 0),
    follow,
    onTrust: () => {
      books.follow(site);
      guard?.brief();
    },
    leave: (cohortId) => planning.leave(cohortId),
    askPlan,
  });
  const trust = (): Trust => people.trust();
  /** Of a machine: its cohort's. */
  const trustOf = (id: string): Trust => people.levels.of(fleet.byId(id)?.machine.groupId ?? '');
  const wakesBefore = await store.wakesSince(siteMs(clock.now() - WEAR_MS));
  const books: Bookkeeper = await createBookkeeper(site, { store, events, markets, plant, trust, onLost });

  const orders = await createOrders({
    store,
    journal,
    site: () => site,
    trust,
    siteNow: () => clock.now(),
    wallNow,
    explainedW: () => picture.explainedW,
    askPlan,
    stopNow: (order) => planning.stop(order),
  });
  const identities = await createIdentities({ store, journal, siteNow: () => clock.now() });
  const customers = await createCustomerMeter({
    store,
    journal,
    clusters,
    site: () => site,
    siteNow: () => clock.now(),
    curtailment: (workClass, at) => books.curtailment(workClass, at),
    powerW: (clusterId, job) => gpus.truth.job(clusterId, job).powerW,
  });
  const grid = await createGrid({
    store,
    journal,
    io: { ...world.feeds, unixNow: Date.now },
    folder: options.folder,
    log,
    site: () => site,
    trust,
    held: () => new Set(people.holds().keys()),
    movingW: () => reconciler.movingW(),
    planW: () => planning.plan()?.steps[0]?.importW,
    askPlan,
  });
  const pools = await createPools({
    store,
    journal,
    secrets: options.secrets,
    portOffset: options.portOffset ?? 0,
    site: () => site,
    fleet: () => fleet,
    trust,
    trustOf,
    siteNow: () => clock.now(),
    wallNow,
  });

  const fleet: Fleet = openFleet(site, machines, world.drivers, {
    maxInFlight: 256,
    givesWay: () => reconciler.isShedding(),
    onRead: (member) => {
      if (member.reading === undefined || member.failures > 0) return;
      reconciler.observe(member.machine.id, member.reading);
      curves.observe(member.machine.id, member.reading);
      telemetry.machine(member.machine.id, member.reading);
      identities.observe(member);
      pools.observe(member);
      outages.observe(member);
      gpus.observe(member);
    },
  });
  const curves: ResponseCurves = createResponseCurves(
    (id) => {
      const member = fleet.byId(id);
      if (member === undefined) return undefined;
      const { modelId, driver } = member.machine;
      return { model: modelId, firmware: [driver, member.reading?.firmware].filter(Boolean).join(' ') };
    },
    () => clock.now(),
    await store.getMeta(CURVES_KEY),
  );
  const wakesPerMinuteOf = (hallId: string): number =>
    site.halls.find((hall) => hall.id === hallId)?.wakesPerMinute ?? 60;
  /** A machine that wakes may draw more than it will: room is asked for the most. */
  const wakeFactor = (id: string): number =>
    fleet.byId(id)?.reading?.mode?.kind === 'sleep' ? curves.overshoot(id) : 1;
  const reconciler: Reconciler = createReconciler(fleet.machines.flatMap(toTarget), {
    wakesBefore,
    siteNow: () => clock.now(),
    wallNow,
    trust: trustOf,
    mayIncrease: (id, hallId, deltaW) =>
      (guard?.noWakes().length ?? 0) === 0 && room.mayIncrease(id, hallId, deltaW * wakeFactor(id)),
    wakesPerMinute: wakesPerMinuteOf,
    pduOf(id) {
      const pdu = devices.pduOf(id);
      return pdu && { id: pdu.id, wakesPerMinute: wakesPerMinuteOf(pdu.hallId) / pdu.inHall };
    },
    readSoon: (id) => fleet.readSoon(id),
    gate: (change) => gates.of(change),
    made(change) {
      gates.made(change);
      if (reconciler.isShedding()) putOffClosing();
    },
    outletW: (id) => devices.outletW(id),
    firstLookMs(id, mode) {
      const siteMsLater = curves.firstLookMs(id, mode);
      return siteMsLater === undefined ? undefined : siteMsLater / clock.speed;
    },
    staleMs: staleMsOf(readEveryMs),
  });
  const wokenBefore = new Map(wakesBefore.map(({ target, at }) => [target, at]));
  const outages: Outages = createOutages({
    journal,
    before: await store.getMeta(OUTAGES_KEY),
    keep: (text) => store.setMeta(OUTAGES_KEY, text),
    machines: () => fleet.machines,
    pduOf: (id) => devices.pduIdOf(id),
    touchedAt: (id, isAsleep) =>
      restartedAt(reconciler.commandOf(id), isAsleep, pools.changes.touchedAt(id)) ?? wokenBefore.get(id),
    wanted: (id) => reconciler.desired(id)?.mode,
    readEverySiteMs: () => readEveryMs * clock.speed,
    siteNow: () => clock.now(),
  });
  const afterOutages: AfterOutages = createAfterOutages({
    journal,
    devices,
    site: () => site,
    fleet: () => fleet,
    trustOf: (groupId) => people.levels.of(groupId),
    heldBy: (groupId) => people.holds().get(groupId)?.who,
    givesWay: () => reconciler.isShedding(),
    siteNow: () => clock.now(),
    wallNow,
  });
  const cooling: CoolingControl = createCoolingControl({
    journal,
    devices,
    before: await store.getMeta(COOLING_KEY),
    site: () => site,
    fleet: () => fleet,
    reconciler: () => reconciler,
    expectW: (member, mode) => toTarget(member)[0]?.expect(modeFromKey(mode))?.powerW,
    trust,
    siteNow: () => clock.now(),
    wallNow,
  });
  const limitsBefore: LimitsBefore = createLimitsBefore({
    store,
    before: await store.getMeta(LIMITS_KEY),
    journal,
    fleet: () => fleet,
    isOrdered: () => orders.inForce().length > 0,
    desired: (id) => reconciler.desired(id),
    changedAt: (id) => reconciler.lastChange(id)?.at,
    trustOf: (groupId) => people.levels.of(groupId),
    givesWay: () => reconciler.isShedding(),
    mayIncrease: (id, hallId, deltaW) => (guard?.noWakes().length ?? 0) === 0 && room.mayIncrease(id, hallId, deltaW),
    siteNow: () => clock.now(),
    wallNow,
  });
  const gates: Gates = createGates({
    site: () => site,
    devices: () => devices.list,
    cooling,
    awake: (hallId) => fleet.machines.filter((member) => member.machine.hallId === hallId && isAwake(member)).length,
    siteNow: () => clock.now(),
    wallNow,
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
    staleMs: staleMsOf(readEveryMs),
  };
  const jobCommands = createJobCommands();
  const clusterActs = await openClusterActs({
    store,
    fleet,
    clusters,
    gpus,
    journal,
    curtailment: (workClass, at) => books.curtailment(workClass, at),
    site: () => site,
    trust,
    siteNow: () => clock.now(),
    askPlan,
  });
  const responses = createResponseWatch(
    measurements.responses,
    (id) => fleet.byId(id)?.machine.groupId,
    await store.getMeta(SLEEPS_KEY),
  );

  const answers = (group: Site['machines'][number], ids: readonly string[]): AnswerTimes =>
    answerTimes(group, ids, responses, curves, clock.speed);

  let picture = takePicture(sources);
  let alarms: readonly StandingAlarm[] = [];
  let swept = false;
  let sweepBehindMs = 0;
  let pricePoint: Point | undefined;
  let criticals = '';
  let historyFailure: string | undefined;
  const suggestions = createSuggestions(
    {
      journal,
      keep: (text) => store.setMeta(SUGGESTIONS_KEY, text),
      trustOf: (cohortId) => people.levels.of(cohortId),
      isHeld: (cohortId) => people.holds().has(cohortId),
      isOrdered: () => orders.inForce().length > 0,
      siteNow: () => clock.now(),
      wallNow,
      assign: (cohortId, to) => assigned(site, picture.groups.get(cohortId)?.answering ?? [], to, picture, reconciler),
      seen(id) {
        const { reading } = fleet.byId(id) ?? {};
        const stage = reconciler.commandOf(id)?.stage;
        const isProven = stage !== 'sent' && stage !== 'acknowledged';
        return reading?.mode === undefined ? undefined : { mode: modeKey(reading.mode), at: reading.at, isProven };
      },
      begin(actId, ids) {
        witness.begin(actId, picture, ids);
        responses.begin(actId, wallNow(), ids.length);
      },
      tellJobs: (clusterId, actions, act) => void tellJobs(clusterId, actions, act),
      askPlan,
    },
    await store.getMeta(SUGGESTIONS_KEY),
  );
  const planning: Planning = createPlanning({
    sources,
    clock,
    planner,
    store,
    events,
    log,
    fleet,
    clusters,
    reconciler,
    journal,
    witness,
    responses,
    answers,
    jobCommands,
    gpus,
    ...clusterActs.acts,
    askPlan,
    statesBefore: await createStatesBefore(store),
    limitsBefore,
    measurements,
    trust,
    holds: () => people.holds(),
    levels: people.levels,
    suggestions,
    orders: () => orders.inForce(),
    grid: (snapshot) => grid.facts(snapshot),
    previewer: () => (previewer ??= createPlanner({ timeoutMs: SOLVER_TIMEOUT_MS, wallNow })),
    picture: () => picture,
    onWish: () => controlLoop.now(),
    onPicture: (taken) => void (picture = taken),
    demand: (at) => books.demand(at),
    curtailment: (workClass, at) => books.curtailment(workClass, at),
    availability: (workClass, at) => books.availability(workClass, at),
    deadline: (workClass, at) => books.deadline(workClass, at),
    wanted: books.wanted,
  });

  const ballast = createBallast({
    site: () => site,
    fleet,
    reconciler,
    journal,
    desires: () => planning.desires(),
    isHeld: (id) => people.holds().has(id) || people.levels.of(id) !== 'auto',
  });
  events.on('plan', ({ id }) => ballast.rebase(id));
  const guard: SiteGuard | undefined = options.guard && (await openGuard(options.guard));

  async function openGuard(process: GuardProcess): Promise<SiteGuard> {
    return openSiteGuard({
      process,
      fleet,
      log,
      reconciler: () => reconciler,
      auditSeq: Number((await store.getMeta(GUARD_SEQ_KEY)) ?? 0),
      stop: () => trust() !== 'shadow' && orders.inForce().some(({ kind }) => kind === 'stop'),
      onAudit: takeOverAudit,
      makeBrief: () =>
        swept
          ? briefOf({
              site,
              fleet,
              unexplainedW: (hallId) => unexplained.hallW(hallId),
              trust: (groupId) => people.levels.of(groupId),
              sleepMs: (id) => responses.sleepMs(id, picture.groups.get(id)?.answering.length ?? 0),
              unixNow: Date.now,
            })
          : undefined,
    });
  }

  /** What the guard did becomes part of the site's record, under the number and hash that it has in the guard's own. */
  function takeOverAudit(lines: readonly GuardAuditLine[]): void {
    for (const { seq, hash, unixMs, what, why } of lines) {
      const at = siteClock(options.clock, () => unixMs).now();
      journal.act({ id: `guard-${seq}-${hash}`, at, who: 'guard', what, why });
      store.setMeta(GUARD_SEQ_KEY, String(seq));
    }
    const shed = lines.find(({ what }) => what.startsWith('put '));
    if (shed !== undefined) askPlan(`the guard: ${shed.why}`);
  }

  async function tellJobs(
    clusterId: string,
    actions: readonly WorkAction[],
    { actId, who, why }: { actId: string; who: string; why: string },
  ): Promise<void> {
    const cluster = clusters.byId.get(clusterId);
    if (cluster === undefined) return;
    const sentAt = clock.now();
    const outcomes = await carryOutConfirmed(
      trust(),
      cluster,
      actions.map((action) => ({ ...action, why })),
      sentAt,
    );
    journal.commands(jobCommands.add(cluster, { actId, who }, outcomes, sentAt, clock.now()));
  }

  /** Plans at once. The first cause given is the one told. */
  function askPlan(why: string): void {
    planning.because(why);
    planLoop.now();
  }

  async function previewOrder(request: OrderPreviewRequest, by: string): Promise<OrderPreviewView> {
    const order = orderOf(request, picture);
    const responseMs = (id: string) => responses.sleepMs(id, picture.groups.get(id)?.answering.length ?? 0);
    const solved = swept ? planning.preview(order) : Promise.resolve(undefined);
    const planned = await (order.kind === 'stop'
      ? Promise.race([solved.catch(() => undefined), pause(STOP_WAITS_MS, undefined, { ref: false })])
      : solved);
    if (planned === undefined && order.kind !== 'stop')
      throw new OrderRefusal('nothing can be planned yet: every machine is read once before, and prices must be told');
    const view =
      planned === undefined
        ? stopPreviewOf({
            picture,
            order,
            responseMs,
            stopped: planning.wouldStop(order).map((id) => fleet.byId(id)!.machine),
          })
        : previewOf({ site, picture, order, planned, responseMs });
    orders.keep(view, request, by);
    return view;
  }

  function inPlace(): InPlace {
    const failed: { id: string; why: string }[] = [];
    let [wanted, seen] = [0, 0];
    for (const { machine } of fleet.machines) {
      const isThere = reconciler.isThere(machine.id);
      if (isThere === undefined) continue;
      wanted += 1;
      if (isThere) {
        seen += 1;
        continue;
      }
      const command = reconciler.commandOf(machine.id);
      if (command?.stage === 'failed') failed.push({ id: machine.id, why: command.fault ?? 'failed' });
    }
    return { wanted, seen, failed };
  }

  async function planOnce(): Promise<void> {
    if (swept) await planning.once();
  }

  /** What the disk did not take before the end; the alarm had told of it. */
  function onLost(error: unknown): void {
    if (!(error instanceof StoreFailure)) throw error;
    log.error({ why: error.message }, 'the store could not be written');
  }

  /** Once a second: feeds, meters, the picture, the books, the alarms. */
  async function everySecond(): Promise<void> {
    await Promise.all([plant.readAll(), markets.readAll()]);
    // For a few seconds nothing is as urgent as telling machines to draw less.
    if (reconciler.isShedding() && wallNow() - picture.wall < SHED_WAITS_MS) return;
    telemetry.handOver();
    orders.look();
    suggestions.look();
    picture = takePicture(sources);
    books.look(picture, planning.planned(), swept);
    customers.look(picture);
    raiseAlarms();
    witness.examine(picture, reconciler);
    if (trust() !== 'shadow' && planning.plan() !== undefined) ballast.look(picture);
    grid.look(picture);
    outages.look(picture.halls);
    if (swept) unexplained.look(picture, reconciler);
    const newest = markets.series.get('priceUsdPerMwh')?.points.at(-1);
    // A price that is told anew, or told otherwise.
    if (newest !== undefined && (newest.start !== pricePoint?.start || newest.value !== pricePoint.value)) {
      if (pricePoint !== undefined && swept) askPlan(`price of ${isoUtc(newest.start).slice(11, 16)} told`);
      pricePoint = newest;
    }
    events.emit('picture', picture);
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
    devices.reload(site);
    afterOutages.follow();
    pools.follow();
    grid.follow();
    books.follow(site);
    room = createRoom(site, plant, () => picture.wetBulbC);
    unexplained = createUnexplained(machines.length);
    picture = takePicture(sources);
    guard?.brief();
    askPlan('the site file changed');
  }

  /** Runs, and was not told to sleep. */
  function isAwake({ machine: { id }, reading }: FleetMachine): boolean {
    const command = reconciler.commandOf(id);
    const isGoing = command?.mode === 'sleep' && (command.stage === 'sent' || command.stage === 'acknowledged');
    return reading?.mode?.kind === 'run' && !isGoing;
  }

  function raiseAlarms(): void {
    const raised = watch(sources, picture, {
      plan: planning.plan(),
      planEveryMs,
      lastPlanWallMs: planning.ageMs(),
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
    if (guard !== undefined) raised.push(...guard.alarms());
    alarms = alarmBook.update(
      [
        ...raised,
        ...pools.alarms(),
        ...identities.alarms(),
        ...customers.alarms(),
        ...devices.alarms(),
        ...grid.alarms(),
        ...afterOutages.alarms(),
        ...outages.alarms(),
        ...cooling.alarms(),
        ...gpus.alarms(),
        ...clusterActs.alarms(),
      ],
      picture.at,
    );
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
    gpus.look();
    clusterActs.look();
    journal.commands(jobCommands.look(clusters.byId.values(), clock.now()));
  }

  /** What takes its time on clusters, as a drain that keeps disruption budgets: reading them does not wait for it. */
  async function actOnClusters(): Promise<void> {
    await gpus.faults.look();
    await clusterActs.step();
    clusterActs.record();
  }

  async function saveHistory(): Promise<void> {
    historyFailure = await telemetry.save(clock.now());
    gpus.keep();
  }

  function keepResults(): void {
    journal.settle();
    const sleeps = responses.kept();
    if (sleeps !== undefined) store.setMeta(SLEEPS_KEY, sleeps);
    store.setMeta(OUTAGES_KEY, outages.kept());
    const plants = cooling.kept();
    if (plants !== undefined) store.setMeta(COOLING_KEY, plants);
    const measured = curves.kept();
    if (measured !== undefined) store.setMeta(CURVES_KEY, measured);
  }

  function controlOnce(): void {
    room.refresh(reconciler);
    gates.refresh();
    reconciler.tick();
    fleet.goOn();
    const changed = reconciler.drainChanged();
    const woke = changed.filter(({ action, stage }) => action === 'wake' && stage === 'acknowledged').length;
    if (woke > 0) books.woke(clock.now(), woke);
    journal.commands(changed);
    responses.look(changed);
    curves.look(changed);
    journal.commands([...afterOutages.drainChanged(), ...cooling.drainChanged(), ...limitsBefore.drainChanged()]);
  }

  await Promise.all([plant.readAll(), markets.readAll(), clusters.readAll(), uplinks.readAll()]);
  const planLoop = loop('plan', planEveryMs, planOnce, log);
  const controlLoop = loop('control', CONTROL_MS, controlOnce, log);
  const loops = [
    planLoop,
    loop('second', SECOND_MS, everySecond, log),
    loop('guard', SECOND_MS, () => guard?.look(), log),
    loop('cooling', SECOND_MS, () => (swept ? cooling.look() : undefined), log),
    loop('limits', SECOND_MS, () => limitsBefore.look(), log),
    loop('arming', SECOND_MS, () => afterOutages.look(), log),
    loop('sweep', readEveryMs, sweep, log),
    loop('clusters', clusterEveryMs, readClusters, log),
    loop('cluster acts', clusterEveryMs, actOnClusters, log),
    loop('uplinks', UPLINK_EVERY_MS, () => uplinks.readAll(), log),
    loop('plant', DEVICES_EVERY_MS, () => devices.readAll(), log),
    loop('history', HISTORY_MS, saveHistory, log),
    loop('activity', ACTIVITY_MS, () => journal.tell(), log),
    loop('results', RESULTS_MS, keepResults, log),
    controlLoop,
    loop(
      'checkpoint',
      CHECKPOINT_MS,
      () => {
        books.checkpoint();
        customers.checkpoint();
      },
      log,
    ),
    loop('customers', ENERGY_MS, () => customers.readEnergy(), log),
    loop(
      'prune',
      PRUNE_MS,
      () => store.prune(siteMs(clock.now() - KEEP_PLANS_MS), siteMs(clock.now() - KEEP_COMMANDS_MS)),
      log,
    ),
  ];
  grid.follow();

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
    gpus,
    uplinks,
    history,
    telemetry,
    jobs,
    reconciler,
    readEveryMs,
    planEveryMs,
    measurements,
    picture: () => picture,
    plan: () => planning.plan(),
    curtailment: (workClass, at) => books.curtailment(workClass, at),
    availability: (workClass, at) => books.availability(workClass, at),
    wanted: books.wanted,
    alarms: () => alarms,
    lagMs: () => Math.round(Math.max(...loops.map((one) => one.lagMs()))),
    people,
    orders: { ...orders, preview: previewOrder, inPlace },
    suggestions,
    pools,
    grid,
    devices,
    guard,
    journal,
    identities,
    customers,
    curves,
    afterOutages,
    ...clusterActs.acts,
    answers: (group) => answers(group, picture.groups.get(group.id)?.answering.map(({ machine }) => machine.id) ?? []),
    async close() {
      // In order: no new work, then what is known is written, then the doors are shut.
      await jobs.close();
      guard?.close();
      await grid.close();
      fleet.close();
      await Promise.all(loops.map((one) => one.stop()));
      journal.commands(reconciler.drainChanged());
      journal.settle(true);
      books.checkpoint();
      gpus.keep();
      clusterActs.record();
      customers.checkpoint();
      await planner.close();
      await previewer?.close();
      telemetry.handOver();
      await history.close();
      plant.close();
      markets.close();
      clusters.close();
      uplinks.close();
      pools.close();
      devices.close();
      await world.close();
      await store.close().catch(onLost);
    },
  };
}

/** Wall age past which a machine's reading is stale: three rounds missed. */
const staleMsOf = (readEveryMs: number): number => 3 * readEveryMs + 6_000;

/** Alarms that change what can be done, and so call for a plan at once. */
const REPLAN_ON: ReadonlySet<string> = new Set([
  'connection-over-limit',
  'hall-over-breaker',
  'feeder-over-rating',
  'hall-dark',
  'outage',
  'meter-silent',
]);

/** When a machine was last told something that may restart its mining program; what was told to sleep and runs was not restarted by that. */
function restartedAt(command: Command | undefined, isAsleep: boolean, pools: SiteMs | undefined): SiteMs | undefined {
  const told =
    command === undefined || (command.mode === 'sleep' && !isAsleep)
      ? undefined
      : (command.acknowledgedAt ?? command.sentAt);
  return told === undefined || (pools !== undefined && pools > told) ? pools : told;
}

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
