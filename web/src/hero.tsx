import { useEffect, useState } from 'react';
import type { Alarm, Overview } from '../../src/model/api.ts';
import { age, clockTime, known, money, moneyPerHour, power, powerChange, span } from './format.ts';
import { ToneMark } from './parts.tsx';
import { STANDING_WORDS, planVerdict, safeVerdict, standing } from './verdict.ts';
import type { Standing, Tone, Verdict } from './verdict.ts';

const TONES: Readonly<Record<Standing, Tone>> = {
  alarm: 'fault',
  unknown: 'warn',
  'no-plan': 'warn',
  'off-plan': 'warn',
  moving: 'move',
  'on-plan': 'calm',
  shadow: 'calm',
};

const SOLVERS = { highs: 'HiGHS', 'merit-order': 'merit order' } as const;
const STATUSES = {
  optimal: 'proven optimal',
  feasible: 'feasible, not proven optimal',
  'merit-order': 'by merit order',
  'limits-exceeded': 'limits cannot be kept',
} as const;

function earning({ marginUsdPerHour, today }: Overview): Verdict {
  const so =
    today.intervals === 0
      ? 'nothing booked today yet'
      : known(today.marginUsd)
        ? `${money(today.marginUsd)} booked today`
        : 'today unknown';
  const question = 'Earning?';
  if (!known(marginUsdPerHour)) return { question, answer: 'Unknown', detail: so, tone: 'warn' };
  return { question, answer: moneyPerHour(marginUsdPerHour), detail: `margin now; ${so}`, tone: 'calm' };
}

function VerdictTile({ question, answer, detail, tone, href }: Verdict & { href: string }) {
  return (
    <a className={`verdict tone-edge-${tone}`} href={href}>
      <span className="verdict-question">{question}</span>
      <span className="verdict-answer">
        <ToneMark tone={tone} />
        <span>{answer}</span>
      </span>
      <span className="verdict-detail">{detail}</span>
    </a>
  );
}

/** Critical alarms stand in full under the sentence: nobody should have to look for them. */
function Critical({ alarms, at }: { alarms: readonly Alarm[]; at: string }) {
  const critical = alarms.filter((a) => a.severity === 'critical');
  if (critical.length === 0) return null;
  const shown = critical.slice(0, 3);
  return (
    <ul className="critical" aria-label="Critical alarms">
      {shown.map((alarm) => (
        <li key={alarm.id}>
          <ToneMark tone="fault" />
          <p>
            <strong>{alarm.message}</strong> <span className="critical-meaning">{alarm.meaning}</span>
          </p>
          <span className="figure muted">{age(Date.parse(at) - Date.parse(alarm.since))}</span>
        </li>
      ))}
      {critical.length > shown.length && (
        <li>
          <a href="#alarms">and {critical.length - shown.length} more</a>
        </li>
      )}
    </ul>
  );
}

function PlanLine({ plan }: { plan: NonNullable<Overview['plan']> }) {
  const { nextChange } = plan;
  return (
    <p className="plan-line">
      <span title={plan.id}>
        Plan made {clockTime(plan.madeAt)} by {SOLVERS[plan.solver]},{' '}
        <span className={plan.status === 'limits-exceeded' ? 'tone-fault' : ''}>{STATUSES[plan.status]}</span>, in{' '}
        <span className="figure">{span(plan.solveMs)}</span>
      </span>
      {nextChange !== null && (
        <span>
          Next {clockTime(nextChange.at)}, {powerChange(nextChange.deltaW)}: {nextChange.why}
        </span>
      )}
    </p>
  );
}

/** Holds a text still until its key changes: a figure that moves each second must not be read out each second. */
function useSettled(text: string, key: string): string {
  const [settled, setSettled] = useState({ text, key });
  if (settled.key === key) return settled.text;
  setSettled({ text, key });
  return text;
}

export function Hero({ overview, old }: { overview: Overview; old: boolean }) {
  const stands = standing(overview);
  const tone = old ? 'warn' : TONES[stands];
  const word = old
    ? `${STANDING_WORDS[stands]} when last heard, ${clockTime(overview.at, true)} UTC`
    : STANDING_WORDS[stands];
  const announced = useSettled(overview.sentence, `${stands} ${overview.sentence.replaceAll(/[\d.,]+/g, '')}`);
  const title = `${old ? 'No live figures' : STANDING_WORDS[stands]}, ${power(overview.connection.importW)} \u00b7 Busbar`;
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <section className="hero" aria-labelledby="sentence">
      <div className="hero-text">
        <p className={`standing tone-${tone}`}>
          <ToneMark tone={tone} />
          <span>{word}</span>
        </p>
        <h1 id="sentence">{overview.sentence}</h1>
        <p className="sr-only" aria-live="polite">
          {announced}
        </p>
        {overview.plan === null ? (
          <p className="plan-line">The first plan is made as soon as machines, meters and prices have answered.</p>
        ) : (
          <PlanLine plan={overview.plan} />
        )}
      </div>
      <div className="verdicts">
        <VerdictTile {...safeVerdict(overview)} href="#alarms" />
        <VerdictTile {...planVerdict(overview)} href="#strip" />
        <VerdictTile {...earning(overview)} href="#money" />
      </div>
      <Critical alarms={overview.alarms} at={overview.at} />
    </section>
  );
}
