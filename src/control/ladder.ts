/**
 * The ladder of preemption, mildest first. `shrink` is missing: no scheduler here can take GPUs from a job that runs and keep it running.
 */
export const RUNGS = [
  'lock-clocks',
  'cap-power',
  'power-off',
  'checkpoint-requeue',
  'pause',
  'requeue',
  'kill',
] as const;
export type RungKind = (typeof RUNGS)[number];

/** One way in which one job, with all of its ranks, or one idle server gives way. */
export interface Rung {
  readonly kind: RungKind;
  /** `cluster/job` or `cluster/node`: one rung of each is taken at the most. */
  readonly subject: string;
  readonly isReserved: boolean;
  /** What it releases; undefined where nobody measured it: it is then counted on for nothing. */
  readonly watts: number | undefined;
  /** Over the time asked for; undefined where no price is known, and then it is not chosen. */
  readonly usd: number | undefined;
}

type Priced<R extends Rung> = R & { readonly watts: number; readonly usd: number };
const isPriced = <R extends Rung>(rung: R): rung is Priced<R> =>
  rung.watts !== undefined && rung.watts > 0 && rung.usd !== undefined;

/**
 * Which rungs release the watts, cheapest first. Reserved work gives way only where all other work together is not enough; within that no
 * rung is taken where a cheaper one that is left would do in its place.
 * @returns in the order of being carried out; of less watts than wanted where there are no more
 */
export function chooseRungs<R extends Rung>(rungs: readonly R[], wantedW: number): Priced<R>[] {
  const known = rungs.filter(isPriced);
  const chosen = new Map<string, Priced<R>>();
  for (const isReserved of [false, true])
    climb(
      known.filter((rung) => rung.isReserved === isReserved),
      chosen,
      wantedW,
    );
  while (drop(chosen, wantedW) || exchange(known, chosen, wantedW));
  return [...chosen.values()].sort(
    (a, b) =>
      Number(a.isReserved) - Number(b.isReserved) ||
      a.usd / a.watts - b.usd / b.watts ||
      RUNGS.indexOf(a.kind) - RUNGS.indexOf(b.kind),
  );
}

/** Takes, again and again, the step that costs least for each watt more; a job may go from a mild rung to a harder one. */
function climb<R extends Rung>(rungs: readonly Priced<R>[], chosen: Map<string, Priced<R>>, wantedW: number): void {
  while (released(chosen) < wantedW) {
    let best: { readonly rung: Priced<R>; readonly usdPerW: number } | undefined;
    for (const rung of rungs) {
      const { watts = 0, usd = 0 } = chosen.get(rung.subject) ?? {};
      if (rung.watts <= watts) continue;
      const usdPerW = (rung.usd - usd) / (rung.watts - watts);
      if (best === undefined || usdPerW < best.usdPerW) best = { rung, usdPerW };
    }
    if (best === undefined) return;
    chosen.set(best.rung.subject, best.rung);
  }
}

const released = (chosen: ReadonlyMap<string, Priced<Rung>>): number =>
  [...chosen.values()].reduce((sum, { watts }) => sum + watts, 0);

const dearestFirst = <R extends Rung>(chosen: ReadonlyMap<string, Priced<R>>): Priced<R>[] =>
  [...chosen.values()].sort((a, b) => Number(b.isReserved) - Number(a.isReserved) || b.usd - a.usd);

/** Lets go the dearest one that the others do without. */
function drop<R extends Rung>(chosen: Map<string, Priced<R>>, wantedW: number): boolean {
  const spareW = released(chosen) - wantedW;
  const found = dearestFirst(chosen).find(({ watts }) => watts <= spareW);
  return found !== undefined && chosen.delete(found.subject);
}

/** Puts a cheaper one in the place of a dearer one, where it is enough. */
function exchange<R extends Rung>(
  rungs: readonly Priced<R>[],
  chosen: Map<string, Priced<R>>,
  wantedW: number,
): boolean {
  const spareW = released(chosen) - wantedW;
  if (spareW < 0) return false;
  const cheapestFirst = rungs.toSorted((a, b) => a.usd - b.usd);
  for (const one of dearestFirst(chosen)) {
    const other = cheapestFirst.find(
      (rung) =>
        rung.usd < one.usd &&
        rung.watts >= one.watts - spareW &&
        (!rung.isReserved || one.isReserved) &&
        (rung.subject === one.subject || !chosen.has(rung.subject)),
    );
    if (other === undefined) continue;
    chosen.delete(one.subject);
    chosen.set(other.subject, other);
    return true;
  }
  return false;
}
