import type { TenantView } from '../../src/model/tenants-api.ts';

/** A tenant as it is typed: every field as text, as a person leaves it. */
export interface TenantForm {
  readonly id: string;
  readonly name: string;
  readonly customers: string;
  readonly gpus: string;
  readonly gpuHours: string;
  readonly projects: readonly ProjectForm[];
}

export interface ProjectForm {
  readonly id: string;
  readonly account: string;
  readonly members: string;
  readonly gpus: string;
  readonly gpuHours: string;
  readonly usdPerMonth: string;
  readonly onExceeded: 'alert' | 'refuse';
  /** Not asked for here, and kept as it is. */
  readonly alertPct: readonly number[] | undefined;
}

export const NEW_PROJECT: ProjectForm = {
  id: '',
  account: '',
  members: '',
  gpus: '',
  gpuHours: '',
  usdPerMonth: '',
  onExceeded: 'alert',
  alertPct: undefined,
};

const text = (value: number | null): string => (value === null ? '' : String(value));

export function formOf(tenant: TenantView | undefined): TenantForm {
  if (tenant === undefined) return { id: '', name: '', customers: '', gpus: '', gpuHours: '', projects: [NEW_PROJECT] };
  const { id, name, customers, quotaGpus, quotaGpuHours, projects } = tenant;
  return {
    id,
    name,
    customers: customers.join(', '),
    gpus: text(quotaGpus),
    gpuHours: text(quotaGpuHours),
    projects: projects.map((one) => ({
      id: one.id,
      account: one.account,
      members: one.members.join(', '),
      gpus: text(one.quotaGpus),
      gpuHours: text(one.quotaGpuHours),
      usdPerMonth: text(one.budget?.usdPerMonth ?? null),
      onExceeded: one.budget?.onExceeded ?? 'alert',
      alertPct: one.budget?.alertPct,
    })),
  };
}

const names = (list: string): string[] =>
  list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** What is no number goes to the server as it was typed, which says what it expected. */
const figure = (typed: string): number | string => (Number.isNaN(Number(typed)) ? typed : Number(typed));

function quotaOf({ gpus, gpuHours }: { readonly gpus: string; readonly gpuHours: string }): object {
  const quota = {
    ...(gpus.trim() !== '' && { gpus: figure(gpus) }),
    ...(gpuHours.trim() !== '' && { gpuHoursPerMonth: figure(gpuHours) }),
  };
  return Object.keys(quota).length === 0 ? {} : { quota };
}

/** As the API takes it, but for why. */
export function bodyOf({ name, customers, projects, ...quota }: TenantForm): object {
  return {
    name: name.trim(),
    customers: names(customers),
    ...quotaOf(quota),
    projects: projects.map(({ id, account, members, usdPerMonth, onExceeded, alertPct, ...ofProject }) => ({
      id: id.trim(),
      account: account.trim(),
      members: names(members),
      ...quotaOf(ofProject),
      ...(usdPerMonth.trim() !== '' && {
        budget: { usdPerMonth: figure(usdPerMonth), onExceeded, ...(alertPct !== undefined && { alertPct }) },
      }),
    })),
  };
}

/** The first thing said about each field, by its name here: `name`, `projects.0.account`. What is of no field stays away. */
export function faultsByField(
  errors: readonly { readonly path: string; readonly message: string }[],
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { path, message } of errors) {
    const field =
      path === 'params.tenant'
        ? 'id'
        : path
            .replace(/^body\./, '')
            .replace(/\.(customers|members|alertPct)\.\d+$/, '.$1')
            .replace(/^customers\.\d+$/, 'customers')
            .replace(/(^|\.)(?:quota|budget)\./, '$1')
            .replace(/gpuHoursPerMonth$/, 'gpuHours');
    if (!found.has(field)) found.set(field, message);
  }
  return found;
}
