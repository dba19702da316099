import { z } from 'zod';
import { lesserTrust, TRUST, type Site, type SiteMs, type Trust } from '../../model/index.ts';
import type { Store } from '../../store/store.ts';
import type { Journal } from '../journal.ts';

/** How far the site and each of its cohorts may be acted on. */
export interface Levels {
  /** What a person raised the site to, at the most what the site file allows. */
  site(): Trust;
  /** Of a cohort: its own, at the most the site's. Lowering the site lowers all of it at once. */
  of(cohortId: string): Trust;
  /** What a person set for a cohort; absent: nobody did, and it goes with the site. */
  own(cohortId: string): Trust | undefined;
  /** @param cohortId absent: the whole site @throws Error where the site file allows less */
  set(trust: Trust, who: string, why: string, cohortId?: string): void;
}

export interface LevelsOptions {
  readonly store: Pick<Store, 'getMeta' | 'setMeta'>;
  readonly journal: Pick<Journal, 'act'>;
  readonly emulated: boolean;
  site(): Pick<Site, 'trust'>;
  siteNow(): SiteMs;
  /** Jobs that wait because Busbar holds them. */
  heldJobs(): number;
  onTrust(): void;
  askPlan(why: string): void;
}

const SITE_KEY = 'trust';
const COHORTS_KEY = 'trust-cohorts';
const level = z.enum(TRUST);

export async function createLevels(options: LevelsOptions): Promise<Levels> {
  const { store, journal } = options;
  const kept = await store.getMeta(SITE_KEY);
  /** The emulated site has nobody to protect; a real one waits in shadow until a person raises it. */
  let raised: Trust = options.emulated ? 'auto' : level.parse(kept ?? 'shadow');
  const keptOwn = await store.getMeta(COHORTS_KEY);
  const own = new Map(
    Object.entries(keptOwn === undefined ? {} : z.record(z.string(), level).parse(JSON.parse(keptOwn))),
  );
  const site = (): Trust => lesserTrust(raised, options.site().trust);

  function record(who: string, what: string, why: string, cause: string): void {
    const at = options.siteNow();
    journal.act({ id: `trust-${cause}-${at}`, at, who, what, why });
    options.onTrust();
    options.askPlan(`trust of ${cause} set`);
  }

  return {
    site,
    of: (cohortId) => lesserTrust(site(), own.get(cohortId) ?? 'auto'),
    own: (cohortId) => own.get(cohortId),
    set(next, who, why, cohortId) {
      const most = options.site().trust;
      if (cohortId !== undefined) {
        own.set(cohortId, next);
        store.setMeta(COHORTS_KEY, JSON.stringify(Object.fromEntries(own)));
        record(who, `set ${cohortId} to ${next}: ${COHORT_TEXT[next]}`, why, cohortId);
        return;
      }
      if (lesserTrust(next, most) !== next)
        throw new Error(`the site file says trust: ${most}, and a site is raised no further than its file allows`);
      raised = next;
      store.setMeta(SITE_KEY, next);
      record(who, siteText(next, options.heldJobs()), why, 'the site');
    },
  };
}

const COHORT_TEXT: Readonly<Record<Trust, string>> = {
  shadow: 'nothing is written to it, not by orders either',
  suggest: 'a person confirms what the plan wants of it',
  auto: 'it goes as far as the site',
};

/** In shadow nothing is written, so what is held stays held: whoever lowers a site is told. */
function siteText(next: Trust, heldJobs: number): string {
  if (next === 'auto') return 'raise the site to auto: it acts by itself';
  if (next === 'suggest') return 'set the site to suggest: a person confirms what the plan wants';
  const held = heldJobs === 0 ? '' : `; ${heldJobs} jobs that Busbar holds stay held`;
  return `lower the site to shadow: it writes to nothing${held}`;
}
