import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import type { Overview, Session } from '../../src/model/api.ts';
import { Banner, useOld } from './banner.tsx';
import { BusbarMark } from './brand-mark.tsx';
import { CohortsSection } from './cohorts.tsx';
import { CONVERT_HASH, useRoute } from './convert/route.ts';
import { queryClient, useLink, useOverview, useSession } from './data.ts';
import { ActivitySection, AlarmsSection } from './events.tsx';
import { FloorSection } from './floor.tsx';
import { Help } from './help.tsx';
import { Hero } from './hero.tsx';
import { setTheme, useKeys, useTheme } from './hooks.ts';
import type { Theme } from './hooks.ts';
import { explain } from './http.ts';
import { MachinesSection } from './machines.tsx';
import { MoneySection } from './money.tsx';
import { NodesSection } from './nodes.tsx';
import { OrdersSection } from './orders.tsx';
import { Skeleton } from './parts.tsx';
import { PlantSection, PoolsSection } from './plant.tsx';
import { PowerSection } from './power-section.tsx';
import { PricesSection } from './prices.tsx';
import { SignInView } from './sign-in.tsx';
import { StripSection } from './strip.tsx';
import { SuggestionsSection } from './suggestions.tsx';
import { TenantsSection } from './tenants.tsx';
import { TopBar } from './top-bar.tsx';
import { ShadowSection } from './trust.tsx';
import { UplinksSection } from './uplinks.tsx';
import { WorkSection } from './work.tsx';

const CustomerView = lazy(() => import('./customer/view.tsx'));
const ConvertView = lazy(() => import('./convert/view.tsx'));

const NEXT_THEME: Readonly<Record<Theme, Theme>> = { light: 'dark', dark: 'system', system: 'light' };

export function App() {
  const { data: session } = useSession();
  if (session?.role !== 'customer') return <SiteApp />;
  return (
    <Suspense fallback={<Loading />}>
      <CustomerView session={session} />
    </Suspense>
  );
}

/** The page of those who run the site. */
function SiteApp() {
  const overview = useOverview();
  const session = useSession();
  const route = useRoute();
  const [help, setHelp] = useState(false);
  const theme = useTheme();
  const keys = useMemo(
    () => ({
      '?': () => setHelp(true),
      '/': () => document.getElementById('machine-filter')?.focus(),
      t: () => setTheme(NEXT_THEME[theme]),
      a: () => document.getElementById('alarms')?.scrollIntoView({ block: 'center' }),
    }),
    [theme],
  );
  useKeys(keys);
  const { phase } = useLink();
  useEffect(() => {
    // A session that has ended takes the stream with it.
    if (phase === 'lost') void queryClient.invalidateQueries({ queryKey: ['session'] });
  }, [phase]);
  const waiting = session.data === undefined && session.error === null;
  if (session.data?.readsNeedSignIn === true && !session.data.signedIn) return <SignInView session={session.data} />;
  return (
    <>
      <a className="skip" href={route === 'convert' ? `${CONVERT_HASH}/main` : '#main'}>
        To the figures
      </a>
      <TopBar overview={overview.data} session={session.data} onHelp={() => setHelp(true)} />
      {route === 'convert' && (
        <Suspense fallback={<Loading />}>
          <ConvertView />
        </Suspense>
      )}
      {route === 'site' && overview.data !== undefined && <Page overview={overview.data} session={session.data} />}
      {route === 'site' && overview.data === undefined && overview.error !== null && !waiting && (
        <Unreachable error={overview.error} />
      )}
      {route === 'site' && overview.data === undefined && (overview.error === null || waiting) && <Loading />}
      <Help open={help} onClose={() => setHelp(false)} />
    </>
  );
}

function Page({ overview, session }: { overview: Overview; session: Session | undefined }) {
  const old = useOld();
  const hallKey = overview.halls.map((h) => `${h.id}\n${h.name}`).join('\n\n');
  // The machines table must not draw anew each second, so it gets the halls only when they change.
  const halls = useMemo(
    () => hallKey.split('\n\n').map((pair) => ({ id: pair.split('\n')[0] ?? '', name: pair.split('\n')[1] ?? '' })),
    [hallKey],
  );
  return (
    <>
      <Banner at={overview.at} />
      <main id="main" className={old ? 'page is-dim' : 'page'} tabIndex={-1}>
        <Hero overview={overview} old={old} />
        <ShadowSection overview={overview} session={session} />
        <SuggestionsSection overview={overview} session={session} old={old} />
        <OrdersSection overview={overview} session={session} old={old} />
        <PowerSection overview={overview} />
        <div className="columns">
          <div className="column main-column">
            <StripSection overview={overview} />
            <FloorSection overview={overview} />
            <CohortsSection overview={overview} session={session} old={old} />
            <WorkSection overview={overview} />
            <NodesSection overview={overview} session={session} old={old} />
            <TenantsSection session={session} old={old} />
          </div>
          <div className="column side-column">
            <MoneySection overview={overview} />
            <AlarmsSection overview={overview} />
            <PricesSection overview={overview} />
            <PoolsSection />
            <PlantSection />
            <UplinksSection overview={overview} />
            <ActivitySection />
          </div>
        </div>
        <MachinesSection halls={halls} />
      </main>
    </>
  );
}

function Loading() {
  return (
    <main className="page" aria-busy="true">
      <p className="sr-only">Loading</p>
      <section className="hero">
        <Skeleton lines={3} />
      </section>
      {[1, 2, 3].map((n) => (
        <section key={n} className="card">
          <Skeleton tall={n === 2} lines={4} />
        </section>
      ))}
    </main>
  );
}

function Unreachable({ error }: { error: unknown }) {
  const { title, detail } = explain(error);
  return (
    <main className="page unreachable" role="alert">
      <BusbarMark />
      <h1>{title}</h1>
      <p>{detail}</p>
      <p className="muted">The page asks again every few seconds by itself.</p>
    </main>
  );
}
