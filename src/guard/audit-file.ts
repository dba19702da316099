import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import { auditLine, readAudit } from '../control/guard-audit.ts';
import type { GuardAuditLine } from '../model/index.ts';

export interface AuditFile {
  append(what: string, why: string): GuardAuditLine;
  /** Entries after a number, oldest first, so many at the most. */
  after(seq: number, most: number): readonly GuardAuditLine[];
}

/**
 * The guard's own record: a line an entry, each bound to the one before by its hash. It is written without the store, and the server takes it over
 * into the site's record when it is there to. What the disk does not take is kept and written when it does. Numbers go on from the time it began, so that none is ever used twice. One that does not read as it was written is set aside and told of, never written on.
 */
export function openAuditFile(file: string, unixNow: () => number): AuditFile {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const lines = readAudit(text);
  const setAside = lines === undefined ? `${file}.${unixNow()}.damaged` : undefined;
  if (setAside !== undefined) renameSync(file, setAside);
  // What a crash cut short must not run into the next entry.
  else if (!text.endsWith('\n') && text !== '')
    truncateSync(file, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)));
  const kept: GuardAuditLine[] = lines ?? [];
  /** Entries that the disk has not taken, and how long the file is without them. */
  let waiting = '';
  let size = existsSync(file) ? statSync(file).size : 0;

  /** A disk that takes nothing must not keep the guard from shedding. */
  function write(): void {
    if (waiting === '') return;
    try {
      appendFileSync(file, waiting, { mode: 0o600, flush: true });
      size += Buffer.byteLength(waiting);
      waiting = '';
    } catch {
      // A part of it may be there; whoever reads it would take it for damage.
      if (existsSync(file) && statSync(file).isFile()) truncateSync(file, size);
    }
  }

  function append(what: string, why: string): GuardAuditLine {
    const line = auditLine(kept.at(-1), unixNow(), what, why);
    kept.push(line);
    waiting += `${JSON.stringify(line)}\n`;
    write();
    return line;
  }
  if (setAside !== undefined) append('begin a new record', `the old one was changed or damaged: it is ${setAside} now`);
  return {
    append,
    after(seq, most) {
      write();
      const from = kept.findIndex((line) => line.seq > seq);
      return from < 0 ? [] : kept.slice(from, from + most);
    },
  };
}
