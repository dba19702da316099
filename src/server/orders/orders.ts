import { z } from 'zod';
import type { Trust } from '../../control/trust.ts';
import {
  isoUtc,
  MINUTE,
  powerText,
  siteMs,
  type Site,
  type SiteMs,
  type Snapshot,
  type WallMs,
} from '../../model/index.ts';
import type { OrderPreviewRequest, OrderPreviewView } from '../../model/orders-api.ts';
import type { Store } from '../../store/store.ts';
import type { Journal } from '../journal.ts';

/** What a person tells the whole site to do, over its plan: draw less for a while, or put every miner to sleep. */
export interface Order {
  readonly id: string;
  readonly kind: 'curtail' | 'stop';
  readonly state: 'asked' | 'in-force' | 'over';
  readonly who: string;
  readonly approvedBy: string | undefined;
  readonly why: string;
  readonly from: SiteMs;
  /** Undefined: until somebody releases it. */
  readonly until: SiteMs | undefined;
  /** Import that may go on; undefined where it is not about import. */
  readonly firmW: number | undefined;
  /** Import when it was asked for; undefined where the feeder meter was silent: a safe stop needs none. */
  readonly beforeW: number | undefined;
  /** Of import when it was put in force, what machines and cooling accounted for. */
  readonly explainedBeforeW: number | undefined;
  /** By whom or what it ended, and why. */
  readonly ended: string | undefined;
}

/** Who gives or approves an order. */
export interface Giver {
  /** As it stands on record. */
  readonly who: string;
  /** Of the person, whatever they came with. */
  readonly name: string;
  /**
   * `token`: whoever holds it is its owner, and no second person. `link`: the key of the machine that runs the server, which anybody with
   * shell access may read: it may be whoever else's second name, and so is nobody where two people are needed.
   */
  readonly via: 'session' | 'token' | 'link';
}

/** Why something is not done, in words for whoever asked. */
export class OrderRefusal extends Error {}

export interface Orders {
  /** Those asked for and in force, then those that are over, newest first. */
  all(): readonly Order[];
  inForce(): readonly Order[];
  /** Keeps a preview that may be carried out for a while. @param by whose it is: nobody else carries it out; absent: anybody's */
  keep(preview: OrderPreviewView, request: OrderPreviewRequest, by?: string): void;
  /**
   * Carries a preview out, or asks a second person to. Resolves when it is on disk.
   * @throws OrderRefusal where it is stale or the site may not act, and where two people are needed and these are not two
   */
  apply(previewId: string, giver: Giver, why: string): Promise<Order>;
  /** Ends an order, or takes back what was asked for. @throws OrderRefusal where there is none */
  release(id: string, who: string, why: string): Promise<Order>;
  /** Ends those whose time is over. Called once a second. */
  look(): void;
}

export interface OrdersOptions {
  readonly store: Pick<Store, 'getMeta' | 'setMeta' | 'flush'>;
  readonly journal: Pick<Journal, 'act'>;
  site(): Site;
  trust(): Trust;
  siteNow(): SiteMs;
  wallNow(): WallMs;
  /** What machines and cooling account for of import now, in watts at the connection. */
  explainedW(): number;
  askPlan(why: string): void;
  /** Carries a safe stop out, which waits for no plan. */
  stopNow(order: Order): void;
}

/** A preview is carried out by then, or made anew; asked for, a second person has longer. */
export const PREVIEW_HOLDS_MS = 2 * 60_000;
const ASKED_HOLDS_MS = 30 * MINUTE;
const KEPT = 20;
const KEY = 'orders';

