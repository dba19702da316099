import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import * as shapes from '../model/jobs-api.ts';
import { ask, defaultServer, send } from './client.ts';
import { jobText, ladderText, pageText } from './job-text.ts';
import { CliError, print, printJson } from './output.ts';

interface Common {
  readonly server: string;
  readonly json?: boolean;
}
interface Submit extends Common {
  readonly class: string;
  readonly customer?: string;
  readonly project?: string;
  readonly gpus: number;
  readonly minutes: number;
  readonly name?: string;
  readonly folder?: string;
  readonly licences?: string;
  readonly cpus?: number;
  readonly memoryMb?: number;
  readonly checkpointSignal?: 'SIGUSR1' | 'SIGUSR2';
  readonly why: string;
}

export function jobVerb(program: Command): void {
  const verb = program.command('job').description('jobs of the clusters: submit, list, show, ladder, logs, cancel');
  verb
    .command('submit')
    .description('send a script to the cluster of a class of work')
    .argument('<script>', 'file whose first line begins with #!')
    .requiredOption('--class <id>', 'class of work in the site file')
    .option('--customer <account>', 'account it is booked to; a customer names its project')
    .option('--project <id>', 'as a customer: one of your projects; default: your only one')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--gpus <n>', 'GPUs it needs', whole, 0)
    .option('--minutes <n>', 'limit of time', whole, 60)
    .option('--name <name>', 'default: that of the file')
    .option('--folder <path>', 'where it starts, on the file system of a Slurm')
    .option('--licences <list>', 'name:count, as site_kw:12, on a Slurm')
    .option('--cpus <n>', 'CPUs, on a local cluster', whole)
    .option('--memory-mb <n>', 'writable memory of each process, on a local cluster', whole)
    .option('--checkpoint-signal <signal>', 'SIGUSR1 or SIGUSR2, at which it keeps a checkpoint, on a local cluster')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ cluster, id }')
    .action(async (file: string, options: Submit) => {
      const { server, json, minutes, name = basename(file), ...rest } = options;
      const body = { ...rest, name, timeLimitMinutes: minutes, script: scriptIn(file) };
      const submitted = await send(server, 'POST', '/api/v1/jobs', body, shapes.jobSubmitted);
      if (json === true) return printJson(submitted);
      const job = `${submitted.cluster}/${submitted.id}`;
      print(`Submitted as ${job}.\nbusbar job list shows how it gets on, busbar job logs ${job} what it says.`);
    });
  verb
    .command('list', { isDefault: true })
    .description('what runs and waits on every cluster')
    .option('--all', 'those that have ended, too')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'the page as GET /api/v1/jobs gives it')
    .action(async ({ server, json, all }: Common & { all?: boolean }) => {
      const page = await ask(server, '/api/v1/jobs', shapes.jobsPage);
      if (json === true) return printJson(page);
      print(pageText(page, all === true));
    });
  verb
    .command('show')
    .description('what is known of one job: what it draws, what it has used, what stopping it would release')
    .argument('<job>', 'CLUSTER/ID, as busbar job list shows it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'the job as GET /api/v1/jobs gives it')
    .action(async (name: string, { server, json }: Common) => {
      pathOf(name);
      const { jobs } = await ask(server, '/api/v1/jobs', shapes.jobsPage);
      const job = jobs.find(({ cluster, id }) => `${cluster}/${id}` === name);
      if (job === undefined) throw new CliError(`there is no job ${name}`, 'busbar job list --all shows them');
      if (json === true) return printJson(job);
      print(jobText(job));
    });
  verb
    .command('ladder')
    .description('what of AI and HPC work would give way for so many megawatts, in which order; nothing is carried out')
    .requiredOption('--mw <n>', 'megawatts to be released', positive)
    .option('--hours <n>', 'for which it gives way: what it would have earned counts', positive, 1)
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ wantedW, hours, releasedW, chosen, rungs }')
    .action(async ({ server, json, mw, hours }: Common & { mw: number; hours: number }) => {
      const page = await ask(server, `/api/v1/jobs/ladder?mw=${mw}&hours=${hours}`, shapes.ladderPage);
      if (json === true) return printJson(page);
      print(ladderText(page));
    });
  verb
    .command('logs')
    .description('what a job has written, its last megabyte')
    .argument('<job>', 'CLUSTER/ID, as busbar job list shows it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ cluster, id, output }')
    .action(async (job: string, { server, json }: Common) => {
      const told = await ask(server, `${pathOf(job)}/output`, shapes.jobOutput);
      if (json === true) return printJson(told);
      process.stdout.write(told.output);
    });
  verb
    .command('limit')
    .description('slow all GPUs of a job down, on all of its servers or on none')
    .argument('<job>', 'CLUSTER/ID, as busbar job list shows it')
    .option('--power-pct <n>', 'percent of the power limit its servers have now, 40 to 99', whole)
    .option('--clock-mhz <n>', 'highest clock of its GPUs', whole)
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ cluster, id }')
    .action(async (job: string, options: Common & { powerPct?: number; clockMhz?: number; why: string }) => {
      const { server, json, ...body } = options;
      const told = await send(server, 'POST', `${pathOf(job)}/limit`, body, shapes.jobSubmitted);
      if (json === true) return printJson(told);
      print(
        `${job} is slowed down until it ends; busbar job show ${job} tells what that releases, busbar job unlimit ends it.`,
      );
    });
  verb
    .command('unlimit')
    .description('give the GPUs of a job their limits back')
    .argument('<job>', 'CLUSTER/ID, as busbar job list shows it')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ cluster, id }')
    .action(async (job: string, { server, json, why }: Common & { why: string }) => {
      const told = await send(server, 'POST', `${pathOf(job)}/unlimit`, { why }, shapes.jobSubmitted);
      if (json === true) return printJson(told);
      print(`${job} runs as it did before.`);
    });
  verb
    .command('pause')
    .description('stop a running job where it is: it keeps its GPUs and their memory, and does no work')
    .argument('<job>', 'CLUSTER/ID, as busbar job list shows it')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ cluster, id }')
    .action(async (job: string, { server, json, why }: Common & { why: string }) => {
      const told = await send(server, 'POST', `${pathOf(job)}/pause`, { why }, shapes.jobSubmitted);
      if (json === true) return printJson(told);
      print(
        `${job} is told to stop where it is; busbar job show ${job} tells what that releases, busbar job continue lets it go on.`,
      );
    });
  verb
    .command('continue')
    .description('let a job go on that was paused from here')
    .argument('<job>', 'CLUSTER/ID, as busbar job list shows it')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ cluster, id }')
    .action(async (job: string, { server, json, why }: Common & { why: string }) => {
      const told = await send(server, 'POST', `${pathOf(job)}/continue`, { why }, shapes.jobSubmitted);
      if (json === true) return printJson(told);
      print(`${job} is told to go on; busbar job list shows when it does.`);
    });
  verb
    .command('cancel')
    .description('end a job, whether it waits or runs')
    .argument('<job>', 'CLUSTER/ID, as busbar job list shows it')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ cluster, id }')
    .action(async (job: string, { server, json, why }: Common & { why: string }) => {
      const told = await send(server, 'POST', `${pathOf(job)}/cancel`, { why }, shapes.jobSubmitted);
      if (json === true) return printJson(told);
      print(`${job} is told to end; busbar job list shows when it has.`);
    });
}

export function repairedVerb(program: Command): void {
  program
    .command('repaired')
    .description('take a server whose GPU failed back into the plan')
    .argument('<machine>', 'as busbar machines lists it')
    .requiredOption('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ machine }')
    .action(async (machine: string, { server, why, json }: Common & { why: string }) => {
      await send(server, 'POST', `/api/v1/machines/${encodeURIComponent(machine)}/repaired`, { why });
      if (json === true) return printJson({ machine });
      print(`${machine}: back in the plan.`);
    });
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('expected a number above 0');
  return value;
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}

function scriptIn(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

function pathOf(job: string): string {
  const [cluster = '', id = '', more] = job.split('/');
  if (cluster === '' || id === '' || more !== undefined)
    throw new CliError(`"${job}" names no job`, 'expected CLUSTER/ID, as busbar job list shows it');
  return `/api/v1/jobs/${encodeURIComponent(cluster)}/${encodeURIComponent(id)}`;
}
