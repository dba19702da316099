import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { DriverIo } from '../../../drivers/driver.ts';
import { probedPorts, type ProbeOptions, type Sighting } from './fingerprint.ts';
import { examine, type FoundMachine, type SecurityFinding, type Unrecognised } from './found.ts';
import { fragmentOf, type Fragment } from './fragment.ts';
import { scan } from './scan.ts';
import { countOf, merged, parseTarget, TargetError, toNumber } from './targets.ts';

export { fragmentYaml } from './fragment.ts';
export { TargetError } from './targets.ts';

export interface DiscoverOptions extends ProbeOptions {
  readonly targets: readonly string[];
  readonly hall: string;
  readonly tryDefaults: boolean;
  readonly addressesPerSecond: number;
  readonly atOnce: number;
  /** Where a scan that is interrupted goes on from. */
  readonly stateFile?: string;
  readonly io: DriverIo;
  now(): number;
  onProgress(progress: DiscoverProgress): void;
  readonly signal?: AbortSignal;
}

export interface DiscoverProgress {
  readonly addresses: number;
  readonly done: number;
  readonly live: number;
  readonly found: number;
  readonly seconds: number;
}

export interface DiscoverResult {
  readonly targets: readonly string[];
  readonly addresses: number;
  /** Addresses looked at, of all runs that shared the state file; less than `addresses` when it was interrupted. */
  readonly done: number;
  readonly live: number;
  readonly found: number;
  readonly seconds: number;
  readonly portsTried: readonly number[];
  readonly machines: readonly FoundMachine[];
  readonly unrecognised: readonly Unrecognised[];
  readonly securityFindings: readonly SecurityFinding[];
  /** Addresses that tell one MAC or serial: one machine seen twice, or two that were given one identity. */
  readonly sameIdentity: readonly { readonly identity: string; readonly addresses: readonly string[] }[];
  readonly fragment: Fragment;
}

interface State {
  readonly format: 1;
  readonly targets: readonly string[];
  done: number;
  live: number;
  machines: FoundMachine[];
  unrecognised: Unrecognised[];
  securityFindings: SecurityFinding[];
}

const SAVE_EVERY_MS = 5_000;
/** Machines asked for their details at once: each answer is several requests. */
const EXAMINED_AT_ONCE = 64;

/** @throws TargetError where a target is none or the state file is of another scan */
export async function discover(options: DiscoverOptions): Promise<DiscoverResult> {
  const ranges = merged(options.targets.map(parseTarget));
  const addresses = countOf(ranges);
  const state = loadState(options);
  const started = options.now();
  const seconds = () => Math.round((options.now() - started) / 100) / 10;
  const liveBefore = state.live;
  const waiting: { address: string; sighting: Sighting }[] = [];
  let examining = 0;
  let savedAt = started;
  let idle = (): void => {};

  function pump(): void {
    while (examining < EXAMINED_AT_ONCE) {
      const next = waiting.shift();
      if (next === undefined) break;
      examining += 1;
      void examine(next.address, next.sighting.seen, options.io, options.tryDefaults)
        .then((result) => {
          if (result.machine !== undefined) state.machines.push(result.machine);
          if (result.unrecognised !== undefined) state.unrecognised.push(result.unrecognised);
          if (result.finding !== undefined) state.securityFindings.push(result.finding);
        })
        .finally(() => {
          examining -= 1;
          pump();
          if (examining === 0 && waiting.length === 0) idle();
        });
    }
  }

  const done = await scan(ranges, {
    ...options,
    from: state.done,
    onLive(address, sighting) {
      waiting.push({ address, sighting });
      pump();
    },
    onProgress(at, live) {
      options.onProgress({
        addresses,
        done: at,
        live: liveBefore + live,
        found: state.machines.length,
        seconds: seconds(),
      });
      state.live = liveBefore + live;
      if (
        options.stateFile !== undefined &&
        options.now() - savedAt > SAVE_EVERY_MS &&
        waiting.length === 0 &&
        examining === 0
      ) {
        savedAt = options.now();
        state.done = at;
        save(options.stateFile, state);
      }
    },
  });
  if (examining > 0 || waiting.length > 0) await new Promise<void>((resolve) => (idle = resolve));
  state.done = done;
  if (options.stateFile !== undefined) save(options.stateFile, state);

  const byAddress = (a: { address: string }, b: { address: string }) => toNumber(a.address) - toNumber(b.address);
  const machines = state.machines.toSorted(byAddress);
  return {
    targets: options.targets,
    addresses,
    done,
    live: state.live,
    found: machines.length,
    seconds: seconds(),
    portsTried: probedPorts(),
    machines,
    unrecognised: state.unrecognised.toSorted(byAddress),
    securityFindings: state.securityFindings.toSorted(byAddress),
    sameIdentity: sameIdentity(machines),
    fragment: fragmentOf(machines, options.hall),
  };
}

function loadState({ stateFile, targets }: DiscoverOptions): State {
  const fresh: State = { format: 1, targets, done: 0, live: 0, machines: [], unrecognised: [], securityFindings: [] };
  if (stateFile === undefined) return fresh;
  let text: string;
  try {
    text = readFileSync(stateFile, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return fresh;
    throw error;
  }
  try {
    const saved = JSON.parse(text) as State;
    if (saved.format === 1 && JSON.stringify(saved.targets) === JSON.stringify(targets)) return saved;
  } catch {
    // Said below: it is not ours.
  }
  throw new TargetError(`${stateFile}: the state of another scan, or none at all; remove it or name another file`);
}

function save(file: string, state: State): void {
  writeFileSync(`${file}.new`, JSON.stringify(state));
  renameSync(`${file}.new`, file);
}

function sameIdentity(machines: readonly FoundMachine[]): DiscoverResult['sameIdentity'] {
  const byIdentity = new Map<string, Set<string>>();
  for (const { serial, mac, address } of machines) {
    for (const identity of [
      serial === null ? undefined : `serial ${serial}`,
      mac === null ? undefined : `MAC ${mac}`,
    ]) {
      if (identity !== undefined) byIdentity.set(identity, (byIdentity.get(identity) ?? new Set()).add(address));
    }
  }
  return [...byIdentity]
    .filter(([, addresses]) => addresses.size > 1)
    .map(([identity, addresses]) => ({ identity, addresses: [...addresses] }));
}
