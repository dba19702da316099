import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { z } from 'zod';
import type { Session } from '../../src/model/api.ts';
import type { tenantList, TenantView } from '../../src/model/tenants-api.ts';
import { whyNot } from './cohorts.tsx';
import { money, number } from './format.ts';
import { api, explain } from './http.ts';
import { Card, Empty, Trouble } from './parts.tsx';
import { TenantDialog } from './tenant-dialog.tsx';

/** Usage moves by the minute, and is read no faster than people look. */
const LOOK_MS = 30_000;

const useTenants = () =>
  useQuery({
    queryKey: ['asked', 'tenants'],
    queryFn: ({ signal }) => api<z.infer<typeof tenantList>>('/tenants', { signal }),
    refetchInterval: LOOK_MS,
  });

/** Customers of the site, and what each has of what it may have; an admin adds and changes them here. */
export function TenantsSection({ session, old }: { session: Session | undefined; old: boolean }) {
  const list = useTenants();
  const [open, setOpen] = useState<{ readonly tenant: TenantView | undefined }>();
  const tenants = list.data?.tenants ?? [];
  const mayChange = session?.role === 'admin';
  if (tenants.length === 0 && !mayChange) return null;
  const reason = whyNot(session, old) ?? (mayChange ? undefined : 'It takes the role admin');
  return (
    <Card
      id="tenants"
      title="Customers"
      aside={
        <button
          type="button"
          className="button"
          disabled={reason !== undefined}
          title={reason}
          onClick={() => setOpen({ tenant: undefined })}
        >
          Add a customer…
        </button>
      }
    >
      {list.error !== null && <Trouble {...explain(list.error)} onRetry={() => void list.refetch()} />}
      {tenants.length === 0 ? (
        <Empty title="No customer yet">Each sees and runs what is theirs alone, within quotas and budgets.</Empty>
      ) : (
        <table className="list tenants">
          <thead>
            <tr>
              <th scope="col">Customer</th>
              {['GPUs', 'GPU-hours', 'Spent'].map((word) => (
                <th key={word} scope="col" className="num">
                  {word}
                </th>
              ))}
              <th scope="col">
                <span className="sr-only">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {tenants.map((one) => (
              <Row key={one.id} tenant={one} reason={reason} onChange={() => setOpen({ tenant: one })} />
            ))}
          </tbody>
        </table>
      )}
      {open !== undefined && (
        <TenantDialog tenant={open.tenant} taken={tenants.map(({ id }) => id)} onClose={() => setOpen(undefined)} />
      )}
    </Card>
  );
}

const of = (used: number, limit: number | null): string =>
  limit === null ? number(used) : `${number(used)} of ${number(limit)}`;

function Row({ tenant, reason, onChange }: { tenant: TenantView; reason: string | undefined; onChange: () => void }) {
  const { name, projects, gpus, quotaGpus, gpuHours, quotaGpuHours } = tenant;
  const spent = projects.reduce((sum, project) => sum + project.spent, 0) / 1e6;
  return (
    <tr>
      <th scope="row">
        {name}
        <span className="row-detail">{projects.map(({ id }) => id).join(', ')}</span>
      </th>
      <td className="num" data-label="GPUs" title="that run or wait now">
        {of(gpus, quotaGpus)}
      </td>
      <td className="num" data-label="GPU-hours" title="this month">
        {of(gpuHours, quotaGpuHours)}
      </td>
      <td className="num" data-label="Spent" title="this month, by its projects">
        {money(spent, 2)}
      </td>
      <td className="num">
        <button
          type="button"
          className="button"
          disabled={reason !== undefined}
          title={reason}
          aria-label={`Change ${name}`}
          onClick={onChange}
        >
          Change…
        </button>
      </td>
    </tr>
  );
}
