import { dayStart, HOUR, MINUTE, siteMs, type SiteMs } from './clock.ts';
import { dayOf, inForce } from './contracts.ts';
import type { Award, Site } from './site.ts';
import type { AwardFacts } from './snapshot.ts';

/** Days of the site's calendar that a horizon of a day can touch, with one to spare for a longer one. */
const DAYS_AHEAD = 3;

/** Ancillary awards with the spans they are held in, from the day of `at` on; one that holds in none of them is left out. */
export function awardFacts(site: Pick<Site, 'awards' | 'timezone'>, at: SiteMs): AwardFacts[] {
  if (site.awards.length === 0) return [];
  const days: SiteMs[] = [dayStart(at, site.timezone)];
  // No local day is shorter than 23 hours or longer than 25.
  while (days.length < DAYS_AHEAD) days.push(dayStart(siteMs(days.at(-1)! + 26 * HOUR), site.timezone));
  return site.awards.flatMap((award) => {
    const spans = days
      .filter((day) => inForce(award, dayOf(day, site.timezone)))
      .map((day) => spanOf(award, day, site.timezone));
    if (spans.length === 0) return [];
    const { id, mw, usdPerMwHour, shortfallUsdPerMwh, responseSeconds } = award;
    return [{ id, awardedW: mw * 1e6, usdPerMwHour, shortfallUsdPerMwh, responseSeconds, spans }];
  });
}

function spanOf({ hours }: Award, day: SiteMs, timezone: string): AwardFacts['spans'][number] {
  const { from, until } = hours;
  return { from: localTime(day, from, timezone), until: localTime(day, until, timezone) };
}

/** A time of a local day, given by its midnight: `24:00` is the next one. On days when the clocks change, too. */
function localTime(day: SiteMs, text: string, timezone: string): SiteMs {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  if (hours === 24) return dayStart(siteMs(day + 26 * HOUR), timezone);
  const guess = siteMs(day + hours * HOUR + minutes * MINUTE);
  const told = minutesOfDay(guess, timezone);
  return siteMs(guess + (hours * 60 + minutes - told) * MINUTE);
}

function minutesOfDay(at: SiteMs, timezone: string): number {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, hour: '2-digit', minute: '2-digit' });
  const [hours = 0, minutes = 0] = format.format(at).split(':').map(Number);
  return hours * 60 + minutes;
}
