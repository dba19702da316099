import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expandHostlist } from './hostlist.ts';

test.each([
  ['', []],
  ['a100-2', ['a100-2']],
  ['a,b,c', ['a', 'b', 'c']],
  ['h100-[001-003,007],a100-2', ['h100-001', 'h100-002', 'h100-003', 'h100-007', 'a100-2']],
  ['n[8-11]', ['n8', 'n9', 'n10', 'n11']],
  ['n[08-11]', ['n08', 'n09', 'n10', 'n11']],
  ['n[98-101]', ['n98', 'n99', 'n100', 'n101']],
  ['n[5]', ['n5']],
  ['n[0-2]-ib', ['n0-ib', 'n1-ib', 'n2-ib']],
  ['rack[1-2]-node[01-02]', ['rack1-node01', 'rack1-node02', 'rack2-node01', 'rack2-node02']],
  ['a[1,3],b[2],c', ['a1', 'a3', 'b2', 'c']],
  ['[1-2]', ['1', '2']],
  [' a[1-2] , b ', ['a1', 'a2', 'b']],
])('%j names %j', (text, hosts) => expect(expandHostlist(text)).toEqual(hosts));

test.each([
  'n[1-3',
  'n1-3]',
  'n[3-1]',
  'n[]',
  'n[a-b]',
  'n[1-]',
  'n[-3]',
  'n[1-2-3]',
  'n[[1]]',
  'n[1-9999999999]',
  'a b',
  'a[1-999]b[1-999]',
])('%j is no host list', (text) => expect(expandHostlist(text)).toBeUndefined());

/** Writes a range the way Slurm does. */
const compress = (prefix: string, width: number, ranges: readonly (readonly [number, number])[]): string => {
  const pad = (n: number) => String(n).padStart(width, '0');
  return `${prefix}[${ranges.map(([from, length]) => (length === 0 ? pad(from) : `${pad(from)}-${pad(from + length)}`)).join(',')}]`;
};

test('what is compressed comes back, in order', () => {
  const ranges = fc.array(fc.tuple(fc.nat(5000), fc.nat(40)), { minLength: 1, maxLength: 5 });
  const group = fc.tuple(fc.stringMatching(/^[a-z][a-z0-9]{0,4}-$/), fc.integer({ min: 1, max: 6 }), ranges);
  fc.assert(
    fc.property(fc.array(group, { minLength: 1, maxLength: 4 }), (groups) => {
      const text = groups.map((g) => compress(...g)).join(',');
      const expected = groups.flatMap(([prefix, width, list]) =>
        list.flatMap(([from, length]) =>
          Array.from({ length: length + 1 }, (_, i) => prefix + String(from + i).padStart(width, '0')),
        ),
      );
      expect(expandHostlist(text)).toEqual(expected);
    }),
  );
});

test('any text gives names without brackets, or nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '1', '9', '0', '-', '[', ']', ',', ' ') }), (text) => {
      const hosts = expandHostlist(text);
      expect(hosts?.some((host) => /[[\],\s]/.test(host)) ?? false).toBe(false);
    }),
    { numRuns: 500 },
  );
});
