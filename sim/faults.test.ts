import { expect, test } from 'vitest';
import { garble } from './faults.ts';

/** Every text between quotes. */
const strings = (json: string): string[] => [...json.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text!);

test('a garbled answer is no JSON any more, and says nothing that the machine did not say', () => {
  const reply = {
    pools: [{ url: 'stratum+tcp://127.9.2.1:3337', user: 'site.a:7' }, { url: '' }],
    mode: 0,
    rate: -12.5,
  };
  const text = JSON.stringify(reply);
  for (let way = 0; way < 4; way += 1) {
    const garbled = garble(text, way);
    expect(() => JSON.parse(garbled), `way ${way}`).toThrow(SyntaxError);
    for (const one of strings(garbled)) expect(strings(text), `way ${way}`).toContain(one);
  }
  expect(garble(text, 2)).toContain('"mode":nan');
});

test('a text without a number is garbled too', () => {
  expect(() => JSON.parse(garble('{"url":"stratum+tcp://pool.example:3333"}', 2))).toThrow(SyntaxError);
});
