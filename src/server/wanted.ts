import type { WantedClass } from '../dispatch/wanted.ts';
import type { Interval, Site, WantedPoint } from '../model/index.ts';
import { BILLED_QUARTERS } from './billing.ts';

/** GPUs that classes of work wanted lately, by quarter-hour as the books have them. */
export interface WantedHistory {
  booked(interval: Interval): void;
  /** Ascending; a quarter-hour in which its scheduler did not answer is absent. */
  of(workClass: string): readonly WantedPoint[];
}

/** @param before intervals booked already */
export function createWantedHistory(before: readonly Interval[]): WantedHistory {
  const byClass = new Map<string, WantedPoint[]>();
  const keep = ({ start, wanted = [] }: Interval): void => {
    for (const { workClass, gpus, coverage } of wanted) {
      const points = byClass.get(workClass) ?? [];
      byClass.set(workClass, points);
      points.push({ start, gpus, coverage });
      if (points.length > BILLED_QUARTERS) points.shift();
    }
  };
  for (const interval of before.toSorted((a, b) => a.start - b.start)) keep(interval);
  return { booked: keep, of: (workClass) => byClass.get(workClass) ?? [] };
}

/** Classes of work of a site with what was wanted of them. */
export const wantedClasses = (site: Pick<Site, 'clusters'>, history: WantedHistory): Omit<WantedClass, 'nowGpus'>[] =>
  site.clusters.flatMap(({ classes }) =>
    classes.map(({ id, class: className, deadline }) => ({
      id,
      className,
      hasDeadline: deadline !== undefined,
      history: history.of(id),
    })),
  );
