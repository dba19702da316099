import { expect, test } from 'vitest';
import { wallMs } from '../../model/index.ts';
import { createLinks, LINK_MS } from './links.ts';

function bench() {
  let now = 1_000;
  return { links: createLinks(() => wallMs(now)), pass: (ms: number) => void (now += ms) };
}

test('a link is good once', () => {
  const { links } = bench();
  const token = links.issue();
  expect(links.redeem(token)).toBe(true);
  expect(links.redeem(token)).toBe(false);
});

test('a link is good for a quarter of an hour', () => {
  const { links, pass } = bench();
  const late = links.issue();
  pass(LINK_MS);
  expect(links.redeem(late)).toBe(false);
  const inTime = links.issue();
  pass(LINK_MS - 1);
  expect(links.redeem(inTime)).toBe(true);
});

test('wrong, empty and foreign tokens open nothing, and use nothing up; two links are good beside each other', () => {
  const { links } = bench();
  const [one, two] = [links.issue(), links.issue()];
  for (const token of ['', 'x', `${one}x`, one.slice(1)]) expect(links.redeem(token)).toBe(false);
  expect(links.redeem(two)).toBe(true);
  expect(links.redeem(one)).toBe(true);
});
