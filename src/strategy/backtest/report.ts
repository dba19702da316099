import { escape } from '../report-plots.ts';
import { REPORT_STYLE } from '../report-style.ts';
import { isDoubt } from './files.ts';
import { bothWidths, monthsPlot, profitPlot, sourcesPlot, STACK } from './report-plots.ts';
import {
  answerOf,
  dollarsOf,
  gainsOf,
  policiesOf,
  POLICY_WORDS,
  regretsOf,
  type Source,
  sourcesOf,
} from './report-words.ts';
import type { BacktestResult, Outcome, PolicyName } from './types.ts';

const STYLE = `
:root{--energy:#8a969e}
@media (prefers-color-scheme:dark){:root{--energy:#66737c}}
.narrow{display:none}
.strong{font-weight:600}
.fill-energy{fill:var(--energy);background:var(--energy)}
.policy-plan{fill:var(--ai);stroke:var(--ai);background:var(--ai)}
.policy-rule{fill:var(--mining);stroke:var(--mining);background:var(--mining)}
.policy-practice{fill:var(--work);stroke:var(--work);background:var(--work)}
.policy-always-on{fill:var(--energy);stroke:var(--energy);background:var(--energy)}
.policy-foresight{fill:var(--low);stroke:var(--low);background:var(--low)}
rect{stroke:none}
.line.policy-plan,.line.policy-rule,.line.policy-practice,.line.policy-always-on,.line.policy-foresight{fill:none}
.line.policy-plan{stroke-width:3}.line.policy-foresight,.line.policy-practice{stroke-dasharray:6 4}
.spot{stroke:var(--surface);stroke-width:1}
.profit{fill:var(--ink)}line.net{stroke:var(--ink);stroke-width:2}
.mark-profit{width:0;height:0;margin-left:8px;border:5px solid transparent;border-top:7px solid var(--ink);border-bottom:0}
.numbers th:first-child,.numbers td:first-child{text-align:left}
.numbers th:last-child,.numbers td:last-child{padding-right:0}
.quiet li{max-width:90ch}
.about{display:grid;grid-template-columns:max-content 1fr;gap:3px 16px;margin:16px 0 0}.about dt{font-weight:600}.about dd{margin:0;color:var(--ink-2)}
.whole{white-space:nowrap}
.pair{display:inline-flex;gap:6px;align-items:center}.pair>span{margin-left:0}
.legend{gap:4px 16px}
.sum td{font-weight:600}
.numbers td:first-child,.numbers th:first-child{position:sticky;left:0;background:var(--surface)}
@media (max-width:600px){.wide{display:none}.narrow{display:block}.numbers{font-size:12px}.numbers td,.numbers th{padding-right:8px}}
`;

/**
 * A report to read, send and print: one file, no scripts, nothing fetched, light and dark.
 * @returns a whole HTML document; every text of the result is escaped
 */
export function backtestHtml(result: BacktestResult): string {
  const title = `${result.site}: backtest ${result.from.slice(0, 10)} to ${result.to.slice(0, 10)}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${escape(title)}</title><style>${REPORT_STYLE}${STYLE}</style></head>
<body><main>
<header><p class="over">Backtest</p><h1>${escape(result.site)}</h1>
<p class="answer">${unbroken(escape(answerOf(result)))}</p>
${facts(result)}</header>
${list('loud', result.notes.filter(isDoubt))}
${profits(result)}${months(result)}${sources(result)}${gains(result)}${peaks(result)}${notes(result)}
</main></body></html>
`;
}

const num = (value: number, digits = 0): string => value.toLocaleString('en-US', { maximumFractionDigits: digits });
const percent = (share: number | null): string => (share === null ? '–' : `${(100 * share).toFixed(1)} %`);
/** Days and percents are not torn apart at the end of a line. */
const unbroken = (html: string): string => html.replaceAll(/\d{4}-\d\d-\d\d|\d+ %/g, '<span class="whole">$&</span>');
const section = (title: string, ...parts: readonly string[]): string =>
  `<section><h2>${escape(title)}</h2>${parts.join('')}</section>`;
const row = (cells: readonly string[], tag: 'td' | 'th'): string =>
  `<tr${SUMS.has(cells[0]!) ? ' class="sum"' : ''}>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
/** Rows that add up those above them. */
const SUMS: ReadonlySet<string> = new Set(['all', 'profit']);
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<div class="scroll"><table class="numbers"><thead>${row(head, 'th')}</thead><tbody>${rows.map((cells) => row(cells, 'td')).join('')}</tbody></table></div>`;
const list = (name: 'loud' | 'quiet', lines: readonly string[]): string =>
  lines.length === 0 ? '' : `<ul class="${name}">${lines.map((text) => `<li>${escape(text)}</li>`).join('')}</ul>`;
const legend = (keys: readonly (readonly [string, string])[]): string =>
  `<p class="legend">${keys.map(([name, words]) => `<span class="pair"><span class="${name}"></span>${escape(words)}</span>`).join(' ')}</p>`;
const policyLegend = (policies: readonly PolicyName[]): string =>
  legend(policies.map((policy) => [`key policy-${policy}`, POLICY_WORDS[policy].name]));

