import { z } from 'zod';
import type { Desire } from '../../control/commands.ts';
import type { WorkAction } from '../../control/work.ts';
import { HOUR, type Plan, type SiteMs, siteMs, type Trust, type WallMs } from '../../model/index.ts';
import type { SuggestionView } from '../../model/trust-api.ts';
import type { Journal } from '../journal.ts';

/** What the plan would change of a cohort that it may not move by itself. */
export type Suggestion = Omit<SuggestionView, 'madeAt' | 'plansLeft'> & {
  readonly madeAt: SiteMs;
  /** Of jobs: what is told their scheduler. */
  readonly actions?: readonly WorkAction[];
};

/** Why something is not confirmed, in words for whoever asked. */
export class SuggestionRefusal extends Error {}

/** What a person confirmed of one cohort, until its machines are seen so. */
export interface Underway {
  readonly cohort: string;
  readonly actId: string;
  readonly who: string;
  readonly why: string;
  readonly since: SiteMs;
  readonly machines: number;
  /** By machine, those not yet seen in the mode confirmed. */
  readonly left: ReadonlyMap<string, Desire>;
}

export interface Confirmed {
  readonly actId: string;
  readonly cohort: string;
  /** That are told to change. */
  readonly machines: number;
}

export interface Suggestions {
  /** The newest of each cohort, and how many plans it has left. */
  list(): readonly { readonly suggestion: Suggestion; readonly plansLeft: number }[];
  underway(): readonly Underway[];
  /** A plan is in force: what is older than the plan before it expires. @returns the round that `tell` answers */
  planned(): number;
  /** What that plan wants, of all cohorts; what it wants no more is taken back. Nothing where somebody confirmed one meanwhile. */
  tell(round: number, wanted: readonly Suggestion[]): void;
  /**
   * Carries one out, once. All others are taken back: they were worked out without it, and the plan that is asked for at once tells them anew.
   * @throws SuggestionRefusal where it is none any more or its cohort is in shadow, held, or under an order
   */
  confirm(id: string, who: string, why: string): Confirmed;
  /** Forgets what is seen done, what took too long, and what may not be done any more. */
  look(): void;
}

export interface SuggestionsOptions {
  readonly journal: Pick<Journal, 'act'>;
  /** Keeps what is under way, for the next life of the process. */
  keep(text: string): void;
  trustOf(cohortId: string): Trust;
  isHeld(cohortId: string): boolean;
  isOrdered(): boolean;
  siteNow(): SiteMs;
  wallNow(): WallMs;
  /** Which machines of a cohort change, and to what, so that it comes to these counts by mode key. */
  assign(cohortId: string, to: Readonly<Record<string, number>>): ReadonlyMap<string, string>;
  /** The mode a machine is seen in, and when; `isProven` is false while a command to it is not yet seen in its power. */
  seen(machineId: string): { readonly mode: string; readonly at: SiteMs; readonly isProven: boolean } | undefined;
  /** Told before the first command, so that meters are read. */
  begin(actId: string, machineIds: readonly string[]): void;
  /** Tells a scheduler what a person confirmed of its jobs. */
  tellJobs(clusterId: string, actions: readonly WorkAction[], act: { actId: string; who: string; why: string }): void;
  askPlan(why: string): void;
}

/** It may be confirmed until the plan after next. */
const PLANS = 2;
/** Machines wake a few a minute; what is not done by then is left, and suggested anew. On both clocks: the site's may be fast. */
const LONGEST_SITE_MS = HOUR;
const LONGEST_WALL_MS = 120_000;

interface Told {
  readonly suggestion: Suggestion;
  plansLeft: number;
}

interface Going extends Underway {
  readonly left: Map<string, Desire>;
  readonly sinceWall: WallMs;
  /** Whether the meters were read before its first command. */
  begun: boolean;
}

const kept = z.array(
  z.object({
    cohort: z.string(),
    actId: z.string(),
    who: z.string(),
    why: z.string(),
    since: z.number().transform(siteMs),
    machines: z.number(),
    left: z.array(z.tuple([z.string(), z.string()])),
  }),
);

