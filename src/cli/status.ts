import type { Command } from 'commander';
import { overview, type Overview } from '../model/api.ts';
import { ask, defaultServer } from './client.ts';
import { age, count, print, printJson, table, unknownText, usd, watts } from './output.ts';

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
  const lines = site.lines.map((line) => [
    line.line,
    watts(line.powerW),
    `${usd(line.revenueUsdPerHour)}/h`,
    line.detail,
  ]);
  const price = site.prices.find(({ name }) => name === 'priceUsdPerMwh');
  const states = Object.entries(site.machines.byState)
    .filter(([, n]) => n > 0)
    .map(([state, n]) => `${count(n)} ${state}`);
  const alarms = site.alarms.map((alarm) => `  ${alarm.severity.padEnd(8)}  ${alarm.subject}: ${alarm.message}`);
  return [
    `${site.site.name}${site.site.emulated ? ' [emulated site]' : ''}, ${site.at}, clock ${site.clock.speed}x, trust ${site.site.trust}`,
    site.sentence,
    '',
    `import    ${watts(site.connection.importW)} of ${watts(site.connection.limitW)}, read ${age(site.connection.ageMs)} ago; unexplained ${watts(site.connection.unknownW)}`,
    `price     ${priceText(price)}`,
    ...shadowLines(site),
    ...site.uplinks.map(uplinkLine),
    `machines  ${count(site.machines.answering)} of ${count(site.machines.total)} answer: ${states.join(', ')}`,
    `money     cost ${usd(site.costUsdPerHour)}/h, margin ${usd(site.marginUsdPerHour)}/h; today ${usd(site.today.marginUsd)} in ${site.today.intervals} intervals`,
    '',
    table(['line', 'power', 'revenue', ''], lines, [1, 2]),
    '',
    alarms.length === 0 ? 'no alarms' : `alarms\n${alarms.join('\n')}`,
  ].join('\n');
}

function priceText(price: Overview['prices'][number] | undefined): string {
  if (price?.value === undefined || price.value === null) return unknownText;
  const told = `$${price.value.toFixed(2)}/MWh`;
  if (!price.stale) return told;
  const instead = price.plannedWith === null ? '' : `, planned with $${price.plannedWith.toFixed(2)}/MWh`;
  return `${told} is stale, ${age(price.ageMs)} old${instead}`;
}

function shadowLines({ shadow }: Overview): string[] {
  if (shadow === null) return [];
  const more = shadow.wouldMarginUsd - shadow.marginUsd;
  return [
    `shadow    in ${shadow.intervals} quarter-hours of today acting would have earned ${usd(shadow.wouldMarginUsd)}, it was ${usd(shadow.marginUsd)}: ${more < 0 ? '' : '+'}${usd(more)}`,
  ];
}

function uplinkLine(uplink: Overview['uplinks'][number]): string {
  const state = uplink.up === null ? 'unknown' : uplink.up ? 'up' : 'DOWN';
  const rate = (mbps: number | null): string => (mbps === null ? unknownText : mbps.toFixed(0));
  return `uplink    ${uplink.name}: ${state}, ${rate(uplink.inMbps)} in, ${rate(uplink.outMbps)} out of ${uplink.capacityMbps} Mbit/s, read ${age(uplink.ageMs)} ago`;
}
