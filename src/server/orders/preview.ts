import { randomUUID } from 'node:crypto';
import { HOUR, isoUtc, type Machine, MINUTE, siteMs, type Plan, type Site } from '../../model/index.ts';
import type { OrderPreviewRequest, OrderPreviewView } from '../../model/orders-api.ts';
import type { Picture } from '../picture.ts';
import type { PlannedWith } from '../planning.ts';
import { type Order, ORDER_USD_PER_MWH, OrderRefusal, PREVIEW_HOLDS_MS } from './orders.ts';

/** What whole machines cannot come closer to. */
const REACHED_W = 10_000;

/** The order that a request would become now. @throws OrderRefusal where it makes no sense */
export function orderOf(request: OrderPreviewRequest, picture: Pick<Picture, 'importW' | 'at'>): Order {
  const { importW, at } = picture;
  const firmW = request.kind === 'curtail' ? firmOf(request.mw, importW) : undefined;
  return {
    id: randomUUID(),
    kind: request.kind,
    state: 'asked',
    who: '',
    approvedBy: undefined,
    why: '',
    from: at,
    until: request.kind === 'curtail' ? siteMs(at + request.minutes * MINUTE) : undefined,
    firmW,
    beforeW: importW,
    explainedBeforeW: undefined,
    ended: undefined,
  };
}

function firmOf(mw: number, importW: number | undefined): number {
  if (importW === undefined)
    throw new OrderRefusal(
      'the feeder meter is silent: what import would go down from is unknown (busbar stop needs no meter)',
    );
  const firmW = importW - mw * 1e6;
  if (firmW < 0) throw new OrderRefusal(`import is ${(importW / 1e6).toFixed(3)} MW now: it cannot go down by more`);
  return firmW;
}

interface OrderFacts {
  readonly picture: Picture;
  readonly order: Order;
  /** Wall milliseconds in which a group was measured to sleep. */
  responseMs(groupId: string): number | undefined;
}

export interface PreviewFacts extends OrderFacts {
  readonly site: Site;
  readonly planned: PlannedWith;
}

/** What an order would do, from the plan with it and the one without. */
export function previewOf({ site, picture, order, planned, responseMs }: PreviewFacts): OrderPreviewView {
  const { snapshot, without, withIt } = planned;
  const thenW = withIt.steps[0]!.importW;
  const machines = movesOf(planned);
  const limitMw = site.limits.orderAloneMw;
  const { beforeW } = order;
  // A safe stop waits for nobody; of a curtailment the meter was asked.
  const changeMw = order.kind === 'stop' || beforeW === undefined ? 0 : Math.max(0, beforeW - thenW) / 1e6;
  return {
    ...commonOf(order, picture),
    thenW,
    reached: order.firmW === undefined || thenW <= order.firmW + REACHED_W,
    machines,
    gpus: snapshot.work.flatMap(({ id, runningGpus }) => {
      const otherwise = Math.min(runningGpus, without.steps[0]!.work[id] ?? 0);
      const interrupted = otherwise - (withIt.steps[0]!.work[id] ?? 0);
      return interrupted > 0.5 ? [{ work: id, interrupted }] : [];
    }),
    skipped: skippedOf(picture, planned),
    usdPerHour: costOf(order, without, withIt),
    responseSeconds: slowestSeconds(machines, responseMs),
    needsSecondPerson: limitMw !== undefined && changeMw > limitMw,
  };
}

/** What a safe stop would do where nothing can be planned: it waits for no plan, so that what it comes to is not known. */
export function stopPreviewOf({
  picture,
  order,
  responseMs,
  stopped,
}: OrderFacts & { readonly stopped: readonly Pick<Machine, 'groupId'>[] }): OrderPreviewView {
  const byGroup = Map.groupBy(stopped, ({ groupId }) => groupId);
  const machines = [...byGroup].map(([group, { length }]) => ({ group, count: length, to: 'sleep' }));
  return {
    ...commonOf(order, picture),
    thenW: null,
    reached: true,
    machines,
    gpus: [],
    skipped: silentOf(picture),
    usdPerHour: null,
    responseSeconds: slowestSeconds(machines, responseMs),
    // A safe stop waits for nobody.
    needsSecondPerson: false,
  };
}

const commonOf = (order: Order, { at }: Picture) => ({
  id: order.id,
  kind: order.kind,
  madeAt: isoUtc(at),
  importW: order.beforeW ?? null,
  firmW: order.firmW ?? null,
  holdsSeconds: PREVIEW_HOLDS_MS / 1000,
});

/** In how many seconds the slowest of these groups sleeps; null where one was not measured. */
function slowestSeconds(machines: OrderPreviewView['machines'], responseMs: OrderFacts['responseMs']): number | null {
  const each = machines.filter(({ to }) => to === 'sleep').map(({ group }) => responseMs(group));
  const measured = each.filter((ms) => ms !== undefined);
  return measured.length < each.length || measured.length === 0 ? null : Math.max(...measured) / 1000;
}

/** How many machines of each group change, and to what. */
function movesOf({ snapshot, withIt }: PlannedWith): OrderPreviewView['machines'] {
  return snapshot.cohorts.flatMap(({ id, now }) => {
    const then = withIt.steps[0]!.cohorts[id] ?? {};
    return Object.entries(then).flatMap(([to, count]) => {
      const more = Math.round(count - (now[to] ?? 0));
      return more > 0 ? [{ group: id, count: more, to }] : [];
    });
  });
}

/** What draws on, and why. */
function skippedOf(picture: Picture, { snapshot }: PlannedWith): string[] {
  const held = snapshot.cohorts
    .filter(({ held: kept, machines }) => kept && machines > 0)
    .map(({ id, machines, waits }) =>
      waits === true
        ? `${machines} of ${id}: in shadow, where nothing is written`
        : `${machines} of ${id}: held by a person, or they cannot be told to sleep`,
    );
  const young = snapshot.cohorts.flatMap(({ id, pinned }) =>
    Object.entries(pinned).map(([mode, count]) => `${count} of ${id}: in ${mode} for less than the least time`),
  );
  return [...held, ...silentOf(picture), ...young];
}

const silentOf = ({ halls }: Picture): string[] =>
  halls
    .filter((one) => one.silent.length > 0)
    .map((one) => `${one.silent.length} in hall ${one.hall.id}: silent, so that nobody knows whether they would obey`);

/** What the plan earns less by the order, by the hour that it lasts; what is fined for missing it is no money. */
function costOf(order: Order, without: Plan, withIt: Plan): number | null {
  if (![without, withIt].every(isProven)) return null;
  const end = withIt.steps.at(-1)!;
  const until = Math.min(order.until ?? Infinity, end.start + end.durationMs);
  const hours = (until - order.from) / HOUR;
  return hours <= 0 ? null : (without.objectiveUsd - withIt.objectiveUsd - finedUsd(order, withIt)) / hours;
}

/** Solved to its end; a limit that nobody can keep changes nothing of that. */
const isProven = ({ solver, status }: Plan): boolean => solver === 'highs' && status !== 'feasible';

function finedUsd({ firmW, from, until }: Order, { steps }: Plan): number {
  if (firmW === undefined || until === undefined) return 0;
  return steps.reduce((sum, { start, durationMs, importW }) => {
    const ms = Math.max(0, Math.min(until, start + durationMs) - Math.max(from, start));
    return sum + ((ms / HOUR) * ORDER_USD_PER_MWH * Math.max(0, importW - firmW)) / 1e6;
  }, 0);
}
