import type { Command } from 'commander';
import { machinePage, overview, type AfterOutageView, type MachineRow } from '../model/api.ts';
import { ask, defaultServer } from './client.ts';
import { number } from './options.ts';
import { age, count, print, printJson, table } from './output.ts';

interface Options {
  json?: boolean;
  server: string;
  hall?: string;
  state?: string;
  find?: string;
  limit: number;
}

export function machinesVerb(program: Command): void {
  program
    .command('machines')
    .description('machines with state, mode, power and hashrate')
    .option('--hall <id>', 'of one hall')
    .option('--state <word>', 'in one state, such as unreachable')
    .option('--find <text>', 'whose id, address or model contains this')
    .option('--limit <n>', 'at most so many', number(1, 10_000), 40)
    .option('--json', 'the page as the API gives it')
    .option('--server <url>', 'address of the server', defaultServer())
    .action(async ({ json, server, hall, state, find, limit }: Options) => {
      const query = new URLSearchParams({ limit: String(limit) });
      for (const [key, value] of Object.entries({ hall, state, q: find }))
        if (value !== undefined) query.set(key, value);
      const page = await ask(server, `/api/v1/machines?${query}`, machinePage);
      if (json === true) return printJson(page);
      const head = ['id', 'model', 'address', 'state', 'mode', 'wanted', 'W', 'TH/s', 'C', 'age', 'outage', 'why'];
      print(table(head, page.machines.map(row), [6, 7, 8, 9]));
      const { commands, afterOutage } = await ask(server, '/api/v1/overview', overview);
      const skipped = Object.entries(commands.skipped);
      if (skipped.length > 0)
        print(`not as wanted: ${skipped.map(([reason, machines]) => `${count(machines)} ${reason}`).join(', ')}`);
      const outage = Object.entries(afterOutage).filter(([, machines]) => machines > 0);
      print(
        `after an outage: ${outage.map(([word, machines]) => `${count(machines)} ${OUTAGE[word as keyof typeof OUTAGE]}`).join(', ')}`,
      );
      print(`${count(page.machines.length)} of ${count(page.matching)} matching, ${count(page.total)} in all`);
    });
}

const OUTAGE = {
  armed: 'armed',
  'not-armed': 'not armed',
  cannot: 'cannot be armed',
  'not-asked': 'as they are set',
} as const;

/** What it does when its supply comes back: `stay-off` where that is armed, `start, not armed`, `?` where nobody knows. */
function outageText({ is, state }: AfterOutageView): string {
  const told = is ?? '?';
  return state === 'not-armed' ? `${told}, not armed` : told;
}

/** A figure nobody knows is "?", never 0; one derived and not measured carries a tilde. */
function row(m: MachineRow): string[] {
  const figure = (value: number | null, digits = 0) => (value === null ? '?' : value.toFixed(digits));
  const power = `${m.powerBasis === 'estimated' ? '~' : ''}${figure(m.powerW)}`;
  return [
    m.id,
    m.model,
    m.address,
    m.state,
    m.mode ?? '-',
    m.wanted ?? '-',
    power,
    m.kind === 'asic' ? figure(m.hashrateThs, 1) : '-',
    figure(m.temperatureC),
    age(m.ageMs),
    outageText(m.afterOutage),
    m.why ?? '',
  ];
}
