import { Fragment, useState } from 'react';
import type { ConvertAssumption, ConvertHall, ConvertOption, ConvertResult } from '../../../src/model/convert-api.ts';
import { known, money, number } from '../format.ts';
import { Figure } from '../parts.tsx';
import { compact, hallOf, optionOf, shortMoney, signedMoney, spanText } from './figures.ts';

const toneOf = (usd: number): string => (usd > 0 ? 'gain' : usd < 0 ? 'loss' : '');
const percent = (value: number | null): string => (value === null ? '–' : `${number(value, 1)} %`);

/** Halls that mine, by what their best AI option gains. */
export function Ranking({
  result,
  chosen,
  onChoose,
}: {
  result: ConvertResult;
  chosen: string | undefined;
  onChoose: (hallId: string) => void;
}) {
  return (
    <ol className="ranking">
      {result.ranking.map(({ hallId, optionId, gainUsd, paybackMonths, because }) => {
        const option = optionOf(result, hallId, optionId);
        return (
          <li key={hallId} className={hallId === chosen ? 'is-chosen' : ''}>
            <button
              type="button"
              className="ranking-hall"
              aria-pressed={hallId === chosen}
              onClick={() => onChoose(hallId)}
            >
              <strong>{hallOf(result, hallId)?.name}</strong>
              <span className="muted">{option?.label}</span>
            </button>
            <span className={`ranking-gain figure ${toneOf(gainUsd)}`}>{signedMoney(gainUsd)}</span>
            <span className="ranking-pay">
              <span className="muted">payback</span> {spanText(paybackMonths)}
              <span className="muted">, IRR</span> {percent(option?.versusKeep.irrPct ?? null)}
            </span>
            <p className="ranking-why">{because}</p>
          </li>
        );
      })}
    </ol>
  );
}

