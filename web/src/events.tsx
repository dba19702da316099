import type { Activity, Alarm, Overview } from '../../src/model/api.ts';
import { useActivity } from './data.ts';
import { age, clockTime, number } from './format.ts';
import { explain } from './http.ts';
import { Card, Empty, Skeleton, ToneMark, Trouble } from './parts.tsx';
import type { Tone } from './verdict.ts';
import { plural } from './verdict.ts';

const SEVERITY: Readonly<Record<Alarm['severity'], { word: string; tone: Tone; rank: number }>> = {
  critical: { word: 'Critical', tone: 'fault', rank: 0 },
  warning: { word: 'Warning', tone: 'warn', rank: 1 },
  info: { word: 'Note', tone: 'move', rank: 2 },
};

export function AlarmsSection({ overview: { alarms, at } }: { overview: Overview }) {
  const sorted = alarms.toSorted(
    (a, b) => SEVERITY[a.severity].rank - SEVERITY[b.severity].rank || Date.parse(b.since) - Date.parse(a.since),
  );
  return (
    <Card
      id="alarms"
      title="Alarms"
      aside={<span className="muted figure">{alarms.length === 0 ? 'none' : alarms.length}</span>}
    >
      {sorted.length === 0 ? (
        <p className="all-calm">
          <ToneMark tone="calm" /> Nothing is wrong that Busbar can see.
        </p>
      ) : (
        <ul className="alarms">
          {sorted.map((alarm) => (
            <li key={alarm.id}>
              <details>
                <summary>
                  <ToneMark tone={SEVERITY[alarm.severity].tone} />
                  <span className="alarm-text">
                    <span className="alarm-message">{alarm.message}</span>
                    <span className="row-detail">
                      <span className={`tone-${SEVERITY[alarm.severity].tone}`}>{SEVERITY[alarm.severity].word}</span>,{' '}
                      {alarm.subject}
                    </span>
                  </span>
                  <span className="figure muted" title={`Since ${clockTime(alarm.since, true)} UTC`}>
                    {age(Date.parse(at) - Date.parse(alarm.since))}
                  </span>
                </summary>
                <p className="alarm-meaning">{alarm.meaning}</p>
                <p className="row-detail mono">{alarm.code}</p>
              </details>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

type Stage = keyof Activity['byStage'];

/** From the surest to the least sure; each is a darker or a lighter grey, and only failure has a colour. */
const STAGES: readonly { stage: Stage; word: string }[] = [
  { stage: 'seen-at-meter', word: 'seen at the meter' },
  { stage: 'seen-in-power', word: 'seen in power' },
  { stage: 'acknowledged', word: 'acknowledged' },
  { stage: 'sent', word: 'sent' },
  { stage: 'superseded', word: 'superseded' },
  { stage: 'failed', word: 'failed' },
];

/** Commands by stage, as a bar and in words. */
export function Progress({ byStage, commands }: { byStage: Activity['byStage']; commands: number }) {
  if (commands === 0) return null;
  const there = STAGES.map((each) => ({ ...each, n: byStage[each.stage] ?? 0 })).filter(({ n }) => n > 0);
  const words = there.map(({ n, word }) => `${number(n)} ${word}`).join(', ');
  const surest = there[0];
  const failed = byStage.failed ?? 0;
  return (
    <div className="progress">
      <span className="progress-bar" role="img" aria-label={words} title={words}>
        {there.map(({ stage, n }) => (
          <span key={stage} className={`stage-${stage}`} style={{ flexGrow: n }} />
        ))}
      </span>
      <span className={surest?.stage === 'failed' ? 'progress-text tone-fault' : 'progress-text'}>
        {surest === undefined
          ? plural(commands, 'command')
          : `${number(surest.n)} of ${number(commands)} ${surest.word}`}
        {failed > 0 && surest?.stage !== 'failed' && <span className="tone-fault"> · {number(failed)} failed</span>}
      </span>
    </div>
  );
}

export function ActivitySection() {
  const activity = useActivity();
  const entries = activity.data?.activity ?? [];
  return (
    <Card id="activity" title="Activity" aside={<span className="muted">newest first, UTC</span>} className="fills">
      {activity.isPending && <Skeleton lines={6} />}
      {activity.error !== null && <Trouble {...explain(activity.error)} onRetry={() => void activity.refetch()} />}
      {activity.isSuccess && entries.length === 0 && (
        <Empty title="Nothing has been done yet">Each action stands here with who, what and why.</Empty>
      )}
      {entries.length > 0 && (
        // A region that scrolls must be reachable by key.
        <ol className="activity" tabIndex={0} aria-label="What was done, newest first">
          {entries.map((entry) => (
            <li key={entry.id}>
              <time className="figure muted" dateTime={entry.at}>
                {clockTime(entry.at)}
              </time>
              <div>
                <p>
                  <span className="activity-what">{entry.what}</span> <span className="muted">by {entry.who}</span>
                </p>
                <p className="row-detail">{entry.why}</p>
                <Progress byStage={entry.byStage} commands={entry.commands} />
              </div>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}
