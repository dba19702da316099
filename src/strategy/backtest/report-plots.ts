import { line, rect, svg, text, ticks } from '../report-plots.ts';
import { shortUsd } from '../words.ts';
import { policiesOf, POLICY_WORDS, sourcesOf } from './report-words.ts';
import type { BacktestResult, Outcome, PolicyName } from './types.ts';

/** Plots of a backtest as inline SVG, drawn once for wide pages and once for narrow ones: scaled text would be too small. */

const WIDE = 900;
const NARROW = 340;
export const bothWidths = (draw: (width: number) => string): string =>
  `<div class="wide">${draw(WIDE)}</div><div class="narrow">${draw(NARROW)}</div>`;

/** Where dollars stand on a line from `left` to `right` that holds zero and all of `values`. */
function scaleOf(values: readonly number[], left: number, right: number) {
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const at = (usd: number): number => left + ((usd - low) / (high - low || 1)) * (right - left);
  return { low, high, at };
}

const labelWidth = (width: number): number => (width === NARROW ? 72 : 96);
const ROW = 34;

/** Profit of every policy as bars, the plan's marked. */
export function profitPlot(result: BacktestResult, width: number): string {
  const policies = policiesOf(result);
  const profits = policies.map((policy) => result.outcomes[policy]!.profitUsd);
  const hasLoss = profits.some((usd) => usd < 0);
  const { at } = scaleOf(profits, labelWidth(width) + (hasLoss ? 56 : 0), width - 60);
  const rows = policies.map((policy, i) => {
    const [y, usd] = [i * ROW + 4, profits[i]!];
    const end = usd < 0 ? at(usd) - 6 : at(usd) + 6;
    const { name, about } = POLICY_WORDS[policy];
    return [
      text(labelWidth(width) - 10, y + 17, name, 'end', policy === 'plan' ? 'row strong' : 'row'),
      rect(
        Math.min(at(0), at(usd)),
        y,
        Math.abs(at(usd) - at(0)),
        24,
        fillOf(policy),
        `${name}: ${shortUsd(usd)}, ${about}`,
      ),
      text(end, y + 17, shortUsd(usd), usd < 0 ? 'end' : 'start', policy === 'plan' ? 'row strong' : 'row'),
    ].join('');
  });
  const height = policies.length * ROW;
  return svg(height, 'Profit by policy', [...rows, line(at(0), 0, at(0), height, 'zero')], width);
}

const fillOf = (policy: PolicyName): string => `policy-${policy}`;

/** Profit added up by the end of each month, a line for each policy. */
export function monthsPlot(result: BacktestResult, width: number): string {
  const { months } = result;
  const policies = policiesOf(result);
  const sums = policies.map((policy) => {
    let sum = 0;
    return [0, ...months.map(({ profitUsd }) => (sum += profitUsd[policy] ?? 0))];
  });
  const [left, right, top, bottom] = [58, width - 16, 12, 236];
  const { low, high, at } = scaleOf(sums.flat(), bottom, top);
  const px = (i: number): number => left + (i / Math.max(1, months.length)) * (right - left);
  // Names of months stand between the ends of months, as many as have room.
  const every = Math.ceil((months.length * 58) / (right - left));
  const names = months.map(({ month }, i) =>
    i % every === 0 ? text((px(i) + px(i + 1)) / 2, bottom + 18, month, 'middle') : '',
  );
  // The plan is drawn last, so that it lies above lines that it touches.
  const lines = policies
    .map((policy, i) => {
      const path = sums[i]!.map((usd, m) => `${m === 0 ? 'M' : 'L'}${px(m).toFixed(1)} ${at(usd).toFixed(1)}`).join('');
      const dots = sums[i]!.slice(1).map(
        (usd, m) =>
          `<circle class="spot ${fillOf(policy)}" cx="${px(m + 1).toFixed(1)}" cy="${at(usd).toFixed(1)}" r="${months.length > 24 ? 1.5 : 3}"><title>${POLICY_WORDS[policy].name}, to the end of ${months[m]!.month}: ${shortUsd(usd)}</title></circle>`,
      );
      return `<path class="line ${fillOf(policy)}" d="${path}"/>${dots.join('')}`;
    })
    .toReversed();
  const grid = ticks(low, high, 5).map(
    (usd) =>
      line(left, at(usd), right, at(usd), usd === 0 ? 'zero' : 'grid') +
      text(left - 6, at(usd) + 4, shortUsd(usd), 'end'),
  );
  return svg(bottom + 28, 'Profit added up by month', [...grid, ...names, ...lines], width);
}

