/** `npm run bench -- NAME [--json]`: measures, and compares with a yardstick in the same run. Never a test. */
import { backtestBench } from './backtest.ts';
import { basePointBench } from './base-point.ts';
import { clustersBench } from './clusters.ts';
import { discoverBench } from './discover.ts';
import { eventsBench } from './events.ts';
import { historyBench } from './history.ts';
import { loopBench } from './loop.ts';
import { planBench } from './plan.ts';
import { pollBench } from './poll.ts';
import { shedBench } from './shed.ts';
import { storeBench } from './store.ts';

const BENCHES: Readonly<
  Record<string, { readonly about: string; run(args: readonly string[]): Promise<Record<string, unknown>> }>
> = {
  loop: {
    about: 'the demo site: two site hours, then the answer to a price jump at 1x (about 11 minutes)',
    run: loopBench,
  },
  history: {
    about: 'telemetry: half an hour of 9,100 machines taken in, saved and asked for (seconds)',
    run: historyBench,
  },
  poll: {
    about: 'a fast read of 100,000 machines of mixed families against bare loops, and with a tenth dead (minutes)',
    run: pollBench,
  },
  clusters: {
    about:
      "the real Slurm of Debian: a cycle over 100 nodes and 1,000 jobs, a job's wait, what giving way loses (minutes; --jobs N)",
    run: clustersBench,
  },
  discover: { about: 'a /16 with one address in twenty live, the others silent (a minute)', run: discoverBench },
  events: { about: 'the event stream: 200 listeners (seconds)', run: eventsBench },
  backtest: {
    about: 'a recorded year on the site of 40 MW against rules and foresight (minutes; --year Y --variants --regret)',
    run: backtestBench,
  },
  'base-point': {
    about:
      'base points over Modbus at the small emulated site: how far off the feeder is, and for how long (10 minutes; --moves N)',
    run: basePointBench,
  },
  plan: {
    about: 'the planner: 20 to 60 cohorts over a day, cold and warm, beside the bare solver (minutes; --replans N)',
    run: planBench,
  },
  shed: {
    about:
      'a safe stop of 10,000 emulated miners, from the order to the meter (minutes; --machines N, --failing, --busy)',
    run: shedBench,
  },
  store: {
    about: 'the ledger: 5,000 acts and 10,000 commands, and how long they hold the event loop (seconds)',
    run: storeBench,
  },
};

const [name = '', ...args] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  console.error(
    `usage: npm run bench -- NAME [--json]\n${Object.entries(BENCHES)
      .map(([key, { about }]) => `  ${key}  ${about}`)
      .join('\n')}`,
  );
  process.exitCode = 1;
} else {
  const result = await bench.run(args);
  if (args.includes('--json')) console.log(JSON.stringify(result, null, 2));
  else for (const [key, value] of Object.entries(result)) console.log(`${key.padEnd(24)} ${JSON.stringify(value)}`);
}
