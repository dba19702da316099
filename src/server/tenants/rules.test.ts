import { expect, test } from 'vitest';
import { tenantRules } from './rules.ts';

const project = { id: 'p', account: 'acme-p' };
const clusters = [
  { id: 'desk', driver: 'local', settings: { userId: 1_000 } },
  { id: 'hpc', driver: 'slurm', settings: { user: 'busbar' } },
  { id: 'k8s', driver: 'kubernetes', settings: {} },
];
function told(...tenants: object[]): string[] {
  const issues: string[] = [];
  tenantRules({ clusters, tenants }, (path, message) => issues.push(`${path.join('.')}: ${message}`));
  return issues;
}
const acme = (more: object = {}) => ({ id: 'acme', projects: [project], ...more });

test('what is right is passed', () => {
  const token = { env: 'T' };
  expect(
    told(
      acme({
        runAs: [
          { cluster: 'desk', userId: 1_201 },
          { cluster: 'hpc', user: 'acme', token },
        ],
      }),
    ),
  ).toEqual([]);
});

test('an account is of one project of one tenant', () => {
  expect(told(acme(), { id: 'b', customers: ['acme-p'], projects: [{ id: 'q', account: 'b-q' }] })).toEqual([
    'tenants.1.customers.0: "acme-p" is the account of project "p" of tenant "acme" already, expected a name of its own',
  ]);
  expect(told(acme({ projects: [project, { id: 'p', account: 'x' }] }))).toEqual([
    'tenants.0.projects.1.id: "p" is used twice in projects',
  ]);
});

test('jobs of a tenant run as nobody else, and as somebody the cluster knows', () => {
  const run = (one: object) => told(acme({ runAs: [one] }));
  expect(run({ cluster: 'desk', userId: 1_000 })).toEqual([
    'tenants.0.runAs.0: jobs of the site on "desk" run as the same user, expected one of its own',
  ]);
  expect(run({ cluster: 'hpc', user: 'busbar', token: { env: 'T' } })[0]).toMatch(/Busbar itself is the same user/);
  expect(run({ cluster: 'desk' })).toEqual(['tenants.0.runAs.0: on a local cluster expected userId']);
  expect(run({ cluster: 'hpc', user: 'acme' })).toEqual(['tenants.0.runAs.0: on a Slurm expected user and token']);
  expect(run({ cluster: 'k8s' })[0]).toMatch(/kubernetes runs no jobs as a user of a tenant/);
  expect(run({ cluster: 'nowhere', userId: 7 })).toEqual([
    'tenants.0.runAs.0.cluster: no cluster "nowhere", expected one of: desk, hpc, k8s',
  ]);
  const both = told(acme({ runAs: [{ cluster: 'desk', userId: 7 }] }), {
    id: 'b',
    projects: [{ id: 'q', account: 'b-q' }],
    runAs: [{ cluster: 'desk', userId: 7 }],
  });
  expect(both).toEqual(['tenants.1.runAs.0: jobs of tenant "acme" run as the same user, expected one of its own']);
});
