import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { overview } from '../model/api.ts';
import * as shapes from '../model/orders-api.ts';
import { ask, defaultServer, send } from './client.ts';
import { number } from './options.ts';
import { CliError, count, print, printJson, stageLine, unknownText, usd, watts } from './output.ts';
import { confirmed } from './prompt.ts';

interface Common {
  readonly server: string;
  readonly json?: boolean;
}
interface Giving extends Common {
  readonly why: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly wait: boolean;
}

/** `1h`, `90m`, `1h30m`: minutes. */
export function minutesOf(text: string): number {
  const parts = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?$/.exec(text.trim());
  const minutes = Number(parts?.[1] ?? 0) * 60 + Number(parts?.[2] ?? 0);
  if (parts === null || minutes <= 0 || minutes > shapes.LONGEST_ORDER_MINUTES)
    throw new InvalidArgumentError('expected a time such as 1h, 90m or 1h30m, two days at the most');
  return minutes;
}

export function curtailVerb(program: Command): void {
  giving(
    program
      .command('curtail')
      .description('draw less for a while: shows what would be done, asks, carries it out and follows it to the meter')
      .requiredOption('--mw <n>', 'by how many MW import goes down from what it is now', number(0.001, 100_000))
      .requiredOption('--for <time>', 'how long, in site time: 1h, 90m', minutesOf),
  ).action((options: Giving & { mw: number; for: number }) =>
    give(options, { kind: 'curtail', mw: options.mw, minutes: options.for }),
  );
}

export function stopVerb(program: Command): void {
  giving(
    program
      .command('stop')
      .description(
        'safe stop: every miner that can sleep does, held ones too, until it is released; work on GPUs goes on',
      ),
  ).action((options: Giving) => give(options, { kind: 'stop' }));
}

const giving = (verb: Command): Command =>
  verb
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--yes', 'do not ask: the preview is printed and carried out')
    .option('--dry-run', 'only the preview; writes nothing')
    .option('--no-wait', 'do not follow it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option(
      '--json',
      'the preview with --dry-run, else the order; with --json nobody is asked: give --yes or --dry-run',
    );

async function give(options: Giving, request: shapes.OrderPreviewRequest): Promise<void> {
  const { server, json = false, why, yes = false, dryRun = false } = options;
  if (json && !yes && !dryRun) throw new CliError('with --json nobody can be asked', 'add --yes or --dry-run');
  const preview = await send(server, 'POST', '/api/v1/orders/preview', request, shapes.orderPreview);
  if (dryRun) return json ? printJson(preview) : print(previewText(preview));
  if (!json) print(previewText(preview));
  if (!yes && !(await confirmed('Carry it out?'))) throw new CliError('nothing was done');
  const body = { preview: preview.id, why };
  const begun = await send(server, 'POST', '/api/v1/orders', body, shapes.orderState);
  const order = options.wait && begun.state === 'in-force' ? await follow(server, begun, json) : begun;
  // Before it was followed, what failed is of the plan before.
  if (options.wait && order.state === 'in-force' && order.machines.failed.length > 0) process.exitCode = 1;
  if (json) return printJson(order);
  print(orderText(order));
  if (!options.wait && order.state === 'in-force') print('  just begun: busbar orders tells how far it is');
}

export function approveVerb(program: Command): void {
  program
    .command('approve')
    .description('as a second person put an order in force that somebody asked for')
    .argument('<order>', 'as busbar orders lists it')
    .requiredOption('--why <text>', 'kept with it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'the order')
    .action(async (id: string, { server, json, why }: Common & { why: string }) => {
      const order = await send(server, 'POST', '/api/v1/orders', { preview: id, why }, shapes.orderState);
      if (json === true) return printJson(order);
      print(orderText(order));
    });
}

export function ordersVerb(program: Command): void {
  program
    .command('orders')
    .description('what people told the whole site to do: in force, asked for, over')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ at, orders: [...] }')
    .action(async ({ server, json }: Common) => {
      const page = await ask(server, '/api/v1/orders', shapes.ordersPage);
      if (json === true) return printJson(page);
      print(page.orders.length === 0 ? 'No orders.' : page.orders.map(orderText).join('\n\n'));
    });
}

export function holdVerb(program: Command): void {
  program
    .command('hold')
    .description('hold a cohort out of the plan: it stays as it is')
    .argument('<cohort>', 'a group of miners, as the site file names it')
    .requiredOption('--why <text>', 'kept with it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ held }')
    .action(async (cohort: string, { server, json, why }: Common & { why: string }) => {
      await send(server, 'POST', `/api/v1/cohorts/${encodeURIComponent(cohort)}/hold`, { why });
      if (json === true) return printJson({ held: cohort });
      print(`${cohort} is held: the plan leaves it as it is. busbar release ${cohort} --why "..." gives it back.`);
    });
}

export function releaseVerb(program: Command): void {
  program
    .command('release')
    .description('give back to the plan what an order or a hold took: one of them, or "all" orders')
    .argument('[what]', 'an order as busbar orders lists it, a held cohort, or all orders; absent: the one there is')
    .requiredOption('--why <text>', 'kept with it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ released: [id] }')
    .action(async (given: string | undefined, { server, json, why }: Common & { why: string }) => {
      const { orders } = await ask(server, '/api/v1/orders', shapes.ordersPage);
      const open = orders.filter(({ state }) => state !== 'over');
      const what = given ?? (await onlyOne(server, open));
      const meant =
        what === 'all' ? open : open.filter(({ id }) => id === what || (what.length >= 4 && id.startsWith(what)));
      if (meant.length > 1 && what !== 'all')
        throw new CliError(`${what} is the beginning of several orders`, 'busbar orders');
      if (what === 'all' && meant.length === 0) throw new CliError('no order is in force or asked for');
      if (meant.length === 0) await send(server, 'DELETE', `/api/v1/cohorts/${encodeURIComponent(what)}/hold`, { why });
      for (const { id } of meant)
        await send(server, 'POST', `/api/v1/orders/${id}/release`, { why }, shapes.orderState);
      const released = meant.length === 0 ? [what] : meant.map(({ id }) => id);
      if (json === true) return printJson({ released });
      print(`Released: ${released.join(', ')}. The plan has the machines back.`);
    });
}

