import { useState } from 'react';
import type { Overview, Session } from '../../src/model/api.ts';
import { clockTime, known, number, price } from './format.ts';
import { showMachines } from './hooks.ts';
import { HoldDialog, SIGN_IN_REASON } from './hold-dialog.tsx';
import { Card, Empty, Figure } from './parts.tsx';

type Cohort = Overview['cohorts'][number];

/** Sleep is hollow and first; the stock profile is last and solid; what lies between goes by name, `170MHz` before `615MHz`. */
const rank = (mode: string): number =>
  mode === 'sleep' ? 0 : mode === 'low' ? 1 : mode === 'normal' || mode === 'default' ? 3 : 2;

const byRank = (a: string, b: string): number => rank(a) - rank(b) || a.localeCompare(b, 'en', { numeric: true });

function modeClass(mode: string, all: readonly string[]): string {
  if (mode === 'sleep') return 'mode-sleep';
  const running = all.filter((m) => m !== 'sleep');
  return running.indexOf(mode) < running.length - 1 ? 'mode-low' : 'mode-full';
}

/** Firmware with a profile for each clock makes many modes: so many are named, the rest stand in the title. */
const MODES_SAID = 3;

function ModeBar({
  counts,
  keys,
  machines,
  label,
}: {
  counts: Readonly<Record<string, number>>;
  keys: readonly string[];
  machines: number;
  label: string;
}) {
  const total = keys.reduce((sum, key) => sum + (counts[key] ?? 0), 0);
  const there = keys.filter((key) => (counts[key] ?? 0) > 0);
  const say = (list: readonly string[]) => list.map((key) => `${number(counts[key])} ${key}`).join(', ');
  const text = total === 0 ? 'nothing yet' : say(there);
  const largest = there.toSorted((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0)).slice(0, MODES_SAID);
  const rest = there.length - largest.length;
  return (
    <span className="mode" title={`${label}: ${text}`}>
      <span className="mode-bar" role="img" aria-label={`${label}: ${text}`}>
        {keys.map((key) => {
          const n = counts[key] ?? 0;
          return n > 0 ? <span key={key} className={modeClass(key, keys)} style={{ flexGrow: n }} /> : null;
        })}
        {machines > total && <span className="mode-unseen" style={{ flexGrow: machines - total }} />}
      </span>
      <span className="mode-text">{rest > 0 ? `${say(largest.toSorted(byRank))}, ${rest} more` : text}</span>
    </span>
  );
}

/** Break-even against the price now: above the price a machine earns, below it costs. */
function BreakEven({ breakEven, now }: { breakEven: number | null; now: number | null }) {
  if (!known(breakEven)) return <Figure text="unknown" title="Hashprice or the price of power is unknown" />;
  const gap = known(now) ? breakEven - now : undefined;
  return (
    <span className="break-even">
      <Figure text={price(breakEven)} />
      {gap !== undefined && (
        <span className="row-detail" title={`Power costs ${price(now)} now`}>
          <span className="figure">{price(Math.abs(gap))}</span> {gap >= 0 ? 'above' : 'below'} price
        </span>
      )}
    </span>
  );
}

function CohortRow({
  cohort,
  priceNow,
  hallName,
  siteTrust,
  reason,
  onHold,
}: {
  cohort: Cohort;
  siteTrust: Overview['site']['trust'];
  priceNow: number | null;
  hallName: string;
  /** Why nothing may be done; undefined where it may. */
  reason: string | undefined;
  onHold: () => void;
}) {
  const keys = [...new Set([...Object.keys(cohort.modes), ...Object.keys(cohort.planned)])].sort(byRank);
  const { held } = cohort;
  return (
    <tr className={held === null ? '' : 'is-held'}>
      <th scope="row">
        <button type="button" className="link strong" onClick={() => showMachines({ q: cohort.id })}>
          {cohort.id}
        </button>
        <span className="row-detail">
          {cohort.model}, {hallName}
        </span>
        {cohort.trust !== siteTrust && (
          <span className="row-detail" title="How far Busbar may act on it: less far than on the site">
            in <span className={`trust ${cohort.trust}`}>{cohort.trust}</span>
          </span>
        )}
        {held !== null && (
          <span className="held" title={`Since ${clockTime(held.since)}`}>
            held by {held.who}: {held.why}
          </span>
        )}
      </th>
      <td className="num" data-label="Answer">
        <span className="figure">{number(cohort.answering)}</span>
        <span className="unit"> of {number(cohort.machines)}</span>
      </td>
      <td data-label="Modes now">
        <ModeBar counts={cohort.modes} keys={keys} machines={cohort.machines} label="now" />
      </td>
      <td data-label="Planned">
        <ModeBar counts={cohort.planned} keys={keys} machines={0} label="planned" />
      </td>
      <td className="num" data-label="Break-even, $/MWh">
        <BreakEven breakEven={cohort.breakEvenUsdPerMwh} now={priceNow} />
      </td>
      <td className="act">
        <button type="button" className="button" disabled={reason !== undefined} title={reason} onClick={onHold}>
          {held === null ? 'Hold' : 'Release'}
        </button>
      </td>
    </tr>
  );
}

export function CohortsSection({
  overview,
  session,
  old,
}: {
  overview: Overview;
  session: Session | undefined;
  old: boolean;
}) {
  const [openId, setOpenId] = useState<string>();
  const { cohorts, halls, prices } = overview;
  const priceNow = prices.find((p) => p.name === 'priceUsdPerMwh')?.value ?? null;
  const reason = whyNot(session, old);
  const open = cohorts.find((c) => c.id === openId);
  return (
    <Card
      id="cohorts"
      title="Cohorts of miners"
      aside={
        <span className="muted">
          power now <Figure text={price(priceNow)} unit="/MWh" />
        </span>
      }
    >
      {cohorts.length === 0 ? (
        <Empty title="No cohort of miners" />
      ) : (
        <table className="list cohorts">
          <thead>
            <tr>
              <th scope="col">Cohort</th>
              <th scope="col" className="num">
                Answer
              </th>
              <th scope="col">Modes now</th>
              <th scope="col">Planned</th>
              <th scope="col" className="num">
                Break-even, $/MWh
              </th>
              <th scope="col">
                <span className="sr-only">Action</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {cohorts.map((cohort) => (
              <CohortRow
                key={cohort.id}
                cohort={cohort}
                priceNow={priceNow}
                hallName={halls.find((h) => h.id === cohort.hallId)?.name ?? cohort.hallId}
                siteTrust={overview.site.trust}
                reason={reason}
                onHold={() => setOpenId(cohort.id)}
              />
            ))}
          </tbody>
        </table>
      )}
      {reason !== undefined && cohorts.length > 0 && <p className="note muted">Hold and release are off. {reason}.</p>}
      {open !== undefined && <HoldDialog key={open.id} cohort={open} onClose={() => setOpenId(undefined)} />}
    </Card>
  );
}

/** The reason stands beside a button that cannot be pressed. */
export function whyNot(session: Session | undefined, old: boolean): string | undefined {
  if (old) return 'The figures are old: wait until the live stream is back';
  if (session?.signedIn !== true) return SIGN_IN_REASON;
  return session.role === 'viewer' ? 'Your role may look, not act' : undefined;
}
