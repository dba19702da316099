import type { Command } from 'commander';
import { initSecrets, rotateSecrets, secretsOf } from '../server/offline/secrets.ts';
import { CliError, print, printJson } from './output.ts';
import { askHidden, stdinLines } from './prompt.ts';

interface Options {
  readonly data: string;
  readonly json?: boolean;
  readonly keyFile?: string;
  readonly showKey?: boolean;
}

/** Works on the files of this machine, and needs no server: one that runs reads a changed secret by itself. */
export function secretsVerb(program: Command): void {
  const secrets = program
    .command('secrets')
    .description('credentials of machines, feeds and clusters, encrypted at rest');
  const verb = (words: string, about: string, json: string): Command =>
    secrets
      .command(words)
      .description(about)
      .option('--data <folder>', "the server's data folder", '.busbar')
      .option('--json', json);
  const withKey = (command: Command): Command =>
    command
      .option('--key-file <path>', 'write the new key to this file, outside the data folder')
      .option('--show-key', 'show the new key this once, to be kept elsewhere');

  withKey(verb('init', 'make an empty store and its key', '{ file, key }')).action(told(init));
  verb('set <name>', 'keep a value under a name; asks for it, or reads standard input', '{ ok }').action(told(set));
  verb('list', 'names; values are never shown', '{ secrets: [name] }').action(told(list));
  verb('remove <name>', 'forget a value', '{ ok }').action(told(remove));
  withKey(verb('rotate', 'write everything anew under a new key', '{ key }')).action(told(rotate));
}

/** What is wrong with files and keys is for a person, not for a trace. */
const told =
  <A extends unknown[]>(work: (...args: A) => Promise<void> | void) =>
  async (...args: A): Promise<void> => {
    try {
      await work(...args);
    } catch (error) {
      throw error instanceof CliError ? error : new CliError(error instanceof Error ? error.message : String(error));
    }
  };

const placeOf = ({ keyFile, showKey }: Options) => ({ keyFile, show: showKey === true });

/** Where the server finds the new key. */
function tellKey({ keyFile }: Options, shown: string | undefined): void {
  if (shown !== undefined) print(`the key, shown this once: ${shown}\nstart busbar with it in BUSBAR_KEY`);
  else if (keyFile !== undefined) print(`the key is in ${keyFile}; start busbar with BUSBAR_KEY_FILE=${keyFile}`);
}

function init(options: Options): void {
  const { file, shown } = initSecrets(options.data, process.env, placeOf(options));
  if (options.json === true) return printJson({ file, key: shown ?? null });
  print(`${file} is ready`);
  tellKey(options, shown);
}

async function set(name: string, options: Options): Promise<void> {
  const vault = secretsOf(options.data, process.env);
  // Wrong keys and files are told before a value is typed.
  vault.list();
  const value = process.stdin.isTTY ? await askHidden(`Value of ${name}: `) : (await stdinLines()).join('\n');
  vault.set(name, value);
  if (options.json === true) printJson({ ok: true });
  else print(`${name} is kept; a site file refers to it as { secret: ${name} }`);
}

function list({ data, json }: Options): void {
  const names = secretsOf(data, process.env).list();
  if (json === true) printJson({ secrets: names });
  else print(names.length === 0 ? 'no secrets: busbar secrets set NAME' : names.join('\n'));
}

function remove(name: string, { data, json }: Options): void {
  if (!secretsOf(data, process.env).remove(name)) throw new CliError(`no secret "${name}"`, 'busbar secrets list');
  if (json === true) printJson({ ok: true });
  else print(`${name} is removed`);
}

function rotate(options: Options): void {
  const { shown } = rotateSecrets(options.data, process.env, placeOf(options));
  if (options.json === true) return printJson({ key: shown ?? null });
  print('everything is under the new key');
  tellKey(options, shown);
}
