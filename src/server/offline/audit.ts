import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
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
    return verifyAudit(database, heads);
  } finally {
    database.close();
  }
}
