import { expect, test } from 'vitest';
import type { GuardAuditLine } from '../../model/index.ts';
import { freshAudit } from './site-guard.ts';

const line = (seq: number): GuardAuditLine => ({ seq, unixMs: 0, what: 'w', why: 'y', previous: '', hash: '' });
const fresh = (auditAfter: number | null, seqs: readonly number[], auditSeq: number): number[] =>
  freshAudit({ auditAfter, audit: seqs.map(line) }, auditSeq).map(({ seq }) => seq);

test('what an earlier server had heard and not written down is not passed over by the next', () => {
  // The last server had heard up to 12 and had 9 on disk.
  expect(fresh(12, [13, 14], 9)).toEqual([]);
  expect(fresh(9, [10, 11, 12, 13, 14], 9)).toEqual([10, 11, 12, 13, 14]);
});

test('what is known already is not taken twice, and a guard that has heard nobody tells nothing', () => {
  expect(fresh(9, [10, 11, 12], 11)).toEqual([12]);
  expect(fresh(null, [], 0)).toEqual([]);
});
