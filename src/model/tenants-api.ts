import { z } from 'zod';
import { reason } from './reason.ts';
import { tenant } from './tenants.ts';

/** Tenants as the API tells them. Money is in integers of micro-dollars. */

const unknown = <S extends z.ZodType>(shape: S) => shape.nullable();
const month = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'a month such as 2026-11')
  .describe('calendar month of the site');
const microUsd = z.number().int().describe('in micro-dollars');

const standing = z.object({
  gpus: z.number().describe('that run or wait now'),
  gpuHours: z.number().describe('used so far this month'),
  gpuHoursToCome: z.number().describe('that what runs and waits may still use this month, to its limits of time'),
  quotaGpus: unknown(z.number()),
  quotaGpuHours: unknown(z.number()),
});

export const tenantProject = standing.extend({
  id: z.string(),
  account: z.string(),
  members: z.array(z.string()).describe('empty: every account of the tenant'),
  spent: microUsd,
  toCome: unknown(microUsd).describe('what runs and waits may still cost this month; null: no price is known'),
  budget: unknown(
    z.object({ usdPerMonth: z.number(), alertPct: z.array(z.number()), onExceeded: z.enum(['alert', 'refuse']) }),
  ),
});

export const tenantView = standing.extend({
  id: z.string(),
  name: z.string(),
  customers: z.array(z.string()),
  emulated: z.boolean().describe('no machine, job or dollar here is real'),
  month,
  projects: z.array(tenantProject),
  classes: z
    .array(
      z.object({
        id: z.string(),
        cluster: z.string(),
        gpu: z.string(),
        class: z.string(),
        usdPerGpuHour: unknown(z.number()),
        canSubmit: z.boolean().describe('an account of the tenant may submit jobs of it'),
      }),
    )
    .describe('of work'),
  commitments: z.array(
    z.object({
      id: z.string(),
      work: z.string(),
      committedGpus: z.number(),
      penaltyUsdPerGpuHour: z.number(),
      availability: z
        .array(z.object({ belowPct: z.number(), creditUsd: z.number() }))
        .describe('what is credited for a month below it; empty: none is promised'),
    }),
  ),
});
export type TenantView = z.infer<typeof tenantView>;
export const tenantList = z.object({ tenants: z.array(tenantView) });

export const usageQuery = z.object({ month: month.optional().describe('absent: the running one') });
export const usageView = z.object({
  tenant: z.string(),
  month,
  running: z.boolean().describe('the month is not over yet'),
  lines: z.array(
    z.object({
      project: unknown(z.string()),
      account: z.string(),
      workClass: z.string(),
      gpuHours: z.number(),
      usdPerGpuHour: unknown(z.number()).describe('mean of what was priced'),
      unpricedGpuHours: z.number().describe('of which no price was known: no part of the amount'),
      gpuKwh: unknown(z.number()).describe('drawn by its GPUs while they were measured; null: never'),
      gpuEnergyCoverage: z.number().describe('share of its GPU-hours that gpuKwh is of; the rest is unknown'),
      amount: microUsd,
      coverage: z
        .number()
        .describe('share of the month so far in which the cluster told what runs; the rest is unknown'),
    }),
  ),
  energy: z
    .array(
      z.object({
        account: z.string(),
        kwh: unknown(z.number()).describe('null: not measured'),
        starts: z.number().int(),
        measuredStarts: z.number().int().describe('starts of jobs whose energy was measured: kwh is of these alone'),
      }),
    )
    .describe('as the accounting of the clusters has it, of jobs that ran this month'),
  credits: z.array(z.object({ contract: z.string(), gpuHours: z.number(), amount: microUsd })),
  availability: z
    .array(
      z.object({
        contract: z.string(),
        promisedPct: z.number(),
        availabilityPct: unknown(z.number()).describe(
          'of the committed GPU-hours that were seen so far; null: what nobody saw could be more than may still be missed',
        ),
        missedGpuHours: z.number(),
        missableGpuHours: z.number().describe('of the whole month, until the first credit falls due'),
        unknownGpuHours: z.number().describe('committed so far, of which nobody knows whether they were served'),
        amount: microUsd.describe('credited, by what is known'),
      }),
    )
    .describe('of contracts that promise one'),
  usage: microUsd,
  total: microUsd.describe('usage less credits, those for availability too'),
  days: z.array(z.object({ day: z.string(), gpuHours: z.number(), amount: microUsd })),
});
export type UsageView = z.infer<typeof usageView>;
export const statementList = z.object({
  tenant: z.string(),
  statements: z.array(
    z.object({
      month,
      running: z.boolean(),
      gpuHours: z.number(),
      usage: microUsd,
      credited: microUsd,
      total: microUsd,
    }),
  ),
});
export type StatementList = z.infer<typeof statementList>;

export const tenantNodes = z.object({
  tenant: z.string(),
  nodes: z.array(
    z.object({
      cluster: z.string(),
      name: z.string(),
      state: z.string(),
      gpuModel: unknown(z.string()),
      gpus: z.number(),
      jobs: z.array(z.string()).describe('of the tenant that run on it'),
    }),
  ),
});
export type TenantNodes = z.infer<typeof tenantNodes>;

/** A tenant as it shall be. As whom its jobs run is a credential's matter, and stays with the site file. */
export const tenantChange = tenant.omit({ id: true, runAs: true }).extend({
  why: reason,
  onlyLook: z.boolean().default(false).describe('tell what would change and change nothing'),
});
