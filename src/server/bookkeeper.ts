import type { EventEmitter } from 'node:events';
import { createBook } from '../books/book.ts';
import type { Trust } from '../control/trust.ts';
import {
  blockOf,
  type AvailabilityFacts,
  type Commitment,
  type CurtailmentFacts,
  type DeadlineFacts,
  type DemandFacts,
  type Plan,
  type Site,
  type SiteMs,
  type Snapshot,
} from '../model/index.ts';
import type { Store } from '../store/store.ts';
import { BILLED_QUARTERS, createBilling } from './billing.ts';
import { flowOf, hashpriceNow } from './flow.ts';
import type { Markets } from './markets.ts';
import type { Picture } from './picture.ts';
import type { Plant } from './plant.ts';
import type { RuntimeEvents } from './runtime.ts';
import { createWantedHistory, type WantedHistory } from './wanted.ts';
import { createShadowBook, plannedFlow, shadowOf } from './shadow.ts';

/** Keeps the ledger, and in shadow beside it the book of what the plan would have earned. */
export interface Bookkeeper {
  /** Once a second. @param settled every machine was asked once: what flows is known */
  look(picture: Picture, planned: Planned | undefined, settled: boolean): void;
  woke(at: SiteMs, machines: number): void;
  /** Where the month's demand charge stands; undefined where the site file has none. */
  demand(at: SiteMs): DemandFacts | undefined;
  /** Where the month's curtailment budget of a class of work stands; undefined where its contracts have none. */
  curtailment(workClass: Commitment, at: SiteMs): CurtailmentFacts | undefined;
  /** What of its availability this month depends on; undefined where its contracts promise none. */
  availability(workClass: Commitment, at: SiteMs): AvailabilityFacts | undefined;
  /** What a class of work has still to do by its deadline; undefined where no term of it runs. */
  deadline(workClass: Commitment, at: SiteMs): DeadlineFacts | undefined;
  /** What classes of work wanted lately. */
  readonly wanted: WantedHistory;
  /** Everything not yet booked, so that a crash loses none of it. */
  checkpoint(): void;
  /** The site file or the trust in the site changed. */
  follow(site: Site): void;
}

/** A plan and what it was made from. */
export interface Planned {
  readonly plan: Plan;
  readonly snapshot: Snapshot;
}

export interface BookkeeperOptions {
  readonly store: Store;
  readonly events: EventEmitter<RuntimeEvents>;
  readonly markets: Markets;
  readonly plant: Plant;
  trust(): Trust;
  onLost(error: unknown): void;
}

const BOOK_KEY = 'book';

export async function createBookkeeper(first: Site, options: BookkeeperOptions): Promise<Bookkeeper> {
  const { store, events, markets, plant } = options;
  let site = first;
  let shadow = createShadowBook(site);
  const book = createBook(blockOf(site.tariff), await store.getMeta(BOOK_KEY), await store.lastBooked());
  const before = await store.intervals(BILLED_QUARTERS);
  const billing = createBilling(before);
  const wanted = createWantedHistory(before);
  const priceAt = (start: SiteMs): number | undefined => markets.value('priceUsdPerMwh', start);
  const checkpoint = (): void => store.setMeta(BOOK_KEY, book.checkpoint());

  const curtailment = (workClass: Commitment, at: SiteMs): CurtailmentFacts | undefined =>
    billing.curtailment(site, workClass, at, book.unbooked(workClass.id));

  function lookInShadow(at: SiteMs, planned: Planned | undefined): void {
    const flow = planned && plannedFlow(site, planned.snapshot, planned.plan, at, hashpriceNow(markets, at));
    shadow.look(at, flow);
    for (const interval of shadow.close(at, priceAt)) store.bookShadow(shadowOf(interval));
  }

  return {
    look(picture, planned, settled) {
      const meter = plant.connection?.reading;
      if (meter?.energyImportWh !== undefined) book.counter(meter.at, meter.energyImportWh, meter.powerW);
      if (settled) book.look(picture.at, flowOf(site, picture, markets, planned?.plan, curtailment));
      if (options.trust() === 'shadow') lookInShadow(picture.at, planned);
      for (const closed of book.close(picture.at, priceAt)) {
        billing.booked(closed);
        const interval = billing.withDue(site, closed);
        wanted.booked(interval);
        // Told when it is on disk; while the disk takes nothing, the site runs on.
        const booked = store.bookInterval(interval);
        void booked.then(
          (isNew) => isNew && events.emit('interval', interval),
          (error) => options.onLost(error),
        );
        checkpoint();
      }
    },
    woke: (at, machines) => book.woke(at, machines),
    demand: (at) => billing.demand(site, at, (from) => book.metered(from)),
    curtailment,
    availability: (workClass, at) => billing.availability(site, workClass, at, book.unbooked(workClass.id)),
    wanted,
    deadline: (workClass, at) => billing.deadline(workClass, at, book.unbooked(workClass.id)),
    checkpoint,
    follow(next) {
      site = next;
      book.retariff(blockOf(site.tariff));
      shadow = createShadowBook(site);
    },
  };
}
