import { expect, test } from 'vitest';
import { wallMs } from '../model/index.ts';
import { createAccess, hostAllowed, originAllowed } from './access.ts';

const MINUTE = 60_000;

function bench() {
  let now = 1_000;
  return { access: createAccess(() => wallMs(now)), pass: (ms: number) => void (now += ms) };
}

test('a link signs in once', () => {
  const { access } = bench();
  const token = access.issueLink();
  const session = access.signIn(token);
  expect(access.session(session)).toEqual({ who: 'owner', role: 'admin' });
  expect(access.signIn(token)).toBeUndefined();
  expect(access.session(session)).toBeDefined();
});

test('a link is good for a quarter of an hour, a session for twelve hours', () => {
  const { access, pass } = bench();
  const late = access.issueLink();
  pass(15 * MINUTE);
  expect(access.signIn(late)).toBeUndefined();
  const inTime = access.issueLink();
  pass(15 * MINUTE - 1);
  const session = access.signIn(inTime);
  expect(session).toBeDefined();
  pass(12 * 60 * MINUTE - 1);
  expect(access.session(session)).toBeDefined();
  pass(1);
  expect(access.session(session)).toBeUndefined();
});

test('wrong, empty and foreign tokens open nothing; signing out ends a session', () => {
  const { access } = bench();
  const link = access.issueLink();
  for (const token of ['', 'x', `${link}x`, link.slice(1)]) expect(access.signIn(token)).toBeUndefined();
  expect(access.session(undefined)).toBeUndefined();
  expect(access.session('')).toBeUndefined();
  expect(access.session(link)).toBeUndefined();
  const session = access.signIn(link)!;
  access.signOut(session);
  expect(access.session(session)).toBeUndefined();
});

test('two links are good beside each other, and give sessions of their own', () => {
  const { access } = bench();
  const [first, second] = [access.issueLink(), access.issueLink()];
  const one = access.signIn(second);
  const other = access.signIn(first);
  expect(one).toBeDefined();
  expect(other).toBeDefined();
  expect(one).not.toBe(other);
});

test('only our own names are answered to', () => {
  for (const host of ['127.0.0.1:7400', 'localhost:7400', 'LOCALHOST:7400', '[::1]:7400'])
    expect(hostAllowed(host, 7400), host).toBe(true);
  const foreign = ['127.0.0.1', '127.0.0.1:7401', 'evil.example:7400', '127.0.0.1.evil.example:7400', '', undefined];
  for (const host of foreign) expect(hostAllowed(host, 7400), host).toBe(false);
});

test('only our own pages may ask; programs name none', () => {
  expect(originAllowed(undefined, '127.0.0.1:7400')).toBe(true);
  expect(originAllowed('http://127.0.0.1:7400', '127.0.0.1:7400')).toBe(true);
  const foreign = ['http://evil.example', 'http://127.0.0.1:7401', 'https://127.0.0.1:7400', 'null', ''];
  for (const origin of foreign) expect(originAllowed(origin, '127.0.0.1:7400'), origin).toBe(false);
});
