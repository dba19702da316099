import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault, type TcpRequest } from '../../model/index.ts';
import { askCgminer, expectSuccess, parseReply, part, requirePart } from './cgminer.ts';
import { textOf } from './loose-json.ts';

const kindOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error.kind;
    throw error;
  }
  return 'none';
};

describe('damage whose meaning is plain is mended', () => {
  test.each([
    ['NUL at the end', '{"a":1}\0', { a: 1 }],
    ['newline and NUL', '{"a":1}\n\0', { a: 1 }],
    ['no comma between objects', '{"S":[{"a":1}{"b":2}]}', { S: [{ a: 1 }, { b: 2 }] }],
    ['no comma, but a line break', '{"S":[{"a":1}\n {"b":2}]}', { S: [{ a: 1 }, { b: 2 }] }],
    ['a comma before }', '{"a":1,}', { a: 1 }],
    ['a comma before ]', '{"a":[1,2, ]}', { a: [1, 2] }],
    ['a comma after [', '{"S":[,{"a":1}]}', { S: [{ a: 1 }] }],
    ['bare nan', '{"a":nan,"b":1}', { a: null, b: 1 }],
    ['bare -nan and NaN', '{"a":-nan,"b":NaN}', { a: null, b: null }],
    ['bare inf', '{"a":inf,"b": -Infinity }', { a: null, b: null }],
    ['a key with no value', '{"a" : ,"b":2}', { a: null, b: 2 }],
    ['a last key with no value', '{"b":2,"a":}', { a: null, b: 2 }],
    ['a byte order mark', '\uFEFF{"a":1}', { a: 1 }],
    ['no comma between pairs', '{"a":"x""temp0":5,"b":1 "c":2}', { a: 'x', temp0: 5, b: 1, c: 2 }],
    ['commas twice', '{"a":1,,"b":[1,,2]}', { a: 1, b: [1, 2] }],
    [
      'a list shaped like a dict',
      '{"error_code":["329":"2023-01-06 13:42:42","540":"x"]}',
      { error_code: { 329: '2023-01-06 13:42:42', 540: 'x' } },
    ],
    ['a dict shaped like a list', '{"error_code":{"329","540"}}', { error_code: ['329', '540'] }],
    ['a raw line break in a text', '{"Msg":"a\nb\tc","b":1}', { Msg: 'a\nb\tc', b: 1 }],
    ['quotes in a text', '{"Msg":"pool "main" is dead","b":1}', { Msg: 'pool "main" is dead', b: 1 }],
    ['a quote at the end of a text', '{"Msg":"pool "main"","b":1}', { Msg: 'pool "main"', b: 1 }],
    ['a backslash that escapes nothing', '{"a":"C:\\dir\\é","b":"\\x41"}', { a: 'C:\\dir\\é', b: '\\x41' }],
    [
      'damage, and a text that looks like it',
      '{"Msg":"odd }{ ,} :nan, text","b":nan,}',
      { Msg: 'odd }{ ,} :nan, text', b: null },
    ],
    ['texts of nan and inf stay texts', '{"a":"inf","b":"nan"}', { a: 'inf', b: 'nan' }],
  ])('%s', (_, raw, expected) => expect(parseReply(raw, 'here')).toEqual(expected));
});

test('bytes that are no UTF-8 are Latin-1, and a capture saved as UTF-16 is read too', () => {
  expect(textOf(Buffer.from('{"User":"josé"}', 'latin1'))).toBe('{"User":"josé"}');
  expect(textOf(Buffer.from('{"User":"josé"}\0', 'utf8'))).toBe('{"User":"josé"}');
  expect(textOf(Buffer.from('\uFEFF{"a":1}', 'utf16le'))).toBe('{"a":1}');
});

test('a whole reply is not touched, whatever its texts look like', () => {
  const reply = { Msg: 'odd }{ ,} [, :nan, text', 'GHS 5s': 5 };
  expect(parseReply(JSON.stringify(reply), 'here')).toEqual(reply);
});

test.each([
  '{"a":"x" y" z":1}',
  '{"a":1 b}',
  '{"a":[1,"b":2]}',
  '{"a":12 W}',
  '{"a":"b',
  '[[['.repeat(40),
  '',
  '\0',
  'nan',
  '42',
  '"x"',
  '[1]',
  'null',
  '{"a":1}{"b":2}',
  '<html>',
  '{"a":tru}',
])('%j is garbled', (raw) => {
  expect(kindOf(() => parseReply(raw, 'here'))).toBe('garbled');
});

