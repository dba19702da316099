import { parse } from 'yaml';
import { expect, test } from 'vitest';
import { withTenant, type TenantEntry } from './site-text.ts';

const ENTRY: TenantEntry = {
  id: 'acme',
  name: 'Acme Research',
  customers: [],
  projects: [{ id: 'vision', account: 'acme-vision', members: ['ann'], quota: { gpus: 8 } }],
};
const PLAIN = {
  id: 'acme',
  name: 'Acme Research',
  projects: [{ id: 'vision', account: 'acme-vision', quota: { gpus: 8 }, members: ['ann'] }],
};

test('a first tenant comes after everything else, which stays as it is to the byte', () => {
  const text = "name:   'A site'  # of ours\nhalls: [ { id: a } ]";
  const then = withTenant(text, ENTRY);
  expect(then.startsWith(`${text}\n`)).toBe(true);
  expect(parse(then)).toMatchObject({ tenants: [PLAIN] });
  for (const none of ['tenants: []\n', 'tenants:\n'])
    expect(parse(withTenant(`${none}name: x\n`, ENTRY))).toEqual({ tenants: [PLAIN], name: 'x' });
});

test('what stays the same keeps its comments, its credentials and its place', () => {
  const text = `# our site
tenants:
  # since 2024
  - id: brown
    name: Brown Labs # the old name
    projects: [{ id: all, account: brown }]
  - id: acme
    name: Acme
    customers: [old-acme]
    quota: { gpus: 4 }
    projects:
      - { id: vision, account: acme-vision }
    runAs: # as agreed
      - { cluster: hpc, user: acme, token: { file: acme.jwt } }
feeds:   [] # none
`;
  const then = withTenant(text, ENTRY);
  for (const kept of ['# our site\n', '# since 2024', '# the old name', '# as agreed', 'feeds:   [] # none\n'])
    expect(then).toContain(kept);
  expect(parse(then)).toEqual({
    tenants: [
      { id: 'brown', name: 'Brown Labs', projects: [{ id: 'all', account: 'brown' }] },
      { ...PLAIN, runAs: [{ cluster: 'hpc', user: 'acme', token: { file: 'acme.jwt' } }] },
    ],
    feeds: [],
  });
  expect(withTenant(then, ENTRY)).toBe(then);
});
