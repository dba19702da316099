import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createSecrets } from './secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'busbar-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));
const vault = (name: string): string | undefined => (name === 'pool' ? 'from the vault' : undefined);
const secrets = createSecrets(folder, { TOKEN: 'from the environment', EMPTY: '' }, vault);

function file(name: string, text: string, mode: number): { file: string } {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
  return { file: name };
}

test('a credential comes from the environment, a file of its own or the encrypted store', () => {
  expect(secrets.resolve({ env: 'TOKEN' })).toBe('from the environment');
  expect(secrets.resolve({ secret: 'pool' })).toBe('from the vault');
  expect(secrets.resolve(file('good', 'first line\nsecond', 0o600))).toBe('first line');
});

test('one that changes is taken without a restart', () => {
  const ref = file('turns', 'old', 0o600);
  expect(secrets.resolve(ref)).toBe('old');
  writeFileSync(join(folder, 'turns'), 'new');
  expect(secrets.resolve(ref)).toBe('new');
});

test.each([
  [{ env: 'NOWHERE' }, /environment variable NOWHERE is not set/],
  [{ env: 'EMPTY' }, /is not set/],
  [{ secret: 'other' }, /no secret "other"; store it with: busbar secrets set other/],
  [{ file: 'absent' }, /no file .*absent/],
] as const)('%j that is not there is unauthorised, with the place and the remedy', (ref, words) => {
  expect(secrets.problem(ref)).toMatch(words);
  expect(() => secrets.resolve(ref)).toThrow(expect.objectContaining({ kind: 'unauthorised' }));
});

test('a file that others can read is refused, with the command that mends it', () => {
  const ref = file('open', 'treasure', 0o644);
  expect(secrets.problem(ref)).toMatch(/can be read by others \(mode 644\): chmod 600 .*open/);
  expect(secrets.problem(ref)).not.toMatch(/treasure/);
  expect(secrets.problem(file('void', '', 0o600))).toMatch(/is empty/);
});
