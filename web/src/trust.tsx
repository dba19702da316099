import { useState } from 'react';
import type { Overview, Session } from '../../src/model/api.ts';
import { clockTime, money } from './format.ts';
import { api } from './http.ts';
import { plural } from './verdict.ts';
import { WhyDialog } from './why-dialog.tsx';

type Trust = Overview['site']['trust'];

const ABOUT: Readonly<Record<Trust, string>> = {
  auto: 'Busbar carries its plans out by itself: it puts miners to sleep, wakes them, and holds and requeues jobs, within the limits of the site file. Every command stands in Activity.',
  suggest:
    'Busbar tells what it would change of each cohort, and a person confirms; orders of people are carried out. Without either, machines stay as they are.',
  shadow: 'Busbar goes on reading and planning, and writes to nothing. Machines stay as they are now.',
};

const RANK: Readonly<Record<Trust, number>> = { shadow: 0, suggest: 1, auto: 2 };

/** Why this person may not change it; undefined when they may. */
function refusal({ site }: Overview, session: Session | undefined, wanted: Trust): string | undefined {
  if (session?.signedIn !== true) return 'Sign in first';
  if (session.role !== 'admin') return 'Only an admin may say how far the site acts';
  if (RANK[wanted] > RANK[site.mostTrust]) return `The site file says trust: ${site.mostTrust}, and allows no more`;
  return undefined;
}

/** A button that raises the site, with the reason where this person may not. */
export function RaiseButton({
  overview,
  session,
  to,
  primary = false,
}: {
  overview: Overview;
  session: Session | undefined;
  to: 'suggest' | 'auto';
  primary?: boolean;
}) {
  const [open, setOpen] = useState(false);
  const why = refusal(overview, session, to);
  return (
    <>
      <button
        type="button"
        className={primary ? 'button primary' : 'button'}
        disabled={why !== undefined}
        title={why}
        onClick={() => setOpen(true)}
      >
        Raise to {to}…
      </button>
      {open && <TrustDialog wanted={to} onClose={() => setOpen(false)} />}
    </>
  );
}

const TITLES: Readonly<Record<Trust, string>> = {
  auto: 'Busbar acts by itself on what it plans',
  suggest: 'Busbar acts on what a person confirms',
  shadow: 'Busbar plans and acts on nothing',
};

/** The word in the top bar. Whoever may, lowers the site from here: always in sight. */
export function TrustPill({ overview, session }: { overview: Overview; session: Session | undefined }) {
  const [open, setOpen] = useState(false);
  const { trust } = overview.site;
  const mayLower = trust !== 'shadow' && refusal(overview, session, 'shadow') === undefined;
  if (!mayLower)
    return (
      <span className={`trust ${trust}`} title={TITLES[trust]}>
        {trust}
      </span>
    );
  return (
    <>
      <button
        type="button"
        className={`trust ${trust}`}
        title={`${TITLES[trust]}. Press to go back to shadow`}
        onClick={() => setOpen(true)}
      >
        {trust}
      </button>
      {open && <TrustDialog wanted="shadow" onClose={() => setOpen(false)} />}
    </>
  );
}

const TITLE_OF: Readonly<Record<Trust, string>> = {
  auto: 'Let the site act',
  suggest: 'Let the site ask',
  shadow: 'Back to shadow',
};

function TrustDialog({ wanted, onClose }: { wanted: Trust; onClose: () => void }) {
  const raises = wanted !== 'shadow';
  return (
    <WhyDialog
      title={TITLE_OF[wanted]}
      about={ABOUT[wanted]}
      placeholder={raises ? 'Two weeks in shadow agreed with what we would have done' : 'Maintenance of the feeder'}
      equivalent={{
        summary: 'The same on the command line',
        text: (why) => `busbar trust ${wanted} --why "${why === '' ? '…' : why.replaceAll('"', '')}"`,
      }}
      word={raises ? `Raise to ${wanted}` : 'Back to shadow'}
      act={(why) => api<unknown>('/trust', { method: 'POST', body: { trust: wanted, why } })}
      onClose={onClose}
    />
  );
}

/** In shadow: that nothing is written, and what acting would have earned so far today. */
export function ShadowSection({ overview, session }: { overview: Overview; session: Session | undefined }) {
  const { site, shadow } = overview;
  if (site.trust !== 'shadow') return null;
  return (
    <section className="shadow-note" aria-label="The site is in shadow">
      <div>
        <p className="shadow-title">In shadow: Busbar plans, and writes to nothing</p>
        <p>
          {shadow === null ? (
            'What acting would have earned is told once a quarter-hour is booked.'
          ) : (
            <Earned shadow={shadow} />
          )}
        </p>
      </div>
      <div className="shadow-raise">
        <RaiseButton overview={overview} session={session} to="suggest" primary />
        <RaiseButton overview={overview} session={session} to="auto" />
      </div>
    </section>
  );
}

function Earned({ shadow }: { shadow: NonNullable<Overview['shadow']> }) {
  const more = shadow.wouldMarginUsd - shadow.marginUsd;
  return (
    <>
      Since {clockTime(shadow.since)}, in {plural(shadow.intervals, 'quarter-hour')}, the margin was{' '}
      <span className="figure">{money(shadow.marginUsd)}</span>; acting would have made it{' '}
      <span className="figure">{money(shadow.wouldMarginUsd)}</span> (
      <strong className="figure">{`${more < 0 ? '' : '+'}${money(more)}`}</strong>).{' '}
      <span
        className="muted"
        title="Every plan is taken to be reached at once; what waking and moving costs is left out"
      >
        A little flattered.
      </span>
    </>
  );
}