/** @param before what was kept last in an earlier life: what a person confirmed goes on, under an act of its own */
export function createSuggestions(options: SuggestionsOptions, before?: string): Suggestions {
  let told: readonly Told[] = [];
  const underway = new Map<string, Going>();
  let round = 0;
  for (const one of before === undefined ? [] : kept.parse(JSON.parse(before))) goOn(one);

  /** Commands are counted anew in each life: under the act of before they would be taken for others of it. */
  function goOn({ left, ...one }: z.infer<typeof kept>[number]): void {
    const at = options.siteNow();
    const actId = `${one.actId.replace(/-again-\d+$/, '')}-again-${at}`;
    const { who, why, cohort, machines } = one;
    const what = `go on after a restart with what was confirmed of ${cohort}: ${left.length} of ${machines} machines are not seen so`;
    options.journal.act({ id: actId, at, who, what, why });
    const desires = left.map(([id, mode]): [string, Desire] => [id, { mode, actId, who, why, confirmed: true }]);
    underway.set(cohort, { ...one, actId, sinceWall: options.wallNow(), left: new Map(desires), begun: false });
  }

  function keep(): void {
    const all = [...underway.values()].map(({ cohort, actId, who, why, since, machines, left }) => ({
      cohort,
      actId,
      who,
      why,
      since,
      machines,
      left: [...left].map(([id, { mode }]) => [id, mode]),
    }));
    options.keep(JSON.stringify(all));
  }

  /** Why what was confirmed ends before it is done; undefined: it goes on. */
  function endOf({ cohort, since, sinceWall }: Going): string | undefined {
    const trust = options.trustOf(cohort);
    if (trust !== 'suggest') return `${cohort} is in ${trust}`;
    if (options.isHeld(cohort)) return `a person holds ${cohort}`;
    if (options.isOrdered()) return 'an order is in force';
    const isLate = options.siteNow() - since > LONGEST_SITE_MS && options.wallNow() - sinceWall > LONGEST_WALL_MS;
    return isLate ? 'an hour is over since it was confirmed' : undefined;
  }

  function end({ cohort, actId, who, machines, left }: Going, why: string): void {
    const at = options.siteNow();
    const what = `end what ${who} confirmed of ${cohort}: ${left.size} of ${machines} machines were not seen so`;
    options.journal.act({ id: `end-${actId}-${at}`, at, who: 'busbar', what, why });
  }

  function mustBePossible({ cohort }: Suggestion): void {
    const trust = options.trustOf(cohort);
    if (trust === 'shadow')
      throw new SuggestionRefusal(`${cohort} is in shadow: nothing is written to it (busbar trust raises it)`);
    if (trust === 'auto') throw new SuggestionRefusal(`${cohort} is in auto: the plan moves it by itself`);
    if (options.isHeld(cohort)) throw new SuggestionRefusal(`a person holds ${cohort} (busbar release ${cohort})`);
    if (options.isOrdered()) throw new SuggestionRefusal('an order is in force: it moves this cohort (busbar orders)');
  }

  return {
    list: () => [...new Map(told.map((one) => [keyOf(one.suggestion), one])).values()],
    underway: () => [...underway.values()],
    planned() {
      for (const one of told) one.plansLeft -= 1;
      told = told.filter(({ plansLeft }) => plansLeft > 0);
      round += 1;
      return round;
    },
    tell(of, wanted) {
      if (of !== round) return;
      const before = new Map(told.map((one) => [keyOf(one.suggestion), one]));
      const stays = new Set(wanted.map(keyOf));
      const older = told.filter(({ suggestion }) => stays.has(keyOf(suggestion)));
      told = [
        ...older.filter(({ suggestion }) => !wanted.some((one) => isSame(one, suggestion))),
        ...wanted.map((one): Told => {
          const same = before.get(keyOf(one));
          // The same wish keeps its id: a button must not change under a person's finger.
          const id = same !== undefined && isSame(same.suggestion, one) ? same.suggestion.id : one.id;
          return { suggestion: { ...one, id }, plansLeft: PLANS };
        }),
      ];
    },
    confirm(id, who, why) {
      const found = told.find(({ suggestion }) => suggestion.id === id)?.suggestion;
      if (found === undefined)
        throw new SuggestionRefusal('this suggestion has expired, was confirmed, or never was (busbar suggestions)');
      mustBePossible(found);
      const { cohort } = found;
      round += 1;
      const at = options.siteNow();
      const actId = `suggestion-${id}-${at}`;
      if (found.actions !== undefined) {
        told = [];
        options.journal.act({ id: actId, at, who, what: `confirm: jobs of ${wordsOf(found)}`, why });
        options.tellJobs(cohort, found.actions, { actId, who, why });
        options.askPlan(`${who} confirmed a suggestion`);
        return { actId, cohort, machines: found.actions.length };
      }
      const left = new Map<string, Desire>();
      for (const [machine, mode] of options.assign(cohort, found.to)) {
        if (options.seen(machine)?.mode !== mode) left.set(machine, { mode, actId, who, why, confirmed: true });
      }
      told = [];
      options.journal.act({ id: actId, at, who, what: `confirm: ${wordsOf(found)}`, why });
      if (left.size > 0) {
        options.begin(actId, [...left.keys()]);
        const machines = left.size;
        const sinceWall = options.wallNow();
        underway.set(cohort, { cohort, actId, who, why, since: at, sinceWall, machines, left, begun: true });
        keep();
      }
      options.askPlan(`${who} confirmed a suggestion`);
      return { actId, cohort, machines: left.size };
    },
    look() {
      let isChanged = false;
      for (const [cohort, going] of underway) {
        const { left, since, actId } = going;
        const before = left.size;
        for (const [machine, { mode }] of left) {
          const seen = options.seen(machine);
          if (seen?.mode === mode && seen.at > since && seen.isProven) left.delete(machine);
        }
        if (!going.begun && [...left.keys()].some((id) => options.seen(id) !== undefined)) {
          going.begun = true;
          options.begin(actId, [...left.keys()]);
        }
        const ended = left.size === 0 ? undefined : endOf(going);
        if (ended !== undefined) end(going, ended);
        if (left.size === 0 || ended !== undefined) underway.delete(cohort);
        isChanged ||= left.size !== before || ended !== undefined;
      }
      if (isChanged) keep();
    },
  };
}

