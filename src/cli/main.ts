import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { CliError } from './output.ts';
import { VERBS } from './verbs.ts';

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as {
  version: string;
};

const program = new Command('busbar')
  .description('One control plane for a site where Bitcoin miners and AI machines share one grid connection.')
  .version(version)
  .showHelpAfterError('(busbar --help lists the verbs)');

const named = Object.entries(VERBS).filter(([name]) => name === process.argv[2]);
for (const [, load] of named.length > 0 && named[0]![0] !== 'completion' ? named : Object.entries(VERBS))
  (await load())(program);
for (const verb of program.commands) verb.showHelpAfterError(`(busbar ${verb.name()} --help says how)`);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  process.stderr.write(`busbar: ${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
  process.exitCode = 1;
}
