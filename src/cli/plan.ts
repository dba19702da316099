import type { Command } from 'commander';
import { plan, type PlanView } from '../model/api.ts';
import { ask, defaultServer } from './client.ts';
import { number } from './options.ts';
import { print, printJson, table, unknownText, watts } from './output.ts';

export function planVerb(program: Command): void {
  program
    .command('plan')
    .description('the plan in force: power by line of business, step by step')
    .option('--json', 'the plan as the API gives it')
    .option('--why', 'what binds, what it is worth, and at which price each cohort would change its mind')
    .option('--steps <n>', 'show so many steps', number(1, 1_000), 24)
    .option('--server <url>', 'address of the server', defaultServer())
    .action(async ({ json, server, steps, why }: { json?: boolean; server: string; steps: number; why?: boolean }) => {
      const view = await ask(server, '/api/v1/plan', plan);
      if (json === true) printJson(view);
      else print(why === true ? whyText(view) : planText(view, steps));
    });
}

/** Three digits for a small site, one for a large one: the column's unit is MW. */
const megawatts = (w: number | null): string =>
  w === null ? unknownText : (w / 1e6).toFixed(Math.abs(w) >= 1e6 || w === 0 ? 1 : 4);

const usdPerMwh = (usd: number | null): string => (usd === null ? '' : usd.toFixed(2));

function whyText(view: PlanView): string {
  const head = `plan ${view.id}, made ${view.madeAt}: ${view.status} by ${view.solver}; price $${usdPerMwh(view.steps[0]?.priceUsdPerMwh ?? null)}/MWh`;
  const notes = view.notes.map((note) => `note: ${note}`);
  const { why } = view;
  if (why === null)
    return [
      head,
      ...notes,
      ...proposalsOf(view),
      '',
      'why: unknown, as this plan is not a solution that the optimiser proved',
    ].join('\n');
  const list = (title: string, lines: readonly string[], none: string): string[] => [
    '',
    title,
    ...(lines.length === 0 ? [`  ${none}`] : lines.map((line) => `  ${line}`)),
  ];
  const rows = why.cohorts.map((one) => [
    one.cohort,
    one.mode,
    usdPerMwh(one.leavesAboveUsdPerMwh),
    one.below ?? '',
    usdPerMwh(one.leavesBelowUsdPerMwh),
    one.above ?? '',
  ]);
  const limitW = (watts: number | null): string => (watts === null ? 'stopped' : `${watts} W`);
  const work = (why.work ?? []).map((one) => [
    one.work,
    limitW(one.limitW),
    usdPerMwh(one.leavesAboveUsdPerMwh),
    one.leavesAboveUsdPerMwh === null ? '' : limitW(one.belowW),
    usdPerMwh(one.leavesBelowUsdPerMwh),
    one.aboveW === null ? '' : limitW(one.aboveW),
  ]);
  return [
    head,
    ...notes,
    ...proposalsOf(view),
    ...list('what changes now', why.changes, 'nothing'),
    ...list(
      'limits that bind',
      why.limits.map(({ sentence }) => sentence),
      'none: price and hash value alone decide',
    ),
    '',
    table(['cohort', 'now', 'above $/MWh', 'goes to', 'below $/MWh', 'goes to'], rows, [2, 4]),
    ...(work.length === 0
      ? []
      : ['', table(['work', 'limit of a GPU', 'above $/MWh', 'goes to', 'below $/MWh', 'goes to'], work, [2, 4])]),
    'market prices, with the limits and the hours to come as they are; what a wake costs is not in them',
  ].join('\n');
}

/** Nobody but a person rents. */
const proposalsOf = ({ proposals = [] }: PlanView): string[] =>
  proposals.map((one) => `proposal, for a person to carry out: ${one}`);

function planText(view: PlanView, steps: number): string {
  const head = ['start', 'min', '$/MWh', 'import', 'mining', 'ai', 'hpc', 'other', 'sold', 'worth of a limit'];
  const rows = view.steps.slice(0, steps).map((step) => [
    step.start.slice(5, 16).replace('T', ' '),
    String(Math.round(step.minutes * 10) / 10),
    `${step.priceUsdPerMwh.toFixed(2)}${step.known ? '' : '*'}`,
    ...[
      step.importW,
      step.linePowerW['mining'] ?? null,
      step.linePowerW['ai'] ?? null,
      step.linePowerW['hpc'] ?? null,
      step.otherW,
      step.linePowerW['grid'] ?? null,
    ].map(megawatts),
    Object.entries(step.shadowUsdPerMwh)
      .map(([limit, worth]) => `${limit} $${worth.toFixed(0)}/MWh`)
      .join(', '),
  ]);
  const next = view.nextChange;
  const limits = Object.entries(view.steps[0]?.gpusAtLimitW ?? {}).flatMap(([work, at]) => {
    const counts = Object.entries(at).map(([watts, gpus]) => `${Math.round(gpus)} at ${watts} W`);
    return counts.length === 0 ? [] : [`GPUs of ${work} now: ${counts.join(', ')}`];
  });
  return [
    `plan ${view.id}, made ${view.madeAt}: ${view.status} by ${view.solver} in ${Math.round(view.solveMs)} ms; ${view.steps.length} steps`,
    next === null ? 'no change planned in the next day' : `next change ${next.at}, ${watts(next.deltaW)}: ${next.why}`,
    ...view.notes.map((note) => `note: ${note}`),
    ...limits,
    ...proposalsOf(view),
    '',
    table(head, rows, [1, 2, 3, 4, 5, 6, 7, 8]),
    'MW at the connection; * marks a forecast price',
  ].join('\n');
}
