import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { Tables } from './schema.ts';

/**
 * What was done, by whom and why, and what came of it, each entry bound to the one before by its hash: one that is changed, taken out or
 * put in later breaks the chain from there on. Whoever can write the file can also write a whole new chain, or cut its end off; that shows
 * only against a head that was kept elsewhere, which is what `head` is for.
 */
export type AuditRow = Tables['audit'];

/** What an entry says. Order of keys is the order of writing, and the text is what is hashed. */
export type AuditBody =
  | { readonly kind: 'act'; readonly who: string; readonly what: string; readonly why: string }
  | {
      readonly kind: 'result';
      readonly byStage: Readonly<Record<string, number>>;
      readonly faults: Readonly<Record<string, number>>;
    };

/** Before the first entry. */
const GENESIS = '0'.repeat(64);

const hashOf = ({ seq, at_ms, act_id, body, previous }: Omit<AuditRow, 'hash'>): string =>
  createHash('sha256').update(`${previous}\n${seq}\n${at_ms}\n${act_id}\n${body}`).digest('hex');

/** Adds entries to the chain; the database refuses to change or delete one. */
export function auditWriter(database: DatabaseSync): (actId: string, atMs: number, body: AuditBody) => void {
  const newest = database.prepare('select seq, hash from audit order by seq desc limit 1');
  const insert = database.prepare('insert into audit values (?, ?, ?, ?, ?, ?)');
  return (actId, atMs, body) => {
    const last = newest.get() as Pick<AuditRow, 'seq' | 'hash'> | undefined;
    const row = {
      seq: (last?.seq ?? 0) + 1,
      at_ms: atMs,
      act_id: actId,
      body: JSON.stringify(body),
      previous: last?.hash ?? GENESIS,
    };
    insert.run(row.seq, row.at_ms, row.act_id, row.body, row.previous, hashOf(row));
  };
}

/** Acts of before there was a chain begin it, in their order. */
export function chainOldActs(database: DatabaseSync): void {
  if (database.prepare('select 1 from audit limit 1').get() !== undefined) return;
  const write = auditWriter(database);
  const acts = database.prepare('select * from act order by at_ms, id').iterate() as Iterable<Tables['act']>;
  database.exec('begin immediate');
  try {
    for (const { id, at_ms, who, what, why } of acts) write(id, at_ms, { kind: 'act', who, what, why });
    database.exec('commit');
  } catch (error) {
    if (database.isTransaction) database.exec('rollback');
    throw error;
  }
}

export interface AuditVerdict {
  readonly entries: number;
  /** Hash of the newest entry; undefined of an empty chain. */
  readonly head: string | undefined;
  /** When the newest entry was made, milliseconds of the site's clock. */
  readonly headAtMs: number | undefined;
  /** What does not hold, each in a sentence; empty: all of it holds. */
  readonly broken: readonly string[];
}

/** Broken links that are told; more say nothing more. */
const MOST_TOLD = 20;

/**
 * Walks the whole chain and the acts beside it.
 * @param heads hashes kept elsewhere that must be in it
 */
export function verifyAudit(database: DatabaseSync, heads: readonly string[] = []): AuditVerdict {
  const broken: string[] = [];
  const say = (sentence: string): void => void (broken.length < MOST_TOLD && broken.push(sentence));
  const actOf = database.prepare('select who, what, why, at_ms from act where id = ?');
  const missing = new Set(heads);
  let last: AuditRow | undefined;
  for (const row of database.prepare('select * from audit order by seq').iterate() as Iterable<AuditRow>) {
    const due = (last?.seq ?? 0) + 1;
    if (row.seq !== due) say(`entries ${due} to ${row.seq - 1} are missing`);
    if (row.previous !== (last?.hash ?? GENESIS)) say(`entry ${row.seq} does not follow the one before it`);
    if (row.hash !== hashOf(row)) say(`entry ${row.seq} is not what was written`);
    const difference = differenceOf(row, actOf.get(row.act_id) as Tables['act'] | undefined);
    if (difference !== undefined) say(difference);
    missing.delete(row.hash);
    last = row;
  }
  const unchained = database
    .prepare(`select id from act where not exists (select 1 from audit where act_id = act.id) limit ${MOST_TOLD}`)
    .all() as { id: string }[];
  for (const { id } of unchained) say(`act ${id} is not in the chain`);
  for (const head of missing) say(`no entry has the hash ${head}: the chain was cut off or written anew`);
  return { entries: last?.seq ?? 0, head: last?.hash, headAtMs: last?.at_ms, broken };
}

/** What an entry and the act it tells of say differently. */
function differenceOf({ seq, act_id, at_ms, body }: AuditRow, act: Tables['act'] | undefined): string | undefined {
  const said = bodyOf(body);
  if (said === undefined) return `entry ${seq} cannot be read`;
  if (act === undefined) return `act ${act_id} of entry ${seq} is gone`;
  if (said.kind !== 'act') return undefined;
  const same = said.who === act.who && said.what === act.what && said.why === act.why && at_ms === act.at_ms;
  return same ? undefined : `act ${act_id} was changed: entry ${seq} has "${said.what}" by ${said.who}`;
}

function bodyOf(text: string): AuditBody | undefined {
  try {
    return JSON.parse(text) as AuditBody;
  } catch {
    return undefined;
  }
}
