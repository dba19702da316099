import { useMutation } from '@tanstack/react-query';
import { Dialog } from 'radix-ui';
import { useState } from 'react';
import type { Overview } from '../../src/model/api.ts';
import { queryClient } from './data.ts';
import { number } from './format.ts';
import { api, explain } from './http.ts';
import { Trouble } from './parts.tsx';

export const SIGN_IN_REASON = 'Sign in with the link printed by busbar';

const MIN_WHY = 3;
const MAX_WHY = 500;

/** Single quotes keep a shell from reading anything into what the person wrote. */
const shellQuoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** The same action without this page. */
function equivalent(method: 'POST' | 'DELETE', cohortId: string, why: string): string {
  const json = JSON.stringify({ why: why === '' ? '…' : why });
  return `${method} /api/v1/cohorts/${cohortId}/hold\n${json}\n\ncurl -X ${method} ${location.origin}/api/v1/cohorts/${cohortId}/hold \\\n  -H 'content-type: application/json' \\\n  -H "authorization: Bearer $BUSBAR_TOKEN" \\\n  -d ${shellQuoted(json)}`;
}

/** Asks why, shows what will be sent, and holds a cohort out of the plan or gives it back. */
export function HoldDialog({ cohort, onClose }: { cohort: Overview['cohorts'][number]; onClose: () => void }) {
  const [why, setWhy] = useState('');
  const method = cohort.held === null ? 'POST' : 'DELETE';
  const [title, about] =
    cohort.held === null
      ? [
          `Hold ${cohort.id}`,
          `The plan leaves its ${number(cohort.machines)} machines as they are until you release them, and counts with what they draw.`,
        ]
      : [
          `Release ${cohort.id}`,
          `The next plan may change its ${number(cohort.machines)} machines again. Held by ${cohort.held.who}: ${cohort.held.why}`,
        ];
  const send = useMutation({
    mutationFn: () =>
      api<unknown>(`/cohorts/${encodeURIComponent(cohort.id)}/hold`, { method, body: { why: why.trim() } }),
    onSuccess: async () => {
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['overview'] });
      await queryClient.invalidateQueries({ queryKey: ['activity'] });
    },
  });
  const ready = why.trim().length >= MIN_WHY;
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog">
          <Dialog.Title>{title}</Dialog.Title>
          <Dialog.Description>{about}</Dialog.Description>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (ready) send.mutate();
            }}
          >
            <label htmlFor="why">Why</label>
            <textarea
              id="why"
              rows={3}
              required
              minLength={MIN_WHY}
              maxLength={MAX_WHY}
              value={why}
              placeholder="Fan replacement in row 4"
              onChange={(event) => setWhy(event.target.value)}
            />
            <details className="equivalent">
              <summary>The same as an API call</summary>
              <pre>{equivalent(method, cohort.id, why.trim())}</pre>
            </details>
            {send.error !== null && <Trouble {...explain(send.error)} />}
            <div className="dialog-foot">
              <Dialog.Close className="button quiet">Cancel</Dialog.Close>
              <button
                type="submit"
                className="button primary"
                disabled={!ready || send.isPending}
                title={ready ? undefined : 'Say why first'}
              >
                {send.isPending ? 'Sending…' : cohort.held === null ? 'Hold' : 'Release'}
              </button>
            </div>
          </form>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
