import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { curveYaml, readSweep } from '../server/offline/sweep.ts';
import { CliError, print } from './output.ts';

export function powerCurveVerb(program: Command): void {
  program
    .command('power-curve')
    .description('a sweep of GPU power limits as a part of a site file, for the class of work it was measured on')
    .argument('<sweep.csv>', 'power_limit_w,power_w,seconds_per_epoch: a row for each run of the same piece of work')
    .action((file: string) => {
      try {
        print(curveYaml(readSweep(readFileSync(file, 'utf8'), file), file).trimEnd());
      } catch (error) {
        throw new CliError(error instanceof Error ? error.message : String(error));
      }
    });
}
