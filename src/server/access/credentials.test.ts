import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  apiTokenId,
  bearerValue,
  cookieName,
  cookieValue,
  digestOf,
  newApiToken,
  newId,
  sameDigest,
  setCookie,
} from './credentials.ts';

test('a cookie is found among others, by its whole name, the first of them', () => {
  expect(cookieValue('a=1; busbar_session=x; b=2', 'busbar_session')).toBe('x');
  expect(cookieValue('xbusbar_session=x', 'busbar_session')).toBeUndefined();
  expect(cookieValue('busbar_session=first; busbar_session=second', 'busbar_session')).toBe('first');
  expect(cookieValue('busbar_session', 'busbar_session')).toBeUndefined();
  expect(cookieValue(undefined, 'busbar_session')).toBeUndefined();
});

test('a bearer token is found, whatever the case of the word; other schemes are none', () => {
  expect(bearerValue('Bearer bb_1_x')).toBe('bb_1_x');
  expect(bearerValue('bearer   abc=')).toBe('abc=');
  for (const header of ['Basic YTpi', 'Bearer', 'Bearer ', 'Bearer a b', `Bearer ${'x'.repeat(300)}`, '', undefined])
    expect(bearerValue(header), String(header)).toBeUndefined();
});

test('any header at all is parsed without an error, and yields a plain string or nothing', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.string({ maxLength: 60 }).map((s) => `Bearer ${s}`),
  );
  fc.assert(
    fc.property(text, (header) => {
      const values = [cookieValue(header, 'busbar_session'), bearerValue(header), apiTokenId(header)];
      for (const value of values) expect(['string', 'undefined']).toContain(typeof value);
      expect(bearerValue(header) ?? '').not.toMatch(/\s/);
    }),
  );
});

test('the value of a cookie that a browser would send comes back as it was', () => {
  const value = fc.stringMatching(/^[A-Za-z0-9_-]{1,60}$/);
  const other = fc.stringMatching(/^[a-z]{1,8}=[A-Za-z0-9]{0,8}$/);
  fc.assert(
    fc.property(value, fc.array(other), fc.array(other), (mine, before, after) => {
      fc.pre(![...before, ...after].some((pair) => pair.startsWith('s=')));
      expect(cookieValue([...before, `s=${mine}`, ...after].join('; '), 's')).toBe(mine);
    }),
  );
});

test('an API token tells its id; what is cut or lengthened is none', () => {
  const id = newId();
  const token = newApiToken(id);
  expect(token).toMatch(/^bb_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
  expect(apiTokenId(token)).toBe(id);
  for (const wrong of [token.slice(0, -1), `${token}x`, token.slice(1), token.toUpperCase(), '', 'bb__'])
    expect(apiTokenId(wrong), wrong).toBeUndefined();
});

test('digests are compared as wholes', () => {
  expect(sameDigest(digestOf('a'), digestOf('a'))).toBe(true);
  expect(sameDigest(digestOf('a'), digestOf('b'))).toBe(false);
  expect(sameDigest(digestOf('a'), '')).toBe(false);
});

test('the cookie is out of reach of scripts and of other sites; under TLS it is bound to the host', () => {
  expect(setCookie(false, 't', 60)).toBe('busbar_session=t; HttpOnly; SameSite=Strict; Path=/; Max-Age=60');
  expect(setCookie(true, 't', 60)).toBe(
    '__Host-busbar_session=t; HttpOnly; SameSite=Strict; Path=/; Max-Age=60; Secure',
  );
  expect(cookieName(true)).toMatch(/^__Host-/);
});
