import type { Feeder, Site } from './site.ts';
import type { FeederFacts } from './snapshot.ts';

/** What a plan may draw through each electrical node of a site, and the halls below it. */
export const feederFacts = ({ feeders }: Pick<Site, 'feeders'>): FeederFacts[] =>
  feeders.map(({ id, ratingMw, marginPct }) => ({
    id,
    usableW: ratingMw * 1e6 * (1 - marginPct / 100),
    hallIds: hallsBelow(feeders, id),
  }));

/** The check of a site file refuses cycles; one that comes here all the same ends, too. */
function hallsBelow(feeders: readonly Feeder[], id: string, above: readonly string[] = []): string[] {
  const feeder = feeders.find((one) => one.id === id);
  if (feeder === undefined || above.includes(id)) return [];
  return [...feeder.halls, ...feeder.feeders.flatMap((below) => hallsBelow(feeders, below, [...above, id]))];
}
