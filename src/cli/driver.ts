import type { Command } from 'commander';
import { listDrivers } from '../server/offline/drivers.ts';
import { newDriver, NewDriverError } from '../server/offline/new-driver.ts';
import { CliError, print, printJson, table } from './output.ts';

export function driverVerb(program: Command): void {
  const verb = program.command('driver').description('the drivers there are, and a new one from the blueprint');
  verb
    .command('list')
    .description('every driver, what it serves and what it can be told')
    .option('--json', '[{ name, about, serves, ports, afterOutage }]')
    .action(({ json }: { json?: boolean }) => {
      const all = listDrivers();
      if (json === true) return printJson(all);
      print(
        table(
          ['driver', 'serves', 'about'],
          all.map(({ name, serves, about }) => [name, serves.join(', '), about]),
        ),
      );
    });
  verb
    .command('new')
    .description('copy the blueprint into this checkout: a driver, and a first recording to fill in')
    .argument('<name>', 'lower-case words with dashes')
    .option('--json', '{ files, next }')
    .action((name: string, { json }: { json?: boolean }) => {
      const files = make(name);
      const next = [
        `fill in src/drivers/${name}.ts and test/recordings/${name}/running.json (busbar record ADDRESS saves answers)`,
        'npm run generate',
        `npx vitest run test/conformance/drivers.test.ts -t ${name}`,
      ];
      if (json === true) return printJson({ files, next });
      print(
        [...files.map((file) => `${file}: written`), 'Next:', ...next.map((step, i) => `  ${i + 1}. ${step}`)].join(
          '\n',
        ),
      );
    });
}

function make(name: string): string[] {
  try {
    return newDriver(name, process.cwd());
  } catch (error) {
    if (error instanceof NewDriverError) throw new CliError(error.message);
    throw error;
  }
}
