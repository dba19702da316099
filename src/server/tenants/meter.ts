import type { RaisedAlarm } from '../../alarms/catalogue.ts';
import {
  budgetReached,
  createCustomerBook,
  monthOf,
  statementOf,
  type CustomerBook,
  type CustomerFlow,
} from '../../books/customers.ts';
import {
  accountsOf,
  asFault,
  availabilityCredits,
  availabilityMonth,
  committedGpuHours,
  commitmentsOf,
  dayOf,
  HOUR,
  inForce,
  isOfClass,
  monthEnd,
  monthStart,
  promisesAvailability,
  siteMs,
  type Job,
  type Site,
  type SiteMs,
  type Tenant,
  type WorkClass,
} from '../../model/index.ts';
import type { Store } from '../../store/store.ts';
import type { SiteCluster, SiteClusters } from '../clusters.ts';
import type { CurtailmentOf } from '../flow.ts';
import type { Journal } from '../journal.ts';
import type { Picture } from '../picture.ts';
import { isOpen, outlookOf, type OpenJob } from './quota.ts';

/** What tenants use, have waiting and spend. */
export interface CustomerMeter {
  readonly book: Pick<CustomerBook, 'month' | 'months'>;
  /** Once a second. */
  look(picture: Picture): void;
  /** Jobs of these accounts that run or wait, those among them that were taken a moment ago. */
  open(accounts: ReadonlySet<string>): readonly (OpenJob & { readonly customer: string })[];
  /** A job was taken: it counts until its cluster tells of it. */
  taken(job: TakenJob): void;
  /** One after the other, so that each sees what the one before has taken. */
  inTurn<T>(act: () => Promise<T>): Promise<T>;
  isTaken(cluster: string, id: string, accounts: ReadonlySet<string>): boolean;
  /** Asks the clusters' accounting for this month's energy. */
  readEnergy(): Promise<void>;
  alarms(): RaisedAlarm[];
  checkpoint(): void;
}

export interface TakenJob {
  readonly cluster: string;
  readonly id: string;
  readonly classId: string;
  readonly customer: string;
  readonly gpus: number;
  readonly timeLimitS: number;
}

export interface MeterOptions {
  readonly store: Pick<Store, 'getMeta' | 'setMeta'>;
  readonly journal: Journal;
  readonly clusters: Pick<SiteClusters, 'byId'>;
  site(): Site;
  siteNow(): SiteMs;
  curtailment: CurtailmentOf;
  /** What the GPUs of a running job draw; undefined where they do not tell. */
  powerW(clusterId: string, job: Job): number | undefined;
}

const KEY = 'customers';
/** A cluster that has not told of a job so long after it took it has lost it or ended it. */
const FORGET_MS = HOUR;

