import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { reloadResult } from '../model/api.ts';
import { statementList, tenantList, usageView, type TenantView, type UsageView } from '../model/tenants-api.ts';
import { ask, defaultServer, send } from './client.ts';
import { changesText } from './reload.ts';
import { CliError, count, print, printJson, table, unknownText, usd as dollars } from './output.ts';

interface Options {
  readonly server: string;
  readonly json?: boolean;
}
interface SetOptions extends Options {
  readonly from: string;
  readonly why: string;
  readonly dryRun?: true;
}

export function tenantVerb(program: Command): void {
  const verb = program.command('tenant').description('customers: their projects, quotas and budgets');
  const common = (words: string, about: string, json: string): Command =>
    verb
      .command(words)
      .description(about)
      .option('--server <url>', 'address of the server', defaultServer())
      .option('--json', json);
  common('list', 'tenants, and where each stands', 'the list as GET /api/v1/tenants gives it').action(
    async ({ server, json }: Options) => {
      const list = await ask(server, '/api/v1/tenants', tenantList);
      if (json === true) return printJson(list);
      if (list.tenants.length === 0)
        return print('No tenant: name one under tenants in the site file (docs/customers.md).');
      const rows = list.tenants.map((one) => [one.id, one.name, ...standing(one), String(one.projects.length)]);
      print(table(['tenant', 'name', 'GPUs', 'GPU-h this month', 'projects'], rows, [2, 3, 4]));
    },
  );
  common(
    'show <tenant>',
    'its projects, what it may have, and what is signed',
    'the tenant as GET /api/v1/tenants gives it',
  ).action(async (id: string, { server, json }: Options) => {
    const { tenants } = await ask(server, '/api/v1/tenants', tenantList);
    const one = tenants.find((tenant) => tenant.id === id);
    if (one === undefined) throw new CliError(`there is no tenant "${id}"`, 'busbar tenant list shows those there are');
    if (json === true) return printJson(one);
    print(tenantText(one));
  });
  common(
    'set <tenant>',
    'write a tenant into the site file of the server, and follow it: one that is new, or in place of the one there',
    '{ applied, changes: [{ kind, path, before, after, needsRestart, text }] }',
  )
    .requiredOption('--from <tenant.yaml>', 'name, projects, customers and quota, as under tenants in a site file')
    .requiredOption('--why <text>', 'kept with the change, for whoever reads Activity')
    .option('--dry-run', 'only tell what would change')
    .action(async (id: string, { server, json, from, why, dryRun }: SetOptions) => {
      const body = { ...(await entryOf(from)), why, onlyLook: dryRun === true };
      const result = await send(server, 'POST', `/api/v1/tenants/${encodeURIComponent(id)}`, body, reloadResult);
      if (json === true) return printJson(result);
      print(changesText(result));
    });
}

async function entryOf(file: string): Promise<object> {
  const { parse } = await import('yaml');
  try {
    const entry = parse(readFileSync(file, 'utf8')) as unknown;
    if (typeof entry === 'object' && entry !== null && !Array.isArray(entry)) return entry;
  } catch (error) {
    throw new CliError(`${file}: ${(error as Error).message}`);
  }
  throw new CliError(`${file}: expected the fields of one tenant: name, projects, customers, quota`);
}

export function usageVerb(program: Command): void {
  program
    .command('usage')
    .description('what a tenant used in a month, and what it costs')
    .option('--tenant <id>', 'default: your own, or the only one')
    .option('--month <month>', 'such as 2026-11; default: the running one')
    .option('--statements', 'all months in short, newest first')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'as GET /api/v1/tenants/{tenant}/usage gives it, or /statements')
    .action(
      async ({
        server,
        json,
        tenant,
        month,
        statements,
      }: Options & { tenant?: string; month?: string; statements?: true }) => {
        const of = `/api/v1/tenants/${encodeURIComponent(tenant ?? (await onlyTenant(server)))}`;
        if (statements === true) {
          const list = await ask(server, `${of}/statements`, statementList);
          if (json === true) return printJson(list);
          const rows = list.statements.map((one) => [
            one.month + (one.running ? ' (so far)' : ''),
            count(Math.round(one.gpuHours)),
            usd(one.usage),
            usd(one.credited),
            usd(one.total),
          ]);
          return print(table(['month', 'GPU-h', 'usage', 'credited', 'total'], rows, [1, 2, 3, 4]));
        }
        const query = month === undefined ? '' : `?month=${encodeURIComponent(month)}`;
        const view = await ask(server, `${of}/usage${query}`, usageView);
        if (json === true) return printJson(view);
        print(usageText(view));
      },
    );
}

async function onlyTenant(server: string): Promise<string> {
  const { tenants } = await ask(server, '/api/v1/tenants', tenantList);
  const [one, ...more] = tenants;
  if (one !== undefined && more.length === 0) return one.id;
  throw new CliError(
    one === undefined ? 'there is no tenant' : 'whose usage?',
    one === undefined
      ? 'name one under tenants in the site file'
      : `name one with --tenant: ${tenants.map(({ id }) => id).join(', ')}`,
  );
}

