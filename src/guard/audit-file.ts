import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import type { GuardAuditLine } from '../model/index.ts';

/** Before the first entry. */
const GENESIS = '0'.repeat(64);

export interface AuditFile {
  append(what: string, why: string): GuardAuditLine;
  /** Entries after a number, oldest first, so many at the most. */
  after(seq: number, most: number): readonly GuardAuditLine[];
}

/**
 * The guard's own record: a line an entry, each bound to the one before by its hash. It is written without the store, and the server takes it over
 * into the site's record when it is there to. Numbers go on from the time it began, so that none is ever used twice. One that does not read as it was written is set aside and told of, never written on.
 */
export function openAuditFile(file: string, unixNow: () => number): AuditFile {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const lines = existsSync(file) ? readAudit(readFileSync(file, 'utf8')) : [];
  const setAside = lines === undefined ? `${file}.${unixNow()}.damaged` : undefined;
  if (setAside !== undefined) renameSync(file, setAside);
  const kept: GuardAuditLine[] = lines ?? [];

  function append(what: string, why: string): GuardAuditLine {
    const last = kept.at(-1);
    const body = {
      seq: last === undefined ? unixNow() : last.seq + 1,
      unixMs: unixNow(),
      what,
      why,
      previous: last?.hash ?? GENESIS,
    };
    const line = { ...body, hash: hashOf(body) };
    appendFileSync(file, `${JSON.stringify(line)}\n`, { mode: 0o600, flush: true });
    kept.push(line);
    return line;
  }
  if (setAside !== undefined) append('begin a new record', `the old one was changed or damaged: it is ${setAside} now`);
  return {
    append,
    after(seq, most) {
      const from = kept.findIndex((line) => line.seq > seq);
      return from < 0 ? [] : kept.slice(from, from + most);
    },
  };
}

const hashOf = ({ seq, unixMs, what, why, previous }: Omit<GuardAuditLine, 'hash'>): string =>
  createHash('sha256')
    .update(`${previous}\n${JSON.stringify([seq, unixMs, what, why])}`)
    .digest('hex');

/** The entries of a file; undefined where one is not as it was written. A last line that a crash cut short was never told to anybody. */
export function readAudit(text: string): GuardAuditLine[] | undefined {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const lines: GuardAuditLine[] = [];
  for (const row of whole.split('\n').slice(0, -1)) {
    const last = lines.at(-1);
    let line: GuardAuditLine;
    try {
      line = JSON.parse(row) as GuardAuditLine;
    } catch {
      return undefined;
    }
    if (
      line.seq !== (last?.seq ?? line.seq - 1) + 1 ||
      line.previous !== (last?.hash ?? GENESIS) ||
      line.hash !== hashOf(line)
    )
      return undefined;
    lines.push(line);
  }
  return whole.length === text.length ? lines : undefined;
}
