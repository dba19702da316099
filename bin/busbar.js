#!/usr/bin/env node
// Starts the command line on a Node that can run it: this one, or the one npm brought.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

if (major > 24 || (major === 24 && minor >= 12)) {
  await import(main);
} else {
  const brought = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (!existsSync(brought)) {
    process.stderr.write(
      `busbar needs Node 24.12 or later; this is ${process.versions.node}, and npm brought none for ${process.platform} ${process.arch}.\n` +
        'Install Node 24 from https://nodejs.org and try again.\n',
    );
    process.exit(1);
  }
  const { status } = spawnSync(brought, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}