/** What can be released where nothing was named. @throws CliError unless it is one thing alone */
async function onlyOne(server: string, open: readonly shapes.OrderState[]): Promise<string> {
  const { cohorts } = await ask(server, '/api/v1/overview', overview);
  const held = cohorts.filter((cohort) => cohort.held !== null);
  const there = [
    ...open.map(({ id, kind, why }) => [id, `${kind} (${why})`] as const),
    ...held.map((cohort) => [cohort.id, `held by ${cohort.held!.who} (${cohort.held!.why})`] as const),
  ];
  const [first] = there;
  if (first === undefined) throw new CliError('nothing can be released: no order is open, and no cohort is held');
  if (there.length === 1) return first[0];
  const list = there.map(([id, about]) => `  busbar release ${id}   ${about}`).join('\n');
  throw new CliError('several things can be released: say which', list);
}

const LOOK_EVERY_MS = 1_000;
/** In place or failed by then, or it is left to busbar orders. */
const FOLLOW_MS = 180_000;

async function follow(server: string, begun: shapes.OrderState, json: boolean): Promise<shapes.OrderState> {
  const line = stageLine(!json);
  const end = performance.now() + FOLLOW_MS;
  let order = begun;
  let quiet = 0;
  try {
    // It takes a moment until the plan is made anew: what is done then must be seen twice.
    while (quiet < 2 && order.state === 'in-force' && performance.now() < end) {
      line.show(progressText(order));
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      const { orders } = await ask(server, '/api/v1/orders', shapes.ordersPage);
      order = orders.find(({ id }) => id === begun.id) ?? order;
      const { wanted, seen, failed } = order.machines;
      const atFirm = order.firmW === null || (order.importW !== null && order.importW <= order.firmW * 1.005 + 20_000);
      quiet = seen + failed.length >= wanted && atFirm ? quiet + 1 : 0;
    }
  } finally {
    line.clear();
  }
  return order;
}

const delivered = ({ deliveredW, beforeW, importW, machinesDownW, unexplainedW }: shapes.OrderState): string =>
  deliveredW === null
    ? `delivered: ${unknownText}, as the feeder meter is or was silent`
    : `delivered at the feeder meter: ${watts(deliveredW)} (${watts(beforeW)} -> ${watts(importW)}); by what machines say ${watts(machinesDownW)}, unexplained ${watts(unexplainedW)}`;

const progressText = (order: shapes.OrderState): string =>
  `${count(order.machines.seen)} of ${count(order.machines.wanted)} miners seen as wanted, ${delivered(order)}`;

function orderText(order: shapes.OrderState): string {
  const what =
    order.kind === 'stop'
      ? 'Safe stop'
      : `Curtail to ${watts(order.firmW)}${order.until === null ? '' : ` until ${order.until.slice(0, 16)}Z`}`;
  const head = `${what} (${order.id}), by ${order.who}: ${order.why}`;
  if (order.state === 'over') return `${head}\n  over: ${order.ended ?? unknownText}`;
  if (order.state === 'asked')
    return `${head}\n  asked for: a second person puts it in force with busbar approve ${order.id} --why "..."`;
  const lines = [head, `  in force: ${progressText(order)}`];
  for (const { id, why } of order.machines.failed.slice(0, 10)) lines.push(`  ${id} failed: ${why}`);
  if (order.machines.failed.length > 10) lines.push(`  and ${count(order.machines.failed.length - 10)} more (--json)`);
  lines.push(`  back: busbar release ${order.id} --why "..."`);
  return lines.join('\n');
}

function previewText(preview: shapes.OrderPreviewView): string {
  const { importW, firmW, thenW, reached, machines, gpus, skipped, usdPerHour, responseSeconds } = preview;
  const lines = [
    thenW === null
      ? `Import is ${watts(importW)}. Nothing can be planned yet, so that only miners that run are listed; a stop needs no plan.`
      : `Import is ${watts(importW)}; with it the plan comes to ${watts(thenW)}${firmW === null ? '' : `, asked for ${watts(firmW)}`}.`,
  ];
  if (!reached) lines.push('NOT REACHED: what may stop is not enough.');
  for (const { group, count: n, to } of machines) lines.push(`  ${count(n)} of ${group} to ${to}`);
  for (const { work, interrupted } of gpus)
    lines.push(`  ${count(Math.round(interrupted))} GPUs of ${work} interrupted`);
  for (const sentence of skipped) lines.push(`  left out: ${sentence}`);
  lines.push(
    `Costs ${usdPerHour === null ? unknownText : `${usd(usdPerHour)} an hour`} by the plan; ${
      responseSeconds === null
        ? 'how fast these groups sleep was not measured'
        : `measured to sleep within ${Math.round(responseSeconds)} s`
    }.`,
  );
  if (preview.needsSecondPerson) lines.push("Above this site's limit for one person: a second one must approve it.");
  return lines.join('\n');
}
