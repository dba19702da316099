import { InvalidArgumentError, type Command } from 'commander';
import { quoteView, type QuoteOption } from '../model/quote-api.ts';
import { ask, defaultServer } from './client.ts';
import { print, printJson, unknownText, usd, wrap } from './output.ts';

interface Options {
  readonly class: string;
  readonly gpus: number;
  readonly minutes: number;
  readonly by?: string;
  readonly interruptible?: boolean;
  readonly server: string;
  readonly json?: boolean;
}

export function quoteVerb(program: Command): void {
  program
    .command('quote')
    .description('what a job would cost, when it would run, and what if it may be interrupted')
    .requiredOption('--class <id>', 'class of work in the site file')
    .requiredOption('--gpus <n>', 'GPUs it needs', whole)
    .requiredOption('--minutes <n>', 'limit of time', whole)
    .option('--by <time>', 'when it should be done, site clock, as 2026-11-27T08:00 (UTC)')
    .option('--interruptible', 'only where it may be interrupted')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'as GET /api/v1/quote gives it')
    .action(async ({ server, json, by, interruptible, ...rest }: Options) => {
      const query = new URLSearchParams({ class: rest.class, gpus: String(rest.gpus), minutes: String(rest.minutes) });
      if (by !== undefined) query.set('by', timeOf(by));
      const told = await ask(server, `/api/v1/quote?${query.toString()}`, quoteView);
      if (json === true) return printJson(told);
      const lines: string[] = interruptible === true ? [] : quoteText(told.asked);
      if (told.interruptible !== null) {
        if (lines.length > 0) lines.push('', 'If it may be interrupted:');
        lines.push(...quoteText(told.interruptible));
      } else if (interruptible === true) lines.push('No class of these GPUs is sold as one that may be interrupted.');
      print(lines.join('\n'));
    });
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected a whole number above 0');
  return Number(text);
}

function timeOf(text: string): string {
  const withZone = /(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`;
  const at = new Date(withZone);
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('expected a time such as 2026-11-27T08:00');
  return at.toISOString();
}

function quoteText(one: QuoteOption): string[] {
  const dollars = (microUsd: number | null) => usd(microUsd === null ? null : microUsd / 1e6);
  const inTime = one.isInTime === null ? '' : one.isInTime ? ', in time' : ', too late';
  const end = one.startsAt === null ? '' : `, done ${one.endsAt ?? "after the plan's end"}${inTime}`;
  const loss =
    one.expectedLoss === null
      ? 'how often it is interrupted is unknown'
      : `and ${dollars(one.expectedLoss)} expected loss by ${one.interruptsPerDay?.toFixed(1) ?? '0'} interrupts a day`;
  const energy =
    one.energyKwh === null
      ? unknownText
      : `${one.energyKwh.toFixed(1)} kWh of its GPUs (${one.powerSource ?? unknownText})`;
  return [
    `${one.workClass}: ${dollars(one.cost)}${one.isInterruptible ? `, ${loss}` : ''}`,
    `  starts ${one.startsAt ?? 'not within the plan'}${end}`,
    `  energy ${energy}`,
    wrap(`${one.why[0]!.toUpperCase()}${one.why.slice(1)}.`, '  '),
  ];
}
