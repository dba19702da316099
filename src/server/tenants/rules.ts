import type { SiteIssue } from '../registry.ts';

/** What only the whole of a site file shows of its tenants. Works on the file as it was read, as the other rules do. */

type Raw = Readonly<Record<string, unknown>>;
type Tell = (path: SiteIssue['path'], message: string) => void;

const isRaw = (value: unknown): value is Raw => typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (of: Raw, list: string): readonly unknown[] => {
  const found = of[list];
  return Array.isArray(found) ? (found as unknown[]) : [];
};
const entries = (of: Raw, list: string) =>
  listOf(of, list).flatMap((entry, index) => (isRaw(entry) ? [{ index, entry }] : []));

export function tenantRules(site: Raw, tell: Tell): void {
  names(site, tell);
  users(site, tell);
}

/** A name is of one tenant and of one project: jobs are told apart by it alone. */
function names(site: Raw, tell: Tell): void {
  const owners = new Map<unknown, string>();
  const claim = (name: unknown, owner: string, path: SiteIssue['path']): void => {
    if (typeof name !== 'string') return;
    const other = owners.get(name);
    if (other !== undefined) tell(path, `"${name}" is ${other} already, expected a name of its own`);
    else owners.set(name, owner);
  };
  for (const { index, entry } of entries(site, 'tenants')) {
    const ids = new Set<unknown>();
    const of = `of tenant "${String(entry['id'])}"`;
    for (const { index: at, entry: project } of entries(entry, 'projects')) {
      const path = ['tenants', index, 'projects', at];
      if (ids.has(project['id'])) tell([...path, 'id'], `"${String(project['id'])}" is used twice in projects`);
      ids.add(project['id']);
      claim(project['account'], `the account of project "${String(project['id'])}" ${of}`, [...path, 'account']);
    }
    for (const [at, name] of listOf(entry, 'customers').entries()) claim(name, of, ['tenants', index, 'customers', at]);
  }
}

/** Jobs of a tenant run as nobody else: what two tenants, or the site itself, would share, each could read of the other. */
function users(site: Raw, tell: Tell): void {
  const clusters = new Map(entries(site, 'clusters').map(({ entry }) => [entry['id'], entry]));
  const taken = new Map<string, string>();
  for (const [id, { driver, settings }] of clusters) {
    if (!isRaw(settings)) continue;
    if (driver === 'local' && typeof settings['userId'] === 'number')
      taken.set(`userId ${settings['userId']}`, `jobs of the site on "${String(id)}" run as`);
    if (driver !== 'slurm') continue;
    const { user = 'busbar' } = settings;
    if (typeof user === 'string') taken.set(`${String(id)} user ${user}`, 'Busbar itself is');
  }
  for (const { index, entry } of entries(site, 'tenants')) {
    const seen = new Set<unknown>();
    for (const { index: at, entry: one } of entries(entry, 'runAs')) {
      const path = ['tenants', index, 'runAs', at];
      const { cluster: id, user, token, userId } = one;
      const cluster = clusters.get(id);
      if (cluster === undefined) {
        const known =
          clusters.size === 0 ? 'this file has no clusters' : `expected one of: ${[...clusters.keys()].join(', ')}`;
        if (typeof id === 'string') tell([...path, 'cluster'], `no cluster "${id}", ${known}`);
        continue;
      }
      if (seen.has(id)) tell([...path, 'cluster'], `"${String(id)}" has an entry above already`);
      seen.add(id);
      const { driver } = cluster;
      if (driver === 'local' ? userId === undefined : driver === 'slurm' && (user === undefined || token === undefined))
        tell(path, driver === 'local' ? 'on a local cluster expected userId' : 'on a Slurm expected user and token');
      if (driver === 'local' ? user !== undefined || token !== undefined : userId !== undefined)
        tell(
          path,
          driver === 'local'
            ? 'a local cluster knows no user and token, expected userId alone'
            : 'userId is for a local cluster alone',
        );
      if (driver !== 'local' && driver !== 'slurm')
        tell(
          [...path, 'cluster'],
          `${String(driver)} runs no jobs as a user of a tenant, expected a cluster of slurm or local`,
        );
      const key =
        typeof userId === 'number'
          ? `userId ${userId}`
          : typeof user === 'string'
            ? `${String(id)} user ${user}`
            : undefined;
      if (key === undefined) continue;
      const mine = `jobs of tenant "${String(entry['id'])}" run as`;
      const other = taken.get(key);
      if (other !== undefined && other !== mine) tell(path, `${other} the same user, expected one of its own`);
      taken.set(key, mine);
    }
  }
}
