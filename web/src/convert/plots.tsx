import type { ConvertOption, ConvertResult } from '../../../src/model/convert-api.ts';
import { compact, shortMoney, signedMoney } from './figures.ts';

/** Low and high of each assumption as a bar from where the gain stands, longest first. */
export function Tornado({ tornado: { baseUsd, bars } }: { tornado: ConvertResult['tornado'][number] }) {
  const shown = bars.slice(0, 12);
  const ends = shown.flatMap(({ atLowUsd, atHighUsd }) => [atLowUsd, atHighUsd]);
  const low = Math.min(0, baseUsd, ...ends);
  const high = Math.max(0, baseUsd, ...ends);
  const at = (usd: number): number => (100 * (usd - low)) / (high - low || 1);
  const bar = (usd: number) => ({
    left: `${Math.min(at(usd), at(baseUsd))}%`,
    width: `${Math.abs(at(usd) - at(baseUsd))}%`,
  });
  return (
    <>
      <ol className="tornado">
        {shown.map(({ key, label, unit, low: from, high: to, atLowUsd, atHighUsd }) => (
          <li
            key={key}
            title={`${label}: ${signedMoney(atLowUsd)} at ${compact(from)}, ${signedMoney(atHighUsd)} at ${compact(to)} ${unit}`}
          >
            <span className="tornado-label">
              {label}
              <span className="row-detail">
                {compact(from)} to {compact(to)} {unit}
              </span>
            </span>
            <span className="tornado-track">
              <span className="tornado-zero" style={{ left: `${at(0)}%` }} />
              <span className="tornado-base" style={{ left: `${at(baseUsd)}%` }} />
              <span className="tornado-bar is-low" style={bar(atLowUsd)} />
              <span className="tornado-bar is-high" style={bar(atHighUsd)} />
            </span>
            <span className="tornado-ends num">
              {shortMoney(Math.min(atLowUsd, atHighUsd))}
              <span className="muted"> to </span>
              {shortMoney(Math.max(atLowUsd, atHighUsd))}
            </span>
          </li>
        ))}
      </ol>
      <p className="convert-legend">
        <span className="key-low" /> at its low <span className="key-high" /> at its high <span className="key-base" />{' '}
        as assumed: {signedMoney(baseUsd)}
      </p>
    </>
  );
}

const CHART = { width: 720, height: 220, left: 62, right: 8, top: 10, bottom: 24 };

/** Cash by year as bars, and what has come in so far as a line. */
export function CashChart({ option: { label, years } }: { option: ConvertOption }) {
  const { width, height, left, right, top, bottom } = CHART;
  const sums = years.map((_, i) => years.slice(0, i + 1).reduce((total, { cashUsd }) => total + cashUsd, 0));
  const all = [0, ...sums, ...years.map(({ cashUsd }) => cashUsd)];
  const low = Math.min(...all);
  const high = Math.max(...all);
  const y = (usd: number): number => height - bottom - ((usd - low) / (high - low || 1)) * (height - top - bottom);
  const slot = (width - left - right) / years.length;
  const middle = (i: number): number => left + slot * (i + 0.5);
  return (
    <svg className="cash-chart" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`Cash by year of ${label}`}>
      {ticks(low, high).map((usd) => (
        <g key={usd}>
          <line
            x1={left}
            x2={width - right}
            y1={y(usd)}
            y2={y(usd)}
            className={usd === 0 ? 'axis-zero' : 'axis-grid'}
          />
          <text x={left - 8} y={y(usd) + 4} textAnchor="end">
            {shortMoney(usd)}
          </text>
        </g>
      ))}
      {years.map(({ year, cashUsd }, i) => (
        <g key={year}>
          <rect
            x={left + slot * (i + 0.2)}
            width={slot * 0.6}
            y={Math.min(y(0), y(cashUsd))}
            height={Math.abs(y(cashUsd) - y(0))}
            rx="1.5"
            className={cashUsd < 0 ? 'cash-out' : 'cash-in'}
          >
            <title>{`year ${year}: ${shortMoney(cashUsd)}`}</title>
          </rect>
          <text x={middle(i)} y={height - 8} textAnchor="middle">
            {year}
          </text>
        </g>
      ))}
      <polyline points={sums.map((usd, i) => `${middle(i)},${y(usd)}`).join(' ')} className="cash-line" />
      {sums.map((usd, i) => (
        <circle key={i} cx={middle(i)} cy={y(usd)} r="3" className="cash-dot">
          <title>{`after year ${i + 1}: ${shortMoney(usd)}`}</title>
        </circle>
      ))}
    </svg>
  );
}