/** Parts of the stacked bars; what is small by nature shares one. */
export const STACK = [
  { name: 'mining', fill: 'fill-mining', of: ['mining'] },
  { name: 'AI and HPC', fill: 'fill-ai', of: ['AI and HPC'] },
  { name: 'energy', fill: 'fill-energy', of: ['energy'] },
  { name: 'demand charge', fill: 'fill-work', of: ['demand charge'] },
  { name: 'coincident peaks', fill: 'fill-high', of: ['coincident peaks'] },
  { name: 'penalties and wear', fill: 'fill-low', of: ['penalties', 'interrupted work', 'waking', 'changing points'] },
] as const;

function stackOf(outcome: Outcome): { name: string; fill: string; usd: number }[] {
  const sources = sourcesOf(outcome);
  return STACK.map(({ name, fill, of }) => ({
    name,
    fill,
    usd: sources.filter((source) => of.some((one) => one === source.name)).reduce((sum, { usd }) => sum + usd, 0),
  }));
}

/** What came in to the right of zero, what went out to the left, and a mark where the profit lies. */
export function sourcesPlot(result: BacktestResult, width: number): string {
  const rows = policiesOf(result).map((policy) => {
    const { profitUsd } = result.outcomes[policy]!;
    const parts = stackOf(result.outcomes[policy]!);
    const total = (sign: 1 | -1): number => parts.reduce((sum, { usd }) => sum + (usd * sign > 0 ? usd : 0), 0);
    return { policy, profitUsd, parts, inUsd: total(1), outUsd: total(-1) };
  });
  const ends = rows.flatMap(({ inUsd, outUsd, profitUsd }) => [inUsd, outUsd, profitUsd]);
  const { low, high, at } = scaleOf(ends, labelWidth(width), width - 16);
  const height = rows.length * ROW;
  const bars = rows.map(({ policy, parts, profitUsd }, i) => {
    const y = i * ROW + 5;
    const next = { in: 0, out: 0 };
    const pieces = parts.map(({ name, fill, usd }) => {
      const side = usd < 0 ? 'out' : 'in';
      const from = next[side];
      next[side] += usd;
      const [a, b] = [at(Math.min(from, from + usd)), at(Math.max(from, from + usd))];
      return usd === 0 ? '' : rect(a, y, b - a, 22, fill, `${POLICY_WORDS[policy].name}, ${name}: ${shortUsd(usd)}`);
    });
    const x = at(profitUsd);
    return [
      text(labelWidth(width) - 10, y + 15, POLICY_WORDS[policy].name, 'end', policy === 'plan' ? 'row strong' : 'row'),
      ...pieces,
      `<path class="profit" d="M${(x - 5).toFixed(1)} ${y - 4}h10l-5 7z"><title>profit: ${shortUsd(profitUsd)}</title></path>`,
      line(x, y, x, y + 22, 'net'),
    ].join('');
  });
  const grid = ticks(low, high, width === NARROW ? 4 : 6).map(
    (usd) => line(at(usd), 0, at(usd), height, usd === 0 ? 'zero' : 'grid') + text(at(usd), height + 16, shortUsd(usd)),
  );
  return svg(height + 22, 'Where the money came from and went', [...grid, ...bars], width);
}
