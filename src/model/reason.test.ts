import { expect, test } from 'vitest';
import { z } from 'zod';
import { reason } from './reason.ts';

test('a reason is one line that says what it shows', () => {
  expect(reason.parse('  the utility\r\n called\t ')).toBe('the utility called');
  expect(reason.parse('Türe 4 klemmt — 修理')).toBe('Türe 4 klemmt — 修理');
  for (const text of ['', '  a ', '\n\n\n', 'x'.repeat(501), 'red \u001b[31m alarm', 'a\u0000b c', 'safe \u202Epots'])
    expect(reason.safeParse(text).success, JSON.stringify(text)).toBe(false);
  expect(z.toJSONSchema(reason)).toMatchObject({ type: 'string', minLength: 3, maxLength: 500 });
});
