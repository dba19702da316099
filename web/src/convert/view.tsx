import { useEffect, useState } from 'react';
import type { ConvertResult } from '../../../src/model/convert-api.ts';
import { number } from '../format.ts';
import { useDark } from '../hooks.ts';
import { explain } from '../http.ts';
import { Card, Empty, Skeleton, ToneMark, Trouble } from '../parts.tsx';
import { CurveChart } from './curve.tsx';
import { compact, hallOf, optionOf, shortMoney } from './figures.ts';
import { CashChart, Timeline, Tornado } from './plots.tsx';
import { HANDLES, PLAIN, useStudy, type Ask, type HandleKey } from './study.ts';
import { Assumptions, Measured, OptionsTable, Published, Ranking } from './tables.tsx';

/** The conversion study of this site: the answer first, then what it hangs on, then everything behind it. */
export default function ConvertView() {
  const [ask, setAsk] = useState<Ask>(PLAIN);
  const { data, error, working, refetch } = useStudy(ask);
  useEffect(() => {
    // The skip link: the hash is the route, so it cannot name a place as well.
    const onHash = () => location.hash.endsWith('/main') && document.getElementById('main')?.focus();
    addEventListener('hashchange', onHash);
    return () => removeEventListener('hashchange', onHash);
  }, []);
  return (
    <main id="main" className="page convert" tabIndex={-1} aria-busy={working}>
      {error !== null && <Trouble {...explain(error)} onRetry={() => void refetch()} />}
      {data === undefined && error === null && (
        <section className="card">
          <p className="muted">Replaying the prices this site has seen…</p>
          <Skeleton tall />
        </section>
      )}
      {data !== undefined && <Study result={data} ask={ask} onAsk={setAsk} working={working} />}
    </main>
  );
}

function Study({
  result,
  ask,
  onAsk,
  working,
}: {
  result: ConvertResult;
  ask: Ask;
  onAsk: (ask: Ask) => void;
  working: boolean;
}) {
  const [picked, setPicked] = useState<string>();
  const ranked = result.ranking.find(({ hallId }) => hallId === picked) ?? result.ranking[0];
  const { conclusion, plan, measured } = result;
  const loud = result.notes.filter((note) => note.loud);
  return (
    <div className={working ? 'convert-body is-working' : 'convert-body'}>
      <section className="card convert-answer" aria-live="polite">
        <p className="muted">Which hall goes from mining to AI first?</p>
        <h1>{conclusion.sentence}</h1>
        <p>{conclusion.because}</p>
        <p>{conclusion.hangsOn}</p>
        {loud.map(({ text }) => (
          <p key={text} className="convert-note">
            <ToneMark tone="warn" />
            <span>{text}</span>
          </p>
        ))}
        <ReplayLine result={result} />
      </section>
      <Handles result={result} ask={ask} onAsk={onAsk} working={working} />
      <div className="convert-columns">
        <Card id="ranking" title="Which hall first" aside={<span className="muted">gain over mining on</span>}>
          {result.ranking.length === 0 ? (
            <Empty title="No hall that mines can host AI as it is">The options below say what stands in the way.</Empty>
          ) : (
            <Ranking result={result} chosen={ranked?.hallId} onChoose={setPicked} />
          )}
        </Card>
        <Card id="plan-years" title="The plan over all halls" aside={<span className="muted">{plan.status}</span>}>
          <p className="convert-plan">{conclusion.plan}</p>
          <Timeline result={result} />
          <p className="row-detail">
            At most {plan.hallsAtOnce} in conversion at a time;{' '}
            {plan.capexBudgetUsd === null ? 'no limit to what is spent' : `${shortMoney(plan.capexBudgetUsd)} to spend`}
            ; {number(plan.connectionMw, 1)} MW of connection, cooling of the hottest hours included. {plan.method}.
          </p>
        </Card>
      </div>
      {ranked !== undefined && <Sensitivity result={result} hallId={ranked.hallId} optionId={ranked.optionId} />}
      <Card
        id="options"
        title="Every hall, every option"
        aside={<span className="muted">before financing and taxes</span>}
      >
        <OptionsTable halls={result.halls} />
      </Card>
      <div className="convert-columns">
        {measured !== null && (
          <Card
            id="measured"
            title={
              measured.intervals === 0
                ? 'This site so far'
                : `This site's last ${number(measured.days, measured.days < 10 ? 1 : 0)} days`
            }
            aside={<span className="muted">earned per MWh its machines drew</span>}
          >
            {measured.intervals === 0 ? (
              <Empty title="Nothing booked yet">The first quarter-hour is still running.</Empty>
            ) : (
              <Measured measured={measured} />
            )}
          </Card>
        )}
        <Card
          id="published"
          title="The model against published deals"
          aside={<span className="muted">$ per MW-year</span>}
        >
          <Published published={result.published} />
        </Card>
      </div>
      <Card
        id="assumptions"
        title="Every assumption, with its source"
        aside={<span className="muted">point at one, or open it</span>}
      >
        <Assumptions assumptions={result.assumptions} hardware={result.hardware} />
        <ul className="convert-quiet">
          {result.notes
            .filter((note) => !note.loud)
            .map(({ text }) => (
              <li key={text}>{text}</li>
            ))}
        </ul>
      </Card>
    </div>
  );
}

