import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Trust } from '../model/index.ts';
import type { ServerMessage } from '../server/main.ts';
import { keepAlive } from './keep-alive.ts';
import { rememberLocalToken } from './local-tokens.ts';
import { number } from './options.ts';
import { CliError, count, print, stageLine } from './output.ts';
import { mustBeFree } from './ports.ts';

const ROOT = join(import.meta.dirname, '..', '..');

interface Options {
  readonly port: number;
  readonly data?: string;
  readonly json?: boolean;
  readonly log: string;
}

export function upVerb(program: Command): void {
  program
    .command('up')
    .description('run a site: its machines, live feeds, plan, ledger and pages; in shadow until a person raises it')
    .argument('<site.yaml>', 'the site file')
    .option(
      '--port <n>',
      'port of the pages and the API',
      number(1, 65_535),
      Number(process.env['BUSBAR_PORT'] ?? 7400),
    )
    .option('--data <folder>', 'where ledger, history and accounts are kept (default: .busbar beside the site file)')
    .option('--log <level>', 'debug, info, warn, error', 'info')
    .option('--json', 'print { url, link, trust, machines, data, warnings } in place of text')
    .action((file: string, options: Options) => runUp(file, options));
}

async function runUp(file: string, options: Options): Promise<void> {
  if (!existsSync(file)) throw new CliError(`${file}: no such file`, 'examples/ holds three to begin from');
  await mustBeFree(options.port);
  const data = resolve(options.data ?? join(dirname(resolve(file)), '.busbar'));
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const args = ['--site', file, '--data', data, '--port', String(options.port), '--log', options.log];
  const line = stageLine(options.json !== true);
  line.show('checking the site file, then asking meters, feeds and schedulers once');
  const server = keepAlive('the server', join(ROOT, 'src', 'server', 'main.ts'), args, (message) => {
    if (options.json !== true && 'link' in message)
      print(`the server is back; a new sign-in link: ${String(message.link)}`);
  });
  const stop = () => void server.stop().then(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  process.on('SIGHUP', () => server.signal('SIGHUP'));
  const { url, link, trust, machines, warnings } = (await server.ready.finally(() => line.clear())) as ServerMessage;
  rememberLocalToken(url, join(data, 'local-token'));
  if (options.json === true) return print(JSON.stringify({ url, link, trust, machines, data, warnings }));
  for (const warning of warnings) print(warning);
  print(`Busbar runs ${file}: ${count(machines)} machines.`);
  print(`  Page     ${url}`);
  print(`  Sign in  ${link}  (good once, for a quarter of an hour; then: busbar users add)`);
  print(`  Data     ${data}`);
  print(`  Trust    ${TRUST_TEXT[trust]}`);
  print('Ctrl-C ends it; kill -HUP reads the site file again.');
}

const TRUST_TEXT: Readonly<Record<Trust, string>> = {
  shadow:
    'shadow: it plans, shows what it would do and earn, and writes to nothing.\n           Raise it with: busbar trust suggest --why "...", and one day auto',
  suggest:
    'suggest: it acts on what a person confirms (busbar suggestions). Raise it with: busbar trust auto --why "..."',
  auto: 'auto: it acts by itself. Lower it with: busbar trust shadow --why "..."',
};
