import { drivers } from '../drivers/index.ts';
import { AFTER_OUTAGE, addressesOf, type AfterOutage, CATALOGUE, concaveHull, siteParts } from '../model/index.ts';
import type { SiteIssue } from './registry.ts';
import { tenantRules } from './tenants/rules.ts';

/**
 * What only the whole of a site file shows: references, doubles, overlaps. Works on the file as it was read, so that
 * these mistakes are told beside those of shape; what has the wrong shape is passed over here.
 */

type Raw = Readonly<Record<string, unknown>>;
type Path = SiteIssue['path'];
type Tell = (path: Path, message: string) => void;

const isRaw = (value: unknown): value is Raw => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The entries of a list that are mappings, with their index. */
function entries(site: Raw, list: string): { readonly index: number; readonly entry: Raw }[] {
  const found = site[list];
  return Array.isArray(found)
    ? (found as unknown[]).flatMap((entry, index) => (isRaw(entry) ? [{ index, entry }] : []))
    : [];
}

const LISTS = [
  'halls',
  'feeders',
  'generation',
  'meters',
  'uplinks',
  'plant',
  'machines',
  'pools',
  'clusters',
  'contracts',
  'awards',
  'programs',
  'gridSignals',
  'leases',
  'feeds',
  'owners',
  'tenants',
] as const;

export function crossIssues(site: unknown): SiteIssue[] {
  if (!isRaw(site)) return [];
  const issues: SiteIssue[] = [];
  const tell: Tell = (path, message) => issues.push({ path, message });
  for (const list of LISTS) doubles(site, list, tell);
  for (const { index, entry } of entries(site, 'halls'))
    if (isRaw(entry['cooling'])) doubles(entry['cooling'], 'stages', tell, ['halls', index, 'cooling']);
  references(site, tell);
  feederTree(site, tell);
  generatorSeries(site, tell);
  machineModels(site, tell);
  afterOutages(site, tell);
  coolingPlants(site, tell);
  meterDoubles(site, tell);
  contractTerms(site, tell);
  programCalls(site, tell);
  leaseTerms(site, tell);
  interruptions(site, tell);
  nodeRoles(site, tell);
  kubernetesClasses(site, tell);
  powerSavings(site, tell);
  powerCurves(site, tell);
  servingClasses(site, tell);
  addresses(site, tell);
  listening(site, tell);
  gridSources(site, tell);
  tenantRules(site, tell);
  return issues;
}

function doubles(site: Raw, list: string, tell: Tell, at: Path = []): void {
  const seen = new Set<unknown>();
  for (const { index, entry } of entries(site, list)) {
    if (typeof entry['id'] !== 'string') continue;
    if (seen.has(entry['id'])) tell([...at, list, index, 'id'], `"${entry['id']}" is used twice in ${list}`);
    seen.add(entry['id']);
  }
}

function references(site: Raw, tell: Tell): void {
  const ids = (list: string) => new Set(entries(site, list).map(({ entry }) => entry['id']));
  const halls = ids('halls');
  const owners = ids('owners');
  const classes = new Set(
    entries(site, 'clusters').flatMap(({ entry }) => entries(entry, 'classes').map(({ entry: one }) => one['id'])),
  );
  const want = (known: ReadonlySet<unknown>, what: string, name: unknown, path: Path): void => {
    if (typeof name !== 'string' || known.has(name)) return;
    const expected = known.size === 0 ? `this file has no ${what}s` : `expected one of: ${[...known].join(', ')}`;
    tell(path, `no ${what} "${name}", ${expected}`);
  };
  for (const list of ['machines', 'clusters', 'uplinks', 'plant'])
    for (const { index, entry } of entries(site, list)) want(halls, 'hall', entry['hall'], [list, index, 'hall']);
  for (const { index, entry } of entries(site, 'machines'))
    want(owners, 'owner', entry['owner'], ['machines', index, 'owner']);
  const groups = ids('machines');
  for (const { index, entry } of entries(site, 'plant'))
    if (isRaw(entry['feeds'])) want(groups, 'group', entry['feeds']['group'], ['plant', index, 'feeds', 'group']);
  const feeders = ids('feeders');
  for (const { index, entry } of entries(site, 'feeders')) {
    for (const [list, known, what] of [
      ['halls', halls, 'hall'],
      ['feeders', feeders, 'feeder'],
    ] as const)
      if (Array.isArray(entry[list]))
        for (const [at, name] of entry[list].entries()) want(known, what, name, ['feeders', index, list, at]);
  }
  const { ballast } = site;
  if (isRaw(ballast) && Array.isArray(ballast['groups'])) {
    const kinds = new Map(entries(site, 'machines').map(({ entry }) => [entry['id'], entry['kind']]));
    for (const [at, group] of ballast['groups'].entries()) {
      want(groups, 'group', group, ['ballast', 'groups', at]);
      if (kinds.has(group) && kinds.get(group) !== 'asic')
        tell(['ballast', 'groups', at], `"${String(group)}" has no miners, expected a group of kind asic`);
    }
  }
  const pools = ids('pools');
  for (const { index, entry } of entries(site, 'machines'))
    if (Array.isArray(entry['pools']))
      for (const [at, pool] of entry['pools'].entries()) want(pools, 'pool', pool, ['machines', index, 'pools', at]);
  for (const { index, entry } of entries(site, 'meters')) {
    const { measures } = entry;
    if (isRaw(measures)) want(halls, 'hall', measures['hall'], ['meters', index, 'measures', 'hall']);
  }
  for (const { index, entry } of entries(site, 'contracts'))
    want(classes, 'class of work', entry['work'], ['contracts', index, 'work']);
  for (const { index, entry } of entries(site, 'leases'))
    want(classes, 'class of work', entry['serves'], ['leases', index, 'serves']);
}

