// `npm start`: says in one line when Node is too old, builds the pages if needed, and runs the demo.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  const brought = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  const hint = existsSync(brought)
    ? 'run it with npm start, which uses the Node that npm brought'
    : 'install Node 24 from https://nodejs.org';
  process.stderr.write(`busbar needs Node 24.12 or later; this is ${process.versions.node}: ${hint}.\n`);
  process.exit(1);
}
const { ensurePages } = await import('./pages.ts');
ensurePages((line) => process.stdout.write(`${line}\n`));
process.argv.splice(2, 0, 'demo');
await import('../src/cli/main.ts');