/** A group of miners and a cluster may have one name. */
const keyOf = ({ kind, cohort }: Suggestion): string => `${kind} ${cohort}`;
const jobsText = ({ actions = [] }: Suggestion): string => actions.map(({ kind, job }) => `${kind} ${job.id}`).join();
const isSame = (a: Suggestion, b: Suggestion): boolean =>
  keyOf(a) === keyOf(b) && movesText(a) === movesText(b) && jobsText(a) === jobsText(b);

const movesText = ({ moves }: Pick<Suggestion, 'moves'>): string =>
  moves.map(({ from, to, machines }) => `${machines.toLocaleString('en-US')} from ${from} to ${to}`).join(', ');

export const wordsOf = (one: Pick<Suggestion, 'cohort' | 'moves'>): string => `${one.cohort}: ${movesText(one)}`;

/** Machines that leave a mode, paired with those that come into one: first with first. */
export function movesBetween(
  from: Readonly<Record<string, number>>,
  to: Readonly<Record<string, number>>,
): Suggestion['moves'] {
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort();
  const change = keys.map((mode) => ({ mode, by: Math.round((to[mode] ?? 0) - (from[mode] ?? 0)) }));
  const leave = change.filter(({ by }) => by < 0).map(({ mode, by }) => ({ mode, left: -by }));
  const moves: Suggestion['moves'] = [];
  for (const { mode, by } of change) {
    for (let come = by; come > 0;) {
      const source = leave.find(({ left }) => left > 0);
      if (source === undefined) break;
      const machines = Math.min(come, source.left);
      moves.push({ from: source.mode, to: mode, machines });
      source.left -= machines;
      come -= machines;
    }
  }
  return moves;
}

/** Less than this over a day is rounding of whole machines. */
export const WORTH_TELLING_USD = 0.01;

/**
 * What a plan that may move one cohort more wants of it.
 * @param kept the plan in force, in which it stays as it is @param free the same with the cohort free
 * @param rateUsdPerHour what the running step of a plan earns at the prices of now; undefined where nobody can tell
 */
export function suggestionOf(facts: {
  readonly id: string;
  readonly cohort: { readonly id: string; readonly now: Readonly<Record<string, number>> };
  readonly trust: 'shadow' | 'suggest';
  readonly kept: Plan;
  readonly free: Plan;
  readonly at: SiteMs;
  rateUsdPerHour(plan: Plan): number | undefined;
}): Suggestion | undefined {
  const { cohort, kept, free } = facts;
  const [was, would] = [kept.steps[0], free.steps[0]];
  const to = would?.cohorts[cohort.id];
  if (was === undefined || would === undefined || to === undefined) return undefined;
  const moves = movesBetween(cohort.now, to);
  if (moves.length === 0) return undefined;
  const isProven = [kept, free].every(({ status }) => status === 'optimal');
  const usdHorizon = isProven ? free.objectiveUsd - kept.objectiveUsd : null;
  if (usdHorizon !== null && usdHorizon < WORTH_TELLING_USD) return undefined;
  const [wasUsd, wouldUsd] = [facts.rateUsdPerHour(kept), facts.rateUsdPerHour(free)];
  return {
    id: facts.id,
    kind: 'machines',
    cohort: cohort.id,
    trust: facts.trust,
    madeAt: facts.at,
    moves,
    from: whole(cohort.now),
    to: whole(to),
    importDeltaW: would.importW - was.importW,
    why: reasonOf(cohort.id, free),
    usdPerHour: wasUsd === undefined || wouldUsd === undefined ? null : wouldUsd - wasUsd,
    usdHorizon,
  };
}

const whole = (counts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).flatMap(([mode, n]) => (Math.round(n) > 0 ? [[mode, Math.round(n)]] : [])));

/** The plan's own sentence on the cohort, where it has one. */
function reasonOf(cohortId: string, { why, steps }: Plan): string {
  const sentence = why?.changes.find((one) => one.includes(` of ${cohortId} `));
  return sentence ?? `the plan says so at a price of $${steps[0]!.priceUsdPerMwh.toFixed(2)}/MWh; nothing tells why`;
}