test('a garbled reply keeps its bytes, cut for a log', () => {
  const raw = `{"a":${'x'.repeat(2000)}`;
  expect(() => parseReply(raw, '10.0.0.7 summary')).toThrow(expect.objectContaining({ bytes: raw.slice(0, 500) }));
  expect(() => parseReply(raw, '10.0.0.7 summary')).toThrow('10.0.0.7 summary');
});

test('a reply cut anywhere before its end is garbled, damaged or not', () => {
  const objects = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }).map((o) => JSON.stringify(o));
  fc.assert(
    fc.property(objects, fc.double({ min: 0, max: 1, noNaN: true }), (reply, share) => {
      const cut = reply.slice(0, Math.min(reply.length - 1, Math.floor(reply.length * share)));
      expect(kindOf(() => parseReply(cut, 'here'))).toBe('garbled');
    }),
  );
});

test('any JSON object comes through as it is', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const raw = JSON.stringify(value).replaceAll('\\u0000', '');
      expect(parseReply(`${raw}\0`, 'here')).toEqual(JSON.parse(raw));
    }),
  );
});

test('any text gives an object or a garbled fault', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '1', ' ', 'nan', 'inf') }),
  );
  fc.assert(
    fc.property(text, (raw) => {
      expect(['none', 'garbled']).toContain(kindOf(() => parseReply(raw, 'here')));
    }),
    { numRuns: 500 },
  );
});

test('part finds a command in a joined reply and in a single one, in lists and in lists shaped like dicts', () => {
  const body = { SUMMARY: [{ Elapsed: 1 }] };
  expect(part({ summary: [body] }, 'summary', 'SUMMARY')).toEqual([{ Elapsed: 1 }]);
  expect(part(body, 'summary', 'SUMMARY')).toEqual([{ Elapsed: 1 }]);
  expect(part({ TEMPS: { 0: { ID: 0 }, 1: { ID: 1 } } }, 'temps', 'TEMPS')).toEqual([{ ID: 0 }, { ID: 1 }]);
  expect(part({ TEMPS: 'none' }, 'temps', 'TEMPS')).toEqual([]);
  expect(part({ temps: [] }, 'temps', 'TEMPS')).toEqual([]);
});

const said = (STATUS: string, Msg: string, Code = 0) => ({ STATUS: [{ STATUS, Msg, Code }] });

test.each([
  ['none', said('S', 'Summary')],
  ['none', said('I', 'Information')],
  ['none', said('W', 'Warning')],
  ['garbled', {}],
  ['garbled', { STATUS: 'S' }],
  ['unsupported', said('E', 'Invalid command', 14)],
  ['unsupported', said('E', 'invalid command')],
  ['unauthorised', said('E', "Access denied to 'x' command", 45)],
  ['unauthorised', said('E', 'Invalid session id', 402)],
  ['refused', said('E', 'Another session is already active', 402)],
  ['refused', said('E', 'Command failed, try again')],
  ['refused', said('F', 'Fatal')],
])('%s is what STATUS %j means', (kind, reply) => expect(kindOf(() => expectSuccess(reply, 'here'))).toBe(kind));

test('an entry that must be there is found, or the reason it is not', () => {
  const stats = { STATS: [{ Type: 'x' }, { 'GHS 5s': 0 }], ...said('S', 'stats') };
  const find = (reply: Record<string, unknown>) => requirePart(reply, 'stats', 'STATS', 'GHS 5s', 'here');
  expect(find(stats)).toEqual({ 'GHS 5s': 0 });
  expect(kindOf(() => find({ ...stats, STATS: [] }))).toBe('garbled');
  expect(kindOf(() => find({}))).toBe('garbled');
  expect(kindOf(() => find(said('E', 'Access denied')))).toBe('unauthorised');
});

test('a command goes out as one JSON object, whole when it ends in NUL or a newline', async () => {
  let seen: TcpRequest<unknown> | undefined;
  const tcp = {
    async ask<T>(request: TcpRequest<T>): Promise<T> {
      seen = request;
      return request.read(Buffer.from('{"a":1}\0'));
    },
  };
  const target = { host: '10.0.0.7', port: 4028, timeoutMs: 99 };
  expect(await askCgminer(tcp, target, 'curtail', 'sid,sleep')).toEqual({ a: 1 });
  expect(JSON.parse(String(seen!.data))).toEqual({ command: 'curtail', parameter: 'sid,sleep' });
  expect([seen!.host, seen!.port, seen!.timeoutMs]).toEqual(['10.0.0.7', 4028, 99]);
  const whole = ['{"a":1}\0', '{"a":1}\n', '{"a":1}', ''].map((text) => seen!.complete(Buffer.from(text)));
  expect(whole).toEqual([true, true, false, false]);
});
