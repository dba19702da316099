import { useEffect } from 'react';
import type { Session } from '../../../src/model/api.ts';
import { AccountCorner } from '../account.tsx';
import { BusbarMark } from '../brand-mark.tsx';
import { useLive } from '../data.ts';
import { explain } from '../http.ts';
import { Skeleton, Trouble } from '../parts.tsx';
import { ThemeSwitch } from '../top-bar.tsx';
import { useTenant } from './data.ts';
import { JobsCard } from './jobs.tsx';
import { NodesCard, ProjectsCard, StatementsCard, UsageCard } from './usage.tsx';
import '../styles/account.css';
import '../styles/customer.css';

/** All that a customer sees: what is its tenant's own. The server hands out nothing else. */
export default function CustomerView({ session }: { session: Session }) {
  const live = useLive();
  // The stream tells of the whole site, and is not for customers.
  useEffect(() => live.stop(), [live]);
  const { data: tenant, error, isPending, refetch } = useTenant();
  return (
    <>
      <a className="skip" href="#main">
        To the jobs
      </a>
      <header className="top-bar">
        <a className="brand" href="#top" aria-label="Busbar, to the top of the page">
          <BusbarMark />
          <span>Busbar</span>
        </a>
        <span className="site-name">{tenant?.name ?? session.tenant}</span>
        {tenant?.emulated === true && (
          <span className="tag strong" title="No real machine and no real money: every machine here is emulated">
            EMULATED SITE
          </span>
        )}
        <span className="spacer" />
        <AccountCorner session={session} />
        <ThemeSwitch />
      </header>
      <main id="main" className="page customer" tabIndex={-1}>
        {error !== null && tenant === undefined && <Trouble {...explain(error)} onRetry={() => void refetch()} />}
        {isPending && <Skeleton lines={6} />}
        {tenant !== undefined && (
          <>
            <ProjectsCard tenant={tenant} />
            <div className="customer-columns">
              <JobsCard tenant={tenant} />
              <div className="customer-side">
                <UsageCard tenant={tenant} />
                <NodesCard tenant={tenant} />
                <StatementsCard tenant={tenant} />
              </div>
            </div>
          </>
        )}
      </main>
    </>
  );
}
