import { expect, test } from 'vitest';
import { isOpenTo } from './tenants.ts';

const acme = { customers: ['acme-old'], projects: [{ id: 'a', account: 'acme-ml', members: [] }] };
const signed = (customer: string) => ({ contracts: [{ work: 'h100-reserved', customer }] });
const reserved = { id: 'h100-reserved', class: 'reserved' };

test('reserved work is of those who signed for it, by whatever name of theirs', () => {
  expect(isOpenTo(signed('globex'), reserved, acme)).toBe(false);
  expect(isOpenTo(signed('acme-ml'), reserved, acme)).toBe(true);
  expect(isOpenTo(signed('acme-old'), reserved, acme)).toBe(true);
  expect(isOpenTo({ contracts: [] }, reserved, acme)).toBe(true);
});

test('what is sold on demand is open to everybody', () => {
  expect(isOpenTo({ contracts: [{ work: 'od', customer: 'globex' }] }, { id: 'od', class: 'on-demand' }, acme)).toBe(
    true,
  );
});
