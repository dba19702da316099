import { writeFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { openOfflineIo } from '../server/offline/io.ts';
import { discover, fragmentYaml, TargetError, type DiscoverResult } from '../server/offline/discover/discover.ts';
import { CliError, count, print, printJson, stageLine, table } from './output.ts';

interface Options {
  readonly hall: string;
  readonly rate: number;
  readonly atOnce: number;
  readonly connectMs: number;
  readonly answerMs: number;
  readonly tryDefaults?: boolean;
  readonly state?: string;
  readonly out?: string;
  readonly emulated?: boolean;
  readonly portOffset: number;
  readonly json?: boolean;
}

const positive = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number');
  return value;
};

export function discoverVerb(program: Command): void {
  program
    .command('discover')
    .description('find every machine of a network: reads only, no password tried; prints a part of a site file')
    .argument('<range...>', '10.0.0.0/16, 10.0.1.1-10.0.1.240 or an address; several may be named')
    .option('--hall <id>', 'hall written into the fragment', 'hall-1')
    .option('--rate <n>', 'addresses begun each second: spares the ARP tables of switches', positive, 2_000)
    .option('--at-once <n>', 'addresses looked at at once, two sockets each', positive, 1_500)
    .option('--connect-ms <n>', 'how long a connect may take', positive, 700)
    .option('--answer-ms <n>', 'how long an answer may take', positive, 1_500)
    .option('--try-defaults', 'try factory passwords, and report each machine that takes one')
    .option('--state <file>', 'where an interrupted scan is kept, and goes on from')
    .option('--out <file>', 'write the site-file fragment there')
    .option('--emulated', 'the emulated site: its ports instead of the standard ones')
    .option('--port-offset <n>', 'with --emulated: its offset', positive, 0)
    .option('--json', 'the whole result; progress goes to standard error')
    .action(async (targets: string[], options: Options) => {
      const result = await run(targets, options);
      if (result.done < result.addresses) process.exitCode = 130;
      if (options.out !== undefined) writeFileSync(options.out, fragmentYaml(result.fragment));
      if (options.json === true) return printJson(result);
      print(discoverText(result, options.out));
    });
}

async function run(targets: readonly string[], options: Options): Promise<DiscoverResult> {
  const world = openOfflineIo(options.emulated === true ? options.portOffset : undefined);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  const line = stageLine(true);
  let told = 0;
  try {
    return await discover({
      targets,
      hall: options.hall,
      tryDefaults: options.tryDefaults === true,
      addressesPerSecond: options.rate,
      atOnce: options.atOnce,
      connectMs: options.connectMs,
      answerMs: options.answerMs,
      ...(options.state === undefined ? {} : { stateFile: options.state }),
      io: world.io,
      portOf: world.portOf,
      now: () => performance.now(),
      signal: stop.signal,
      onProgress: ({ addresses, done, live, found, seconds }) => {
        const text = `${count(done)} of ${count(addresses)} addresses, ${count(live)} live, ${count(found)} recognised, ${seconds.toFixed(0)} s`;
        line.show(text);
        // Where nobody watches a terminal, a line now and then in the log.
        if (!process.stderr.isTTY && seconds - told >= 5) {
          told = seconds;
          process.stderr.write(`${text}\n`);
        }
      },
    });
  } catch (error) {
    if (error instanceof TargetError) throw new CliError(error.message);
    throw error;
  } finally {
    line.clear();
    process.off('SIGINT', interrupt);
    await world.close();
  }
}

const SHOWN = 20;

function discoverText(result: DiscoverResult, out: string | undefined): string {
  const { machines, unrecognised, securityFindings, sameIdentity, fragment } = result;
  const lines: string[] = [];
  const kinds = new Map<string, number>();
  for (const { driver, model } of machines) {
    const key = `${driver}\t${model ?? 'model not told'}`;
    kinds.set(key, (kinds.get(key) ?? 0) + 1);
  }
  lines.push(
    `${count(result.done)} of ${count(result.addresses)} addresses in ${result.seconds} s: ${count(result.live)} live, ${count(result.found)} recognised, ${count(unrecognised.length)} not.`,
    `Ports tried: ${result.portsTried.join(', ')} (4028 and 80 everywhere, the others where somebody answers).`,
  );
  if (kinds.size > 0)
    lines.push(
      '',
      table(
        ['driver', 'model', 'machines'],
        [...kinds].map(([key, n]) => [...key.split('\t'), count(n)]),
      ),
    );
  for (const { identity, addresses } of sameIdentity) lines.push(`same ${identity}: ${addresses.join(', ')}`);
  for (const { address, finding } of securityFindings) lines.push(`SECURITY ${address}: ${finding}`);
  const spoke = unrecognised.filter(({ answers }) => answers.length > 0);
  for (const { address, openPorts, answers } of spoke.slice(0, SHOWN))
    lines.push(
      `not recognised ${address}: ports ${openPorts.join(', ')}; ${JSON.stringify(answers[0]?.text.slice(0, 80) ?? '')}`,
    );
  if (spoke.length > SHOWN)
    lines.push(`and ${count(spoke.length - SHOWN)} more: --json has them all, with their bytes`);
  if (unrecognised.length > spoke.length)
    lines.push(`${count(unrecognised.length - spoke.length)} took a connection and said nothing`);
  if (result.done < result.addresses)
    lines.push('', 'Interrupted. With the same --state file it goes on where it stopped.');
  lines.push(
    '',
    out === undefined
      ? fragmentYaml(fragment).trimEnd()
      : `${out}: written; put it into the site file and run busbar check.`,
  );
  return lines.join('\n');
}
