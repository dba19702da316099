import type { Command } from 'commander';
import { overview, type Overview } from '../model/api.ts';
import { ask, defaultServer } from './client.ts';
import { age, count, mw, print, printJson, table, unknownText, usd } from './output.ts';

export function statusVerb(program: Command): void {
  program
    .command('status')
    .description('the site at a glance: is it safe, on plan, and what does it earn')
    .option('--json', 'the overview as the API gives it')
    .option('--server <url>', 'address of the server', defaultServer())
    .action(async ({ json, server }: { json?: boolean; server: string }) => {
      const site = await ask(server, '/api/v1/overview', overview);
      if (json === true) printJson(site);
      else print(statusText(site));
    });
}

function statusText(site: Overview): string {
  const lines = site.lines.map((line) => [line.line, mw(line.powerW), `${usd(line.revenueUsdPerHour)}/h`, line.detail]);
  const price = site.prices.find(({ name }) => name === 'priceUsdPerMwh');
  const states = Object.entries(site.machines.byState)
    .filter(([, n]) => n > 0)
    .map(([state, n]) => `${count(n)} ${state}`);
  const alarms = site.alarms.map((alarm) => `  ${alarm.severity.padEnd(8)}  ${alarm.subject}: ${alarm.message}`);
  return [
    `${site.site.name}${site.site.emulated ? ' [emulated site]' : ''}, ${site.at}, clock ${site.clock.speed}x, trust ${site.site.trust}`,
    site.sentence,
    '',
    `import    ${mw(site.connection.importW)} of ${mw(site.connection.limitW)}, read ${age(site.connection.ageMs)} ago; unexplained ${mw(site.connection.unknownW)}`,
    `price     ${price?.value === undefined || price.value === null ? unknownText : `$${price.value.toFixed(2)}/MWh`}`,
    `machines  ${count(site.machines.answering)} of ${count(site.machines.total)} answer: ${states.join(', ')}`,
    `money     cost ${usd(site.costUsdPerHour)}/h, margin ${usd(site.marginUsdPerHour)}/h; today ${usd(site.today.marginUsd)} in ${site.today.intervals} intervals`,
    '',
    table(['line', 'power', 'revenue', ''], lines, [1, 2]),
    '',
    alarms.length === 0 ? 'no alarms' : `alarms\n${alarms.join('\n')}`,
  ].join('\n');
}
