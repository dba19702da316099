import { useState } from 'react';
import type { ForecastScoresView } from '../../src/model/api.ts';
import { useForecastScores } from './data.ts';
import { number } from './format.ts';
import { explain } from './http.ts';
import { Empty, Skeleton, Trouble } from './parts.tsx';

type Score = ForecastScoresView['scores'][number];

const WORDS: Readonly<Record<Score['what'], { readonly word: string; readonly unit: string }>> = {
  priceUsdPerMwh: { word: 'Price of power', unit: '$/MWh' },
  wetBulbC: { word: 'Wet bulb', unit: '°C' },
  hashpriceUsdPerPhDay: { word: 'Value of hash', unit: '$/PH/day' },
  wantedGpus: { word: 'GPUs wanted', unit: 'GPUs' },
};

/** How far each forecast of the last week was off, so many hours ahead, beside "nothing changes". Asked for when it is opened. */
export function ForecastErrors() {
  const [open, setOpen] = useState(false);
  const scores = useForecastScores(open);
  return (
    <details className="plan-why" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>How far forecasts were off</summary>
      {scores.error !== null ? (
        <Trouble {...explain(scores.error)} />
      ) : scores.data === undefined ? (
        <Skeleton />
      ) : scores.data.scores.length === 0 ? (
        <Empty title="Nothing to compare yet">An hour of prices or weather has to pass first.</Empty>
      ) : (
        <Errors scores={scores.data.scores} />
      )}
    </details>
  );
}

function Errors({ scores }: { scores: readonly Score[] }) {
  const leads = [...new Set(scores.map(({ leadHours }) => leadHours))].sort((a, b) => a - b);
  const rows = Map.groupBy(scores, ({ what, workClass }) => `${what} ${workClass ?? ''}`);
  return (
    <>
      <div className="scroll-x">
        <table className="price-table forecast-errors">
          <thead>
            <tr>
              <th>Mean error, a week back</th>
              {leads.map((hours) => (
                <th key={hours} className="num">
                  {hours} h ahead
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...rows].map(([key, [first, ...more]]) => (
              <ErrorRow key={key} scores={[first!, ...more]} leads={leads} />
            ))}
          </tbody>
        </table>
      </div>
      <p className="strip-note muted">
        Each forecast of the hour held against what came. Below it, the same error had it said that nothing changes.
      </p>
    </>
  );
}

function ErrorRow({ scores, leads }: { scores: readonly Score[]; leads: readonly number[] }) {
  const [{ what, workClass }] = scores as [Score];
  const { word, unit } = WORDS[what];
  return (
    <tr>
      <th scope="row">
        {word}
        <span className="row-detail">{workClass === undefined ? unit : `${workClass}, ${unit}`}</span>
      </th>
      {leads.map((hours) => {
        const one = scores.find(({ leadHours }) => leadHours === hours);
        return (
          <td key={hours} className="num" title={one === undefined ? 'not compared yet' : `${one.samples} compared`}>
            {one === undefined ? '?' : number(one.meanAbsoluteError, 2)}
            {one !== undefined && <span className="row-detail">{number(one.persistenceError, 2)}</span>}
          </td>
        );
      })}
    </tr>
  );
}