const kept = z.array(
  z.object({
    id: z.string(),
    kind: z.enum(['curtail', 'stop']),
    state: z.enum(['asked', 'in-force', 'over']),
    who: z.string(),
    approvedBy: z.string().optional(),
    why: z.string(),
    from: z.number().transform(siteMs),
    until: z.number().transform(siteMs).optional(),
    firmW: z.number().optional(),
    beforeW: z.number().optional(),
    explainedBeforeW: z.number().optional(),
    ended: z.string().optional(),
    minutes: z.number().optional(),
    person: z.string().optional(),
  }),
);
/** `minutes` is how long a curtailment lasts from when it is put in force, `person` who asked for it, whatever they came with. */
type Kept = Order & { readonly minutes: number | undefined; readonly person?: string | undefined };

export async function createOrders(options: OrdersOptions): Promise<Orders> {
  const { store, journal } = options;
  const before = await store.getMeta(KEY);
  let orders: readonly Kept[] = before === undefined ? [] : (kept.parse(JSON.parse(before)) as Kept[]);
  const previews = new Map<
    string,
    { view: OrderPreviewView; request: OrderPreviewRequest; by: string | undefined; site: Site; wall: WallMs }
  >();

  function put(order: Kept): void {
    const others = orders.filter(({ id }) => id !== order.id);
    orders = [order, ...others].slice(0, KEPT);
    store.setMeta(KEY, JSON.stringify(orders));
  }

  function record(order: Order, who: string, what: string, why: string): void {
    const at = options.siteNow();
    journal.act({ id: `order-${order.id}-${what.split(' ')[0]}-${at}`, at, who, what, why });
  }

  function begin(order: Kept): Kept {
    const from = options.siteNow();
    const until = order.minutes === undefined ? undefined : siteMs(from + order.minutes * MINUTE);
    const begun: Kept = { ...order, state: 'in-force', from, until, explainedBeforeW: options.explainedW() };
    put(begun);
    return begun;
  }

  function mustAct(): void {
    if (options.trust() === 'shadow')
      throw new OrderRefusal('the site is in shadow: it writes to nothing (busbar trust auto raises it)');
  }

  /** Two people are two accounts: the machine's own key is held by whoever is at it. */
  function mustBeNamed({ via }: Giver): void {
    if (via === 'link')
      throw new OrderRefusal(
        'it takes two people with an account each, and the key of this machine is held by whoever is at it: sign in (busbar login)',
      );
  }

  async function approve(order: Kept, giver: Giver, why: string): Promise<Order> {
    const { who, name, via } = giver;
    if (order.state !== 'asked')
      throw new OrderRefusal(`this order is ${order.state === 'over' ? 'over' : 'in force'}`);
    mustAct();
    if (via === 'token') throw new OrderRefusal('an order is approved by people: sign in (busbar login)');
    mustBeNamed(giver);
    if (name === (order.person ?? order.who)) throw new OrderRefusal(`${name} asked for it: it takes a second person`);
    const begun = begin({ ...order, approvedBy: who });
    record(begun, who, `approve: ${wordsOf(begun)}`, why);
    return carriedOut(begun);
  }

  /** Once it is on disk. */
  async function carriedOut(order: Kept): Promise<Order> {
    await store.flush();
    if (order.kind === 'stop') options.stopNow(order);
    options.askPlan(wordsOf(order));
    return order;
  }

  return {
    all: () => orders.toSorted((a, b) => Number(a.state === 'over') - Number(b.state === 'over')),
    inForce: () => orders.filter(({ state }) => state === 'in-force'),
    keep(view, request, by) {
      const now = options.wallNow();
      for (const [id, { wall }] of previews) if (now - wall > PREVIEW_HOLDS_MS) previews.delete(id);
      previews.set(view.id, { view, request, by, site: options.site(), wall: now });
    },
    async apply(previewId, giver, why) {
      const { who, name } = giver;
      const asked = orders.find(({ id }) => id === previewId);
      if (asked !== undefined) return approve(asked, giver, why);
      const known = previews.get(previewId);
      if (known === undefined || options.wallNow() - known.wall > PREVIEW_HOLDS_MS)
        throw new OrderRefusal('this preview is older than two minutes, was used, or never was: make another');
      if (known.by !== undefined && known.by !== name)
        throw new OrderRefusal('this preview is of somebody else: look at one of your own before you give the order');
      if (known.site !== options.site())
        throw new OrderRefusal('the site file has changed since this preview: make another');
      mustAct();
      const { view, request } = known;
      if (view.needsSecondPerson) mustBeNamed(giver);
      previews.delete(previewId);
      const order: Kept = {
        id: previewId,
        kind: request.kind,
        state: 'asked',
        who,
        approvedBy: undefined,
        why,
        from: options.siteNow(),
        until: undefined,
        firmW: view.firmW ?? undefined,
        beforeW: view.importW ?? undefined,
        explainedBeforeW: undefined,
        ended: undefined,
        minutes: request.kind === 'curtail' ? request.minutes : undefined,
        person: name,
      };
      if (view.needsSecondPerson) {
        put(order);
        record(order, who, `ask for: ${wordsOf(order)}`, why);
        await store.flush();
        return order;
      }
      const begun = begin(order);
      record(begun, who, wordsOf(begun), why);
      return carriedOut(begun);
    },
    async release(id, who, why) {
      const order = orders.find((one) => one.id === id && one.state !== 'over');
      if (order === undefined) throw new OrderRefusal(`no order ${id} is in force or asked for`);
      const over: Kept = { ...order, state: 'over', ended: `${who}: ${why}` };
      put(over);
      record(over, who, `release: ${wordsOf(over)}`, why);
      await store.flush();
      options.askPlan('an order was released');
      return over;
    },
    look() {
      const now = options.siteNow();
      for (const order of orders) {
        const until = order.state === 'asked' ? siteMs(order.from + ASKED_HOLDS_MS) : order.until;
        if (order.state === 'over' || until === undefined || now < until) continue;
        const ended = order.state === 'asked' ? 'nobody approved it in time' : 'its time is over';
        put({ ...order, state: 'over', ended });
        record(order, 'busbar', `end: ${wordsOf(order)}`, ended);
        if (order.state === 'in-force') options.askPlan('an order ended');
      }
    },
  };
}