const usd = (microUsd: number): string => dollars(microUsd / 1e6);
const of = (used: number, limit: number | null): string =>
  limit === null ? count(Math.round(used)) : `${count(Math.round(used))} of ${count(limit)}`;
const standing = ({
  gpus,
  quotaGpus,
  gpuHours,
  quotaGpuHours,
}: Pick<TenantView, 'gpus' | 'quotaGpus' | 'gpuHours' | 'quotaGpuHours'>) => [
  of(gpus, quotaGpus),
  of(gpuHours, quotaGpuHours),
];

function tenantText(one: TenantView): string {
  const [gpus, hours] = standing(one);
  const rows = one.projects.map((project) => [
    project.id,
    project.account,
    ...standing(project),
    usd(project.spent) + (project.budget === null ? '' : ` of $${count(project.budget.usdPerMonth)}`),
    project.toCome === null ? unknownText : usd(project.toCome),
    project.members.join(',') || 'all',
  ]);
  const lines = [
    `${one.name} (${one.id}): ${gpus} GPUs run or wait, ${hours} GPU-hours used in ${one.month}`,
    '',
    table(['project', 'account', 'GPUs', 'GPU-h', 'spent', 'may cost more', 'members'], rows, [2, 3, 4, 5]),
  ];
  for (const { id, work, committedGpus, availability } of one.commitments) {
    const steps = availability.map(({ belowPct, creditUsd }) => `$${count(creditUsd)} below ${belowPct} %`);
    const promised = steps.length === 0 ? '' : `; a month's credit for availability: ${steps.join(', ')}`;
    lines.push(`Signed: ${id}, ${count(committedGpus)} GPUs of ${work}${promised}.`);
  }
  const open = one.classes.filter(({ canSubmit }) => canSubmit).map(({ id }) => id);
  lines.push(
    open.length === 0
      ? 'Its accounts can submit no jobs: the site file has no runAs for it.'
      : `Its accounts can submit to: ${open.join(', ')}.`,
  );
  return lines.join('\n');
}

/** Cut and not rounded: what is below a step must not read as if it were on it. */
const percent = (pct: number): string => `${Math.floor(pct * 1000 + 1e-6) / 1000} %`;

function availabilityText(one: UsageView['availability'][number]): string {
  const { contract, promisedPct, availabilityPct, missedGpuHours, missableGpuHours, unknownGpuHours, amount } = one;
  const isKnown = availabilityPct === null ? unknownText : percent(availabilityPct);
  const unseen = unknownGpuHours < 0.05 ? '' : `, of ${unknownGpuHours.toFixed(1)} more nobody knows`;
  const missed = `${missedGpuHours.toFixed(1)} of the ${missableGpuHours.toFixed(1)} GPU-hours that may be missed in the month${unseen}`;
  return `Availability of ${contract}: ${isKnown}, ${promisedPct} % promised: ${missed}; ${usd(amount)} credited.`;
}

function usageText(view: UsageView): string {
  const rows = view.lines.map((line) => [
    line.project ?? line.account,
    line.workClass,
    line.gpuHours.toFixed(1),
    line.gpuKwh === null ? unknownText : `${line.gpuKwh.toFixed(1)} (${percentOf(line.gpuEnergyCoverage)})`,
    line.usdPerGpuHour === null ? unknownText : `$${line.usdPerGpuHour.toFixed(2)}`,
    usd(line.amount),
    percentOf(line.coverage),
  ]);
  const lines = [
    `${view.tenant}, ${view.month}${view.running ? ' so far' : ''}: ${usd(view.total)}`,
    table(
      ['project', 'class of work', 'GPU-h', 'kWh of GPUs (measured of)', '$ per GPU-h', 'amount', 'of the month seen'],
      rows,
      [2, 3, 4, 5, 6],
    ),
  ];
  for (const credit of view.credits)
    lines.push(
      `Credited for ${credit.contract}: ${usd(credit.amount)} (${credit.gpuHours.toFixed(1)} GPU-hours wanted and not served).`,
    );
  for (const one of view.availability) lines.push(availabilityText(one));
  for (const { account, unpricedGpuHours } of view.lines)
    if (unpricedGpuHours > 0)
      lines.push(`${account}: ${unpricedGpuHours.toFixed(1)} GPU-hours had no known price, and are not in the amount.`);
  for (const { account, kwh, starts, measuredStarts } of view.energy)
    lines.push(
      kwh === null
        ? `Energy of ${account}, by the accounting of the clusters: not measured.`
        : `Energy of ${account}, by the accounting of the clusters: ${kwh.toFixed(1)} kWh, measured of ${measuredStarts} of ${starts} starts of jobs.`,
    );
  return lines.join('\n');
}

const percentOf = (share: number): string => (share < 0.01 ? 'under 1 %' : `${Math.floor(share * 100)} %`);