export async function createCustomerMeter(options: MeterOptions): Promise<CustomerMeter> {
  const { store, journal, clusters } = options;
  const text = await store.getMeta(KEY);
  const book = createCustomerBook(options.site().timezone, text);
  let kept = text;
  let taken: (TakenJob & { readonly at: SiteMs })[] = [];
  let prices: ReadonlyMap<string, number | undefined> = new Map();
  let raised: RaisedAlarm[] = [];
  let lookedAt: SiteMs | undefined;
  let last: Promise<unknown> = Promise.resolve();

  function checkpoint(): void {
    const now = book.checkpoint();
    if (now !== kept) store.setMeta(KEY, now);
    kept = now;
  }
  const toldOf = ({ cluster, id }: TakenJob): boolean =>
    clusters.byId.get(cluster)?.reading?.jobs.some((job) => job.id === id) === true;

  function open(accounts: ReadonlySet<string>): (OpenJob & { customer: string })[] {
    const site = options.site();
    const now = options.siteNow();
    taken = taken.filter((job) => now - job.at < FORGET_MS && !toldOf(job));
    const told = site.clusters.flatMap(({ id, classes }) =>
      (clusters.byId.get(id)?.reading?.jobs ?? [])
        .filter((job) => isOpen(job) && accounts.has(job.customer))
        .map((job) => ({ ...job, usdPerGpuHour: prices.get(classOf(job, classes)?.id ?? '') })),
    );
    const unread = taken
      .filter(({ customer }) => accounts.has(customer))
      .map(({ classId, customer, gpus, timeLimitS }) => ({
        customer,
        gpus,
        timeLimitS,
        startedAt: undefined,
        state: 'pending' as const,
        usdPerGpuHour: prices.get(classId),
      }));
    return [...told, ...unread];
  }

  /** A budget is told of once at each percentage, and the alarm of the highest stands until the month is over. */
  function budgets(at: SiteMs): RaisedAlarm[] {
    const site = options.site();
    const month = monthOf(at, site.timezone);
    return site.tenants.flatMap((tenant) =>
      tenant.projects.flatMap((project): RaisedAlarm[] => {
        const { budget, account } = project;
        if (budget === undefined) return [];
        const accounts = new Set([account]);
        const spentUsd = statementOf(book.month(month), accounts).total / 1e6;
        const pct = budgetReached(budget, spentUsd);
        if (pct === undefined) return [];
        const subject = `${tenant.id}/${project.id}`;
        if (book.alert(month, subject, pct)) {
          const toCome = outlookOf(open(accounts), at, monthEnd(at, site.timezone)).usd;
          const more =
            toCome === undefined
              ? 'what runs and waits cannot be priced now'
              : `what runs and waits may cost ${usd(toCome)} more`;
          const what = `budget of ${subject}: ${pct} % of ${usd(budget.usdPerMonth)} is spent in ${month}`;
          journal.act({
            id: `budget-${subject}-${month}-${pct}-${at}`,
            at,
            who: 'busbar',
            what,
            why: `${usd(spentUsd)} so far; ${more}`,
          });
          checkpoint();
        }
        const after = budget.onExceeded === 'refuse' ? 'no job is taken beyond it' : 'jobs are still taken beyond it';
        return [
          {
            code: 'budget-spent',
            subject,
            message: `${pct} % of ${usd(budget.usdPerMonth)} for ${month} is spent; ${after}`,
          },
        ];
      }),
    );
  }

  return {
    book,
    look(picture) {
      const site = options.site();
      if (site.tenants.length === 0) {
        raised = [];
        return;
      }
      prices = new Map(picture.work.map(({ workClass, usdPerGpuHour }) => [workClass.id, usdPerGpuHour]));
      book.look(picture.at, flowOfCustomers(site, picture, clusters.byId, options));
      keepPromises(book, site, lookedAt, picture.at);
      lookedAt = picture.at;
      raised = budgets(picture.at);
    },
    open,
    taken(job) {
      taken.push({ ...job, at: options.siteNow() });
    },
    inTurn(act) {
      const mine = last.then(act);
      last = mine.catch(() => {});
      return mine;
    },
    isTaken: (cluster, id, accounts) =>
      taken.some((job) => job.cluster === cluster && job.id === id && accounts.has(job.customer)),
    async readEnergy() {
      const site = options.site();
      if (site.tenants.length === 0) return;
      const now = options.siteNow();
      await readEnergyInto(book, site, [...clusters.byId.values()], now);
    },
    alarms: () => raised,
    checkpoint,
  };
}

export const classOf = (
  job: Pick<Job, 'classId' | 'className' | 'gpuModel'>,
  classes: readonly WorkClass[],
): WorkClass | undefined => classes.find((one) => isOfClass(job, one));

