import { Command } from 'commander';
import { expect, test } from 'vitest';
import { VERBS } from './verbs.ts';

test('every verb is loaded by its own name, and by no other', async () => {
  const all: string[] = [];
  for (const [name, load] of Object.entries(VERBS)) {
    const program = new Command();
    (await load())(program);
    const names = program.commands.map((verb) => verb.name());
    expect(names).toContain(name);
    all.push(...names);
  }
  expect(all).toHaveLength(new Set(all).size);
});
