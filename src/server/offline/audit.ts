import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { readAudit } from '../../control/guard-audit.ts';
import { verifyAudit, type AuditVerdict } from '../../store/audit.ts';
import { SCHEMA, schemaOf } from '../../store/migrate.ts';
import { DATABASE } from './manifest.ts';

/**
 * Verifies the audit log of a data folder or of a backup, a running server's too: what it has written so far is read, nothing is changed.
 * @param heads hashes kept elsewhere that must be in the chain
 * @throws Error where there is no store, or it is of another Busbar
 */
export function verifyAuditOf(folder: string, heads: readonly string[]): AuditVerdict {
  const file = join(folder, DATABASE);
  if (!existsSync(file)) throw new Error(`no store in ${folder}: expected ${file}`);
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const schema = schemaOf(database);
    if (schema !== SCHEMA)
      throw new Error(
        schema < SCHEMA
          ? `${file} is of an older Busbar: start Busbar on it once, or verify it with the version that wrote it`
          : `${file} is of a newer Busbar: update Busbar`,
      );
    const verdict = verifyAudit(database, heads);
    return { ...verdict, broken: [...verdict.broken, ...differencesOfGuard(folder, database)] };
  } finally {
    database.close();
  }
}

/** What the guard's own record and the site's say differently, each in a sentence; a backup holds the site's alone. */
function differencesOfGuard(folder: string, database: DatabaseSync): string[] {
  const file = join(folder, 'guard', 'audit.jsonl');
  if (!existsSync(file)) return [];
  const lines = readAudit(readFileSync(file, 'utf8'));
  if (lines === undefined) return [`the guard's record ${file} is not as it was written`];
  const rows = database.prepare("select id, what, why from act where who = 'guard' and id like 'guard-%'").all();
  const taken = new Map(rows.map((row) => [String(row['id']), row]));
  const newest = Math.max(0, ...[...taken.keys()].map((id) => Number(id.split('-')[1])));
  return lines.flatMap(({ seq, hash, what, why }) => {
    // The newest entries are taken over when the server hears of them.
    if (seq > newest) return [];
    const act = taken.get(`guard-${seq}-${hash}`);
    if (act === undefined) return [`entry ${seq} of the guard's record is not in the site's`];
    return act['what'] === what && act['why'] === why
      ? []
      : [`entry ${seq} of the guard's record is another in the site's`];
  });
}