function ReplayLine({ result: { replay, study } }: { result: ConvertResult }) {
  return (
    <p className="row-detail">
      {study.years} years from {study.start.slice(0, 7)} at {number(study.discountPct, 1)} % a year. Replayed:{' '}
      {number(replay.intervals)} intervals of {replay.intervalMinutes} min, {replay.from.slice(0, 10)} to{' '}
      {replay.to.slice(0, 10)}, coverage {number(replay.coveragePct, 1)} %, weather {number(replay.weatherCoveragePct)}{' '}
      %, mean ${number(replay.meanUsdPerMwh, 2)}/MWh ({replay.source})
    </p>
  );
}

function Handles({
  result,
  ask,
  onAsk,
  working,
}: {
  result: ConvertResult;
  ask: Ask;
  onAsk: (ask: Ask) => void;
  working: boolean;
}) {
  const set = (key: HandleKey, value: number) => onAsk({ ...ask, assumptions: { ...ask.assumptions, [key]: value } });
  const moved = ask.years !== PLAIN.years || Object.keys(ask.assumptions).length > 0;
  return (
    <Card
      id="handles"
      title="What if"
      aside={
        <>
          <span className="muted" role="status">
            {working ? 'reckoning…' : ''}
          </span>
          <button type="button" className="button quiet" disabled={!moved} onClick={() => onAsk(PLAIN)}>
            As assumed
          </button>
        </>
      }
    >
      <div className="handles">
        {HANDLES.map(({ key, word, from, to, step }) => {
          const assumption = result.assumptions.find((one) => one.key === key);
          const value = ask.assumptions[key] ?? assumption?.value ?? from;
          return (
            <label key={key} className="handle" title={assumption?.source}>
              <span>
                {word}
                <output className="figure">
                  {compact(value)} <span className="unit">{assumption?.unit}</span>
                </output>
              </span>
              <input
                type="range"
                name={key}
                min={Math.min(from, value)}
                max={Math.max(to, value)}
                step={step}
                value={value}
                onChange={(event) => set(key, Number(event.target.value))}
              />
            </label>
          );
        })}
        <label className="handle">
          <span>
            Years <output className="figure">{ask.years}</output>
          </span>
          <input
            type="range"
            name="years"
            min={3}
            max={20}
            step={1}
            value={ask.years}
            onChange={(event) => onAsk({ ...ask, years: Number(event.target.value) })}
          />
        </label>
      </div>
    </Card>
  );
}

function Sensitivity({ result, hallId, optionId }: { result: ConvertResult; hallId: string; optionId: string }) {
  // Charts read their colours when they are made, so a change of theme makes them anew.
  const dark = useDark();
  const option = optionOf(result, hallId, optionId);
  const name = `${hallOf(result, hallId)?.name ?? hallId} as ${option?.label ?? optionId}`;
  const curves = result.breakEven.filter((curve) => curve.hallId === hallId);
  const tornado = result.tornado.find((one) => one.hallId === hallId);
  return (
    <>
      <Card id="break-even" title={`Where AI equals mining: ${name}`} aside={<CurveLegend />}>
        <div className="curves">
          {curves.map((curve) => (
            <CurveChart key={`${hallId} ${curve.input} ${dark}`} curve={curve} />
          ))}
        </div>
      </Card>
      <div className="convert-columns">
        <Card
          id="tornado"
          title="What the gain hangs on"
          aside={<span className="muted">each assumption at its low and its high</span>}
        >
          {tornado !== undefined && <Tornado tornado={tornado} />}
        </Card>
        <Card
          id="cash"
          title={`Cash by year: ${name}`}
          aside={<span className="muted">bars; the line is what has come in so far</span>}
        >
          {option !== undefined && <CashChart option={option} />}
        </Card>
      </div>
    </>
  );
}

const CurveLegend = () => (
  <span className="convert-legend">
    <span className="stroke-ai" /> AI <span className="stroke-mining" /> mining on <span className="stroke-base" /> as
    assumed
  </span>
);
