import { z } from 'zod';
import { secretRef } from './secret.ts';

/** Customers with accounts of their own: what is theirs, how much of it they may have, and as whom their jobs run. */

const id = z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and dashes');
/** As a scheduler names an account. */
const schedulerAccount = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]*$/, 'the name of an account as the scheduler has it');

const quota = z.strictObject({
  gpus: z.number().int().min(0).optional().describe('that its jobs may ask for at once, those that wait included'),
  gpuHoursPerMonth: z
    .number()
    .min(0)
    .optional()
    .describe('used so far in the calendar month, and what its jobs may still use within their limits of time'),
});

const budget = z.strictObject({
  usdPerMonth: z.number().positive().describe('of a calendar month, in the time zone of the site'),
  alertPct: z
    .array(z.number().positive().max(1_000))
    .default([50, 80, 100])
    .refine((all) => all.every((pct, i) => i === 0 || all[i - 1]! < pct), 'expected rising percentages, each once')
    .describe('of it, at which an alarm is raised, once a month each'),
  onExceeded: z
    .enum(['alert', 'refuse'])
    .default('alert')
    .describe('refuse: a job that would bring the month above it, with what runs and waits, is not taken'),
});

const project = z.strictObject({
  id,
  account: schedulerAccount.describe('its jobs are booked to, as the schedulers name it'),
  members: z
    .array(z.string().min(1))
    .default([])
    .describe('accounts of Busbar that may see and use it; none named: every account of the tenant'),
  quota: quota.optional(),
  budget: budget.optional(),
});

const runAs = z.strictObject({
  cluster: id,
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_.-]{0,31}$/, 'expected the name of a user of Slurm')
    .optional()
    .describe("on a Slurm: the tenant's own user there; needs its token"),
  token: secretRef.optional().describe("on a Slurm: where that user's JWT lies; read afresh for each job"),
  userId: z.number().int().positive().optional().describe("on a local cluster: the tenant's own user of this host"),
});

/** An entry of `tenants` in the site file. */
export const tenant = z.strictObject({
  id,
  name: z.string().min(1),
  customers: z
    .array(schedulerAccount)
    .default([])
    .describe("further names it goes by in jobs and contracts, besides its projects' accounts"),
  quota: quota.optional().describe('of all its projects together'),
  projects: z.array(project).min(1),
  runAs: z
    .array(runAs)
    .default([])
    .describe(
      'as whom its jobs run; on other clusters its accounts can submit none, as a script does what its user may',
    ),
});

export type Tenant = z.infer<typeof tenant>;
export type TenantProject = Tenant['projects'][number];
export type TenantQuota = NonNullable<Tenant['quota']>;
export type TenantBudget = NonNullable<TenantProject['budget']>;
export type RunAs = Tenant['runAs'][number];

/** Every name that jobs and contracts know a tenant by. */
export const accountsOf = ({ customers, projects }: Pick<Tenant, 'customers' | 'projects'>): readonly string[] => [
  ...new Set([...projects.map(({ account }) => account), ...customers]),
];

/** Projects that an account of the tenant may see and use. @param who name of the account; undefined: somebody of the site, who sees all */
export const projectsOf = ({ projects }: Pick<Tenant, 'projects'>, who: string | undefined): readonly TenantProject[] =>
  projects.filter(({ members }) => who === undefined || members.length === 0 || members.includes(who));

/** Reserved work is of those who signed for it: where contracts name a class, only their customers send jobs to it. */
export const isOpenTo = (
  { contracts }: { readonly contracts: readonly { readonly work: string; readonly customer: string }[] },
  work: { readonly id: string; readonly class: string },
  one: Pick<Tenant, 'customers' | 'projects'>,
): boolean => {
  const signed = contracts.filter((contract) => contract.work === work.id);
  const names = accountsOf(one);
  return work.class !== 'reserved' || signed.length === 0 || signed.some(({ customer }) => names.includes(customer));
};

/** Names whose jobs and usage an account of the tenant may see: of its projects, and the tenant's further ones. */
export const visibleAccounts = (one: Tenant, who: string | undefined): ReadonlySet<string> => {
  const hidden = new Set(one.projects.map(({ account }) => account));
  for (const { account } of projectsOf(one, who)) hidden.delete(account);
  return new Set(accountsOf(one).filter((account) => !hidden.has(account)));
};
