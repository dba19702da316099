import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { readAudit } from '../control/guard-audit.ts';
import { openAuditFile } from './audit-file.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
function place(): { folder: string; file: string } {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-guard-'));
  folders.push(folder);
  return { folder, file: join(folder, 'guard', 'audit.jsonl') };
}
let now = 1_000;
const unixNow = () => (now += 10);

test('entries outlive the process, and whoever comes late is told what is missing', () => {
  const { file } = place();
  const first = openAuditFile(file, unixNow);
  const a = first.append('one', 'because');
  const again = openAuditFile(file, unixNow);
  const b = again.append('two', 'because');
  expect(b).toMatchObject({ seq: a.seq + 1, previous: a.hash });
  expect(again.after(a.seq, 10)).toEqual([b]);
  expect(again.after(0, 1)).toEqual([a]);
  expect(again.after(b.seq, 10)).toEqual([]);
  expect(readAudit(readFileSync(file, 'utf8'))).toEqual([a, b]);
});

test('any changed byte is found out; the record is set aside and a new one says so, with numbers of its own', () => {
  const { folder, file } = place();
  const first = openAuditFile(file, unixNow);
  for (let n = 0; n < 5; n += 1) first.append(`act ${n}`, 'because');
  const whole = readFileSync(file, 'utf8');
  const last = first.after(0, 10).at(-1)!;
  for (let at = 0; at < whole.length - 1; at += 7) {
    const damaged = `${whole.slice(0, at)}${whole[at] === 'x' ? 'y' : 'x'}${whole.slice(at + 1)}`;
    expect(readAudit(damaged), `byte ${at}`).toBeUndefined();
  }
  expect(readAudit(whole.split('\n').toSpliced(2, 1).join('\n'))).toBeUndefined();
  writeFileSync(file, whole.replace('act 3', 'act 4'));
  const next = openAuditFile(file, unixNow);
  const [entry] = next.after(0, 10);
  expect(entry).toMatchObject({ what: 'begin a new record', why: expect.stringContaining('.damaged') });
  expect(entry!.seq).toBeGreaterThan(last.seq);
  expect(readdirSync(join(folder, 'guard'))).toHaveLength(2);
});

test('a line that a crash cut short was never told: the record goes on without it', () => {
  const { file } = place();
  const a = openAuditFile(file, unixNow).append('one', 'because');
  appendFileSync(file, '{"seq":');
  const b = openAuditFile(file, unixNow).append('two', 'because');
  expect(readAudit(readFileSync(file, 'utf8'))).toEqual([a, b]);
});

test('what the disk does not take keeps nobody from going on, and is written when it does', () => {
  const { file } = place();
  const record = openAuditFile(file, unixNow);
  const a = record.append('one', 'because');
  // As a full disk: nothing can be opened for writing there.
  renameSync(file, `${file}.aside`);
  mkdirSync(file);
  const b = record.append('two', 'because');
  const c = record.append('three', 'because');
  expect(record.after(a.seq, 10)).toEqual([b, c]);
  rmSync(file, { recursive: true });
  renameSync(`${file}.aside`, file);
  expect(record.after(0, 10)).toEqual([a, b, c]);
  expect(readAudit(readFileSync(file, 'utf8'))).toEqual([a, b, c]);
});
