import { DAY, MINUTE, siteMs, type SiteMs } from './clock.ts';
import type { Site } from './site.ts';
import type { ProgramCallFacts } from './snapshot.ts';

/** Calls of curtailment programs that are not over at `at` and begin within the next two days. */
export const programCallFacts = ({ programs }: Pick<Site, 'programs'>, at: SiteMs): ProgramCallFacts[] =>
  programs.flatMap(({ id, firmMw, noticeMinutes, penaltyUsdPerMwh, calls }) =>
    calls.flatMap((call): ProgramCallFacts[] => {
      const from = siteMs(Date.parse(call.at) + noticeMinutes * MINUTE);
      const until = siteMs(Date.parse(call.until));
      if (until <= at || from >= at + 2 * DAY) return [];
      return [{ id, firmW: firmMw * 1e6, penaltyUsdPerMwh, from, until }];
    }),
  );
