import { z } from 'zod';
import { dayOf, HOUR, MINUTE, QUARTER, quarterStart, siteMs, toMicroUsd, type SiteMs } from '../model/index.ts';
import {
  availabilityLine,
  availabilitySum,
  withTerms,
  type AvailabilityLine,
  type AvailabilitySum,
  type AvailabilityTerms,
} from './availability.ts';

/** What runs for customers at a moment, as far as the clusters that answer tell it. */
export interface CustomerFlow {
  /** Classes of work whose cluster answers: of the others nothing is known, which is not nothing. */
  readonly told: readonly string[];
  readonly work: readonly {
    readonly account: string;
    readonly workClass: string;
    readonly gpus: number;
    /** What GPUs of it draw that are measured, and how many are; the others are unknown, which is not nothing. */
    readonly measured: { readonly gpus: number; readonly powerW: number };
    /** Undefined: no price is known now; the hours are then counted and not priced. */
    readonly usdPerGpuHour: number | undefined;
  }[];
  /** Committed GPUs that are wanted and not served, by contract. */
  readonly credits: readonly {
    readonly contract: string;
    readonly customer: string;
    readonly gpus: number;
    readonly penaltyUsdPerGpuHour: number;
  }[];
  /** Of contracts that promise an availability; absent: there are none. */
  readonly promised?: readonly {
    readonly contract: string;
    readonly customer: string;
    readonly committedGpus: number;
    /** Wanted and not served, those aside that the contract lets the site curtail. */
    readonly missedGpus: number;
  }[];
}

const lineSum = z.object({
  gpuHours: z.number(),
  usd: z.number(),
  unpricedGpuHours: z.number(),
  /** Drawn by GPUs while they were measured, and for how long they were. */
  gpuWh: z.number().default(0),
  measuredGpuHours: z.number().default(0),
});
const noLine = { gpuHours: 0, usd: 0, unpricedGpuHours: 0, gpuWh: 0, measuredGpuHours: 0 };
const daySum = z.object({ gpuHours: z.number(), usd: z.number() });
const energySum = z.object({ wh: z.number().optional(), starts: z.number(), measuredStarts: z.number() });
const monthSum = z.object({
  /** Milliseconds for which a class of work was told. */
  observedMs: z.record(z.string(), z.number()),
  /** By account and class of work. */
  lines: z.record(z.string(), z.record(z.string(), lineSum)),
  /** By calendar day and account. */
  days: z.record(z.string(), z.record(z.string(), daySum)),
  credits: z.record(z.string(), z.object({ customer: z.string(), gpuHours: z.number(), usd: z.number() })),
  /** By contract; absent in a checkpoint of a release that did not count it. */
  availability: z.record(z.string(), availabilitySum).default({}),
  /** By account, as the accounting of the clusters has it. */
  energy: z.record(z.string(), energySum),
  /** Percentages of a budget that were told, by project. */
  alerted: z.record(z.string(), z.array(z.number())),
});
const state = z.object({ months: z.record(z.string(), monthSum) });
export type CustomerMonth = Readonly<z.output<typeof monthSum>>;

/** Longest span between two looks that still counts as observed. */
const GAP_MS = 5 * MINUTE;
const MOST_MONTHS = 36;

const emptyMonth = (): z.output<typeof monthSum> => ({
  observedMs: {},
  lines: {},
  days: {},
  credits: {},
  availability: {},
  energy: {},
  alerted: {},
});

/** What customers have used, by calendar month of the site: counted while it flows, at the price of that moment. */
export interface CustomerBook {
  /** What flows from now on; what flowed since the last look is added up. */
  look(at: SiteMs, flow: CustomerFlow): void;
  /** `2026-11`; undefined where nothing was counted. */
  month(key: string): CustomerMonth | undefined;
  /** Newest first. */
  months(): readonly string[];
  energy(key: string, account: string, energy: CustomerMonth['energy'][string]): void;
  /** What a contract promises for a month, as it is now: what is due follows from what was missed. */
  promise(key: string, contract: string, customer: string, terms: AvailabilityTerms): void;
  /** @returns true where this percentage of the project was not told this month yet */
  alert(key: string, project: string, pct: number): boolean;
  checkpoint(): string;
}

/** The calendar month, as `2026-11`, where the site stands. */
export const monthOf = (at: SiteMs, timezone: string): string => dayOf(at, timezone).slice(0, 7);

export function createCustomerBook(timezone: string, saved?: string): CustomerBook {
  const { months } = saved === undefined ? { months: {} } : state.parse(JSON.parse(saved));
  let before: { readonly at: SiteMs; readonly flow: CustomerFlow } | undefined;

  const monthAt = (key: string) => {
    const known = months[key];
    if (known !== undefined) return known;
    const made = (months[key] = emptyMonth());
    for (const old of Object.keys(months).sort().slice(0, -MOST_MONTHS)) delete months[old];
    return made;
  };

  return {
    look(at, flow) {
      const from = before;
      before = { at, flow };
      if (from === undefined || at <= from.at || at - from.at > GAP_MS) return;
      // Days and months begin on a quarter-hour everywhere.
      for (let t: number = from.at; t < at;) {
        const end = Math.min(at, quarterStart(siteMs(t)) + QUARTER);
        const day = dayOf(siteMs(t), timezone);
        add(monthAt(day.slice(0, 7)), day, from.flow, end - t);
        t = end;
      }
    },
    month: (key) => months[key],
    months: () => Object.keys(months).sort().toReversed(),
    energy(key, account, energy) {
      monthAt(key).energy[account] = energy;
    },
    promise(key, contract, customer, terms) {
      const { availability } = monthAt(key);
      availability[contract] = withTerms(availability[contract] ?? nothingSeen(customer), terms);
    },
    alert(key, project, pct) {
      const told = (monthAt(key).alerted[project] ??= []);
      if (told.includes(pct)) return false;
      told.push(pct);
      return true;
    },
    checkpoint: () => JSON.stringify({ months }),
  };
}

