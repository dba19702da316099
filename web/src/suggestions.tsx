import { useState } from 'react';
import type { Overview, Session } from '../../src/model/api.ts';
import type { SuggestionView } from '../../src/model/trust-api.ts';
import { whyNot } from './cohorts.tsx';
import { useSuggestions } from './data.ts';
import { money, moneyPerHour, number, powerChange } from './format.ts';
import { shellQuoted } from './hold-dialog.tsx';
import { api, explain } from './http.ts';
import { Card, Trouble } from './parts.tsx';
import { RaiseButton } from './trust.tsx';
import { WhyDialog } from './why-dialog.tsx';

/** What the plan would change of cohorts that it may not move by itself; a person confirms. */
export function SuggestionsSection({
  overview,
  session,
  old,
}: {
  overview: Overview;
  session: Session | undefined;
  old: boolean;
}) {
  const waits = overview.site.trust !== 'shadow' && overview.cohorts.some(({ trust }) => trust !== 'auto');
  const page = useSuggestions(waits);
  const [openId, setOpenId] = useState<string>();
  if (!waits) return null;
  const { suggestions = [], underway = [] } = page.data ?? {};
  const reason = whyNot(session, old);
  const open = suggestions.find(({ id }) => id === openId);
  return (
    <Card
      id="suggestions"
      title="Suggestions"
      aside={
        overview.site.trust === 'suggest' ? <RaiseButton overview={overview} session={session} to="auto" /> : undefined
      }
    >
      {page.error !== null && <Trouble {...explain(page.error)} onRetry={() => void page.refetch()} />}
      {suggestions.length === 0 && underway.length === 0 && (
        <p className="muted">The plan would change nothing of the cohorts that wait for a person.</p>
      )}
      <ul className="suggestions" aria-live="polite">
        {underway.map(({ cohort, who, why, machines, left }) => (
          <li key={cohort}>
            <p>
              <strong>{cohort}</strong>{' '}
              <span className="figure">
                {number(machines - left)} of {number(machines)}
              </span>{' '}
              machines seen as confirmed
            </p>
            <p className="row-detail">
              by {who}: {why}
            </p>
          </li>
        ))}
        {suggestions.map((one) => (
          <SuggestionRow key={one.id} one={one} reason={reason} onConfirm={() => setOpenId(one.id)} />
        ))}
      </ul>
      {open !== undefined && <ConfirmDialog one={open} onClose={() => setOpenId(undefined)} />}
    </Card>
  );
}

const nameOf = ({ kind, cohort }: SuggestionView): string => (kind === 'jobs' ? `Jobs of ${cohort}` : cohort);
const movesText = ({ moves }: SuggestionView): string =>
  moves.map(({ from, to, machines }) => `${number(machines)} from ${from} to ${to}`).join(', ');

function SuggestionRow({
  one,
  reason,
  onConfirm,
}: {
  one: SuggestionView;
  reason: string | undefined;
  onConfirm: () => void;
}) {
  const inShadow =
    one.trust === 'shadow' ? `${one.cohort} is in shadow: it is told, and nobody can confirm it` : undefined;
  return (
    <li>
      <div className="suggestion-what">
        <p>
          <strong>{nameOf(one)}</strong> {movesText(one)}
        </p>
        <p className="row-detail">{one.why}</p>
      </div>
      <dl className="suggestion-worth">
        <div>
          <dt>Import</dt>
          <dd className="figure">{powerChange(one.importDeltaW)}</dd>
        </div>
        <div title="What the site earns more now, less power at its price">
          <dt>Gains</dt>
          <dd className="figure">{moneyPerHour(one.usdPerHour)}</dd>
        </div>
        <div title="What the plan expects of it over its whole horizon, every charge included">
          <dt>Next day</dt>
          <dd className="figure">{money(one.usdHorizon, 2)}</dd>
        </div>
      </dl>
      <button
        type="button"
        className="button"
        disabled={(inShadow ?? reason) !== undefined}
        title={inShadow ?? reason}
        aria-label={`Confirm the suggestion for ${nameOf(one)}`}
        onClick={onConfirm}
      >
        Confirm…
      </button>
    </li>
  );
}

function ConfirmDialog({ one, onClose }: { one: SuggestionView; onClose: () => void }) {
  return (
    <WhyDialog
      title={`Confirm for ${nameOf(one)}`}
      about={`${movesText(one)}; import ${powerChange(one.importDeltaW)}. It is carried out once, within the limits that meters show.`}
      placeholder="As we would have done it"
      equivalent={{
        summary: 'The same on the command line',
        text: (why) => `busbar confirm ${one.id} --why ${shellQuoted(why === '' ? '…' : why)}`,
      }}
      word="Confirm"
      act={(why) =>
        api<unknown>(`/suggestions/${encodeURIComponent(one.id)}/confirm`, { method: 'POST', body: { why } })
      }
      onClose={onClose}
    />
  );
}
