import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { monthOf, statementOf } from '../../books/customers.ts';
import {
  dayOf,
  inForce,
  isOpenTo,
  monthEnd,
  monthStart,
  siteMs,
  toMicroUsd,
  visibleAccounts,
  projectsOf,
  type Site,
  type SiteMs,
  type Tenant,
} from '../../model/index.ts';
import * as shapes from '../../model/tenants-api.ts';
import { personOf } from '../access/policy.ts';
import { ApiProblem } from '../problems.ts';
import type { App } from '../routes.ts';
import type { Runtime } from '../runtime.ts';
import { tenantById } from './meter.ts';
import { outlookOf } from './quota.ts';

/** Who asks as a customer: the tenant, and the account as its projects name their members. Undefined: somebody of the site. */
export interface Asker {
  readonly tenant: Tenant;
  readonly account: string;
}

/** @throws ApiProblem 403 where the site file has the tenant no more */
export function askerOf(site: Site, request: FastifyRequest): Asker | undefined {
  const { signed } = request;
  if (signed?.person.role !== 'customer') return undefined;
  const tenant = tenantById(site, signed.person.tenant);
  if (tenant === undefined)
    throw new ApiProblem(403, 'Not allowed', `the site file has no tenant "${signed.person.tenant}" any more`);
  return { tenant, account: personOf(request).name };
}

/** A tenant of an address, which to a customer is no other than its own. @throws ApiProblem 404 */
function tenantFor(site: Site, request: FastifyRequest, id: string): { tenant: Tenant; account: string | undefined } {
  const asker = askerOf(site, request);
  const tenant = tenantById(site, id);
  if (tenant === undefined || (asker !== undefined && asker.tenant.id !== id))
    throw new ApiProblem(404, 'Not found', `there is no tenant "${id}" here`);
  return { tenant, account: asker?.account };
}

const shown = { needs: 'viewer', customers: true } as const;
const tags = ['tenants'];
const params = z.object({ tenant: z.string() });

/** Tenants: what is theirs, what they use and what it costs. To a customer there is one, and of it what its account may see. */
export function tenantRoutes(app: App, runtime: Runtime): void {
  app.get(
    '/api/v1/tenants',
    {
      config: shown,
      schema: { tags, summary: 'Tenants, with quotas and budgets', response: { 200: shapes.tenantList } },
    },
    (request) => {
      const asker = askerOf(runtime.site, request);
      const tenants = asker === undefined ? runtime.site.tenants : [asker.tenant];
      return { tenants: tenants.map((one) => viewOf(runtime, one, asker?.account)) };
    },
  );
  app.get(
    '/api/v1/tenants/:tenant/usage',
    {
      config: shown,
      schema: {
        tags,
        summary: 'What a tenant used in a month, and what it costs',
        params,
        querystring: shapes.usageQuery,
        response: { 200: shapes.usageView },
      },
    },
    (request) => {
      const { tenant, account } = tenantFor(runtime.site, request, request.params.tenant);
      return usageOf(runtime, tenant, account, request.query.month);
    },
  );
  app.get(
    '/api/v1/tenants/:tenant/statements',
    {
      config: shown,
      schema: {
        tags,
        summary: 'Statements of a tenant, newest first',
        params,
        response: { 200: shapes.statementList },
      },
    },
    (request) => {
      const { tenant, account } = tenantFor(runtime.site, request, request.params.tenant);
      const accounts = visibleAccounts(tenant, account);
      const now = monthOf(runtime.clock.now(), runtime.site.timezone);
      const statements = runtime.customers.book.months().map((month) => {
        const { lines, usage, total } = statementOf(runtime.customers.book.month(month), accounts);
        const gpuHours = lines.reduce((sum, one) => sum + one.gpuHours, 0);
        return { month, running: month === now, gpuHours, usage, credited: usage - total, total };
      });
      return { tenant: tenant.id, statements };
    },
  );
  app.get(
    '/api/v1/tenants/:tenant/nodes',
    {
      config: shown,
      schema: { tags, summary: "Nodes that a tenant's jobs run on", params, response: { 200: shapes.tenantNodes } },
    },
    (request) => {
      const { tenant, account } = tenantFor(runtime.site, request, request.params.tenant);
      return { tenant: tenant.id, nodes: nodesOf(runtime, visibleAccounts(tenant, account)) };
    },
  );
}