/** Every hall and every feeder hangs on one feeder at the most, and none on itself. */
function feederTree(site: Raw, tell: Tell): void {
  const feeders = entries(site, 'feeders');
  const listOf = (entry: Raw, list: string): unknown[] =>
    Array.isArray(entry[list]) ? (entry[list] as unknown[]) : [];
  for (const list of ['halls', 'feeders']) {
    const on = new Map<unknown, unknown>();
    for (const { index, entry } of feeders)
      for (const [at, name] of listOf(entry, list).entries()) {
        if (on.has(name))
          tell(['feeders', index, list, at], `"${String(name)}" hangs on "${String(on.get(name))}" already`);
        else on.set(name, entry['id']);
      }
  }
  const below = new Map(feeders.map(({ entry }) => [entry['id'], listOf(entry, 'feeders')]));
  const reaches = (from: unknown, to: unknown, passed: ReadonlySet<unknown>): boolean =>
    (below.get(from) ?? []).some(
      (next) => next === to || (!passed.has(next) && reaches(next, to, new Set([...passed, next]))),
    );
  for (const { index, entry } of feeders) {
    const { id } = entry;
    if (typeof id === 'string' && reaches(id, id, new Set()))
      tell(['feeders', index, 'feeders'], `"${id}" hangs on itself: expected feeders that stand below it`);
    if (listOf(entry, 'halls').length + listOf(entry, 'feeders').length === 0)
      tell(['feeders', index], 'nothing hangs on it: expected halls or feeders');
  }
}

/** A series tells of one generator: two would each take all of it. */
function generatorSeries(site: Raw, tell: Tell): void {
  const seen = new Map<unknown, unknown>();
  for (const { index, entry } of entries(site, 'generation')) {
    const { series, id } = entry;
    if (series === undefined) continue;
    if (seen.has(series))
      tell(['generation', index, 'series'], `"${String(seen.get(series))}" is told by that already`);
    else seen.set(series, id);
  }
}

function machineModels(site: Raw, tell: Tell): void {
  for (const { index, entry } of entries(site, 'machines')) {
    const model = CATALOGUE.get(String(entry['model']));
    if (model !== undefined && typeof entry['kind'] === 'string' && model.kind !== entry['kind'])
      tell(['machines', index, 'kind'], `${model.id} is of kind ${model.kind}`);
  }
}

/** Heat is carried by cooling. */
function coolingPlants(site: Raw, tell: Tell): void {
  for (const { index, entry } of entries(site, 'plant'))
    if (entry['kind'] === 'pdu' && entry['carriesMw'] !== undefined)
      tell(['plant', index, 'carriesMw'], 'a PDU carries no heat: expected kind cooling, or no carriesMw');
}

