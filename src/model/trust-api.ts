import { z } from 'zod';
import { reason } from './reason.ts';
import { TRUST } from './trust.ts';

/** How far Busbar may act, and what it suggests where it may not by itself, in the form the API tells it. */

const siteTime = z.iso.datetime().describe('site clock, UTC');
const trust = z.enum(TRUST);

/** `POST /api/v1/trust`. */
export const trustRequest = z.strictObject({
  trust: trust.describe('shadow: nothing is written; suggest: a person confirms; auto: plans are carried out'),
  cohort: z.string().optional().describe('a group of miners; absent: the whole site'),
  why: reason,
});

export const trustPage = z.object({
  site: trust,
  most: trust.describe('what the site file lets a person raise the site to'),
  cohorts: z.array(
    z.object({
      cohort: z.string(),
      own: trust.nullable().describe('what a person set for it; null: it goes with the site'),
      trust: trust.describe('what holds: its own, at the most that of the site'),
    }),
  ),
});
export type TrustPage = z.infer<typeof trustPage>;

export const suggestion = z.object({
  id: z.string(),
  kind: z.enum(['machines', 'jobs']).describe('jobs: what is told a scheduler'),
  cohort: z.string().describe('a group of miners; of jobs the cluster'),
  trust: z.enum(['shadow', 'suggest']).describe('shadow: told, and nobody can confirm it'),
  madeAt: siteTime,
  moves: z
    .array(z.object({ from: z.string(), to: z.string(), machines: z.number().int() }))
    .describe('by mode key; of jobs by state, and how many jobs'),
  from: z
    .record(z.string(), z.number().int())
    .describe('machines by mode key, as they are; jobs that would change, by state'),
  to: z.record(z.string(), z.number().int()).describe('the same once it is confirmed'),
  importDeltaW: z.number().describe('by how much the import of the whole plan changes'),
  why: z.string(),
  usdPerHour: z
    .number()
    .nullable()
    .describe('what the site earns more in the step that runs, less power at its price; null where hash has no price'),
  usdHorizon: z
    .number()
    .nullable()
    .describe('what the plan expects of it over its whole horizon, every charge included; null: not proven'),
  plansLeft: z.number().int().describe('plans until it expires'),
});
export type SuggestionView = z.infer<typeof suggestion>;

export const suggestionsPage = z.object({
  at: siteTime,
  suggestions: z.array(suggestion),
  underway: z
    .array(
      z.object({
        cohort: z.string(),
        act: z.string().describe('its act in Activity'),
        who: z.string(),
        why: z.string(),
        since: siteTime,
        left: z.number().int().describe('machines not yet seen as confirmed'),
        machines: z.number().int(),
      }),
    )
    .describe('confirmed, and not yet seen in every machine'),
});
export type SuggestionsPage = z.infer<typeof suggestionsPage>;

export const suggestionConfirmRequest = z.strictObject({ why: reason });
export const suggestionConfirmed = z.object({
  act: z.string(),
  cohort: z.string(),
  machines: z.number().int().describe('machines or jobs that are told to change'),
});
