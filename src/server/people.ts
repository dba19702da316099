import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import type { Trust } from '../control/trust.ts';
import type { Machine, Site, SiteMs } from '../model/index.ts';
import type { Hold, Store } from '../store/store.ts';
import { checkSiteFile, checkSiteText, type Problem } from './offline/check.ts';
import type { Journal } from './journal.ts';
import { ApiProblem, SiteFileProblem } from './problems.ts';
import type { Secrets } from '../vault/secrets.ts';
import { changeText, diffSites, type SiteChange } from './site-diff.ts';
import { createLevels, type Levels } from './trust/levels.ts';

export type ReloadOutcome =
  | { readonly ok: true; readonly applied: boolean; readonly changes: readonly SiteChange[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** What a person may do to the running site; each is on record with who and why. */
export interface People {
  holds(): ReadonlyMap<string, Hold>;
  hold(cohortId: string, who: string, why: string): Promise<void>;
  unhold(cohortId: string, who: string, why: string): Promise<boolean>;
  /** How far the site acts now. */
  trust(): Trust;
  /** How far it acts on each cohort, and who may say so. */
  readonly levels: Levels;
  /** Reads the site file again and follows it, unless it is wrong or only a look is asked for. */
  reload(who: string, why: string, onlyLook: boolean): Promise<ReloadOutcome>;
  /**
   * Writes the site file and follows it, unless what becomes of it is wrong or only a look is asked for.
   * @param change from the text that is followed now to another
   * @throws ApiProblem 409 where the file has been changed by somebody else since it was read; SiteFileProblem where it has mistakes already
   */
  edit(change: (text: string) => string, who: string, why: string, onlyLook: boolean): Promise<ReloadOutcome>;
}

export interface PeopleOptions {
  readonly store: Store;
  readonly journal: Journal;
  readonly secrets: Secrets;
  /** Absent: this server has no file to read again. */
  readonly siteFile: string | undefined;
  readonly emulated: boolean;
  site(): Site;
  siteNow(): SiteMs;
  /** Jobs that wait because Busbar holds them. */
  heldJobs(): number;
  follow(site: Site, machines: readonly Machine[]): void;
  onTrust(): void;
  /** Nothing is wanted of a cohort any more, from now on and not from the next plan on: that may be long in coming. */
  leave(cohortId: string): void;
  askPlan(why: string): void;
}

const MOST_TOLD = 6;

export async function createPeople(options: PeopleOptions): Promise<People> {
  const { store, journal, siteFile, secrets } = options;
  const holds = new Map((await store.holds()).map((hold) => [hold.cohortId, hold]));
  const levels = await createLevels(options);
  let editing: Promise<unknown> = Promise.resolve();

  async function edit(file: string, change: (text: string) => string, who: string, why: string, onlyLook: boolean) {
    const text = await readFile(file, 'utf8');
    const onDisk = checkSiteText(text, file, secrets);
    if (!onDisk.ok) throw new SiteFileProblem(onDisk.problems);
    if (diffSites(options.site(), onDisk.site).length > 0)
      throw new ApiProblem(
        409,
        'The site file was changed',
        'what somebody wrote into it is not followed yet, and would be followed with this: see busbar reload --dry-run',
      );
    const next = change(text);
    const checked = checkSiteText(next, file, secrets);
    if (!checked.ok) return { ok: false, problems: checked.problems } as const;
    const changes = diffSites(options.site(), checked.site);
    if (onlyLook || changes.length === 0) return { ok: true, applied: false, changes } as const;
    // Renamed into its place: a power cut leaves the old file or the new one, and never half of one.
    const beside = `${file}.new`;
    try {
      await writeFile(beside, next, { mode: (await stat(file)).mode & 0o777, flush: true });
      await rename(beside, file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new ApiProblem(409, 'The site file cannot be written', `${file}: ${code}; write it by hand, and reload it`);
    }
    return people.reload(who, why, false);
  }

  const people: People = {
    holds: () => holds,
    async hold(cohortId, who, why) {
      const at = options.siteNow();
      // One that is held again is held since it first was: what an order did to it since goes back with that order.
      const hold: Hold = { cohortId, who, why, since: holds.get(cohortId)?.since ?? at };
      await store.setHold(hold);
      holds.set(cohortId, hold);
      journal.act({ id: `hold-${cohortId}-${at}`, at, who, what: `hold ${cohortId} out of the plan`, why });
      options.leave(cohortId);
      options.askPlan(`${cohortId} held`);
    },
    async unhold(cohortId, who, why) {
      const was = await store.clearHold(cohortId);
      holds.delete(cohortId);
      if (!was) return false;
      const at = options.siteNow();
      journal.act({ id: `unhold-${cohortId}-${at}`, at, who, what: `give ${cohortId} back to the plan`, why });
      options.askPlan(`${cohortId} given back`);
      return true;
    },
    trust: () => levels.site(),
    levels,
    async reload(who, why, onlyLook) {
      if (siteFile === undefined) throw new Error('this server was not started from a site file');
      const checked = await checkSiteFile(siteFile, secrets);
      if (!checked.ok) return { ok: false, problems: checked.problems };
      const changes = diffSites(options.site(), checked.site);
      if (onlyLook || changes.length === 0) return { ok: true, applied: false, changes };
      options.follow(checked.site, checked.machines);
      const at = options.siteNow();
      const told = changes.slice(0, MOST_TOLD).map(changeText).join('; ');
      const more = changes.length > MOST_TOLD ? ` and ${changes.length - MOST_TOLD} more` : '';
      journal.act({ id: `reload-${at}`, at, who, what: `reload the site file: ${told}${more}`, why });
      return { ok: true, applied: true, changes };
    },
    async edit(change, who, why, onlyLook) {
      if (siteFile === undefined)
        throw new ApiProblem(
          409,
          'No site file',
          'a rehearsal changes no site file: write it by hand, and start it anew',
        );
      // One after the other: two that read the same file would each write over what the other wrote.
      const edited = editing.then(() => edit(siteFile, change, who, why, onlyLook));
      editing = edited.catch(() => {});
      return edited;
    },
  };
  return people;
}