/** Nothing is asked for that a driver cannot arm, and no outlet is armed that nobody has said what hangs on. */
function afterOutages(site: Raw, tell: Tell): void {
  for (const list of ['machines', 'plant'])
    for (const { index, entry } of entries(site, list)) {
      const { afterOutage: wanted, driver: name } = entry;
      const driver = drivers.find((one) => one.name === name);
      if (driver === undefined || !AFTER_OUTAGE.includes(wanted as AfterOutage)) continue;
      const path = [list, index, 'afterOutage'];
      const { afterOutage: can } = driver;
      const told =
        can === undefined
          ? []
          : 'always' in can
            ? [can.always]
            : can.arms(isRaw(entry['settings']) ? entry['settings'] : {});
      if (told.length === 0) tell(path, `nothing can be armed through ${driver.name}: expected no afterOutage`);
      else if (!told.includes(wanted as AfterOutage)) {
        const all = told.join(' or ');
        const expected = can !== undefined && 'always' in can ? `${all}, which it does by itself` : all;
        tell(path, `${driver.name} cannot be armed for ${String(wanted)}: expected ${expected}`);
      } else if (list === 'plant' && entry['feeds'] === undefined)
        tell(path, 'no outlet is known to feed a machine: expected feeds beside it');
    }
}

function meterDoubles(site: Raw, tell: Tell): void {
  const seen = new Map<string, unknown>();
  for (const { index, entry } of entries(site, 'meters')) {
    const what = JSON.stringify(entry['measures']);
    if (what === undefined) continue;
    if (seen.has(what)) tell(['meters', index, 'measures'], `"${String(seen.get(what))}" measures that already`);
    else seen.set(what, entry['id']);
  }
}

/** Who moves nodes between roles must know the role of every class and of every partition. */
function nodeRoles(site: Raw, tell: Tell): void {
  for (const { index, entry } of entries(site, 'clusters')) {
    const roles = entries(entry, 'roles');
    if (roles.length === 0) continue;
    doubles(entry, 'roles', tell, ['clusters', index, 'roles']);
    const partitions = new Map<unknown, unknown>();
    for (const { index: at, entry: one } of roles) {
      if (partitions.has(one['partition']))
        tell(
          ['clusters', index, 'roles', at, 'partition'],
          `"${String(partitions.get(one['partition']))}" has that partition already`,
        );
      else partitions.set(one['partition'], one['id']);
    }
    const names = roles.map(({ entry: one }) => String(one['id']));
    for (const { index: at, entry: one } of entries(entry, 'classes')) {
      const path = ['clusters', index, 'classes', at] as const;
      const partition = isRaw(one['match']) ? one['match']['partition'] : undefined;
      if (typeof one['role'] === 'string') {
        if (!names.includes(one['role']))
          tell([...path, 'role'], `no role "${one['role']}" in this cluster, expected one of: ${names.join(', ')}`);
      } else if (typeof partition === 'string' && !partitions.has(partition))
        tell(
          [...path, 'match', 'partition'],
          `no role of this cluster has the partition "${partition}", expected one that has, or role: one of ${names.join(', ')}`,
        );
    }
  }
}

/** The class that is named after giving way cannot be one that never does. */
function interruptions(site: Raw, tell: Tell): void {
  for (const { index, entry } of entries(site, 'clusters'))
    for (const { index: at, entry: one } of entries(entry, 'classes'))
      if (one['class'] === 'preemptible' && one['preemptible'] === false)
        tell(
          ['clusters', index, 'classes', at, 'preemptible'],
          'work of class preemptible gives way, expected true, or a class of reserved, on-demand or batch',
        );
}

/** What a class matches in a Kubernetes: a name there, or `*`. */
const NAMESPACE_OR_QUEUE = /^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)(\/(\*|[a-z0-9]([-a-z0-9.]*[a-z0-9])?))?$/;

function kubernetesClasses(site: Raw, tell: Tell): void {
  for (const { index, entry } of entries(site, 'clusters'))
    for (const { index: at, entry: one } of entry['driver'] === 'kubernetes' ? entries(entry, 'classes') : []) {
      const match = isRaw(one['match']) ? one['match'] : {};
      const { partition } = match;
      if (typeof partition === 'string' && !NAMESPACE_OR_QUEUE.test(partition))
        tell(
          ['clusters', index, 'classes', at, 'match', 'partition'],
          `"${partition}" is nowhere in a Kubernetes, expected NAMESPACE or NAMESPACE/QUEUE, with * for any`,
        );
    }
}

