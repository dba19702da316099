import type { Command } from 'commander';
import * as shapes from '../model/machines-api.ts';
import { ask, defaultServer, send } from './client.ts';
import { age, CliError, count, print, printJson, stageLine, table, unknownText } from './output.ts';

interface Common {
  readonly server: string;
  readonly json?: boolean;
}

export function poolsVerb(program: Command): void {
  const verb = program
    .command('pools')
    .description('where the hash goes: the list in force, how its pools are, and writing it to machines');
  verb
    .command('list', { isDefault: true })
    .description('the list in force, what the site itself measures of each pool, and miners seen elsewhere')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'the page as GET /api/v1/pools gives it')
    .action(async ({ server, json }: Common) => {
      const page = await ask(server, '/api/v1/pools', shapes.poolsPage);
      if (json === true) return printJson(page);
      print(poolsText(page));
    });
  verb
    .command('preview')
    .description('what writing the list would change, machine by machine; writes nothing')
    .argument('<target...>', 'machines, groups, halls, or "all"')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ id, madeAt, machines: [{ id, canWrite, same, current, wanted }] }')
    .action(async (targets: string[], { server, json }: Common) => {
      const preview = await send(server, 'POST', '/api/v1/pools/preview', { targets }, shapes.poolPreview);
      if (json === true) return printJson(preview);
      print(previewText(preview));
    });
  verb
    .command('apply')
    .description('carry a preview out and wait for its end; the first machines alone, each read back')
    .argument('<preview>', 'id that busbar pools preview printed; five minutes old at the most')
    .requiredOption('--why <text>', 'kept with the change, for whoever reads Activity')
    .option('--no-wait', 'only begin it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ id, counts, failed, endedAt, ... }')
    .action(async (preview: string, options: Common & { why: string; wait: boolean }) => {
      const change = await follow(
        options,
        await send(options.server, 'POST', '/api/v1/pools/apply', { preview, why: options.why }, shapes.poolChange),
      );
      if (change.failed.length > 0) process.exitCode = 1;
      if (options.json === true) return printJson(change);
      print(changeText(change));
    });
  verb
    .command('approve')
    .description('ask for the changed list of the site file, or as a second admin put it in force')
    .requiredOption('--why <text>', 'kept with it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ state: asked | in-force }')
    .action(async ({ server, why, json }: Common & { why: string }) => {
      const { state } = await send(server, 'POST', '/api/v1/pools/approve', { why }, shapes.poolApproved);
      if (json === true) return printJson({ state });
      print(
        state === 'asked'
          ? 'Asked for. A second admin puts it in force with the same command.'
          : 'In force: machines may be written with it (busbar pools preview all).',
      );
    });
}

const LOOK_EVERY_MS = 1_000;

async function follow(
  { server, wait, json }: Common & { wait: boolean },
  begun: shapes.PoolChangeView,
): Promise<shapes.PoolChangeView> {
  const line = stageLine(json !== true);
  let change = begun;
  try {
    if (!wait) return begun;
    while (change.endedAt === null) {
      line.show(countsText(change));
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      change = await ask(server, `/api/v1/pools/changes/${change.id}`, shapes.poolChange);
    }
  } finally {
    line.clear();
  }
  return change;
}

const countsText = ({ counts }: shapes.PoolChangeView): string =>
  Object.entries(counts)
    .map(([stage, n]) => `${count(n)} ${stage}`)
    .join(', ') || 'no machine needs it';

function changeText(change: shapes.PoolChangeView): string {
  const lines = [`${change.endedAt === null ? 'Under way' : 'Done'}: ${countsText(change)}.`];
  for (const { id, why } of change.failed.slice(0, 20)) lines.push(`  ${id}: ${why}`);
  if (change.failed.length > 20) lines.push(`  and ${count(change.failed.length - 20)} more (--json has them all)`);
  return lines.join('\n');
}

const ms = (value: number | null): string => (value === null ? unknownText : `${Math.round(value)} ms`);

function poolsText(page: shapes.PoolsPage): string {
  if (page.listed.length === 0 && page.pending === null)
    return 'No list of pools: name them in the site file under pools, and a machine seen elsewhere raises an alarm.';
  const rows = page.listed.map((pool) => [
    pool.id,
    pool.url,
    pool.worker,
    pool.alive === null ? unknownText : pool.alive ? 'alive' : 'DEAD',
    ms(pool.latencyMs),
    age(pool.jobAgeMs),
    count(pool.machines),
  ]);
  const lines = [table(['pool', 'address', 'worker', 'state', 'latency', 'last job', 'miners'], rows, [4, 6])];
  for (const { id, fault } of page.listed) if (fault !== null) lines.push(`${id}: ${fault}`);
  lines.push('', `${count(page.told)} of ${count(page.miners)} miners told their pools.`);
  for (const { machine, seen } of page.strangers.slice(0, 20)) lines.push(`NOT ON THE LIST ${machine}: ${seen}`);
  if (page.strangers.length > 20) lines.push(`and ${count(page.strangers.length - 20)} more`);
  if (page.pending !== null) {
    const who =
      page.pending.askedBy === null
        ? 'nobody has asked for it yet'
        : `${page.pending.askedBy} asked for it: it takes a second person`;
    lines.push(
      '',
      `A changed list waits (${who}):`,
      ...page.pending.pools.map(({ id, url, worker }) => `  ${id}: ${url} as ${worker}`),
    );
  }
  return lines.join('\n');
}

