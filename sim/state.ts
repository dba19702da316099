import {
  appendFileSync,
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import type { JournalEntry, SimCommand } from './command.ts';
import type { HallState } from './halls.ts';
import type { JobsState } from './jobs.ts';
import type { MinerState } from './miners.ts';
import type { ServerState } from './servers.ts';
import { advance, applyCommand, catchUp, reoccupy, rewire, type World, type WorldState } from './world.ts';

/**
 * The site on disk: a snapshot that is replaced whole, and beside it a journal of the commands since. After a kill
 * the commands are carried out again at their site times, so the same steps give the same counters: an energy
 * counter never goes back, and a curtailed miner stays curtailed.
 */
interface Snapshot {
  readonly format: 1;
  readonly seed: number;
  readonly site: string;
  readonly sequence: number;
  readonly world: WorldState;
  readonly halls: readonly HallState[];
  readonly miners: MinerState;
  readonly servers: ServerState;
  readonly jobs: JobsState;
}

export interface Store {
  /** Writes one command down before it is carried out. */
  record(at: number, command: SimCommand): void;
  save(): Promise<void>;
  saveNow(): void;
  close(): void;
}

/** No file: nothing is kept. */
export const NO_STORE: Store = { record() {}, async save() {}, saveNow() {}, close() {} };

/** A site file that names other machines is another site; its pools are nobody's state. */
const fingerprint = (world: World): string =>
  world.endpoints.flatMap(({ kind, id, address }) => (kind === 'pool' ? [] : [`${id}=${address}`])).join(',');

export function openStore(path: string, world: World, now: number, wallStepsAfterKill: number): Store {
  const journalPath = `${path}.journal`;
  let sequence = existsSync(path) ? load(path, journalPath, world, now, wallStepsAfterKill) : 0;
  if (!existsSync(path)) writeFileSync(journalPath, '');
  const journal = openSync(journalPath, 'a');
  let saving = false;
  const encode = (): Buffer => serialize(snapshotOf(world, sequence));
  return {
    record(at, command) {
      sequence += 1;
      writeSync(journal, `${JSON.stringify({ sequence, at, command } satisfies JournalEntry)}\n`);
    },
    async save() {
      if (saving) return;
      saving = true;
      const upTo = sequence;
      try {
        await writeFile(`${path}.new`, encode());
        await rename(`${path}.new`, path);
        // Entries written meanwhile stay; the snapshot says up to where it holds.
        if (sequence === upTo) ftruncateSync(journal);
      } finally {
        saving = false;
      }
    },
    saveNow() {
      writeFileSync(`${path}.last`, encode());
      renameSync(`${path}.last`, path);
    },
    close: () => closeSync(journal),
  };
}

function snapshotOf(world: World, sequence: number): Snapshot {
  return {
    format: 1,
    seed: world.seed,
    site: fingerprint(world),
    sequence,
    world: world.state,
    halls: world.halls.map((hall) => hall.state),
    miners: world.miners.state,
    servers: world.servers.state,
    jobs: world.jobs.state,
  };
}

/** @returns the number of the last command that was carried out */
function load(path: string, journalPath: string, world: World, now: number, fineSteps: number): number {
  const saved = deserialize(readFileSync(path)) as Snapshot;
  if (saved.format !== 1 || saved.seed !== world.seed || saved.site !== fingerprint(world)) {
    throw new Error(`${path} is the state of another site or seed; remove it or name another file`);
  }
  if (saved.world.t > now) {
    throw new Error(`${path} was saved at a later site time than now; remove it or start the clock later`);
  }
  Object.assign(world.state, saved.world);
  saved.halls.forEach((hall, i) => Object.assign(world.halls[i]!.state, hall));
  copyColumns(saved.miners, world.miners.state);
  copyColumns(saved.servers, world.servers.state);
  Object.assign(world.jobs.state, saved.jobs);
  rewire(world);
  reoccupy(world);
  let sequence = saved.sequence;
  for (const entry of readJournal(journalPath)) {
    if (entry.sequence <= sequence || entry.at > now) continue;
    advance(world, entry.at);
    applyCommand(world, entry.command, entry.at);
    sequence = entry.sequence;
  }
  // The same small steps as before the kill, then larger ones over a long gap.
  advance(world, Math.min(now, world.state.t + fineSteps * world.stepMs));
  catchUp(world, now);
  return sequence;
}

function copyColumns<T extends object>(from: T, to: T): void {
  for (const key of Object.keys(to) as (keyof T)[]) {
    // A column that is newer than the file starts as it was made.
    if (from[key] !== undefined) (to[key] as unknown as Float64Array).set(from[key] as unknown as Float64Array);
  }
}

/** A line cut off by a kill is the last one and was never answered for: it is passed over. */
function readJournal(path: string): JournalEntry[] {
  if (!existsSync(path)) {
    appendFileSync(path, '');
    return [];
  }
  const entries: JournalEntry[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    try {
      if (line !== '') entries.push(JSON.parse(line) as JournalEntry);
    } catch {
      break;
    }
  }
  return entries;
}