/** What cannot be done must not be asked for and silently left out. */
function powerSavings(site: Raw, tell: Tell): void {
  for (const { index, entry } of entries(site, 'clusters')) {
    const { driver, powerSaving } = entry;
    if (powerSaving !== undefined && typeof driver === 'string' && driver !== 'slurm')
      tell(['clusters', index, 'powerSaving'], `${driver} switches no nodes off, expected it only with driver: slurm`);
  }
}

/** There is one series of requests, and a plan keeps to a latency target only for what it costs to miss it. */
function servingClasses(site: Raw, tell: Tell): void {
  let first: string | undefined;
  for (const { index, entry } of entries(site, 'clusters'))
    for (const { index: at, entry: one } of entries(entry, 'classes')) {
      if (one['serves'] === undefined) continue;
      const path = ['clusters', index, 'classes', at];
      if (first !== undefined)
        tell([...path, 'serves'], `"${first}" answers the requests already, expected one class that does`);
      first ??= String(one['id']);
      if (!(Number(one['penaltyUsdPerGpuHour'] ?? 0) > 0))
        tell(
          [...path, 'penaltyUsdPerGpuHour'],
          'expected more than 0 beside serves: what an hour of a GPU that is missing for the latency target costs',
        );
      if (one['deadline'] !== undefined)
        tell([...path, 'deadline'], 'requests wait for no deadline: expected either serves or deadline');
    }
}

/** Classes of work with a curve or terms for one. */
function curved(site: Raw): { readonly one: Raw; readonly path: Path }[] {
  return entries(site, 'clusters').flatMap(({ index, entry }) =>
    entries(entry, 'classes').flatMap(({ index: at, entry: one }) =>
      one['powerCurve'] === undefined && one['throttle'] === undefined && one['powerCurveSource'] === undefined
        ? []
        : [{ one, path: ['clusters', index, 'classes', at] }],
    ),
  );
}

/** A curve is of GPUs that work, and terms without one have nothing to choose between. */
function powerCurves(site: Raw, tell: Tell): void {
  for (const { one, path } of curved(site)) {
    const { powerCurve: curve, gpu } = one;
    if (curve === undefined) {
      const key = one['throttle'] === undefined ? 'powerCurveSource' : 'throttle';
      tell([...path, key], 'no power curve of this work was measured: expected powerCurve beside it');
      continue;
    }
    const model = [...CATALOGUE.values()].find((known) => known.kind === 'gpu-server' && known.gpuModel === gpu);
    if (model?.kind !== 'gpu-server' || !Array.isArray(curve)) continue;
    const at = curve.findIndex((point) => isRaw(point) && Number(point['powerW']) <= model.gpuIdleW);
    if (at >= 0)
      tell(
        [...path, 'powerCurve', at, 'powerW'],
        `expected more than the ${model.gpuIdleW} W an idle ${String(gpu)} draws: a working GPU, its idle draw included`,
      );
  }
}

function contractTerms(site: Raw, tell: Tell): void {
  for (const list of ['contracts', 'awards'])
    for (const { index, entry } of entries(site, list)) {
      const { from, until, hours } = entry;
      if (typeof from === 'string' && typeof until === 'string' && from > until)
        tell([list, index, 'until'], `ends before it begins (${from})`);
      if (!isRaw(hours) || typeof hours['from'] !== 'string' || typeof hours['until'] !== 'string') continue;
      if (hours['from'] >= hours['until'])
        tell(
          [list, index, 'hours', 'until'],
          `ends before it begins (${hours['from']}): expected a later time of the same day`,
        );
    }
  for (const { index, entry } of entries(site, 'contracts')) {
    const { work } = entry;
    stepsFall(entry['availability'], ['contracts', index, 'availability'], tell);
    // Penalties and what is served are counted by class: a budget that others share could not be told apart.
    const term = ['curtailment', 'availability'].find((one) => entry[one] !== undefined);
    if (term === undefined) continue;
    const path = ['contracts', index, term];
    const other = entries(site, 'contracts').find((one) => one.index !== index && one.entry['work'] === work);
    if (other !== undefined)
      tell(
        path,
        `"${String(other.entry['id'])}" has the class of work "${String(work)}" too, expected a class of its own`,
      );
    const classes = entries(site, 'clusters').flatMap(({ entry: cluster }) => entries(cluster, 'classes'));
    const own = classes.find(({ entry: one }) => one['id'] === work)?.entry['committedGpus'];
    if (Number(own ?? 0) > 0)
      tell(path, `the class of work "${String(work)}" commits ${String(own)} GPUs itself, expected 0`);
  }
}