function previewText({ id, machines }: shapes.PoolPreviewView): string {
  const change = machines.filter(({ same }) => same !== true);
  const lines = [
    `${count(machines.length)} miners: ${count(machines.length - change.length)} have these pools already, ${count(change.length)} would be written.`,
  ];
  const list = (pools: readonly { url: string; worker: string }[] | null) =>
    pools === null ? [`    ? not told yet`] : pools.map(({ url, worker }) => `${url} as ${worker}`);
  for (const machine of change.slice(0, 10)) {
    lines.push(`  ${machine.id}${machine.canWrite ? '' : ' (its driver cannot write pools)'}`);
    for (const text of list(machine.current)) lines.push(`    - ${text.trim()}`);
    for (const text of list(machine.wanted)) lines.push(`    + ${text}`);
  }
  if (change.length > 10) lines.push(`  and ${count(change.length - 10)} more (--json has them all)`);
  if (change.length > 0) lines.push('', `busbar pools apply ${id} --why "..."`);
  return lines.join('\n');
}

export function adoptVerb(program: Command): void {
  program
    .command('adopt')
    .description('take the machine that answers at an address now as the one that belongs there')
    .argument('<machine>', 'as busbar machines lists it')
    .requiredOption('--why <text>', 'kept with it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ machine }')
    .action(async (machine: string, { server, why, json }: Common & { why: string }) => {
      await send(server, 'POST', `/api/v1/machines/${encodeURIComponent(machine)}/adopt`, { why });
      if (json === true) return printJson({ machine });
      print(`${machine}: taken.`);
    });
}

export function plantVerb(program: Command): void {
  const verb = program
    .command('plant')
    .description('PDUs and cooling plant: read, outlets switched, supply temperature set');
  verb
    .command('list', { isDefault: true })
    .description('what each tells')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'the page as GET /api/v1/devices gives it')
    .action(async ({ server, json }: Common) => {
      const page = await ask(server, '/api/v1/devices', shapes.plantPage);
      if (json === true) return printJson(page);
      print(plantText(page));
    });
  verb
    .command('outlet')
    .description('switch one outlet of a PDU')
    .argument('<device>')
    .argument('<outlet>', 'number on its face')
    .argument('<state>', 'on or off')
    .requiredOption('--why <text>', 'kept with it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ device, outlet, on }')
    .action(async (device: string, outlet: string, state: string, { server, why, json }: Common & { why: string }) => {
      if (state !== 'on' && state !== 'off') throw new CliError(`"${state}": expected on or off`);
      const path = `/api/v1/devices/${encodeURIComponent(device)}/outlets/${encodeURIComponent(outlet)}`;
      await send(server, 'POST', path, { on: state === 'on', why });
      if (json === true) return printJson({ device, outlet: Number(outlet), on: state === 'on' });
      print(`${device} outlet ${outlet}: seen ${state}.`);
    });
  verb
    .command('supply')
    .description('set what a cooling plant delivers, inside the limits of the site file')
    .argument('<device>')
    .argument('<celsius>')
    .requiredOption('--why <text>', 'kept with it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ device, celsius }')
    .action(async (device: string, celsius: string, { server, why, json }: Common & { why: string }) => {
      if (!Number.isFinite(Number(celsius))) throw new CliError(`"${celsius}": expected degrees Celsius`);
      await send(server, 'POST', `/api/v1/devices/${encodeURIComponent(device)}/supply`, {
        celsius: Number(celsius),
        why,
      });
      if (json === true) return printJson({ device, celsius: Number(celsius) });
      print(`${device}: seen at ${celsius} C.`);
    });
}

function plantText({ devices }: shapes.PlantPage): string {
  if (devices.length === 0) return 'The site file names no PDU or cooling plant (plant).';
  const degrees = (value: number | null): string => (value === null ? unknownText : `${value.toFixed(1)} C`);
  const rows = devices.map(({ id, kind, hallId, powerW, outlets, cooling, ageMs, fault }) => [
    id,
    kind,
    hallId,
    kind === 'pdu'
      ? `${powerW === null ? unknownText : `${(powerW / 1000).toFixed(1)} kW`}, ${outlets === null ? 'outlets unknown' : `${outlets.filter(({ on }) => on === true).length} of ${outlets.length} outlets on`}`
      : `supply ${degrees(cooling?.supplyC ?? null)} of ${degrees(cooling?.setPointC ?? null)}, return ${degrees(cooling?.returnC ?? null)}`,
    fault === null ? age(ageMs) : fault,
  ]);
  return table(['device', 'kind', 'hall', 'says', 'age'], rows);
}
