import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { siteJsonSchema } from '../server/offline/schema.ts';
import { print } from './output.ts';

export function schemaVerb(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of the site file, for editors')
    .option('--out <file>', 'write it there')
    .option('--json', 'as it is: the schema is JSON already')
    .action(({ out }: { out?: string }) => {
      const text = `${JSON.stringify(siteJsonSchema(), null, 2)}\n`;
      if (out === undefined) {
        process.stdout.write(text);
        return;
      }
      writeFileSync(out, text);
      print(
        `${out}: written. In the first line of a site file, "# yaml-language-server: $schema=${out}" makes editors use it.`,
      );
    });
}
