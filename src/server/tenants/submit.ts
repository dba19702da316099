import {
  accountsOf,
  monthEnd,
  projectsOf,
  type ClusterConfig,
  type RunAs,
  type Tenant,
  type WorkClass,
} from '../../model/index.ts';
import { monthOf, statementOf } from '../../books/customers.ts';
import { ApiProblem } from '../problems.ts';
import type { Runtime } from '../runtime.ts';
import { refusalOf, type Standing } from './quota.ts';
import type { Asker } from './routes.ts';

/** A job that somebody wants to send, as far as it matters who pays. */
export interface Wish {
  readonly config: ClusterConfig;
  readonly work: WorkClass;
  readonly customer: string;
  readonly gpus: number;
  readonly timeLimitMinutes: number;
}

/**
 * The account that a job is booked to: a customer's is that of the project, and never another.
 * @throws ApiProblem 400 where it is not told, 403 where it is not the asker's
 */
export function accountFor(
  asker: Asker | undefined,
  { customer, project }: { readonly customer?: string | undefined; readonly project?: string | undefined },
): string {
  if (asker === undefined) {
    if (customer !== undefined && project === undefined) return customer;
    throw new ApiProblem(400, 'Whose job?', 'expected customer, the account it is booked to, and no project');
  }
  const { tenant, account } = asker;
  const mine = projectsOf(tenant, account);
  const names = mine.map(({ id }) => id).join(', ') || 'none: your account is a member of no project';
  const found =
    project !== undefined
      ? mine.find(({ id }) => id === project)
      : customer !== undefined
        ? mine.find((one) => one.account === customer)
        : mine.length === 1
          ? mine[0]
          : undefined;
  if (found === undefined) {
    if (project === undefined && customer === undefined)
      throw new ApiProblem(400, 'Which project?', `expected project, one of: ${names}`);
    throw new ApiProblem(403, 'Not your project', `"${project ?? customer}" is none of your projects: ${names}`);
  }
  if (customer !== undefined && customer !== found.account)
    throw new ApiProblem(
      403,
      'Not your project',
      `project "${found.id}" is booked to "${found.account}", not "${customer}"`,
    );
  return found.account;
}

/** As whom a customer's job runs. @throws ApiProblem 403 where the site file does not say */
export function runAsOf(asker: Asker, cluster: ClusterConfig): RunAs {
  const found = asker.tenant.runAs.find((one) => one.cluster === cluster.id);
  if (found !== undefined) return found;
  const entry = cluster.driver === 'local' ? 'userId' : 'user and token';
  throw new ApiProblem(
    403,
    'Not on this cluster',
    `a script does what its user may, and the site file does not say as whom jobs of ${asker.tenant.id} run on ${cluster.id}: under tenants, ${asker.tenant.id}, it needs runAs with cluster: ${cluster.id} and ${entry}`,
  );
}

/**
 * Sends a job of a tenant within its quotas and budgets, one job after the other, so that two at once cannot both take what is left. A
 * job of nobody's is sent as it is.
 * @throws ApiProblem 409 with used, asked and limit
 */
export function withinQuota(runtime: Runtime, wish: Wish, send: () => Promise<string>): Promise<string> {
  const tenant = runtime.site.tenants.find((one) => accountsOf(one).includes(wish.customer));
  if (tenant === undefined) return send();
  return runtime.customers.inTurn(async () => {
    demandRoom(runtime, tenant, wish);
    const id = await send();
    const { config, work, customer, gpus, timeLimitMinutes } = wish;
    runtime.customers.taken({
      cluster: config.id,
      id,
      classId: work.id,
      customer,
      gpus,
      timeLimitS: timeLimitMinutes * 60,
    });
    return id;
  });
}

function demandRoom(runtime: Runtime, tenant: Tenant, { work, customer, gpus, timeLimitMinutes }: Wish): void {
  const { site, clock, customers } = runtime;
  const project = tenant.projects.find(({ account }) => account === customer);
  const limited = [tenant.quota, project?.quota, project?.budget].some((limit) => limit !== undefined);
  const silent = site.clusters.find(({ id }) => runtime.clusters.byId.get(id)?.reading === undefined);
  if (limited && silent !== undefined)
    throw new ApiProblem(502, 'Not known what runs', `${silent.id} has not told its jobs yet, and they count`);
  const now = clock.now();
  const end = monthEnd(now, site.timezone);
  const month = customers.book.month(monthOf(now, site.timezone));
  const usdPerGpuHour = runtime.picture().work.find(({ workClass }) => workClass.id === work.id)?.usdPerGpuHour;
  const standing = (what: string, names: readonly string[]): Standing => {
    const accounts = new Set(names);
    const { lines, total } = statementOf(month, accounts);
    const usedGpuHours = lines.reduce((sum, one) => sum + one.gpuHours, 0);
    return { what, usedGpuHours, spentUsd: total / 1e6, open: customers.open(accounts) };
  };
  const asked = { gpus, timeLimitMinutes, usdPerGpuHour };
  const ofTenant = { quota: tenant.quota, budget: undefined };
  const refused =
    (project &&
      refusalOf(
        standing(`project ${project.id}`, [customer]),
        { quota: project.quota, budget: project.budget },
        asked,
        now,
        end,
      )) ??
    refusalOf(standing(tenant.id, accountsOf(tenant)), ofTenant, asked, now, end);
  if (refused !== undefined) throw new ApiProblem(409, 'Beyond what may be had', refused);
}