/** Each step of a minimum availability is lower than the one before, and its credit higher. */
function stepsFall(steps: unknown, path: Path, tell: Tell): void {
  if (!Array.isArray(steps)) return;
  for (const [k, step] of steps.entries()) {
    const before: unknown = steps[k - 1];
    if (!isRaw(step) || !isRaw(before)) continue;
    if (Number(step['belowPct']) >= Number(before['belowPct']))
      tell(
        [...path, k, 'belowPct'],
        `is not below the step before it: expected less than ${String(before['belowPct'])}`,
      );
    if (Number(step['creditUsd']) <= Number(before['creditUsd']))
      tell(
        [...path, k, 'creditUsd'],
        `is no more than the step before it owes: expected more than ${String(before['creditUsd'])}`,
      );
  }
}

/** A lease serves a class of work or is sold on; chips beyond it have nobody they could be sold to. */
function leaseTerms(site: Raw, tell: Tell): void {
  for (const { index, entry } of entries(site, 'leases')) {
    const { serves, gpusPerChip, revenueUsdPerChipHour, more } = entry;
    const path = ['leases', index];
    if (serves === undefined) {
      if (gpusPerChip !== undefined) tell([...path, 'gpusPerChip'], 'stands for no GPUs: expected serves beside it');
      if (more !== undefined)
        tell([...path, 'more'], 'has nobody to serve: expected serves, a class of work, beside it');
    } else {
      if (gpusPerChip === undefined) tell([...path, 'serves'], 'expected gpusPerChip beside it');
      if (typeof revenueUsdPerChipHour === 'number' && revenueUsdPerChipHour > 0)
        tell([...path, 'revenueUsdPerChipHour'], 'is sold on and serves a class of work: expected 0 beside serves');
    }
    if (!isRaw(more) || typeof more['rented'] !== 'number' || typeof more['chips'] !== 'number') continue;
    if (more['rented'] > more['chips'])
      tell([...path, 'more', 'rented'], `more than can be had: expected at most ${more['chips']}`);
  }
}

/** A call ends after import had to be down, and the next one of its program comes later. */
function programCalls(site: Raw, tell: Tell): void {
  for (const { index, entry } of entries(site, 'programs')) {
    const noticeMs = 60_000 * (typeof entry['noticeMinutes'] === 'number' ? entry['noticeMinutes'] : 0);
    let endsAt = -Infinity;
    for (const { index: at, entry: call } of entries(entry, 'calls')) {
      const [from, until] = [Date.parse(String(call['at'])) + noticeMs, Date.parse(String(call['until']))];
      const path = ['programs', index, 'calls', at];
      if (until <= from) tell([...path, 'until'], 'ends before import has to be down: expected a later time');
      if (from < endsAt) tell([...path, 'at'], 'begins before the call above it ends: expected calls in their order');
      endsAt = until;
    }
  }
}

/** Machines have an address each. Meters may share a gateway's, and uplinks a switch's, if their settings differ. */
function addresses(site: Raw, tell: Tell): void {
  const owners = new Map<string, { readonly id: unknown; readonly settings: string | undefined }>();
  const claim = (address: string, entry: Raw, path: Path, mayShare: boolean): boolean => {
    const settings = mayShare ? (JSON.stringify(entry['settings']) ?? '{}') : undefined;
    const other = owners.get(address);
    if (
      other !== undefined &&
      (settings === undefined || other.settings === undefined || settings === other.settings)
    ) {
      tell(path, `${address} belongs to "${String(other.id)}" already`);
      return false;
    }
    owners.set(address, { id: entry['id'], settings });
    return true;
  };
  for (const { index, entry } of entries(site, 'machines')) {
    const path = ['machines', index, 'addresses'];
    const range = siteParts.machine.shape.addresses.safeParse(entry['addresses']);
    if (!range.success) continue;
    const all = addressesOf(range.data);
    if (range.data.split(',').some((part) => addressesOf(part).length === 0)) tell(path, 'ends before it begins');
    // One overlap names the mistake; thousands of lines would bury it.
    all.every((address) => claim(address, entry, path, false));
  }
  for (const list of ['meters', 'uplinks', 'plant'])
    for (const { index, entry } of entries(site, list))
      if (typeof entry['address'] === 'string') claim(entry['address'], entry, [list, index, 'address'], true);
}

