import { parseArgs } from 'node:util';
import { NO_TROUBLE, simSchema } from './sim-schema.ts';
import { readFiles, startSim, type Injection, type Sim } from './site.ts';

/**
 * The emulated site as a process of its own:
 * node sim/main.ts --site FILE [--sim FILE] --epoch-site MS --epoch-unix MS --speed N --seed N [--port-offset N] [--standard-ports] [--state FILE]
 * With --standard-ports and no --sim nothing is broken: then it is a bench for other clients.
 */
const { values } = parseArgs({
  options: {
    site: { type: 'string' },
    sim: { type: 'string' },
    'epoch-site': { type: 'string' },
    'epoch-unix': { type: 'string' },
    speed: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    'port-offset': { type: 'string', default: '0' },
    state: { type: 'string' },
    'standard-ports': { type: 'boolean', default: false },
  },
});

function number(name: string, text: string | undefined, fallback?: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (value === undefined || !Number.isFinite(value)) throw new Error(`--${name} wants a number`);
  return value;
}

async function start(): Promise<Sim> {
  if (values.site === undefined) throw new Error('--site wants a site file');
  const { site, config, folder } = readFiles(values.site, values.sim);
  const now = Date.now();
  // On their standard ports machines are there for other clients to try, and none is broken unless a sim file says so.
  const calm = values['standard-ports'] && values.sim === undefined;
  return startSim({
    site,
    config: calm ? simSchema.parse(NO_TROUBLE) : config,
    folder,
    clock: {
      epochSiteMs: number('epoch-site', values['epoch-site'], now),
      epochUnixMs: number('epoch-unix', values['epoch-unix'], now),
      speed: number('speed', values.speed),
    },
    seed: number('seed', values.seed),
    standardPorts: values['standard-ports'],
    portOffset: number('port-offset', values['port-offset']),
    unixNow: () => Date.now(),
    wallNow: () => performance.now(),
    ...(values.state === undefined ? {} : { statePath: values.state }),
  });
}

type Message =
  | ({ readonly type: 'inject' } & Injection)
  | { readonly type: 'inject'; readonly targets: readonly string[]; readonly fault: Injection['fault'] }
  | { readonly type: 'truth'; readonly id?: unknown }
  | { readonly type: 'trip'; readonly hall: string };

/** Messages of a parent process; `id` of a question comes back with its answer. */
function handle(sim: Sim, message: Message): void {
  if (message.type === 'inject') {
    const all = 'targets' in message ? message.targets : [message.target];
    const endpoints = all.reduce((sum, target) => sum + sim.inject({ ...message, target }), 0);
    process.send?.({ type: 'injected', endpoints });
  } else if (message.type === 'trip') sim.trip(message.hall);
  else if (message.type === 'truth') process.send?.({ type: 'truth', id: message.id, truth: sim.truth() });
}

try {
  const sim = await start();
  const stop = (): void => {
    sim.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('message', (message: Message) => handle(sim, message));
  process.on('disconnect', stop);
  console.log(JSON.stringify({ ready: true, machines: sim.machines, ports: sim.ports }));
  process.send?.({ type: 'ready', machines: sim.machines, ports: sim.ports });
} catch (error) {
  console.error(`The emulated site did not start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(2);
}