/** Round figures from low to high. */
function ticks(low: number, high: number): number[] {
  const raw = (high - low || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw) ?? raw;
  return Array.from({ length: 12 }, (_, i) => (Math.ceil(low / step) + i) * step).filter((usd) => usd <= high);
}

/** Halls over the years: what they are today, in conversion, filling up, and what they are then. */
export function Timeline({ result: { plan, halls, study } }: { result: ConvertResult }) {
  const months = study.years * 12;
  const part = (from: number, to: number) => ({
    left: `${(100 * Math.min(from, months)) / months}%`,
    width: `${(100 * (Math.min(to, months) - Math.min(from, months))) / months}%`,
  });
  const startMonth = Number(study.start.slice(5, 7)) - 1;
  const startYear = Number(study.start.slice(0, 4));
  const marks = Array.from({ length: study.years + 1 }, (_, n) => ({
    month: n * 12 - startMonth,
    year: startYear + n,
  })).filter(({ month }) => month >= 0 && month < months);
  return (
    <div className="timeline">
      {halls.map((hall) => {
        const step = plan.steps.find(({ hallId }) => hallId === hall.id);
        const today = hall.miningItMw > 0 ? 'is-mining' : 'is-ai';
        const kind = hall.options.find(({ id }) => id === step?.optionId)?.kind;
        const then = kind === 'power-down' ? 'is-off' : kind === 'refit' ? 'is-new' : 'is-ai';
        return (
          <div key={hall.id} className="timeline-row">
            <span className="timeline-name">{hall.name}</span>
            <span className="timeline-track">
              {step === undefined ? (
                <span className={`timeline-part ${today}`} style={part(0, months)}>
                  as today
                </span>
              ) : (
                <>
                  <span className={`timeline-part ${today}`} style={part(0, step.startMonth)} title="as today" />
                  <span
                    className="timeline-part is-work"
                    style={part(step.startMonth, step.doneMonth)}
                    title={`in conversion from ${step.start.slice(0, 7)}, ${step.doneMonth - step.startMonth} months`}
                  />
                  <span
                    className={`timeline-part is-filling ${then}`}
                    style={part(step.doneMonth, step.rentedMonth)}
                    title="filling up, mining as ballast"
                  />
                  <span
                    className={`timeline-part ${then}`}
                    style={part(Math.max(step.doneMonth, step.rentedMonth), months)}
                    title={`${step.label}: ${signedMoney(step.gainUsd)}`}
                  >
                    {step.label}
                  </span>
                </>
              )}
            </span>
          </div>
        );
      })}
      <div className="timeline-row" aria-hidden="true">
        <span className="timeline-name" />
        <span className="timeline-years">
          {marks.map(({ month, year }) => (
            <span key={year} style={{ left: `${(100 * month) / months}%` }}>
              {year}
            </span>
          ))}
        </span>
      </div>
      <p className="convert-legend">
        <span className="key-mining" /> mining today <span className="key-new" /> new miners{' '}
        <span className="key-work" /> in conversion <span className="key-filling" /> filling up, mining as ballast{' '}
        <span className="key-ai" /> AI <span className="key-off" /> off
      </p>
    </div>
  );
}
