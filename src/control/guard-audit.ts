import { createHash } from 'node:crypto';
import type { GuardAuditLine } from '../model/index.ts';

/** Before the first entry. */
const GENESIS = '0'.repeat(64);

/** The entry after another. The first one's number is the time, so that a record that is begun anew is never behind an older one. */
export function auditLine(last: GuardAuditLine | undefined, unixMs: number, what: string, why: string): GuardAuditLine {
  const body = { seq: last === undefined ? unixMs : last.seq + 1, unixMs, what, why, previous: last?.hash ?? GENESIS };
  return { ...body, hash: hashOf(body) };
}

const hashOf = ({ seq, unixMs, what, why, previous }: Omit<GuardAuditLine, 'hash'>): string =>
  createHash('sha256')
    .update(`${previous}\n${JSON.stringify([seq, unixMs, what, why])}`)
    .digest('hex');

/** The entries of a file; undefined where one is not as it was written. A last line that a crash cut short was never told to anybody, and is no entry. */
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
  return lines;
}