const nothingSeen = (customer: string): AvailabilitySum => ({ customer, seenGpuHours: 0, missedGpuHours: 0 });

function add(into: z.output<typeof monthSum>, day: string, flow: CustomerFlow, ms: number): void {
  const hours = ms / HOUR;
  for (const one of flow.told) into.observedMs[one] = (into.observedMs[one] ?? 0) + ms;
  for (const { account, workClass, gpus, measured, usdPerGpuHour } of flow.work) {
    const line = ((into.lines[account] ??= {})[workClass] ??= { ...noLine });
    const ofDay = ((into.days[day] ??= {})[account] ??= { gpuHours: 0, usd: 0 });
    const usd = (usdPerGpuHour ?? 0) * gpus * hours;
    line.gpuHours += gpus * hours;
    line.gpuWh += measured.powerW * hours;
    line.measuredGpuHours += measured.gpus * hours;
    line.usd += usd;
    if (usdPerGpuHour === undefined) line.unpricedGpuHours += gpus * hours;
    ofDay.gpuHours += gpus * hours;
    ofDay.usd += usd;
  }
  for (const { contract, customer, gpus, penaltyUsdPerGpuHour } of flow.credits) {
    const credit = (into.credits[contract] ??= { customer, gpuHours: 0, usd: 0 });
    credit.gpuHours += gpus * hours;
    credit.usd += gpus * hours * penaltyUsdPerGpuHour;
  }
  for (const { contract, customer, committedGpus, missedGpus } of flow.promised ?? []) {
    const sum = (into.availability[contract] ??= nothingSeen(customer));
    sum.seenGpuHours += committedGpus * hours;
    sum.missedGpuHours += missedGpus * hours;
  }
}

/** A month of some accounts, in integers of micro-dollars. */
export interface Statement {
  readonly lines: readonly {
    readonly account: string;
    readonly workClass: string;
    readonly gpuHours: number;
    /** Mean of what was priced; undefined where nothing was. */
    readonly usdPerGpuHour: number | undefined;
    /** Of which no price was known: no part of the amount. */
    readonly unpricedGpuHours: number;
    /** What its GPUs drew while they were measured; undefined where none was. */
    readonly gpuWh: number | undefined;
    /** Of the GPU-hours, those that are measured. */
    readonly measuredGpuHours: number;
    readonly amount: number;
  }[];
  readonly credits: readonly { readonly contract: string; readonly gpuHours: number; readonly amount: number }[];
  readonly availability: readonly AvailabilityLine[];
  /** Of the lines. */
  readonly usage: number;
  /** Usage less credits. */
  readonly total: number;
}

/** @param isOver the month: what was not seen of it is unknown to its end */
export function statementOf(
  month: CustomerMonth | undefined,
  accounts: ReadonlySet<string>,
  isOver = false,
): Statement {
  const lines = Object.entries(month?.lines ?? {})
    .filter(([account]) => accounts.has(account))
    .flatMap(([account, classes]) =>
      Object.entries(classes).map(([workClass, { gpuHours, usd, unpricedGpuHours, gpuWh, measuredGpuHours }]) => ({
        account,
        workClass,
        gpuHours,
        usdPerGpuHour: gpuHours - unpricedGpuHours > 1e-9 ? usd / (gpuHours - unpricedGpuHours) : undefined,
        unpricedGpuHours,
        gpuWh: measuredGpuHours > 0 ? gpuWh : undefined,
        measuredGpuHours,
        amount: toMicroUsd(usd),
      })),
    );
  const credits = Object.entries(month?.credits ?? {})
    .filter(([, { customer }]) => accounts.has(customer))
    .map(([contract, { gpuHours, usd }]) => ({ contract, gpuHours, amount: toMicroUsd(usd) }));
  const usage = lines.reduce((sum, { amount }) => sum + amount, 0);
  const availability = Object.entries(month?.availability ?? {})
    .filter(([, { customer }]) => accounts.has(customer))
    .flatMap(([contract, sum]) => availabilityLine(contract, sum, isOver));
  const credited = [...credits, ...availability].reduce((sum, { amount }) => sum + amount, 0);
  return { lines, credits, availability, usage, total: usage - credited };
}

/** The highest percentage of a budget that is spent, of those that want an alarm; undefined below the first. */
export function budgetReached(
  budget: { readonly usdPerMonth: number; readonly alertPct: readonly number[] },
  spentUsd: number,
): number | undefined {
  return budget.alertPct.findLast((pct) => spentUsd >= (budget.usdPerMonth * pct) / 100);
}
