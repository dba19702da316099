import type { Command } from 'commander';
import * as shapes from '../model/nodes-api.ts';
import { ask, defaultServer, send } from './client.ts';
import { CliError, count, print, printJson, table, watts } from './output.ts';
import { confirmed } from './prompt.ts';

interface Common {
  readonly server: string;
  readonly json?: boolean;
}

export function nodeVerb(program: Command): void {
  const verb = program
    .command('node')
    .description('nodes of the clusters: what they are used for; move them, switch them off');
  verb
    .command('list', { isDefault: true })
    .description('nodes, their roles, and what is on its way')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'the page as GET /api/v1/nodes gives it')
    .action(async ({ server, json }: Common) => {
      const page = await ask(server, '/api/v1/nodes', shapes.nodesPage);
      if (json === true) return printJson(page);
      print(pageText(page));
    });
  verb
    .command('move')
    .description('use a node for something else: shows what it takes, asks, then drains, moves, checks and returns it')
    .argument('<node>', 'CLUSTER/NODE, as busbar node list shows it')
    .requiredOption('--to <role>', 'role of its cluster')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--yes', 'do not ask')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'the move; with --json nobody is asked: give --yes')
    .action(async (node: string, options: Common & { to: string; why: string; yes?: boolean }) => {
      const { server, json, to, why, yes = false } = options;
      if (json === true && !yes) throw new CliError('with --json nobody can be asked', 'add --yes');
      const path = pathOf(node);
      if (!yes) {
        print(takesText(await ask(server, '/api/v1/nodes', shapes.nodesPage), node, to));
        if (!(await confirmed('Move it?'))) throw new CliError('nothing was done');
      }
      const move = await send(server, 'POST', `${path}/move`, { to, why }, shapes.nodeMove);
      if (json === true) return printJson(move);
      print(`${node} is on its way from ${move.from} to ${to}; busbar node list shows how far it is.`);
    });
  verb
    .command('call-back')
    .description('call off a move that has not been made, or say that you know of one that failed')
    .argument('<node>', 'CLUSTER/NODE, as busbar node list shows it')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'the move')
    .action(async (node: string, { server, json, why }: Common & { why: string }) => {
      const move = await send(server, 'POST', `${pathOf(node)}/call-back`, { why }, shapes.nodeMove);
      if (json === true) return printJson(move);
      print(move.stage === 'failed' ? `${node}: its alarm is over.` : `${node} stays in ${move.from}.`);
    });
  verb
    .command('off')
    .description('switch a node off that nothing runs on, through its scheduler')
    .argument('<node>', 'CLUSTER/NODE, as busbar node list shows it')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ cluster, node }')
    .action(async (node: string, { server, json, why }: Common & { why: string }) => {
      const told = await send(server, 'POST', `${pathOf(node)}/off`, { why }, shapes.nodePowerAsked);
      if (json === true) return printJson(told);
      print(`${node} is told to switch off; busbar node list shows when it is, busbar node on brings it back.`);
    });
  verb
    .command('on')
    .description('switch a node on that was switched off from here')
    .argument('<node>', 'CLUSTER/NODE, as busbar node list shows it')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ cluster, node }')
    .action(async (node: string, { server, json, why }: Common & { why: string }) => {
      const told = await send(server, 'POST', `${pathOf(node)}/on`, { why }, shapes.nodePowerAsked);
      if (json === true) return printJson(told);
      print(`${node} is told to switch on; busbar node list shows when it starts jobs again.`);
    });
}

function pathOf(node: string): string {
  const at = node.indexOf('/');
  if (at <= 0 || at === node.length - 1)
    throw new CliError(`"${node}" names no node`, 'expected CLUSTER/NODE, as busbar node list shows it');
  return `/api/v1/nodes/${encodeURIComponent(node.slice(0, at))}/${encodeURIComponent(node.slice(at + 1))}`;
}

/** What a move would take, before anybody says yes. */
function takesText({ clusters, nodes }: shapes.NodesPage, address: string, to: string): string {
  const node = nodes.find((one) => `${one.cluster}/${one.name}` === address);
  if (node === undefined) throw new CliError(`there is no node ${address}`, 'busbar node list shows all');
  const { drainMinutes = 0 } = clusters.find(({ id }) => id === node.cluster) ?? {};
  const giveWay = node.jobs.filter(({ mayInterrupt }) => mayInterrupt).length;
  const stay = node.jobs.length - giveWay;
  const lines = [
    `${address}: ${node.role ?? 'no role'} -> ${to}, ${count(node.gpus)} ${node.gpuModel ?? ''} GPUs, ${node.state}`,
    node.jobs.length === 0 ? '  nothing runs on it' : '',
    giveWay === 0
      ? ''
      : `  ${count(giveWay)} jobs may end by themselves for ${count(drainMinutes)} min, then go back in the queue`,
    stay === 0 ? '' : `  ${count(stay)} jobs may not be interrupted: it waits until they have ended`,
  ];
  return lines.filter((line) => line !== '').join('\n');
}

function pageText({ clusters, nodes, moves, proposal, powerSaving }: shapes.NodesPage): string {
  if (clusters.length === 0) return 'No cluster: name one under clusters in the site file (docs/clusters.md).';
  const lines = [
    table(
      ['node', 'role', 'state', 'GPU', 'GPUs', 'used', ''],
      nodes.map((node) => [
        `${node.cluster}/${node.name}`,
        node.role ?? '-',
        node.state + (node.isOff ? ', off' : ''),
        node.gpuModel ?? '-',
        count(node.gpus),
        count(node.gpusUsed),
        node.move !== null ? moveText(node.move) : node.off !== null ? offText(node.off) : (node.reason ?? ''),
      ]),
      [4, 5],
    ),
  ];
  for (const { id, powerBudget } of clusters)
    if (powerBudget !== null)
      lines.push(
        powerBudget.kw === null
          ? `${id}: its power budget is not known: ${powerBudget.failure ?? 'it is being set'}`
          : `${id} starts jobs up to ${powerBudget.kw.toFixed(1)} kW of GPUs since ${powerBudget.since}, by the plan.`,
      );
  for (const { id, failure } of clusters) if (failure !== null) lines.push(`${id} does not answer: ${failure}`);
  const ended = moves.filter(({ stage }) => stage === 'failed').slice(0, 5);
  for (const move of ended)
    lines.push(`${move.cluster}/${move.node} did not get to ${move.to}: ${move.told ?? move.stage}`);
  for (const { cluster, node, to, why } of powerSaving)
    lines.push(`The plan would switch ${cluster}/${node} ${to}: ${why}`);
  if (proposal !== null) lines.push(`By the plan ${proposal.why}`);
  return lines.join('\n');
}

const OFF = { asked: 'to be switched off', off: 'switched off', coming: 'to be switched on' };
const offText = ({ stage, who, why, releasedW }: NonNullable<shapes.NodesPage['nodes'][number]['off']>): string =>
  `${OFF[stage]} by ${who}: ${why}${releasedW === null ? '' : `, ${watts(releasedW)} less`}`;
const moveText = ({ to, stage, told }: shapes.NodeMoveView): string =>
  `to ${to}: ${stage}${told === null ? '' : `, ${told}`}`;
