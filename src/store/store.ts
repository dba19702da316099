import type { Command, CommandStage, Interval, Plan, SiteMs } from '../model/index.ts';
import type { AccountStore } from './accounts.ts';
import { createQueue, type Kind } from './queue.ts';
import { openThread } from './thread.ts';

/** Who or what did something, and why. Commands hang below it. */
export interface Act {
  readonly id: string;
  readonly at: SiteMs;
  readonly who: string;
  readonly what: string;
  readonly why: string;
}

export interface ActWithStages extends Act {
  readonly byStage: Readonly<Partial<Record<CommandStage, number>>>;
}

/** Where the audit log ends: kept elsewhere, it proves later that nothing before it was changed. */
export interface AuditHead {
  readonly entries: number;
  /** Undefined while nothing was written. */
  readonly head: string | undefined;
  readonly at: SiteMs | undefined;
}

export interface Hold {
  readonly cohortId: string;
  readonly who: string;
  readonly why: string;
  readonly since: SiteMs;
}

/** One quarter-hour of what would have been; energy in Wh, money in micro-dollars. */
export interface ShadowRow {
  readonly start: SiteMs;
  readonly wouldImportWh: number | undefined;
  readonly wouldMarginMicroUsd: number | undefined;
}

/** What is kept, and how it is asked for. */
export interface Ledger {
  /** Books an interval; false where it is booked already: the first writing is the ledger's. Resolves when it is on disk. */
  bookInterval(interval: Interval): Promise<boolean>;
  intervals(newest: number): Promise<readonly Interval[]>;
  /** Start of the newest interval booked. */
  lastBooked(): Promise<SiteMs | undefined>;
  /** What a quarter-hour would have earned had the plan been carried out; the first writing stands. */
  bookShadow(shadow: ShadowRow): void;
  shadows(newest: number): Promise<readonly ShadowRow[]>;
  savePlan(plan: Plan): void;
  /** Kept for ever, and chained into the audit log. */
  recordAct(act: Act): void;
  /** Writes what became of an act's commands by now into the audit log, where that was not told already. */
  recordResult(actId: string, at: SiteMs): void;
  auditHead(): Promise<AuditHead>;
  acts(newest: number): Promise<readonly ActWithStages[]>;
  actsById(ids: readonly string[]): Promise<readonly ActWithStages[]>;
  saveCommands(commands: readonly Command[]): void;
  /** Wakes that machines acknowledged since a moment, oldest first. */
  wakesSince(from: SiteMs): Promise<readonly { readonly target: string; readonly at: SiteMs }[]>;
  holds(): Promise<readonly Hold[]>;
  setHold(hold: Hold): Promise<void>;
  clearHold(cohortId: string): Promise<boolean>;
  getMeta(key: string): Promise<string | undefined>;
  setMeta(key: string, value: string): void;
  /** Forgets plans and commands older than a moment each; intervals and acts are kept. */
  prune(plansBefore: SiteMs, commandsBefore: SiteMs): void;
  /** Resolves when everything written before is on disk. @throws StoreFailure where the disk does not take it now */
  flush(): Promise<void>;
}

/**
 * State and ledger in SQLite, in a thread of its own: a commit waits for the disk, and the event loop that commands
 * machines does not. Everything is done in the order it was asked, several writes in one transaction; a question is
 * answered after what was written before it.
 *
 * What answers void is queued, and a kill -9 may lose the last milliseconds of it; what answers a promise is on disk
 * when that resolves, and a power cut does not take it. Order is kept: no command is on disk before its act.
 *
 * While the disk takes nothing, the queue keeps what is written, tries again each second and tells why by `problem`.
 * What a person waits for (holds, accounts) is refused meanwhile with StoreFailure. Broken constraints are bugs: the
 * promise rejects, or where there is none the process crashes.
 */
export interface Store extends Ledger {
  /** People, their sessions and API tokens. */
  readonly accounts: AccountStore;
  /** Why nothing can be written at present. */
  problem(): string | undefined;
  /** Writes what is queued and closes. @throws StoreFailure where the disk does not take it */
  close(): Promise<void>;
}

/**
 * How each call waits. `read` answers; `asked` is written now or refused; `kept` stays in the queue until it is on disk
 * and then answers; `posted` is the same, and nobody waits.
 */
const LEDGER: Readonly<Record<keyof Ledger, Kind>> = {
  bookInterval: 'kept',
  intervals: 'read',
  lastBooked: 'read',
  bookShadow: 'posted',
  shadows: 'read',
  savePlan: 'posted',
  recordAct: 'posted',
  recordResult: 'posted',
  auditHead: 'read',
  acts: 'read',
  actsById: 'read',
  saveCommands: 'posted',
  wakesSince: 'read',
  holds: 'read',
  setHold: 'asked',
  clearHold: 'asked',
  getMeta: 'read',
  setMeta: 'posted',
  prune: 'posted',
  flush: 'asked',
};
const ACCOUNTS: Readonly<Record<keyof AccountStore, Kind>> = {
  count: 'read',
  list: 'read',
  find: 'read',
  add: 'asked',
  setPassword: 'asked',
  rehash: 'asked',
  setRole: 'asked',
  setDisabled: 'asked',
  remove: 'asked',
  setFailures: 'asked',
  signedIn: 'asked',
  unlock: 'asked',
  addSession: 'asked',
  sessionByDigest: 'read',
  touchSession: 'posted',
  sessionsOf: 'read',
  endSession: 'asked',
  endSessionsOf: 'asked',
  addToken: 'asked',
  tokenById: 'read',
  touchToken: 'posted',
  tokens: 'read',
  removeToken: 'asked',
  pruneAccess: 'posted',
};

/** Rows in one message to the thread: what it costs the event loop to hand over. */
const COMMANDS_AT_ONCE = 250;

/** @throws Error, with the remedy, where the file is damaged, no database, or of a newer Busbar */
export async function openStore(file: string): Promise<Store> {
  const thread = await openThread(file);
  const queue = createQueue({ send: (ops, kind) => thread.send(ops, kind) });
  const methods = (kinds: Readonly<Record<string, Kind>>, prefix: string) =>
    Object.fromEntries(
      Object.entries(kinds).map(([name, kind]) => [
        name,
        (...args: unknown[]) => queue.add(kind, { name: `${prefix}${name}`, args }),
      ]),
    );
  const ledger = methods(LEDGER, '') as unknown as Ledger;
  return {
    ...ledger,
    saveCommands(commands) {
      for (let i = 0; i < commands.length; i += COMMANDS_AT_ONCE)
        ledger.saveCommands(commands.slice(i, i + COMMANDS_AT_ONCE));
    },
    accounts: methods(ACCOUNTS, 'accounts.') as unknown as AccountStore,
    problem: () => queue.problem(),
    async close() {
      try {
        await queue.drain();
      } finally {
        await thread.close();
      }
    },
  };
}
