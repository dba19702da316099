import { expect, test } from 'vitest';
import { hostAllowed, isLoopback, originAllowed, type Names } from './hosts.ts';

const local: Names = { host: '127.0.0.1', port: 7400, names: [], tls: false };

test('only our own names are answered to', () => {
  for (const host of ['127.0.0.1:7400', 'localhost:7400', 'LOCALHOST:7400', '[::1]:7400'])
    expect(hostAllowed(host, local), host).toBe(true);
  const foreign = ['127.0.0.1', '127.0.0.1:7401', 'evil.example:7400', '127.0.0.1.evil.example:7400', '', undefined];
  for (const host of foreign) expect(hostAllowed(host, local), host).toBe(false);
});

test('names that are allowed besides answer with and without the port; the usual port may be left out', () => {
  const wide: Names = { host: '10.0.0.5', port: 443, names: ['Busbar.site.example'], tls: true };
  for (const host of ['10.0.0.5', '10.0.0.5:443', 'busbar.site.example', 'BUSBAR.site.example:443'])
    expect(hostAllowed(host, wide), host).toBe(true);
  for (const host of ['10.0.0.6', 'site.example', 'busbar.site.example:80', 'xbusbar.site.example'])
    expect(hostAllowed(host, wide), host).toBe(false);
});

test('where every address is listened on, the one that was reached is a name, and 0.0.0.0 is none', () => {
  const any: Names = { host: '0.0.0.0', port: 7400, names: [], tls: true };
  expect(hostAllowed('10.0.0.5:7400', any, '::ffff:10.0.0.5')).toBe(true);
  expect(hostAllowed('10.0.0.6:7400', any, '10.0.0.5')).toBe(false);
  expect(hostAllowed('0.0.0.0:7400', any, undefined)).toBe(false);
});

test('only our own pages may ask; programs name none', () => {
  expect(originAllowed(undefined, '127.0.0.1:7400', false)).toBe(true);
  expect(originAllowed('http://127.0.0.1:7400', '127.0.0.1:7400', false)).toBe(true);
  expect(originAllowed('https://127.0.0.1:7400', '127.0.0.1:7400', true)).toBe(true);
  const foreign = ['http://evil.example', 'http://127.0.0.1:7401', 'https://127.0.0.1:7400', 'null', ''];
  for (const origin of foreign) expect(originAllowed(origin, '127.0.0.1:7400', false), origin).toBe(false);
  expect(originAllowed('http://127.0.0.1:7400', '127.0.0.1:7400', true), 'plain page, TLS server').toBe(false);
});

test('loopback is told from the rest', () => {
  for (const address of ['127.0.0.1', '127.3.2.1', '::1', '[::1]', 'localhost', '::ffff:127.0.0.1'])
    expect(isLoopback(address), address).toBe(true);
  for (const address of ['0.0.0.0', '::', '10.0.0.1', '127.evil.example', '::ffff:10.0.0.1', ''])
    expect(isLoopback(address), address).toBe(false);
});
