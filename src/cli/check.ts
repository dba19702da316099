import type { Command } from 'commander';
import { checkSiteFile, formatProblem } from '../server/offline/check.ts';
import { count, print, printJson } from './output.ts';

export function checkVerb(program: Command): void {
  program
    .command('check')
    .description('check a site file; exit status 1 when something is wrong with it')
    .argument('<site.yaml>', 'the site file')
    .option('--json', '{ ok, file, machines, problems: [{ file, line, column, path, message, found, severity }] }')
    .action(async (file: string, { json }: { json?: boolean }) => {
      const checked = await checkSiteFile(file);
      if (!checked.ok) process.exitCode = 1;
      if (json === true) {
        const machines = checked.ok ? checked.machines.length : null;
        const problems = (checked.ok ? checked.warnings : checked.problems).map((p) => ({
          ...p,
          found: p.found ?? null,
        }));
        return printJson({ ok: checked.ok, file, machines, problems });
      }
      for (const problem of checked.ok ? checked.warnings : checked.problems) print(formatProblem(problem));
      if (checked.ok)
        return print(
          `${file}: good. ${count(checked.machines.length)} machines, ${checked.site.meters.length} meters, ${checked.site.halls.length} halls.`,
        );
      const mistakes = checked.problems.filter(({ severity }) => severity === 'error').length;
      print(`${mistakes} ${mistakes === 1 ? 'mistake' : 'mistakes'}`);
    });
}