/** Running jobs of tenants on the clusters that answer, and what contracts wanted there and were not given. */
export function flowOfCustomers(
  site: Site,
  picture: Pick<Picture, 'at' | 'work'>,
  clusters: ReadonlyMap<string, Pick<SiteCluster, 'reading' | 'failure'>>,
  { curtailment, powerW }: Pick<MeterOptions, 'curtailment' | 'powerW'>,
): CustomerFlow {
  const accounts = new Set(site.tenants.flatMap(accountsOf));
  const prices = new Map(picture.work.map(({ workClass, usdPerGpuHour }) => [workClass.id, usdPerGpuHour]));
  const day = dayOf(picture.at, site.timezone);
  const told: string[] = [];
  const work: CustomerFlow['work'][number][] = [];
  const credits: CustomerFlow['credits'][number][] = [];
  const promised: NonNullable<CustomerFlow['promised']>[number][] = [];
  for (const { id, classes } of site.clusters) {
    const cluster = clusters.get(id);
    if (cluster?.reading === undefined || cluster.failure !== undefined) continue;
    told.push(...classes.map((one) => one.id));
    const jobs = cluster.reading.jobs.filter((job) => isOpen(job) && accounts.has(job.customer));
    const sums = new Map<string, (typeof work)[number]>();
    const nothing = { gpus: 0, measured: { gpus: 0, powerW: 0 } };
    for (const job of jobs) {
      const workClass = classOf(job, classes)?.id;
      if (job.state !== 'running' || workClass === undefined) continue;
      const key = `${job.customer}\n${workClass}`;
      const { gpus, measured } = sums.get(key) ?? nothing;
      const drawnW = powerW(id, job);
      sums.set(key, {
        account: job.customer,
        workClass,
        gpus: gpus + job.gpus,
        measured:
          drawnW === undefined ? measured : { gpus: measured.gpus + job.gpus, powerW: measured.powerW + drawnW },
        usdPerGpuHour: prices.get(workClass),
      });
    }
    work.push(...sums.values());
    for (const one of classes) {
      const mine = site.contracts.filter(
        (signed) => signed.work === one.id && inForce(signed, day) && accounts.has(signed.customer),
      );
      if (mine.length === 0) continue;
      const isCurtailable = (curtailment(commitmentsOf(site, one, picture.at), picture.at)?.leftGpuHours ?? 0) > 0;
      for (const { id: contract, customer, committedGpus, penaltyUsdPerGpuHour, availability } of mine) {
        const own = jobs.filter((job) => job.customer === customer && classOf(job, classes) === one);
        const gpus = (all: readonly Job[]) => all.reduce((sum, job) => sum + job.gpus, 0);
        const unserved = Math.min(committedGpus, gpus(own)) - gpus(own.filter(({ state }) => state === 'running'));
        const missedGpus = isCurtailable ? 0 : Math.max(0, unserved);
        if (missedGpus > 0) credits.push({ contract, customer, gpus: missedGpus, penaltyUsdPerGpuHour });
        if (availability !== undefined) promised.push({ contract, customer, committedGpus, missedGpus });
      }
    }
  }
  return { told, work, credits, promised };
}

/** What contracts promise for the running month; at its turn once more for the one that is over, with the last that was counted of it. */
function keepPromises(book: Pick<CustomerBook, 'promise'>, site: Site, before: SiteMs | undefined, now: SiteMs): void {
  const accounts = new Set(site.tenants.flatMap(accountsOf));
  const contracts = site.contracts.filter((one) => promisesAvailability(one) && accounts.has(one.customer));
  if (contracts.length === 0) return;
  const isTurn = before !== undefined && monthOf(before, site.timezone) !== monthOf(now, site.timezone);
  for (const contract of contracts.filter(promisesAvailability)) {
    for (const at of isTurn ? [before, now] : [now]) {
      const month = availabilityMonth(contract, at, site.timezone);
      if (month === undefined || at < month.from) continue;
      book.promise(monthOf(at, site.timezone), contract.id, contract.customer, {
        promisedPct: contract.availability[0]!.belowPct,
        committedGpuHours: committedGpuHours(contract, month),
        elapsedGpuHours: committedGpuHours(contract, { from: month.from, until: siteMs(Math.min(at, month.until)) }),
        credits: availabilityCredits(contract, month, 0),
      });
    }
  }
}

/** By account over all clusters that keep accounts; one that does not answer leaves all as it was. */
async function readEnergyInto(
  book: CustomerBook,
  site: Site,
  clusters: readonly SiteCluster[],
  now: SiteMs,
): Promise<void> {
  const accounts = new Set(site.tenants.flatMap(accountsOf));
  const sums = new Map<string, { wh: number | undefined; starts: number; measuredStarts: number }>();
  for (const { handle } of clusters) {
    if (handle.usage === undefined) continue;
    try {
      for (const { customer, starts, measuredStarts, energyWh } of await handle.usage(monthStart(now, site.timezone))) {
        if (!accounts.has(customer)) continue;
        const sum = sums.get(customer) ?? { wh: undefined, starts: 0, measuredStarts: 0 };
        if (energyWh !== undefined) sum.wh = (sum.wh ?? 0) + energyWh;
        sums.set(customer, {
          ...sum,
          starts: sum.starts + starts,
          measuredStarts: sum.measuredStarts + measuredStarts,
        });
      }
    } catch (error) {
      asFault(error);
      return;
    }
  }
  const month = monthOf(now, site.timezone);
  for (const [account, { wh, starts, measuredStarts }] of sums)
    book.energy(month, account, { ...(wh === undefined ? {} : { wh }), starts, measuredStarts });
}

export const tenantById = (site: Site, id: string | undefined): Tenant | undefined =>
  site.tenants.find((one) => one.id === id);

const usd = (value: number): string =>
  `$${value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