/** An order in words, for Activity. */
export function wordsOf({ kind, firmW, until, beforeW }: Order): string {
  if (kind === 'stop') return 'safe stop: every miner sleeps until it is released';
  const to = `curtail: import from ${powerText(beforeW!)} to ${powerText(firmW!)}`;
  return until === undefined ? to : `${to} until ${isoUtc(until).slice(0, 16)}Z`;
}

/** Above what any MW of the site earns: it gives way to physics alone, and to work that may not be interrupted. */
export const ORDER_USD_PER_MWH = 20_000;

/**
 * The planner's facts with orders over them: a curtailment is a call of a program for which nothing pays; in a safe stop no miner may run
 * that can sleep. Machines that run give up their minimum time for either.
 */
export function withOrders(
  snapshot: Snapshot,
  orders: readonly Pick<Order, 'id' | 'kind' | 'firmW' | 'from' | 'until'>[],
): Snapshot {
  if (orders.length === 0) return snapshot;
  const stopped = stopsMiners(orders);
  const calls = orders.flatMap(({ id, firmW, from, until }) =>
    firmW === undefined || until === undefined
      ? []
      : [{ id: `order ${id.slice(0, 8)}`, firmW, penaltyUsdPerMwh: ORDER_USD_PER_MWH, from, until }],
  );
  return {
    ...snapshot,
    programCalls: [...(snapshot.programCalls ?? []), ...calls],
    cohorts: snapshot.cohorts.map((cohort) => {
      if (cohort.held) return cohort;
      const { sleep = 0 } = cohort.pinned;
      const pinned: Readonly<Record<string, number>> = sleep === 0 ? {} : { sleep };
      return { ...cohort, pinned, points: stopped ? [] : cohort.points };
    }),
  };
}

/** In a safe stop nobody's hold keeps miners running. */
export const stopsMiners = (orders: readonly Pick<Order, 'kind'>[]): boolean =>
  orders.some(({ kind }) => kind === 'stop');
