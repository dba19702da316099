import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { auditVerb } from './audit.ts';
import { backtestVerb } from './backtest.ts';
import { backupVerb } from './backup.ts';
import { checkVerb } from './check.ts';
import { completionVerb } from './completion.ts';
import { convertVerb } from './convert.ts';
import { demoVerb } from './demo.ts';
import { discoverVerb } from './discover.ts';
import { driverVerb } from './driver.ts';
import { guardVerb } from './guard.ts';
import { gridVerb } from './grid.ts';
import { historyVerb } from './history.ts';
import { jobVerb, repairedVerb } from './jobs.ts';
import { nodeVerb } from './nodes.ts';
import { loginVerb } from './login.ts';
import { machinesVerb } from './machines.ts';
import { CliError } from './output.ts';
import { forecastVerb } from './forecast.ts';
import { approveVerb, curtailVerb, holdVerb, ordersVerb, releaseVerb, stopVerb } from './orders.ts';
import { planVerb } from './plan.ts';
import { powerCurveVerb } from './power-curve.ts';
import { adoptVerb, plantVerb, poolsVerb } from './pools.ts';
import { quoteVerb } from './quote.ts';
import { recordVerb } from './record.ts';
import { reloadVerb } from './reload.ts';
import { replayVerb } from './replay.ts';
import { restoreVerb } from './restore.ts';
import { schemaVerb } from './schema.ts';
import { secretsVerb } from './secrets.ts';
import { statusVerb } from './status.ts';
import { tenantVerb, usageVerb } from './tenants.ts';
import { tokensVerb } from './tokens.ts';
import { confirmVerb, suggestionsVerb, trustVerb } from './trust.ts';
import { upVerb } from './up.ts';
import { usersVerb } from './users.ts';

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as {
  version: string;
};

const program = new Command('busbar')
  .description('One control plane for a site where Bitcoin miners and AI machines share one grid connection.')
  .version(version)
  .showHelpAfterError('(busbar --help lists the verbs)');

for (const verb of [
  demoVerb,
  upVerb,
  statusVerb,
  machinesVerb,
  planVerb,
  forecastVerb,
  curtailVerb,
  stopVerb,
  holdVerb,
  releaseVerb,
  ordersVerb,
  approveVerb,
  gridVerb,
  poolsVerb,
  plantVerb,
  adoptVerb,
  jobVerb,
  nodeVerb,
  repairedVerb,
  tenantVerb,
  usageVerb,
  quoteVerb,
  historyVerb,
  guardVerb,
  trustVerb,
  suggestionsVerb,
  confirmVerb,
  reloadVerb,
  backupVerb,
  restoreVerb,
  auditVerb,
  checkVerb,
  schemaVerb,
  convertVerb,
  backtestVerb,
  powerCurveVerb,
  discoverVerb,
  recordVerb,
  replayVerb,
  driverVerb,
  loginVerb,
  usersVerb,
  tokensVerb,
  secretsVerb,
  completionVerb,
])
  verb(program);
for (const verb of program.commands) verb.showHelpAfterError(`(busbar ${verb.name()} --help says how)`);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  process.stderr.write(`busbar: ${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
  process.exitCode = 1;
}
