/** Values that take the place of a right one: what services write for "none", and what no service should. */
const INSTEAD: readonly unknown[] = [
  null,
  undefined,
  '',
  'n/a',
  'NaN',
  -1,
  0,
  1e308,
  -5e15,
  0.5,
  true,
  [],
  {},
  [[]],
  '1e999',
  '0x10',
  '__proto__',
  9.3e18,
];

/** A copy with one place changed, at any depth: replaced, taken out, or doubled; or the text cut off. */
export function damagedJson(value: unknown, random: () => number): unknown {
  if (random() % 20 === 0) {
    const text = JSON.stringify(value);
    return text.slice(0, random() % text.length);
  }
  return changed(value, random);
}

function changed(value: unknown, random: () => number): unknown {
  const isBranch = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  if (!isBranch || random() % 8 === 0) return INSTEAD[random() % INSTEAD.length];
  const keys = Object.keys(value);
  const key = keys[random() % keys.length]!;
  if (Array.isArray(value)) {
    const copy: unknown[] = [...value];
    const at = Number(key);
    const how = random() % 6;
    if (how === 0) copy.splice(at, 1);
    else if (how === 1) copy.splice(at, 0, copy[at]);
    else copy[at] = changed(copy[at], random);
    return copy;
  }
  return { ...value, [key]: changed((value as Record<string, unknown>)[key], random) };
}
