import { z } from 'zod';
import { clusters } from '../clusters/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { drivers } from '../drivers/index.ts';
import type { Driver } from '../drivers/driver.ts';
import { feeds } from '../feeds/index.ts';
import type { Feed } from '../feeds/feed.ts';
import {
  addressesOf,
  machineId,
  siteParts,
  siteSchema,
  type Machine,
  type DeviceKind,
  type Site,
} from '../model/index.ts';
import { crossIssues } from './site-rules.ts';

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

export type SiteResult =
  | { readonly ok: true; readonly site: Site; readonly machines: readonly Machine[] }
  | { readonly ok: false; readonly issues: readonly SiteIssue[] };

const serving = (...kinds: readonly DeviceKind[]): readonly Driver[] =>
  drivers.filter(({ serves }) => serves.some((kind) => kinds.includes(kind)));

/** One entry of a list, in as many shapes as there are plug-ins for it. */
function entry(
  base: z.ZodObject,
  key: 'driver' | 'feed',
  plugins: readonly { readonly name: string; readonly about: string; readonly config: z.ZodType }[],
): z.ZodType {
  const shapes = plugins.map(({ name, about, config }) =>
    base.extend({ [key]: z.literal(name), settings: config.prefault({}).describe(about) }),
  );
  return z.discriminatedUnion(key, shapes as never);
}

/** The whole site file, one schema: what `busbar check` asks and `busbar schema` publishes. */
export const fullSiteSchema = siteSchema.extend({
  machines: z.array(entry(siteParts.machine, 'driver', serving('asic', 'gpu-server'))),
  meters: z.array(entry(siteParts.meter, 'driver', serving('meter'))),
  uplinks: z.array(entry(siteParts.uplink, 'driver', serving('uplink'))).default([]),
  plant: z.array(entry(siteParts.plant, 'driver', serving('pdu', 'cooling'))).default([]),
  clusters: z.array(entry(siteParts.cluster, 'driver', clusters)).default([]),
  feeds: z.array(entry(siteParts.feed, 'feed', feeds)),
});

/** Checks everything and reports every mistake at once: those of shape beside those only the whole shows. */
export function parseSite(raw: unknown): SiteResult {
  const parsed = fullSiteSchema.safeParse(raw);
  const issues = [...(parsed.success ? [] : parsed.error.issues.flatMap(toIssues)), ...crossIssues(raw)];
  if (!parsed.success || issues.length > 0) return { ok: false, issues: unique(issues) };
  const site = parsed.data as Site;
  return { ok: true, site, machines: machinesOf(site) };
}

const unique = (issues: readonly SiteIssue[]): SiteIssue[] => [
  ...new Map(issues.map((issue) => [`${JSON.stringify(issue.path)} ${issue.message}`, issue])).values(),
];

const PLUGINS: Readonly<Record<string, () => readonly { readonly name: string }[]>> = {
  machines: () => serving('asic', 'gpu-server'),
  meters: () => serving('meter'),
  uplinks: () => serving('uplink'),
  plant: () => serving('pdu', 'cooling'),
  clusters: () => clusters,
  feeds: () => feeds,
};

/** zod's words, made whole: unknown keys one by one, unknown plug-ins with those there are, references explained. */
function toIssues(issue: z.core.$ZodIssue): SiteIssue[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...path, key], message: `unknown key "${key}"` }));
  if (issue.code === 'invalid_union' && 'discriminator' in issue && issue.discriminator !== undefined) {
    const known = PLUGINS[String(path[0])]?.().map(({ name }) => name);
    const expected = known === undefined ? issue.message : `expected one of: ${known.join(', ')}`;
    return [{ path, message: known === undefined ? expected : `unknown ${issue.discriminator}, ${expected}` }];
  }
  // A union with words of its own says what it wants; one without says it form by form.
  if (issue.code === 'invalid_union' && issue.message === 'Invalid input')
    return [
      {
        path,
        message: `expected ${issue.errors
          .flat()
          .map(({ message }) => message)
          .join(', or ')}`,
      },
    ];
  return [{ path, message: issue.message.replace(/^Invalid input: /, '') }];
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
