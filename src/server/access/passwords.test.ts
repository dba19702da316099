import { hash } from '@node-rs/argon2';
import { expect, test } from 'vitest';
import { Busy, createPasswords, PASSWORD_HASHING, passwordProblem } from './passwords.ts';

const GOOD = 'green teapot on the roof';

test('a password is told from others, however it is typed; a hash never holds it', async () => {
  const passwords = createPasswords();
  const kept = await passwords.hash('café au lait, twice');
  expect(kept).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(kept).not.toContain('lait');
  expect(await passwords.verify(kept, 'café au lait, twice')).toBe(true);
  expect(await passwords.verify(kept, 'cafe\u0301 au lait, twice')).toBe(true);
  expect(await passwords.verify(kept, 'cafe au lait, twice')).toBe(false);
  expect(await passwords.hash('café au lait, twice')).not.toBe(kept);
});

test('nobody has a password, whatever is tried, and it is checked like one', async () => {
  const passwords = createPasswords();
  expect(await passwords.verify(undefined, GOOD)).toBe(false);
  expect(await passwords.verify(undefined, '')).toBe(false);
});

test('a hash of weaker parameters is outdated', async () => {
  const passwords = createPasswords();
  expect(passwords.outdated(await passwords.hash(GOOD))).toBe(false);
  expect(passwords.outdated(await hash(GOOD, { ...PASSWORD_HASHING, memoryCost: 8_192 }))).toBe(true);
  expect(passwords.outdated(await hash(GOOD, { ...PASSWORD_HASHING, timeCost: 1 }))).toBe(true);
});

test('a flood of sign-ins is refused before it takes all memory, and those in turn are answered', async () => {
  const passwords = createPasswords();
  const kept = await hash(GOOD, { ...PASSWORD_HASHING, memoryCost: 64, timeCost: 1 });
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => passwords.verify(kept, GOOD)));
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(100 - 2 - 64);
  for (const one of refused) expect((one as PromiseRejectedResult).reason).toBeInstanceOf(Busy);
  expect(await passwords.verify(kept, GOOD)).toBe(true);
});

test('short, common and obvious passwords are refused with the reason', () => {
  const cases: readonly [string, RegExp][] = [
    ['elevenchars', /at least 12/],
    ['🔌🔌🔌🔌🔌🔌', /at least 12/],
    ['Password1234', /first that are tried/],
    ['aaaaaaaaaaaaaaaa', /few different/],
    ['operations1operations1', /little more than the name/],
    ['OPERATIONS1!', /little more than the name/],
  ];
  for (const [password, why] of cases) expect(passwordProblem(password, 'operations1'), password).toMatch(why);
  expect(passwordProblem(GOOD, 'al')).toBeUndefined();
  expect(passwordProblem('correct horse battery staple', 'alice')).toBeUndefined();
});
