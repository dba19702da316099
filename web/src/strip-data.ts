import type { IntervalView, PlanView } from '../../src/model/api.ts';
import { known } from './format.ts';

/** Power by line in megawatts; null = unknown. `other` is draw that belongs to no line of business. */
export interface LinePower {
  readonly mining: number | null;
  readonly ai: number | null;
  readonly hpc: number | null;
  readonly other: number | null;
}

/** What the page itself saw since the last booked interval. */
export interface RecentSample extends LinePower {
  readonly at: number;
  readonly importMw: number | null;
  readonly plannedMw: number | null;
}

export interface PricePoint {
  readonly at: number;
  readonly value: number;
}

/** One step of the strip, from `start` until the next row. Times in Unix ms of the site clock. */
export interface StripRow extends LinePower {
  readonly start: number;
  /** `booked` is from the books, `live` seen by this page, `planned` lies ahead, `gap` is known to nobody. */
  readonly kind: 'booked' | 'live' | 'planned' | 'gap';
  readonly importMw: number | null;
  readonly plannedMw: number | null;
  readonly price: number | null;
  readonly priceKnown: boolean;
}

export interface StripWindow {
  readonly from: number;
  readonly now: number;
  readonly to: number;
}

const QUARTER = 15 * 60_000;
const HOUR = 4 * QUARTER;
const DAY = 24 * HOUR;
const NOTHING = { mining: null, ai: null, hpc: null, other: null, importMw: null, plannedMw: null } as const;

const quarterStart = (t: number): number => Math.floor(t / QUARTER) * QUARTER;

/** Always a day wide: as much past as there is, between 3 and 12 hours, and the rest ahead. */
export function stripWindow(now: number, intervals: readonly IntervalView[]): StripWindow {
  const oldest = intervals.reduce((t, i) => Math.min(t, Date.parse(i.start)), now);
  const past = Math.min(12 * HOUR, Math.max(3 * HOUR, now - oldest));
  const from = quarterStart(now - past);
  return { from, now, to: from + DAY };
}

/** Mean megawatts of an energy over minutes. */
const meanMw = (mwh: number | null | undefined, minutes: number): number | null =>
  known(mwh) ? (mwh * 60) / minutes : null;

function bookedRow(start: number, interval: IntervalView, price: number | null): StripRow {
  const line = (name: string) => meanMw(interval.lines.find((l) => l.line === name)?.energyMwh, interval.minutes);
  return {
    start,
    kind: 'booked',
    mining: line('mining'),
    ai: line('ai'),
    hpc: line('hpc'),
    other: meanMw(interval.unattributedMwh, interval.minutes),
    importMw: meanMw(interval.importMwh, interval.minutes),
    plannedMw: meanMw(interval.plannedMwh, interval.minutes),
    price: interval.priceUsdPerMwh ?? price,
    priceKnown: true,
  };
}

/** The value in force at `t`: the newest point not later than it. Points ascend. */
function priceAt(points: readonly PricePoint[], t: number): number | null {
  let value: number | null = null;
  for (const point of points) {
    if (point.at > t) break;
    value = point.value;
  }
  return value;
}

function pastRows(
  { from, now }: StripWindow,
  intervals: readonly IntervalView[],
  recent: readonly RecentSample[],
  prices: readonly PricePoint[],
): StripRow[] {
  const booked = new Map(intervals.map((i) => [Date.parse(i.start), i]));
  const rows: StripRow[] = [];
  for (let start = from; start < now; start += QUARTER) {
    const price = priceAt(prices, start);
    const interval = booked.get(start);
    if (interval !== undefined) {
      rows.push(bookedRow(start, interval, price));
      continue;
    }
    const samples = recent.filter((s) => s.at >= start && s.at < Math.min(start + QUARTER, now));
    if (samples[0]?.at !== start) rows.push({ start, kind: 'gap', ...NOTHING, price, priceKnown: true });
    for (const { at, ...power } of samples) {
      rows.push({ start: at, kind: 'live', ...power, price, priceKnown: true });
    }
  }
  return rows;
}

function plannedRows({ now, to }: StripWindow, plan: PlanView | null): StripRow[] {
  const rows: StripRow[] = [];
  let end = now;
  for (const step of plan?.steps ?? []) {
    const start = Date.parse(step.start);
    const stop = start + step.minutes * 60_000;
    if (stop <= now || start >= to) continue;
    if (start > end) rows.push({ start: end, kind: 'gap', ...NOTHING, price: null, priceKnown: false });
    const { linePowerW: watts } = step;
    rows.push({
      start: Math.max(now, start),
      kind: 'planned',
      mining: watts.mining / 1e6,
      ai: watts.ai / 1e6,
      hpc: watts.hpc / 1e6,
      other: step.otherW / 1e6,
      importMw: null,
      plannedMw: step.importW / 1e6,
      price: step.priceUsdPerMwh,
      priceKnown: step.known,
    });
    end = stop;
  }
  if (end < to) rows.push({ start: end, kind: 'gap', ...NOTHING, price: null, priceKnown: false });
  return rows;
}

/** The past from the books (and what this page saw since), then what the plan has ahead; rows ascend by start. */
export function stripRows(
  window: StripWindow,
  intervals: readonly IntervalView[],
  plan: PlanView | null,
  recent: readonly RecentSample[],
  prices: readonly PricePoint[],
): StripRow[] {
  return [...pastRows(window, intervals, recent, prices), ...plannedRows(window, plan)];
}

export const STACK = ['mining', 'ai', 'hpc', 'other'] as const;

/** Columns in the order the chart draws them; a null breaks a line. */
export interface StripColumns {
  readonly x: number[];
  /** Running sums, so that each line of business is drawn on top of those before it. */
  readonly tops: Record<(typeof STACK)[number], (number | null)[]>;
  readonly planned: (number | null)[];
  readonly priceKnown: (number | null)[];
  readonly priceForecast: (number | null)[];
}

/** A row with no figure at all is a gap; a single unknown line adds nothing to the stack and is named in the legend. */
export function stripColumns(rows: readonly StripRow[], toMs: number): StripColumns {
  const columns: StripColumns = {
    x: [],
    tops: { mining: [], ai: [], hpc: [], other: [] },
    planned: [],
    priceKnown: [],
    priceForecast: [],
  };
  for (const row of rows) {
    columns.x.push(row.start / 1000);
    const nothing = STACK.every((key) => row[key] === null);
    let top = 0;
    for (const key of STACK) {
      top += row[key] ?? 0;
      columns.tops[key].push(nothing ? null : top);
    }
    columns.planned.push(row.plannedMw);
    columns.priceKnown.push(row.priceKnown ? row.price : null);
    columns.priceForecast.push(row.priceKnown ? null : row.price);
  }
  columns.x.push(toMs / 1000);
  for (const values of [...Object.values(columns.tops), columns.planned, columns.priceKnown, columns.priceForecast]) {
    values.push(null);
  }
  return columns;
}

/** Index of the row in force at `t` (Unix ms); undefined before the first. */
export function rowAt(rows: readonly StripRow[], t: number): number | undefined {
  let found: number | undefined;
  for (const [index, row] of rows.entries()) {
    if (row.start > t) break;
    found = index;
  }
  return found;
}
