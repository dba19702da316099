import { useQuery } from '@tanstack/react-query';
import type { z } from 'zod';
import type { JobsPage } from '../../../src/model/jobs-api.ts';
import type { StatementList, TenantNodes, TenantView, tenantList, UsageView } from '../../../src/model/tenants-api.ts';
import { api } from '../http.ts';

/** One rhythm for all: figures of the same money stand beside each other. */
const LOOK_MS = 3_000;

const of = (tenant: string, what: string) => `/tenants/${encodeURIComponent(tenant)}/${what}`;

/** The customer's own tenant: there is no other in the list. */
export const useTenant = () =>
  useQuery({
    queryKey: ['customer', 'tenant'],
    queryFn: async ({ signal }): Promise<TenantView | undefined> =>
      (await api<z.infer<typeof tenantList>>('/tenants', { signal })).tenants[0],
    refetchInterval: LOOK_MS,
  });

export const useJobs = () =>
  useQuery({
    queryKey: ['customer', 'jobs'],
    queryFn: ({ signal }) => api<JobsPage>('/jobs', { signal }),
    refetchInterval: LOOK_MS,
  });

/** @param month undefined: the running one */
export const useUsage = (tenant: string, month: string | undefined) =>
  useQuery({
    queryKey: ['customer', 'usage', tenant, month],
    queryFn: ({ signal }) =>
      api<UsageView>(of(tenant, month === undefined ? 'usage' : `usage?month=${month}`), { signal }),
    placeholderData: (previous) => previous,
    refetchInterval: LOOK_MS,
  });

export const useStatements = (tenant: string) =>
  useQuery({
    queryKey: ['customer', 'statements', tenant],
    queryFn: ({ signal }) => api<StatementList>(of(tenant, 'statements'), { signal }),
    refetchInterval: LOOK_MS,
  });

export const useNodes = (tenant: string) =>
  useQuery({
    queryKey: ['customer', 'nodes', tenant],
    queryFn: ({ signal }) => api<TenantNodes>(of(tenant, 'nodes'), { signal }),
    refetchInterval: LOOK_MS,
  });
