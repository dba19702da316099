import { expect, test } from 'vitest';
import { tenantChange, tenantView } from '../../src/model/tenants-api.ts';
import { bodyOf, faultsByField, formOf, NEW_PROJECT } from './tenant-form.ts';

const standing = { gpus: 3, gpuHours: 10, gpuHoursToCome: 1, quotaGpus: 16, quotaGpuHours: null };
const VIEW = tenantView.parse({
  ...standing,
  id: 'acme',
  name: 'Acme Research',
  customers: ['acme-old'],
  emulated: false,
  month: '2026-11',
  classes: [],
  commitments: [],
  projects: [
    {
      ...standing,
      id: 'vision',
      account: 'acme-vision',
      members: ['ann', 'bob'],
      spent: 0,
      toCome: null,
      quotaGpus: null,
      quotaGpuHours: 400,
      budget: { usdPerMonth: 900, alertPct: [75], onExceeded: 'refuse' },
    },
  ],
});

test('what is not changed comes back as it was, with what the form does not ask for', () => {
  expect(tenantChange.parse({ ...bodyOf(formOf(VIEW)), why: 'a test' })).toEqual({
    name: 'Acme Research',
    customers: ['acme-old'],
    quota: { gpus: 16 },
    projects: [
      {
        id: 'vision',
        account: 'acme-vision',
        members: ['ann', 'bob'],
        quota: { gpuHoursPerMonth: 400 },
        budget: { usdPerMonth: 900, alertPct: [75], onExceeded: 'refuse' },
      },
    ],
    why: 'a test',
    onlyLook: false,
  });
});

test('a field that is left empty is no limit, and never a limit of zero', () => {
  const body = bodyOf({ ...formOf(undefined), id: 'new', name: 'New', projects: [{ ...NEW_PROJECT, gpus: '0' }] });
  expect(body).toEqual({
    name: 'New',
    customers: [],
    projects: [{ id: '', account: '', members: [], quota: { gpus: 0 } }],
  });
  expect(bodyOf({ ...formOf(undefined), gpus: 'many' })).toMatchObject({ quota: { gpus: 'many' } });
});

test('each fault stands at its field', () => {
  const faults = faultsByField([
    { path: 'params.tenant', message: 'a' },
    { path: 'body.projects.0.account', message: 'b' },
    { path: 'body.projects.0.quota.gpuHoursPerMonth', message: 'c' },
    { path: 'body.projects.1.budget.usdPerMonth', message: 'd' },
    { path: 'body.projects.1.members.2', message: 'e' },
    { path: 'body.customers.0', message: 'f' },
    { path: 'body.quota.gpus', message: 'g' },
    { path: 'body.name', message: 'h' },
    { path: 'body.name', message: 'second' },
  ]);
  expect(Object.fromEntries(faults)).toEqual({
    id: 'a',
    'projects.0.account': 'b',
    'projects.0.gpuHours': 'c',
    'projects.1.usdPerMonth': 'd',
    'projects.1.members': 'e',
    customers: 'f',
    gpus: 'g',
    name: 'h',
  });
});