/** All options of all halls; what cannot be done says why. */
export function OptionsTable({ halls }: { halls: readonly ConvertHall[] }) {
  return (
    <div className="options-scroll">
      <table className="options-table">
        <thead>
          <tr>
            <th>Option</th>
            <th className="num">AI MW</th>
            <th className="num">NPV</th>
            <th className="num">vs as today</th>
            <th className="num">IRR vs</th>
            <th className="num">Payback</th>
            <th className="num">Capex</th>
            <th
              className="num"
              title="A year's revenue and what is left after power and running cost, per MW the hall may draw, mean of the years"
            >
              $/MW-year
            </th>
            <th className="num" title="After the loan">
              Equity NPV
            </th>
          </tr>
        </thead>
        <tbody>
          {halls.map((hall) => (
            <Fragment key={hall.id}>
              <tr className="options-hall">
                <th scope="rowgroup" colSpan={9}>
                  {hall.name}
                  <span className="row-detail">
                    {hall.today}; {number(hall.usableMw, 1)} MW
                    {known(hall.joulePerTh) ? `; ${number(hall.joulePerTh, 1)} J/TH` : ''}; cooling: {hall.cooling}
                  </span>
                </th>
              </tr>
              {hall.options
                .toSorted((a, b) => Number(b.feasible) - Number(a.feasible) || b.npvUsd - a.npvUsd)
                .map((option) => (
                  <OptionRow key={option.id} option={option} best={option.id === hall.bestId} />
                ))}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function OptionRow({ option, best }: { option: ConvertOption; best: boolean }) {
  const { label, feasible, reasons, limits, kind, aiItMw, npvUsd, versusKeep, capexUsd, perMwYear, equity } = option;
  const binding = limits.find((limit) => limit.binding);
  const detail = feasible && binding !== undefined ? [`${binding.what}: ${binding.note}`, ...reasons] : reasons;
  return (
    <tr className={feasible ? (best ? 'is-best' : '') : 'is-out'}>
      <th scope="row">
        {label}
        {best && <span className="tag">best</span>}
        {detail.length > 0 && <span className="row-detail">{detail.join('; ')}</span>}
      </th>
      {feasible ? (
        <>
          <td className="num">{aiItMw > 0 && number(aiItMw, 1)}</td>
          <td className="num strong">{shortMoney(npvUsd)}</td>
          <td className={`num ${toneOf(versusKeep.npvUsd)}`}>{kind !== 'keep' && signedMoney(versusKeep.npvUsd)}</td>
          <td className="num">{kind !== 'keep' && percent(versusKeep.irrPct)}</td>
          <td className="num">{kind !== 'keep' && capexUsd > 0 && spanText(versusKeep.paybackMonths)}</td>
          <td className="num">{capexUsd > 0 && shortMoney(capexUsd)}</td>
          <td className="num">
            {shortMoney(perMwYear.revenueUsd)}
            <span className="row-detail">{shortMoney(perMwYear.ebitdaUsd)} left</span>
          </td>
          <td className="num">
            {shortMoney(equity.npvUsd)}
            <span className="row-detail">IRR {percent(equity.irrPct)}</span>
          </td>
        </>
      ) : (
        <td colSpan={8} className="muted">
          not possible
        </td>
      )}
    </tr>
  );
}

/** The site's books beside the model, per MWh the line's machines drew. */
export function Measured({ measured }: { measured: NonNullable<ConvertResult['measured']> }) {
  return (
    <table className="measured-table">
      <thead>
        <tr>
          <th>Line</th>
          <th className="num">Booked</th>
          <th className="num">Model, year 1</th>
          <th className="num">Coverage</th>
        </tr>
      </thead>
      <tbody>
        {measured.lines.map(({ line, usdPerMwh, modelUsdPerMwh, coveragePct }) => (
          <tr key={line}>
            <th scope="row">{line === 'mining' ? 'Mining' : line.toUpperCase()}</th>
            <td className="num">
              <Figure text={money(usdPerMwh, 2)} unit="/MWh" />
            </td>
            <td className="num">
              <Figure text={money(modelUsdPerMwh, 2)} unit="/MWh" />
            </td>
            <td className="num">{number(coveragePct)} %</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Every assumption with its range; its source stands in the title and under it when opened. */
export function Assumptions({ assumptions, hardware }: Pick<ConvertResult, 'assumptions' | 'hardware'>) {
  const [open, setOpen] = useState<string>();
  const groups = [...new Set(assumptions.map(({ group }) => group))];
  return (
    <div className="assumptions">
      {groups.map((group) => (
        <section key={group}>
          <h3>{group}</h3>
          <ul>
            {assumptions
              .filter((one) => one.group === group)
              .map((one) => (
                <AssumptionRow
                  key={one.key}
                  one={one}
                  open={open === one.key}
                  onToggle={() => setOpen(open === one.key ? undefined : one.key)}
                />
              ))}
          </ul>
        </section>
      ))}
      <section>
        <h3>Machines</h3>
        <ul>
          {hardware.map(({ id, name, facts, source, caveat }) => (
            <li key={id} className={open === id ? 'is-open' : ''}>
              <button
                type="button"
                title={source}
                aria-expanded={open === id}
                onClick={() => setOpen(open === id ? undefined : id)}
              >
                <span>{name}</span>
                <span className="muted">{facts}</span>
              </button>
              {open === id && (
                <p>
                  {source}
                  {caveat !== null && <strong>. {caveat}</strong>}
                </p>
              )}
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}

function AssumptionRow({ one, open, onToggle }: { one: ConvertAssumption; open: boolean; onToggle: () => void }) {
  return (
    <li className={open ? 'is-open' : ''}>
      <button type="button" title={one.source} aria-expanded={open} onClick={onToggle}>
        <span>
          {one.label}
          {one.from !== 'default' && <span className="tag">{one.from}</span>}
        </span>
        <span className="figure">
          {compact(one.value)} <span className="unit">{one.unit}</span>
        </span>
      </button>
      {open && (
        <p>
          {compact(one.low)} to {compact(one.high)}, {one.basis}. {one.source} <span className="mono">{one.key}</span>
        </p>
      )}
    </li>
  );
}

export function Published({ published }: Pick<ConvertResult, 'published'>) {
  return (
    <table className="published-table">
      <thead>
        <tr>
          <th>Deal</th>
          <th className="num">Published</th>
          <th className="num">Model</th>
        </tr>
      </thead>
      <tbody>
        {published.map(({ name, inputs, source, publishedUsdPerMwYear, modelUsdPerMwYear, modelUsdPerMwh }) => (
          <tr key={name} title={`${inputs}. ${source}`}>
            <th scope="row">
              {name}
              <span className="row-detail">{source}</span>
            </th>
            <td className="num">{shortMoney(publishedUsdPerMwYear)}</td>
            <td className="num">
              {shortMoney(modelUsdPerMwYear)}
              <span className="row-detail">${number(modelUsdPerMwh)}/MWh</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
