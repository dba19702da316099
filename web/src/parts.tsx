import type { ReactNode } from 'react';
import type { Overview } from '../../src/model/api.ts';
import { UNKNOWN } from './format.ts';
import type { Tone } from './verdict.ts';

export type MachineState = keyof Overview['machines']['byState'];
export type LineName = Overview['lines'][number]['line'];

/** A titled region of the page. `aside` stands at the right of the title. */
export function Card({
  id,
  title,
  aside,
  className = '',
  children,
}: {
  id: string;
  title: string;
  aside?: ReactNode;
  className?: string;
  children: ReactNode;
}) {
  return (
    <section id={id} className={`card ${className}`} aria-labelledby={`${id}-title`}>
      <header className="card-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {aside !== undefined && <div className="card-aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** A figure with its unit, both in fixed-width digits; an unknown one is a quiet word. */
export function Figure({ text, unit = '', title }: { text: string; unit?: string; title?: string | undefined }) {
  if (text === UNKNOWN) {
    return (
      <span className="unknown" title={title ?? 'This figure is not known at the moment'}>
        {UNKNOWN}
      </span>
    );
  }
  return (
    <span className="figure" title={title}>
      {text}
      {unit !== '' && <span className="unit"> {unit}</span>}
    </span>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children !== undefined && <p>{children}</p>}
    </div>
  );
}

export function Trouble({ title, detail, onRetry }: { title: string; detail: string; onRetry?: () => void }) {
  return (
    <div className="trouble" role="alert">
      <ToneMark tone="warn" />
      <div>
        <p className="trouble-title">{title}</p>
        <p>{detail}</p>
      </div>
      {onRetry !== undefined && (
        <button type="button" className="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Skeleton({ lines = 3, tall = false }: { lines?: number; tall?: boolean }) {
  return (
    <div className={tall ? 'skeleton tall' : 'skeleton'} aria-hidden="true">
      {Array.from({ length: tall ? 1 : lines }, (_, i) => (
        <span key={i} style={{ width: tall ? '100%' : `${92 - ((i * 23) % 45)}%` }} />
      ))}
    </div>
  );
}

export const LINE_WORDS: Readonly<Record<LineName | 'other' | 'unknown', string>> = {
  mining: 'Mining',
  ai: 'AI',
  hpc: 'HPC',
  grid: 'Grid',
  other: 'Other',
  unknown: 'Unknown',
};

export const Swatch = ({ of }: { of: string }) => <span className={`swatch fill-${of}`} aria-hidden="true" />;

export const STATES: readonly { readonly state: MachineState; readonly word: string; readonly about: string }[] = [
  { state: 'running', word: 'Running', about: 'does what it should' },
  { state: 'starting', word: 'Starting', about: 'was told to wake and is on its way' },
  { state: 'curtailed', word: 'Curtailed', about: 'asleep because the plan wants it so' },
  { state: 'idle', word: 'Idle', about: 'awake, with nothing to do' },
  { state: 'degraded', word: 'Degraded', about: 'works, but less than it should' },
  { state: 'faulted', word: 'Faulted', about: 'says itself that something is broken' },
  { state: 'unreachable', word: 'Unreachable', about: 'does not answer' },
  { state: 'stale', word: 'Stale', about: 'its last answer is too old to trust' },
];

export const stateWord = (state: string): string => STATES.find((s) => s.state === state)?.word ?? state;

/** Each state has a shape of its own, so that colour is never the only sign. */
export function StateMark({ state }: { state: MachineState }) {
  return (
    <svg className={`mark state-${state}`} viewBox="0 0 12 12" aria-hidden="true">
      {SHAPES[state]}
    </svg>
  );
}

const SHAPES: Readonly<Record<MachineState, ReactNode>> = {
  running: <circle cx="6" cy="6" r="4" fill="currentColor" />,
  starting: <path d="M6 1.5 10.5 7H7.7v3.5H4.3V7H1.5Z" fill="currentColor" />,
  curtailed: <path d="M2.5 2h2.4v8H2.5zM7.1 2h2.4v8H7.1z" fill="currentColor" />,
  idle: <circle cx="6" cy="6" r="3.4" fill="none" stroke="currentColor" strokeWidth="1.5" />,
  degraded: <path d="M6 1.2 11.2 10.4H.8Z" fill="currentColor" />,
  faulted: <path d="M6 .6 11.4 6 6 11.4.6 6Z" fill="currentColor" />,
  unreachable: <path d="M2.2 2.2l7.6 7.6M9.8 2.2l-7.6 7.6" stroke="currentColor" strokeWidth="2" fill="none" />,
  stale: (
    <>
      <circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" strokeWidth="1.3" />
      <path d="M6 3.2V6l2 1.4" fill="none" stroke="currentColor" strokeWidth="1.3" />
    </>
  ),
};

/** Calm, in transition, warning, fault: a shape and a colour each. */
export function ToneMark({ tone }: { tone: Tone }) {
  return (
    <svg className={`mark tone-${tone}`} viewBox="0 0 12 12" aria-hidden="true">
      {tone === 'calm' && <path d="M2 6.4 4.8 9 10 3.2" fill="none" stroke="currentColor" strokeWidth="1.9" />}
      {tone === 'move' && (
        <path d="M1.5 6h8M6.2 2.4 9.8 6 6.2 9.6" fill="none" stroke="currentColor" strokeWidth="1.8" />
      )}
      {tone === 'warn' && <path d="M6 1.2 11.2 10.4H.8Z" fill="currentColor" />}
      {tone === 'fault' && <path d="M6 .6 11.4 6 6 11.4.6 6Z" fill="currentColor" />}
    </svg>
  );
}