/** Passwords and sessions never cross a network in the clear. */
function listening(site: Raw, tell: Tell): void {
  const { server } = site;
  if (!isRaw(server) || typeof server['host'] !== 'string' || server['tls'] !== undefined) return;
  if (LOOPBACK.test(server['host'])) return;
  tell(
    ['server', 'host'],
    'beyond loopback (127.0.0.1) it takes a certificate: expected server.tls with certificate and key',
  );
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|::1|\[::1\])$/;

/** Signals of the grid come over a line that nobody else can write on. */
function gridSources(site: Raw, tell: Tell): void {
  const listeners = new Map<string, unknown>();
  for (const { index, entry } of entries(site, 'gridSignals')) {
    const path = ['gridSignals', index];
    if (entry['kind'] === 'openadr')
      for (const key of ['url', 'tokenUrl']) {
        const address = entry[key];
        if (typeof address !== 'string' || !URL.canParse(address)) continue;
        const { protocol, hostname } = new URL(address);
        if (protocol === 'http:' && !LOOPBACK.test(hostname))
          tell([...path, key], 'beyond loopback credentials cross the network in the clear: expected https');
      }
    if (entry['kind'] !== 'base-point') continue;
    const { host = '127.0.0.1', port = 1_802 } = entry;
    if (typeof host === 'string' && !LOOPBACK.test(host) && entry['tls'] === undefined)
      tell(
        [...path, 'host'],
        'plain Modbus knows no credentials: beyond loopback expected tls with certificate, key and clientCa (Modbus/TCP Security)',
      );
    const at = `${String(host)}:${String(port)}`;
    if (listeners.has(at)) tell([...path, 'port'], `${at} is listened at for "${String(listeners.get(at))}" already`);
    listeners.set(at, entry['id']);
  }
}

/** What is no mistake and still wants a look, told by `busbar check` and at the start. */
export function warningsOf(site: unknown): SiteIssue[] {
  if (!isRaw(site)) return [];
  const warnings: SiteIssue[] = [];
  const tell: Tell = (path, message) => warnings.push({ path, message });
  const meters = entries(site, 'meters');
  if (!meters.some(({ entry }) => entry['measures'] === 'connection'))
    tell(['meters'], 'no meter measures the connection: energy cannot be booked, and nothing is proved at the meter');
  const metered = new Set(meters.flatMap(({ entry: { measures } }) => (isRaw(measures) ? [measures['hall']] : [])));
  const halls = entries(site, 'halls');
  // In a site of one hall the connection's meter is the hall's too.
  for (const { index, entry } of halls.length === 1 ? [] : halls)
    if (!metered.has(entry['id']))
      tell(['halls', index], 'no meter of its own: its load is the sum of what its machines say');
  const { connection, limits } = site;
  if (isRaw(connection) && isRaw(limits) && Number(limits['importMw']) > Number(connection['limitMw']))
    tell(
      ['limits', 'importMw'],
      `above the connection's limit of ${String(connection['limitMw'])} MW, and so without effect`,
    );
  coolingMismatch(site, tell);
  pointsBelowHull(site, tell);
  return warnings;
}

function pointsBelowHull(site: Raw, tell: Tell): void {
  for (const { one, path } of curved(site)) {
    const parsed = siteParts.cluster.shape.classes.element.shape.powerCurve.safeParse(one['powerCurve']);
    if (!parsed.success || parsed.data === undefined) continue;
    const hull = new Set(concaveHull(parsed.data));
    for (const [at, point] of parsed.data.entries())
      if (!hull.has(point))
        tell(
          [...path, 'powerCurve', at],
          'left out, unless it is the slowest a contract allows: some GPUs at the limit below and some at the one above do more with the same power',
        );
  }
}

function coolingMismatch(site: Raw, tell: Tell): void {
  const cooling = new Map(
    entries(site, 'halls').map(({ entry }) => [
      entry['id'],
      isRaw(entry['cooling']) ? entry['cooling']['kind'] : undefined,
    ]),
  );
  for (const { index, entry } of entries(site, 'machines')) {
    const model = CATALOGUE.get(String(entry['model']));
    const kind = cooling.get(entry['hall']);
    if (model?.kind === 'asic' && model.cooling === 'hydro' && kind === 'air')
      tell(
        ['machines', index, 'model'],
        `${model.id} is water-cooled and hall "${String(entry['hall'])}" has air cooling`,
      );
  }
}