function facts(result: BacktestResult): string {
  const { coincidentPeak, outcomes } = result;
  const pairs = [
    ['Share of the gap closed, over the rule', percent(result.gapClosed)],
    ...(result.practiceProfitUsd === null
      ? []
      : [['Share of the gap closed, over practice', percent(result.gapClosedOverPractice)]]),
    ['Hours in which miners that could run slept', num(result.curtailedHours)],
    ...(coincidentPeak === null
      ? []
      : [
          ['Coincident-peak charge of miners avoided', percent(coincidentPeak.avoidedShare)],
          ['Hours slept because of likely peaks', num(coincidentPeak.curtailedHours, 1)],
        ]),
    ['Energy of the plan', `${num(outcomes.plan?.energyMwh ?? 0)} MWh`],
    ['Decided', `every ${result.stepMinutes} min, over ${num(result.cohorts)} groups of miners`],
  ];
  return `<dl class="facts">${pairs.map(([term, words]) => `<div><dt>${escape(term!)}</dt><dd>${escape(words!)}</dd></div>`).join('')}</dl>`;
}

function profits(result: BacktestResult): string {
  const about = policiesOf(result).map((policy) => {
    const { name, about: words } = POLICY_WORDS[policy];
    return `<dt>${escape(name)}</dt><dd>${escape(words)}</dd>`;
  });
  const plot = bothWidths((width) => profitPlot(result, width));
  return section('Profit by policy', plot, `<dl class="about">${about.join('')}</dl>`);
}

function months(result: BacktestResult): string {
  const policies = policiesOf(result);
  const usd = dollarsOf(result);
  const cell = (value: number | null): string => (value === null ? '–' : usd(value));
  const rows = result.months.map(({ month, profitUsd }) => [
    month,
    ...policies.map((policy) => cell(profitUsd[policy])),
  ]);
  const all = ['all', ...policies.map((policy) => usd(result.outcomes[policy]!.profitUsd))];
  return section(
    'Month by month, added up',
    bothWidths((width) => monthsPlot(result, width)),
    policyLegend(policies),
    table(['Month', ...policies.map((policy) => POLICY_WORDS[policy].name)], [...rows, all]),
  );
}

function sources(result: BacktestResult): string {
  const policies = policiesOf(result);
  const usd = dollarsOf(result);
  const bySource = policies.map((policy) => sourcesOf(result.outcomes[policy]!));
  const rows = bySource[0]!
    .map(({ name }, i) => ({ name, each: bySource.map((of) => of[i]!.usd) }))
    .filter(({ each }) => each.some((value) => value !== 0))
    .map(({ name, each }) => [name, ...each.map(usd)]);
  const line = (name: string, of: (outcome: Outcome) => string): string[] => [
    name,
    ...policies.map((policy) => of(result.outcomes[policy]!)),
  ];
  const keys = STACK.map(({ name, fill }): [string, string] => [`key ${fill}`, name]);
  return section(
    'Where the money came from',
    bothWidths((width) => sourcesPlot(result, width)),
    legend([...keys, ['mark-profit', 'profit']]),
    table(
      ['', ...policies.map((policy) => POLICY_WORDS[policy].name)],
      [
        ...rows,
        line('profit', ({ profitUsd }) => usd(profitUsd)),
        line('energy, MWh', ({ energyMwh }) => num(energyMwh)),
        line('hash, PH/s x days', ({ hashPhHours }) => num(hashPhHours / 24)),
        line('GPU-hours', ({ gpuHours }) => num(gpuHours)),
        line('machines woken', ({ wakes }) => num(wakes)),
        line('hours curtailed', ({ curtailedHours }) => num(curtailedHours)),
      ],
    ),
  );
}

function gains(result: BacktestResult): string {
  const usd = dollarsOf(result);
  const rows = (all: readonly Source[]): string[][] => all.map((one) => [one.name, usd(one.usd)]);
  const more = usd(result.profitUsd - result.ruleProfitUsd);
  const less = usd(result.foresightProfitUsd - result.profitUsd);
  const regrets = regretsOf(result);
  return section(
    'What the plan did better, and what it missed',
    table(['More than the rule, by source', ''], [...rows(gainsOf(result)), ['all', more]]),
    regrets.length === 0 ? '' : table(['Short of foresight, by cause', ''], [...rows(regrets), ['all', less]]),
  );
}

function peaks({ coincidentPeak }: BacktestResult): string {
  if (coincidentPeak === null) return '';
  const rows = coincidentPeak.peaks.map(({ start, loadMw, importMw }) => [
    start.slice(0, 16).replace('T', ' '),
    num(loadMw),
    num(importMw, 2),
  ]);
  const words = `The plan avoided ${percent(coincidentPeak.avoidedShare)} of what miners running through every peak would have been charged, and let them sleep ${num(coincidentPeak.curtailedHours, 1)} hours for it.`;
  const head = ['Hour from, UTC', 'System, MW', 'Site, MW'];
  return section('Coincident peaks', `<p>${escape(words)}</p>`, table(head, rows));
}

const notes = (result: BacktestResult): string => {
  const quiet = result.notes.filter((note) => !isDoubt(note));
  return quiet.length === 0 ? '' : section('Notes and warnings', list('quiet', quiet));
};
