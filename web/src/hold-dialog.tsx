import { useState } from 'react';
import type { Overview } from '../../src/model/api.ts';
import { number } from './format.ts';
import { api } from './http.ts';
import { WhyDialog } from './why-dialog.tsx';

export const SIGN_IN_REASON = 'Sign in with the link printed by busbar';

/** Single quotes keep a shell from reading anything into what the person wrote. */
export const shellQuoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** The same action without this page. */
function equivalent(method: 'POST' | 'DELETE', cohortId: string, why: string): string {
  const json = JSON.stringify({ why: why === '' ? '…' : why });
  return `${method} /api/v1/cohorts/${cohortId}/hold\n${json}\n\ncurl -X ${method} ${location.origin}/api/v1/cohorts/${cohortId}/hold \\\n  -H 'content-type: application/json' \\\n  -H "authorization: Bearer $BUSBAR_TOKEN" \\\n  -d ${shellQuoted(json)}`;
}

/** Holds a cohort out of the plan, or gives it back. */
export function HoldDialog({ cohort, onClose }: { cohort: Overview['cohorts'][number]; onClose: () => void }) {
  // As it was when the dialog opened: what a button does must not turn round under a finger.
  const [held] = useState(cohort.held);
  const method = held === null ? 'POST' : 'DELETE';
  const word = held === null ? 'Hold' : 'Release';
  const about =
    held === null
      ? `The plan leaves its ${number(cohort.machines)} machines as they are until you release them, and counts with what they draw.`
      : `The next plan may change its ${number(cohort.machines)} machines again. Held by ${held.who}: ${held.why}`;
  return (
    <WhyDialog
      title={`${word} ${cohort.id}`}
      about={about}
      placeholder="Fan replacement in row 4"
      equivalent={{ summary: 'The same as an API call', text: (why) => equivalent(method, cohort.id, why) }}
      word={word}
      act={(why) => api<unknown>(`/cohorts/${encodeURIComponent(cohort.id)}/hold`, { method, body: { why } })}
      onClose={onClose}
    />
  );
}
