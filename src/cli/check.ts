import type { Command } from 'commander';
import { checkSiteFile, formatProblem } from '../server/offline/check.ts';
import { count, print, printJson } from './output.ts';

export function checkVerb(program: Command): void {
  program
    .command('check')
    .description('check a site file; exit status 1 when something is wrong with it')
    .argument('<site.yaml>', 'the site file')
    .option('--json', '{ ok, file, machines, problems: [{ file, line, column, path, message, found }] }')
    .action(async (file: string, { json }: { json?: boolean }) => {
      const checked = await checkSiteFile(file);
      if (!checked.ok) process.exitCode = 1;
      if (json === true) {
        const machines = checked.ok ? checked.machines.length : null;
        const problems = checked.ok ? [] : checked.problems.map((p) => ({ ...p, found: p.found ?? null }));
        return printJson({ ok: checked.ok, file, machines, problems });
      }
      if (checked.ok)
        return print(
          `${file}: good. ${count(checked.machines.length)} machines, ${checked.site.meters.length} meters, ${checked.site.halls.length} halls.`,
        );
      for (const problem of checked.problems) print(formatProblem(problem));
      print(`${checked.problems.length} ${checked.problems.length === 1 ? 'mistake' : 'mistakes'}`);
    });
}
