import { expect, test } from 'vitest';
import { Fault, type HttpReply, type HttpRequest } from '../../model/index.ts';
import { asJson, webSession, type WebSessionOptions } from './web-session.ts';

/** A machine whose tokens are numbered; the newest one is taken until it is withdrawn. */
function machine(options: Partial<WebSessionOptions> & { readonly readsAreOpen?: boolean } = {}) {
  const { readsAreOpen = true, ...rest } = options;
  const asked: string[] = [];
  let given = 0;
  let isValid = false;
  async function ask(request: HttpRequest): Promise<HttpReply> {
    const path = new URL(request.url).pathname;
    const token = request.headers?.['authorization'];
    asked.push(`${request.method} ${path}${token === undefined ? '' : ` ${token}`}`);
    if (path === '/moved') return { status: 307, headers: { location: '/moved/' }, body: '' };
    if (path === '/elsewhere') return { status: 302, headers: { location: '/login' }, body: '' };
    const isTaken = (token === `t${given}` && isValid) || (readsAreOpen && request.method === 'GET');
    return { status: isTaken ? 200 : 401, headers: {}, body: '{"a":1}' };
  }
  const session = webSession({
    http: { ask },
    base: 'http://10.0.0.7:80',
    timeoutMs: 1000,
    login: async () => {
      given += 1;
      isValid = true;
      asked.push('login');
      return { authorization: `t${given}` };
    },
    ...rest,
  });
  return { session, asked, withdraw: () => (isValid = false) };
}

test('reads are open, a write signs in once', async () => {
  const { session, asked } = machine();
  expect(await session.get('/a')).toEqual({ a: 1 });
  await session.send('POST', '/b', {});
  await session.send('POST', '/b', {});
  expect(asked).toEqual(['GET /a', 'login', 'POST /b t1', 'POST /b t1']);
});

test('a token that ran out is renewed once, and a read that was denied carries one from then on', async () => {
  const { session, asked, withdraw } = machine({ readsAreOpen: false });
  await session.get('/a');
  withdraw();
  await session.get('/a');
  expect(asked).toEqual(['GET /a', 'login', 'GET /a t1', 'GET /a t1', 'login', 'GET /a t2']);
});

test('one that has just signed in and is denied is denied', async () => {
  const { session, asked } = machine({ isDenied: () => true });
  await expect(session.send('POST', '/b')).rejects.toMatchObject({ kind: 'unauthorised' });
  expect(asked).toEqual(['login', 'POST /b t1']);
});

test('a path that has a slash behind it now is followed, and nothing else is', async () => {
  const { session, asked } = machine();
  expect(await session.get('/moved')).toEqual({ a: 1 });
  await expect(session.get('/elsewhere')).rejects.toMatchObject({ kind: 'refused' });
  expect(asked).toEqual(['GET /moved', 'GET /moved/', 'GET /elsewhere']);
});

test.each([
  ['{"a":1,}\0', { a: 1 }],
  ['\uFEFF[{"a":1},]', [{ a: 1 }]],
  ['{"a":nan,"b":2}', { a: null, b: 2 }],
])('%j is mended', (body, value) => expect(asJson({ status: 200, headers: {}, body }, 'here')).toEqual(value));

test.each(['{"a":1', '{"a":"x', '<html>', ''])('%j is not', (body) =>
  expect(() => asJson({ status: 200, headers: {}, body }, 'here')).toThrow(
    expect.objectContaining({ kind: 'garbled', bytes: body }),
  ),
);

test('one that cannot sign in still reads what is open', async () => {
  const asked: string[] = [];
  const session = webSession({
    http: {
      async ask({ url }) {
        asked.push(new URL(url).pathname);
        return { status: url.endsWith('/closed') ? 401 : 200, headers: {}, body: '{}' };
      },
    },
    base: 'http://10.0.0.7:80',
    timeoutMs: 1000,
    login: async () => {
      throw new Fault('refused', 'no password is tried');
    },
  });
  await expect(session.get('/closed')).rejects.toMatchObject({ kind: 'refused' });
  expect(await session.get('/open')).toEqual({});
  expect(asked).toEqual(['/closed', '/open']);
});
