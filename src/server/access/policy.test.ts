import Fastify from 'fastify';
import { expect, test } from 'vitest';
import { actorOf, declarePolicies, lesser, personOf } from './policy.ts';

test('a route that does not say who may is not registered; pages are the only exception', () => {
  const server = Fastify();
  declarePolicies(server, false);
  expect(() => server.get('/forgotten', () => 'x')).toThrow(/GET \/forgotten does not say who may/);
  expect(() => server.post('/', { config: { needs: 'public', credentials: true } }, () => 'x')).toThrow(/is public/);
  server.get('/known', { config: { needs: 'viewer' } }, () => 'x');
  server.get('/*', () => 'a page');
});

test('every route registered is told, with its tags, and the document says which need somebody', () => {
  const server = Fastify();
  const routes = declarePolicies(server, true);
  const schemas: unknown[] = [];
  server.addHook('onRoute', ({ method, schema }) => {
    if (method !== 'HEAD') schemas.push(schema);
  });
  server.get('/read', { config: { needs: 'viewer' }, schema: { tags: ['site'] } }, () => 'x');
  server.post('/act', { config: { needs: 'operator' }, schema: { tags: ['control'] } }, () => 'x');
  server.post('/own', { config: { needs: 'viewer', credentials: true }, schema: {} }, () => 'x');
  expect(routes.filter(({ method }) => method !== 'HEAD')).toEqual([
    { method: 'GET', url: '/read', needs: 'viewer', credentials: false, customers: false, tags: ['site'] },
    { method: 'POST', url: '/act', needs: 'operator', credentials: false, customers: false, tags: ['control'] },
    { method: 'POST', url: '/own', needs: 'viewer', credentials: true, customers: false, tags: [] },
  ]);
  expect(schemas).toMatchObject([
    { tags: ['site'] },
    { security: [{ session: [] }, { token: [] }] },
    { security: [{ session: [] }] },
  ]);
  expect(schemas[0]).not.toHaveProperty('security');
});

test('the lesser of two roles; how a person stands in the record', () => {
  expect([lesser('admin', 'viewer'), lesser('viewer', 'admin'), lesser('operator', 'operator')]).toEqual([
    'viewer',
    'viewer',
    'operator',
  ]);
  expect(actorOf({ name: 'al', role: 'viewer', via: 'session' })).toBe('al');
  expect(actorOf({ name: 'al', role: 'viewer', via: 'token', token: 'ci' })).toBe('al (token ci)');
  expect(() => personOf({ url: '/x', signed: undefined } as never)).toThrow(/lets anybody in/);
});
