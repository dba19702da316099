import { Option, type Command } from 'commander';
import { record, RecordError, type RecordResult } from '../server/offline/capture/record.ts';
import { openOfflineIo } from '../server/offline/io.ts';
import { CliError, print, printJson } from './output.ts';
import { replayText } from './replay.ts';

interface Options {
  readonly driver?: string;
  readonly out?: string;
  readonly username?: string;
  readonly passwordEnv?: string;
  readonly emulated?: boolean;
  readonly portOffset: number;
  readonly json?: boolean;
}

export function recordVerb(program: Command): void {
  program
    .command('record')
    .description('save what a live machine answers, cleaned of serials, MACs, wallets and pools: reads alone')
    .argument('<address>', 'of the machine')
    .option('--out <folder>', 'a new folder; absent: capture-ADDRESS')
    .option('--driver <name>', 'absent: the one that recognises it')
    .option('--username <name>', 'for a machine whose pages want one')
    .option('--password-env <NAME>', 'environment variable that holds its password')
    .option('--emulated', 'the emulated site: its ports instead of the standard ones')
    .addOption(new Option('--port-offset <n>', 'with --emulated: its offset').argParser(Number).default(0))
    .option('--json', '{ folder, driver, files, replaced, replay }')
    .action(async (address: string, options: Options) => {
      const result = await run(address, options);
      if (options.json === true) return printJson(result);
      print(recordText(result));
    });
}

async function run(address: string, options: Options): Promise<RecordResult> {
  const world = openOfflineIo(options.emulated === true ? options.portOffset : undefined);
  const { passwordEnv } = options;
  const password = passwordEnv === undefined ? undefined : process.env[passwordEnv];
  if (passwordEnv !== undefined && password === undefined)
    throw new CliError(`environment variable ${passwordEnv} is not set`);
  try {
    return await record({
      address,
      driver: options.driver,
      settings: {
        ...(options.username === undefined ? {} : { username: options.username }),
        ...(passwordEnv === undefined ? {} : { password: { env: passwordEnv } }),
      },
      folder: options.out ?? `capture-${address}`,
      io: password === undefined ? world.io : { ...world.io, secret: () => password },
      portOf: world.portOf,
      connectMs: 2_000,
      answerMs: 3_000,
      now: Date.now(),
    });
  } catch (error) {
    if (error instanceof RecordError) throw new CliError(error.message);
    throw error;
  } finally {
    await world.close();
  }
}

function recordText({ folder, files, replaced, replay }: RecordResult): string {
  const cleaned = Object.entries(replaced).map(([kind, n]) => `${n} ${kind}`);
  return [
    `${folder}: ${files.length} answers (${files.join(', ')}).`,
    `Replaced: ${cleaned.length === 0 ? 'nothing' : cleaned.join(', ')}. Look through the files before you hand them on.`,
    'Read back:',
    replayText(replay),
  ].join('\n');
}
