import type { z } from 'zod';
import { clusters } from '../clusters/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { drivers } from '../drivers/index.ts';
import type { Driver } from '../drivers/driver.ts';
import { feeds } from '../feeds/index.ts';
import type { Feed } from '../feeds/feed.ts';
import { addressesOf, CATALOGUE, machineId, siteSchema, type Machine, type Site } from '../model/index.ts';

/** The site schema composed from what drivers, feeds and clusters declare of themselves. */

const byName = <T extends { readonly name: string }>(plugins: readonly T[]): ReadonlyMap<string, T> =>
  new Map(plugins.map((plugin) => [plugin.name, plugin]));

export const DRIVERS: ReadonlyMap<string, Driver> = byName(drivers);
export const FEEDS: ReadonlyMap<string, Feed> = byName(feeds);
export const CLUSTERS: ReadonlyMap<string, Cluster> = byName(clusters);

/** One mistake in a site file: where, and in words. */
export interface SiteIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Settings as their plug-in wants them, defaults filled in. */
export type Settings = Record<string, unknown>;

export type SiteResult =
  | { readonly ok: true; readonly site: Site; readonly machines: readonly Machine[] }
  | { readonly ok: false; readonly issues: readonly SiteIssue[] };

/** Checks everything and reports every mistake at once. */
export function parseSite(raw: unknown): SiteResult {
  const parsed = siteSchema.safeParse(raw);
  if (!parsed.success) return { ok: false, issues: parsed.error.issues.flatMap(toIssues) };
  const site = parsed.data;
  const issues = [
    ...pluginIssues(site.machines, 'machines', 'driver', DRIVERS),
    ...pluginIssues(site.meters, 'meters', 'driver', DRIVERS),
    ...pluginIssues(site.clusters, 'clusters', 'driver', CLUSTERS),
    ...pluginIssues(site.feeds, 'feeds', 'feed', FEEDS),
    ...referenceIssues(site),
    ...addressIssues(site),
  ];
  if (issues.length > 0) return { ok: false, issues };
  return { ok: true, site: withDefaults(site), machines: machinesOf(site) };
}

function toIssues(issue: z.core.$ZodIssue): SiteIssue[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: `unknown key "${key}"` }));
  }
  return [{ path, message: issue.message }];
}

function pluginIssues(
  entries: readonly { readonly settings: Settings }[],
  list: string,
  key: 'driver' | 'feed',
  plugins: ReadonlyMap<string, { readonly config: z.ZodType }>,
): SiteIssue[] {
  return entries.flatMap((entry, index) => {
    const name = (entry as unknown as Record<string, unknown>)[key] as string;
    const plugin = plugins.get(name);
    if (plugin === undefined) {
      const known = [...plugins.keys()].join(', ');
      return [{ path: [list, index, key], message: `unknown ${key} "${name}", expected one of: ${known}` }];
    }
    const settings = plugin.config.safeParse(entry.settings);
    if (settings.success) return [];
    return settings.error.issues
      .flatMap(toIssues)
      .map((issue) => ({ ...issue, path: [list, index, 'settings', ...issue.path] }));
  });
}

function referenceIssues(site: Site): SiteIssue[] {
  const halls = new Set(site.halls.map((hall) => hall.id));
  const issues: SiteIssue[] = [];
  const wantHall = (id: string, path: SiteIssue['path']) => {
    if (!halls.has(id)) issues.push({ path, message: `no hall "${id}", expected one of: ${[...halls].join(', ')}` });
  };
  for (const [i, group] of site.machines.entries()) {
    wantHall(group.hall, ['machines', i, 'hall']);
    const model = CATALOGUE.get(group.model);
    if (model !== undefined && model.kind !== group.kind) {
      issues.push({
        path: ['machines', i, 'kind'],
        message: `${group.model} is of kind ${model.kind}, found ${group.kind}`,
      });
    }
  }
  for (const [i, cluster] of site.clusters.entries()) wantHall(cluster.hall, ['clusters', i, 'hall']);
  for (const [i, meter] of site.meters.entries()) {
    if (typeof meter.measures === 'object') wantHall(meter.measures.hall, ['meters', i, 'measures', 'hall']);
  }
  const lists = {
    halls: site.halls,
    meters: site.meters,
    machines: site.machines,
    clusters: site.clusters,
    leases: site.leases,
    feeds: site.feeds,
  };
  for (const [list, entries] of Object.entries(lists)) {
    const seen = new Set<string>();
    for (const [i, { id }] of entries.entries()) {
      if (seen.has(id)) issues.push({ path: [list, i, 'id'], message: `"${id}" is used twice in ${list}` });
      seen.add(id);
    }
  }
  return issues;
}

function addressIssues(site: Site): SiteIssue[] {
  const owners = new Map<string, string>();
  const issues: SiteIssue[] = [];
  const claim = (address: string, owner: string, path: SiteIssue['path']): boolean => {
    const other = owners.get(address);
    if (other !== undefined) issues.push({ path, message: `${address} belongs to "${other}" already` });
    else owners.set(address, owner);
    return other === undefined;
  };
  for (const [i, group] of site.machines.entries()) {
    const path = ['machines', i, 'addresses'];
    const addresses = addressesOf(group.addresses);
    if (addresses.length === 0) issues.push({ path, message: `"${group.addresses}" ends before it begins` });
    // One overlap names the mistake; thousands of lines would bury it.
    addresses.every((address) => claim(address, group.id, path));
  }
  for (const [i, meter] of site.meters.entries()) claim(meter.address, meter.id, ['meters', i, 'address']);
  return issues;
}

function withDefaults(site: Site): Site {
  const fill = (plugin: { readonly config: z.ZodType } | undefined, settings: Settings): Settings =>
    (plugin?.config.parse(settings) ?? settings) as Settings;
  return {
    ...site,
    machines: site.machines.map((group) => ({ ...group, settings: fill(DRIVERS.get(group.driver), group.settings) })),
    meters: site.meters.map((meter) => ({ ...meter, settings: fill(DRIVERS.get(meter.driver), meter.settings) })),
    clusters: site.clusters.map((cluster) => ({
      ...cluster,
      settings: fill(CLUSTERS.get(cluster.driver), cluster.settings),
    })),
    feeds: site.feeds.map((feed) => ({ ...feed, settings: fill(FEEDS.get(feed.feed), feed.settings) })),
  };
}

function machinesOf(site: Site): Machine[] {
  return site.machines.flatMap((group) =>
    addressesOf(group.addresses).map((address, index) => ({
      id: machineId(group.id, index),
      groupId: group.id,
      kind: group.kind,
      modelId: group.model,
      hallId: group.hall,
      driver: group.driver,
      address,
    })),
  );
}
