import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { overview } from '../model/api.ts';
import { TRUST, type Trust } from '../model/index.ts';
import * as shapes from '../model/trust-api.ts';
import { ask, defaultServer, send } from './client.ts';
import { count, print, printJson, unknownText, usd, watts } from './output.ts';

const level = (text: string): Trust => {
  const found = TRUST.find((one) => one === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError('expected shadow, suggest or auto');
};

interface Options {
  readonly cohort?: string;
  readonly why?: string;
  readonly server: string;
  readonly json?: boolean;
}

const ABOUT: Readonly<Record<Trust, string>> = {
  shadow: 'it plans and writes to nothing',
  suggest: 'a person confirms what the plan wants (busbar suggestions)',
  auto: 'it carries its plans out',
};

export function trustVerb(program: Command): void {
  program
    .command('trust')
    .description(
      'say how far Busbar acts: in shadow it writes to nothing, in suggest a person confirms, in auto it carries its plans out',
    )
    .argument('[level]', 'shadow, suggest or auto; absent: tell which it is', level)
    .option('--cohort <id>', 'of this group of miners alone; what holds is at the most what the site has')
    .option('--why <text>', 'kept with the change, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ trust, mostTrust, cohorts }')
    .action(async (wanted: Trust | undefined, { cohort, why = '', server, json }: Options) => {
      if (wanted !== undefined) await send(server, 'POST', '/api/v1/trust', { trust: wanted, why, cohort });
      const [{ site }, page] = await Promise.all([
        ask(server, '/api/v1/overview', overview),
        ask(server, '/api/v1/trust', shapes.trustPage),
      ]);
      const cohorts = page.cohorts.filter((one) => cohort === undefined || one.cohort === cohort);
      if (json === true) return printJson({ trust: page.site, mostTrust: page.most, cohorts });
      const most = page.most === 'auto' ? '' : `; its file allows no more than ${page.most}`;
      print(`${site.name} is in ${page.site}: ${ABOUT[page.site]}${most}.`);
      for (const one of cohorts) if (one.own !== null || cohort !== undefined) print(`  ${cohortText(one)}`);
    });
}

const cohortText = ({ cohort, own, trust }: shapes.TrustPage['cohorts'][number]): string =>
  own === null || own === trust
    ? `${cohort} is in ${trust}: ${ABOUT[trust]}`
    : `${cohort} is in ${trust}, as the site is: it was set to ${own}`;

export function suggestionsVerb(program: Command): void {
  program
    .command('suggestions')
    .description('what the plan would change of cohorts that wait for a person, and what was confirmed')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ at, suggestions, underway }')
    .action(async ({ server, json }: Options) => {
      const page = await ask(server, '/api/v1/suggestions', shapes.suggestionsPage);
      if (json === true) return printJson(page);
      const texts = [...page.underway.map(underwayText), ...page.suggestions.map(suggestionText)];
      print(texts.length === 0 ? 'Nothing is suggested now.' : texts.join('\n\n'));
    });
}

export function confirmVerb(program: Command): void {
  program
    .command('confirm')
    .description('carry out a suggestion, once')
    .argument('<suggestion>', 'as busbar suggestions lists it')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ act, cohort, machines }')
    .action(async (given: string, { server, json, why }: Options) => {
      const { suggestions } = await ask(server, '/api/v1/suggestions', shapes.suggestionsPage);
      const found = suggestions.find((one) => given.length >= 4 && one.id.startsWith(given));
      const id = found?.id ?? given;
      const path = `/api/v1/suggestions/${encodeURIComponent(id)}/confirm`;
      const done = await send(server, 'POST', path, { why }, shapes.suggestionConfirmed);
      if (json === true) return printJson(done);
      if (found?.kind === 'jobs') return print(`Confirmed: ${done.cohort} is told of ${count(done.machines)} jobs.`);
      print(`Confirmed: ${count(done.machines)} machines of ${done.cohort} are told. busbar suggestions follows it.`);
    });
}

const changeText = (deltaW: number): string => `${deltaW < 0 ? '-' : '+'}${watts(Math.abs(deltaW))}`;

function suggestionText(one: shapes.SuggestionView): string {
  const moves = one.moves.map(({ from, to, machines }) => `${count(machines)} from ${from} to ${to}`).join(', ');
  const what = one.kind === 'jobs' ? `jobs of ${one.cohort}` : one.cohort;
  const plans = one.plansLeft === 1 ? 'the next plan' : 'the plan after next';
  return [
    `${what}: ${moves}, import ${changeText(one.importDeltaW)}`,
    `  ${one.why}`,
    `  earns ${one.usdPerHour === null ? unknownText : usd(one.usdPerHour)} an hour more now; over the plan's horizon ${one.usdHorizon === null ? unknownText : usd(one.usdHorizon)}`,
    one.trust === 'shadow'
      ? '  only told: this cohort is in shadow'
      : `  until ${plans}: busbar confirm ${one.id} --why "..."`,
  ].join('\n');
}

const underwayText = (one: shapes.SuggestionsPage['underway'][number]): string =>
  `${one.cohort}: confirmed by ${one.who} (${one.why}), ${count(one.machines - one.left)} of ${count(one.machines)} machines seen so`;
