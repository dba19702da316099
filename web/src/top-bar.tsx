import { ToggleGroup } from 'radix-ui';
import type { Overview, Session } from '../../src/model/api.ts';
import { AccountCorner } from './account.tsx';
import { BusbarMark } from './brand-mark.tsx';
import { PageNav } from './convert/nav.tsx';
import { age, calendarDay, clockTime, number, span } from './format.ts';
import { setTheme, useTheme } from './hooks.ts';
import { SafeStop } from './orders.tsx';
import type { Theme } from './hooks.ts';
import { TrustPill } from './trust.tsx';

const THEMES: readonly { theme: Theme; word: string; path: string }[] = [
  {
    theme: 'light',
    word: 'Light',
    path: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1.5V3M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1',
  },
  { theme: 'dark', word: 'Dark', path: 'M13 9.6A5.6 5.6 0 0 1 6.4 3a5.6 5.6 0 1 0 6.6 6.6Z' },
  { theme: 'system', word: 'As the system', path: 'M2 3.2h12v7.6H2zM6 13.6h4M8 10.8v2.8' },
];

export function ThemeSwitch() {
  const theme = useTheme();
  return (
    <ToggleGroup.Root
      type="single"
      className="theme-switch"
      aria-label="Theme"
      value={theme}
      onValueChange={(value) => value !== '' && setTheme(value as Theme)}
    >
      {THEMES.map((each) => (
        <ToggleGroup.Item key={each.theme} value={each.theme} aria-label={each.word} title={each.word}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path
              d={each.path}
              fill="none"
              stroke="currentColor"
              strokeWidth="1.4"
              strokeLinecap="round"
              strokeLinejoin="round"
            />
          </svg>
        </ToggleGroup.Item>
      ))}
    </ToggleGroup.Root>
  );
}

const LAG_WORTH_SAYING_MS = 1000;

function SiteClock({ overview: { at, clock } }: { overview: Overview }) {
  const lags = clock.lagMs >= LAG_WORTH_SAYING_MS;
  const about = `Site clock, UTC. All machines are read every ${age(clock.readEveryMs)}, a plan is made every ${age(clock.planEveryMs)} of wall time.`;
  return (
    <div className="site-clock" title={about}>
      <span className="clock-day">{calendarDay(at)}</span>
      <time dateTime={at} className="figure">
        {clockTime(at, true)}
      </time>
      <span className="unit">UTC</span>
      {clock.speed !== 1 && (
        <span className="tag" title={`The site clock runs ${number(clock.speed)} times as fast as the wall clock`}>
          {number(clock.speed, Number.isInteger(clock.speed) ? 0 : 1)}x
        </span>
      )}
      <span className={lags ? 'lag tone-warn' : 'lag'} title="How far the slowest loop is behind its cadence">
        lag {span(clock.lagMs)}
      </span>
    </div>
  );
}

export function TopBar({
  overview,
  session,
  onHelp,
}: {
  overview: Overview | undefined;
  session: Session | undefined;
  onHelp: () => void;
}) {
  return (
    <header className="top-bar">
      <a className="brand" href="#top" aria-label="Busbar, to the top of the page">
        <BusbarMark />
        <span>Busbar</span>
      </a>
      {overview !== undefined && (
        <>
          <span className="site-name">{overview.site.name}</span>
          {overview.site.emulated && (
            <span className="tag strong" title="No real machine and no real money: every machine here is emulated">
              EMULATED SITE
            </span>
          )}
          <SiteClock overview={overview} />
          <TrustPill overview={overview} session={session} />
          <SafeStop overview={overview} session={session} />
        </>
      )}
      <PageNav />
      <span className="spacer" />
      <AccountCorner session={session} />
      <ThemeSwitch />
      <button
        type="button"
        className="icon-button"
        onClick={onHelp}
        aria-label="Keys and words"
        title="Keys and words (?)"
      >
        ?
      </button>
    </header>
  );
}
