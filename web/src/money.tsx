import type { Overview } from '../../src/model/api.ts';
import { clockTime, known, money, moneyPerHour, number } from './format.ts';
import { Card, Figure, LINE_WORDS, Swatch } from './parts.tsx';

const LINE_ABOUT: Readonly<Record<string, string>> = {
  grid: 'unused block sold at real time',
};

/** What the margin contains beyond revenue and cost; undefined where a part is unknown or it is nothing. */
function penalties({ lines, costUsdPerHour, marginUsdPerHour }: Overview): number | undefined {
  if (!known(costUsdPerHour) || !known(marginUsdPerHour) || lines.some((l) => !known(l.revenueUsdPerHour)))
    return undefined;
  const revenue = lines.reduce((sum, l) => sum + (l.revenueUsdPerHour ?? 0), 0);
  const rest = marginUsdPerHour - (revenue - costUsdPerHour);
  return Math.abs(rest) < 1 ? undefined : rest;
}

/** One row: what, why and how much, with a bar under it; money out is hatched. All bars share one scale. */
function MoneyRow({
  of,
  word,
  about,
  usd,
  scale,
}: {
  of: string;
  word: string;
  about: string;
  usd: number | null;
  scale: number;
}) {
  const share = known(usd) ? Math.min(1, Math.abs(usd) / scale) : 0;
  return (
    <tr>
      <th scope="row">
        <span className="with-swatch">
          <Swatch of={of} />
          <span>
            {word}
            <span className="row-detail">{about}</span>
          </span>
        </span>
        <span className="money-bar" aria-hidden="true">
          <span
            className={`fill-${of} ${known(usd) && usd < 0 ? 'is-out' : ''}`}
            style={{ width: `${share * 100}%` }}
          />
        </span>
      </th>
      <td className="num">
        <Figure text={moneyPerHour(usd)} />
      </td>
    </tr>
  );
}

/** The server's cost is energy and leases in one figure; leases are known apart. */
function costDetail({ leases, costUsdPerHour }: Overview): string {
  const leased = leases.reduce((sum, lease) => sum + lease.costUsdPerHour, 0);
  if (leased === 0) return 'block at its price, the rest at real time';
  if (!known(costUsdPerHour)) return `leases ${moneyPerHour(leased)}, energy unknown`;
  return `energy ${moneyPerHour(costUsdPerHour - leased)}, leases ${moneyPerHour(leased)}`;
}

export function MoneySection({ overview }: { overview: Overview }) {
  const { lines, costUsdPerHour, marginUsdPerHour, today } = overview;
  const cost = known(costUsdPerHour) ? -costUsdPerHour : null;
  const rest = penalties(overview);
  const scale = Math.max(
    1,
    ...[...lines.map((l) => l.revenueUsdPerHour), cost, marginUsdPerHour].map((v) => Math.abs(v ?? 0)),
  );
  return (
    <Card id="money" title="Money per hour" aside={<span className="muted">now</span>}>
      <table className="money-table">
        <thead className="sr-only">
          <tr>
            <th>Line of business</th>
            <th>$ per hour</th>
          </tr>
        </thead>
        <tbody>
          {lines.map(({ line, revenueUsdPerHour, detail }) => (
            <MoneyRow
              key={line}
              of={line}
              word={LINE_WORDS[line]}
              about={detail === '' ? (LINE_ABOUT[line] ?? '') : detail}
              usd={revenueUsdPerHour}
              scale={scale}
            />
          ))}
          <MoneyRow of="cost" word="Energy and leases" about={costDetail(overview)} usd={cost} scale={scale} />
          {rest !== undefined && (
            <MoneyRow of="cost" word="Penalties" about="for committed work not done" usd={rest} scale={scale} />
          )}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Margin</th>
            <td className="num total">
              <Figure text={moneyPerHour(marginUsdPerHour)} title="Unknown while a part of it is unknown" />
            </td>
          </tr>
        </tfoot>
      </table>
      <div className="today">
        <p>
          <span className="muted">Margin booked today</span>
          <span className="today-margin">
            <Figure text={money(today.marginUsd)} title="Nothing has been booked yet" />
          </span>
        </p>
        <p className="muted">
          {today.intervals === 0 || today.since === null
            ? 'The first quarter-hour has not been booked yet.'
            : `${number(today.intervals)} quarter-hours since ${clockTime(today.since)}, ${
                known(today.energyMwh) ? `${number(today.energyMwh, 1)} MWh` : 'energy unknown'
              }`}
        </p>
      </div>
    </Card>
  );
}
