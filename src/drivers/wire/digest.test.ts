import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { answerChallenge, parseChallenge } from './digest.ts';

/** The example of RFC 7616, section 3.9.1. */
const RFC = {
  header: (algorithm: string) =>
    `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, ` +
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
  request: {
    method: 'GET',
    path: '/dir/index.html',
    username: 'Mufasa',
    password: 'Circle of Life',
    count: 1,
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  },
  responses: {
    MD5: '8ca523f5e9506fed4657c9700eebdbec',
    'SHA-256': '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
  },
};

describe.each(['MD5', 'SHA-256'] as const)('%s', (algorithm) => {
  const challenge = parseChallenge(RFC.header(algorithm));

  test('the challenge of the RFC is understood', () => {
    expect(challenge).toEqual({
      realm: 'http-auth@example.org',
      nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
      opaque: 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS',
      qop: 'auth',
      algorithm,
    });
  });

  test('its response comes out', () => {
    const answer = answerChallenge(challenge!, RFC.request);
    expect(answer).toContain(`response="${RFC.responses[algorithm]}"`);
    expect(answer).toContain('username="Mufasa", realm="http-auth@example.org"');
    expect(answer).toContain('uri="/dir/index.html"');
    expect(answer).toContain('qop=auth, nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"');
    expect(answer).toContain('opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"');
  });
});

test('without qop the answer is that of RFC 2069: no count, no client nonce', () => {
  const challenge = parseChallenge('Digest realm="antMiner", nonce="abc"')!;
  expect(challenge).toEqual({ realm: 'antMiner', nonce: 'abc', opaque: undefined, qop: undefined, algorithm: 'MD5' });
  const md5 = (text: string) => createHash('md5').update(text).digest('hex');
  const answer = answerChallenge(challenge, { ...RFC.request, username: 'root', password: 'root', path: '/x' });
  expect(answer).toContain(`response="${md5(`${md5('root:antMiner:root')}:abc:${md5('GET:/x')}`)}"`);
  expect(answer).not.toMatch(/nc=|cnonce=|qop=|opaque=/);
});

test('the count is eight hex digits, and each answer has a client nonce of its own', () => {
  const challenge = parseChallenge(RFC.header('MD5'))!;
  const { cnonce: _, ...request } = RFC.request;
  const [a, b] = [
    answerChallenge(challenge, { ...request, count: 26 }),
    answerChallenge(challenge, { ...request, count: 26 }),
  ];
  expect(a).toContain('nc=0000001a');
  expect(a).not.toBe(b);
});

test('of several challenges the first that can be answered is taken, and no word of another slips in', () => {
  const both = `${RFC.header('SHA-256')}, ${RFC.header('MD5')}`;
  expect(parseChallenge(both)?.algorithm).toBe('SHA-256');
  const newer = `${RFC.header('SHA-512-256')}, ${RFC.header('MD5')}`;
  expect(parseChallenge(newer)?.algorithm).toBe('MD5');
  expect(parseChallenge('Digest realm="antMiner", nonce="abc", Basic realm="other"')?.realm).toBe('antMiner');
  expect(parseChallenge('Basic realm="other", Digest realm="antMiner", nonce="abc"')?.realm).toBe('antMiner');
});

test.each([
  undefined,
  '',
  'Basic realm="x"',
  'Digest',
  'Digest realm="x"',
  'Digest nonce="x"',
  'Digest realm="x", nonce="y", qop="auth-int"',
  'Digest realm="x", nonce="y", algorithm=MD5-sess',
])('%j cannot be answered', (header) => expect(parseChallenge(header)).toBeUndefined());
