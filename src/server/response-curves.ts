import { z } from 'zod';
import { MINUTE, type Command, type Reading, type SiteMs } from '../model/index.ts';

/**
 * How machines of one model and firmware were seen to answer: from the acknowledgement of a command to the reading that shows it, and
 * how far above its steady draw a machine goes while it wakes. Stock firmware publishes neither.
 */
export interface ResponseCurves {
  /** Commands that got on. */
  look(changed: readonly Command[]): void;
  /** A reading of a machine: one that wakes is watched until it draws steadily. */
  observe(id: string, reading: Reading): void;
  /** Site milliseconds before which hardly any machine of its kind was seen to have obeyed; undefined where too few were measured. */
  firstLookMs(id: string, mode: string): number | undefined;
  /**
   * Site milliseconds within which the slowest kind among machines was seen to obey, but for one in a hundred; undefined where too few of
   * any kind among them were measured.
   */
  slowestMs(ids: Iterable<string>, what: 'shedMs' | 'wakeMs'): number | undefined;
  /** What it may draw while it wakes, as a multiple of its steady draw; 1 where nothing is known. */
  overshoot(id: string): number;
  all(): readonly ResponseCurve[];
  /** What was measured, to be kept; undefined where nothing was since the last call. */
  kept(): string | undefined;
}

export interface ResponseCurve {
  readonly model: string;
  /** Driver, and the version where the machine tells it. */
  readonly firmware: string;
  readonly shedMs: Quantiles | undefined;
  readonly wakeMs: Quantiles | undefined;
  /** While waking, as a multiple of the steady draw. */
  readonly overshoot: Quantiles | undefined;
}

export interface Quantiles {
  readonly machines: number;
  readonly p50: number;
  readonly p99: number;
}

/** What a machine is, as far as its answers depend on it. */
export interface Kind {
  readonly model: string;
  readonly firmware: string;
}

/** The newest of each kind. */
const KEPT = 400;
/** Fewer say nothing. */
const WANTED = 10;
/** After so long a machine that woke draws what it will. */
const STEADY_MS = 5 * MINUTE;
/** Earlier than nearly all of them, so that those that are quicker than the rest are still noticed. */
const FIRST_SHARE = 0.1;
const FIRST_FACTOR = 0.7;
/** What can be promised of nearly all of them. */
const MOST_SHARE = 0.99;

const samples = z.array(z.number());
const kept = z.array(
  z.object({ model: z.string(), firmware: z.string(), shedMs: samples, wakeMs: samples, overshoot: samples }),
);
type Measured = z.infer<typeof kept>[number];

/**
 * @param kindOf what a machine is; undefined where it left the site
 * @param before what `kept` gave in an earlier life
 */
export function createResponseCurves(
  kindOf: (id: string) => Kind | undefined,
  siteNow: () => SiteMs,
  before?: string,
): ResponseCurves {
  const curves = new Map<string, Measured>();
  for (const one of before === undefined ? [] : kept.parse(JSON.parse(before))) curves.set(keyOf(one), one);
  const waking = new Map<string, { readonly from: SiteMs; mostW: number }>();
  let isChanged = false;

  function add(id: string, what: 'shedMs' | 'wakeMs' | 'overshoot', value: number): void {
    const kind = kindOf(id);
    if (kind === undefined) return;
    const key = keyOf(kind);
    const curve = curves.get(key) ?? { ...kind, shedMs: [], wakeMs: [], overshoot: [] };
    curves.set(key, curve);
    curve[what].push(value);
    if (curve[what].length > KEPT) curve[what].shift();
    isChanged = true;
  }
  const curveOf = (id: string): Measured | undefined => {
    const kind = kindOf(id);
    return kind === undefined ? undefined : curves.get(keyOf(kind));
  };

  return {
    look(changed) {
      for (const { target, action, stage, acknowledgedAt, seenInPowerAt } of changed) {
        if (action === 'wake' && stage === 'acknowledged') waking.set(target, { from: siteNow(), mostW: 0 });
        else if (action !== 'wake') waking.delete(target);
        // One whose answer was lost says nothing of how long it took.
        if (stage !== 'seen-in-power' || acknowledgedAt === undefined || seenInPowerAt === undefined) continue;
        if (action === 'sleep') add(target, 'shedMs', seenInPowerAt - acknowledgedAt);
        if (action === 'wake') add(target, 'wakeMs', seenInPowerAt - acknowledgedAt);
      }
    },
    observe(id, { at, powerW, powerBasis, mode }) {
      const watched = waking.get(id);
      if (watched === undefined || powerW === undefined || powerBasis !== 'measured') return;
      watched.mostW = Math.max(watched.mostW, powerW);
      if (at - watched.from < STEADY_MS) return;
      waking.delete(id);
      if (mode?.kind === 'run' && powerW > 0) add(id, 'overshoot', watched.mostW / powerW);
    },
    firstLookMs(id, mode) {
      const curve = curveOf(id);
      const measured = mode === 'sleep' ? curve?.shedMs : curve?.wakeMs;
      return measured === undefined || measured.length < WANTED
        ? undefined
        : FIRST_FACTOR * quantile(measured, FIRST_SHARE);
    },
    slowestMs(ids, what) {
      const kinds = new Set<string>();
      for (const id of ids) {
        const kind = kindOf(id);
        if (kind !== undefined) kinds.add(keyOf(kind));
      }
      const measured = [...kinds].map((key) => curves.get(key)?.[what] ?? []);
      if (measured.length === 0 || measured.some(({ length }) => length < WANTED)) return undefined;
      return Math.max(...measured.map((values) => quantile(values, MOST_SHARE)));
    },
    overshoot(id) {
      const measured = curveOf(id)?.overshoot ?? [];
      return measured.length < WANTED ? 1 : Math.max(1, quantile(measured, MOST_SHARE));
    },
    all: () =>
      [...curves.values()].map(({ model, firmware, shedMs, wakeMs, overshoot }) => ({
        model,
        firmware,
        shedMs: quantilesOf(shedMs),
        wakeMs: quantilesOf(wakeMs),
        overshoot: quantilesOf(overshoot),
      })),
    kept() {
      if (!isChanged) return undefined;
      isChanged = false;
      return JSON.stringify([...curves.values()]);
    },
  };
}

const keyOf = ({ model, firmware }: Kind): string => `${model} ${firmware}`;

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

const quantilesOf = (values: readonly number[]): Quantiles | undefined =>
  values.length === 0
    ? undefined
    : { machines: values.length, p50: quantile(values, 0.5), p99: quantile(values, MOST_SHARE) };
