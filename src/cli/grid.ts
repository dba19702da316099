import type { Command } from 'commander';
import * as shapes from '../model/grid-api.ts';
import { ask, defaultServer, send } from './client.ts';
import { age, CliError, print, printJson, table, unknownText, watts } from './output.ts';

interface Common {
  readonly server: string;
  readonly json?: boolean;
}

export function gridVerb(program: Command): void {
  const verb = program
    .command('grid')
    .description('signals of the grid: who tells the site what to draw, what stands, and how import follows it');
  verb
    .command('show', { isDefault: true })
    .description('sources, events, and import by the feeder meter against what is demanded')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'the view as GET /api/v1/grid gives it')
    .action(async ({ server, json }: Common) => {
      const view = await ask(server, '/api/v1/grid', shapes.gridView);
      if (json === true) return printJson(view);
      print(gridText(view));
    });
  for (const [name, about] of [
    ['opt-out', 'do not follow an event: it is shown, and reported as opted out of'],
    ['opt-in', 'follow an event again that somebody opted out of'],
  ] as const)
    verb
      .command(name)
      .description(about)
      .argument('<event>', 'as busbar grid lists it')
      .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
      .option('--source <id>', 'of it, where several sources have an event of this name')
      .option('--server <url>', 'address of the server', defaultServer())
      .option('--json', '{ source, event }')
      .action((event: string, options: Common & { why: string; source?: string }) => opt(name, event, options));
}

async function opt(
  what: 'opt-out' | 'opt-in',
  event: string,
  { server, json, why, source }: Common & { why: string; source?: string },
): Promise<void> {
  const { events } = await ask(server, '/api/v1/grid', shapes.gridView);
  const meant = events.filter((one) => one.event === event && (source === undefined || one.source === source));
  if (meant.length > 1)
    throw new CliError(`${event} is told by ${meant.map((one) => one.source).join(' and ')}`, 'name one with --source');
  const [found] = meant;
  if (found === undefined) throw new CliError(`no event ${event} is known`, 'busbar grid');
  const path = [found.source, found.event].map(encodeURIComponent).join('/');
  await send(server, 'POST', `/api/v1/grid-events/${path}/${what}`, { why });
  if (json === true) return printJson({ source: found.source, event });
  print(
    what === 'opt-out'
      ? `${event} of ${found.source} is not followed. busbar grid opt-in ${event} --why "..." follows it again.`
      : `${event} of ${found.source} is followed again.`,
  );
}

function gridText(view: shapes.GridView): string {
  if (view.sources.length === 0) return 'No source of grid signals: gridSignals in the site file names them.';
  const { demanded, importW, missW } = view;
  const range = (least: number, most: number): string =>
    least === most ? watts(most) : least > 0 ? `${watts(least)} to ${watts(most)}` : `${watts(most)} at the most`;
  const lines = [
    demanded === null
      ? `Nothing is demanded; import is ${watts(importW)}.`
      : `Import ${range(demanded.leastW, demanded.mostW)} by ${demanded.by.map(({ event }) => event).join(', ')}; it is ${watts(importW)}` +
        `${missW === null ? '' : missW === 0 ? ', as demanded' : `, ${watts(Math.abs(missW))} ${missW > 0 ? 'above' : 'below'}`}.`,
  ];
  if (!view.follows) lines.push('In shadow: nothing is followed, this is what would be.');
  lines.push(
    '',
    table(
      ['source', 'kind', 'state', 'heard', 'when silent', 'problem'],
      view.sources.map((one) => [
        one.id,
        one.kind,
        one.state,
        one.ageSeconds === null ? 'never' : `${age(one.ageSeconds * 1_000)} ago`,
        `${one.policy}${one.safeLimitW === null ? '' : ` ${watts(one.safeLimitW)}`} after ${one.staleAfterSeconds} s`,
        one.problem ?? '',
      ]),
    ),
  );
  const open = view.events.filter(({ state }) => state !== 'over');
  if (open.length > 0)
    lines.push(
      '',
      table(
        ['event', 'source', 'state', 'asks for', 'from', 'until', 'delivered'],
        open.map((one) => [
          one.event,
          one.source,
          one.state,
          one.mostW === null ? one.ignored.join('; ') : `${one.kind} ${range(one.leastW ?? 0, one.mostW)}`,
          one.from?.slice(0, 16) ?? '',
          one.until?.slice(0, 16) ?? (one.from === null ? '' : 'further notice'),
          one.state === 'in-force' ? (one.deliveredW === null ? unknownText : watts(one.deliveredW)) : '',
        ]),
      ),
    );
  return lines.join('\n');
}
