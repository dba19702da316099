import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { overview } from '../model/api.ts';
import { ask, defaultServer, send } from './client.ts';
import { print, printJson } from './output.ts';

const level = (text: string): 'shadow' | 'auto' => {
  if (text === 'shadow' || text === 'auto') return text;
  throw new InvalidArgumentError('expected shadow or auto');
};

export function trustVerb(program: Command): void {
  program
    .command('trust')
    .description('say how far the site acts: in shadow it writes to nothing, in auto it carries its plans out')
    .argument('[level]', 'shadow or auto; absent: tell which it is', level)
    .option('--why <text>', 'kept with the change, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ trust, mostTrust }')
    .action(
      async (wanted: 'shadow' | 'auto' | undefined, options: { why?: string; server: string; json?: boolean }) => {
        if (wanted !== undefined) {
          const why = options.why ?? '';
          await send(options.server, 'POST', '/api/v1/trust', { trust: wanted, why });
        }
        const { site } = await ask(options.server, '/api/v1/overview', overview);
        if (options.json === true) return printJson({ trust: site.trust, mostTrust: site.mostTrust });
        print(
          site.trust === 'shadow'
            ? `${site.name} is in shadow: it plans and writes to nothing${site.mostTrust === 'shadow' ? '; its file allows no more' : ''}.`
            : `${site.name} is in auto: it carries its plans out.`,
        );
      },
    );
}