/** @param account of Busbar that asks; undefined: somebody of the site */
function viewOf(
  { site, emulated, clock, customers, picture }: Runtime,
  tenant: Tenant,
  account: string | undefined,
): shapes.TenantView {
  const now = clock.now();
  const month = monthOf(now, site.timezone);
  const end = monthEnd(now, site.timezone);
  const of = (accounts: ReadonlySet<string>, quota: Tenant['quota']) => {
    const { lines, total } = statementOf(customers.book.month(month), accounts);
    const outlook = outlookOf(customers.open(accounts), now, end);
    return {
      standing: {
        gpus: outlook.gpus,
        gpuHours: lines.reduce((sum, one) => sum + one.gpuHours, 0),
        gpuHoursToCome: outlook.gpuHours,
        quotaGpus: quota?.gpus ?? null,
        quotaGpuHours: quota?.gpuHoursPerMonth ?? null,
      },
      spent: total,
      toCome: outlook.usd === undefined ? null : toMicroUsd(outlook.usd),
    };
  };
  const { id, name } = tenant;
  const accounts = visibleAccounts(tenant, account);
  const prices = new Map(picture().work.map(({ workClass, usdPerGpuHour }) => [workClass.id, usdPerGpuHour]));
  return {
    id,
    name,
    customers: tenant.customers,
    emulated,
    month,
    ...of(accounts, tenant.quota).standing,
    projects: projectsOf(tenant, account).map(({ id: project, account: bookedTo, members, quota, budget }) => {
      const { standing, spent, toCome } = of(new Set([bookedTo]), quota);
      return { id: project, account: bookedTo, members, ...standing, spent, toCome, budget: budget ?? null };
    }),
    classes: site.clusters.flatMap(({ id: cluster, classes }) =>
      classes.map((one) => ({
        id: one.id,
        cluster,
        gpu: one.gpu,
        class: one.class,
        usdPerGpuHour: prices.get(one.id) ?? null,
        canSubmit: isOpenTo(site, one, tenant) && tenant.runAs.some((as) => as.cluster === cluster),
      })),
    ),
    commitments: site.contracts
      .filter(({ customer, ...term }) => accounts.has(customer) && inForce(term, dayOf(now, site.timezone)))
      .map(({ id: contract, work, committedGpus, penaltyUsdPerGpuHour, availability = [] }) => ({
        id: contract,
        work,
        committedGpus,
        penaltyUsdPerGpuHour,
        availability,
      })),
  };
}

function usageOf(
  { site, clock, customers }: Runtime,
  tenant: Tenant,
  account: string | undefined,
  asked: string | undefined,
): shapes.UsageView {
  const now = clock.now();
  const running = monthOf(now, site.timezone);
  const month = asked ?? running;
  const kept = customers.book.month(month);
  const accounts = visibleAccounts(tenant, account);
  const { lines, credits, availability, usage, total } = statementOf(kept, accounts, month !== running);
  const lengthMs = elapsedMs(month, now, site.timezone);
  return {
    tenant: tenant.id,
    month,
    running: month === running,
    lines: lines.map(({ usdPerGpuHour, gpuWh, measuredGpuHours, ...line }) => ({
      project: tenant.projects.find((one) => one.account === line.account)?.id ?? null,
      ...line,
      gpuKwh: gpuWh === undefined ? null : gpuWh / 1000,
      gpuEnergyCoverage: line.gpuHours > 0 ? Math.min(1, measuredGpuHours / line.gpuHours) : 0,
      usdPerGpuHour: usdPerGpuHour ?? null,
      coverage: lengthMs <= 0 ? 0 : Math.min(1, (kept?.observedMs[line.workClass] ?? 0) / lengthMs),
    })),
    energy: Object.entries(kept?.energy ?? {})
      .filter(([of]) => accounts.has(of))
      .map(([of, { wh, starts, measuredStarts }]) => ({
        account: of,
        kwh: wh === undefined ? null : wh / 1000,
        starts,
        measuredStarts,
      })),
    credits: [...credits],
    availability: availability.map((one) => ({ ...one, availabilityPct: one.availabilityPct ?? null })),
    usage,
    total,
    days: Object.entries(kept?.days ?? {})
      .map(([day, byAccount]) => {
        const mine = Object.entries(byAccount).filter(([of]) => accounts.has(of));
        const sum = (key: 'gpuHours' | 'usd') => mine.reduce((all, [, one]) => all + one[key], 0);
        return { day, gpuHours: sum('gpuHours'), amount: toMicroUsd(sum('usd')) };
      })
      .sort((a, b) => a.day.localeCompare(b.day)),
  };
}

/** How much of a month has passed; nothing of one to come. */
function elapsedMs(month: string, now: SiteMs, timezone: string): number {
  const middle = siteMs(Date.parse(`${month}-15T12:00:00Z`));
  const start = monthStart(middle, timezone);
  return Math.max(0, Math.min(now, monthEnd(middle, timezone)) - start);
}

/** Names, states and what runs there of the tenant: no addresses, and nothing of others. */
function nodesOf({ clusters }: Runtime, accounts: ReadonlySet<string>): shapes.TenantNodes['nodes'] {
  return [...clusters.byId.values()].flatMap(({ id, reading }) => {
    const mine = (reading?.jobs ?? []).filter((job) => job.state === 'running' && accounts.has(job.customer));
    const names = new Set(mine.flatMap(({ nodes }) => nodes));
    return (reading?.nodes ?? [])
      .filter(({ name }) => names.has(name))
      .map(({ name, state, gpuModel, gpus }) => ({
        cluster: id,
        name,
        state,
        gpuModel: gpuModel ?? null,
        gpus,
        jobs: mine.filter(({ nodes }) => nodes.includes(name)).map((job) => job.id),
      }));
  });
}
