#!/usr/bin/env node
// Starts the command line on a Node that can run it: this one, or the one npm brought.
import { spawn } from 'node:child_process';
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
  const child = spawn(brought, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // Whoever stops this process means that one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
}
