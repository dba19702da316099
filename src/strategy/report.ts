import type { ConvertOption, ConvertResult } from '../model/convert-api.ts';
import { cashPlot, curvePlot, escape, timelinePlot, tornadoPlot } from './report-plots.ts';
import { REPORT_STYLE } from './report-style.ts';
import { monthsText, shortUsd } from './words.ts';

/** One file to read, send and print: no scripts, nothing fetched. */
export function reportHtml(result: ConvertResult): string {
  const { study } = result;
  const title = `${study.site}: from mining to AI`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${escape(title)}</title><style>${REPORT_STYLE}</style></head>
<body><main>
<header><p class="over">Conversion study${study.name === null ? '' : `, ${escape(study.name)}`}</p><h1>${escape(study.site)}</h1>
<p class="answer">${escape(result.conclusion.sentence)}</p>
<p>${escape(result.conclusion.because)}</p>${result.conclusion.hangsOn === '' ? '' : `<p>${escape(result.conclusion.hangsOn)}</p>`}
${facts(result)}</header>
${notes(result, true)}
${ranking(result)}${plan(result)}${sensitivity(result)}${halls(result)}${measured(result)}${published(result)}${assumptions(result)}
${notes(result, false)}
</main></body></html>
`;
}

const row = (cells: readonly string[], tag = 'td') =>
  `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
function table(head: readonly string[], rows: readonly (readonly string[])[], name = ''): string {
  const body = rows.map((cells) => row(cells)).join('');
  return `<div class="scroll"><table class="${name}"><thead>${row(head.map(escape), 'th')}</thead><tbody>${body}</tbody></table></div>`;
}
const section = (title: string, ...parts: readonly string[]) =>
  `<section><h2>${escape(title)}</h2>${parts.join('')}</section>`;
const percent = (value: number | null) => (value === null ? '–' : `${value.toFixed(1)} %`);
const span = (months: number | null) => (months === null ? 'never' : monthsText(months));
const num = (value: number, digits = 1) => value.toLocaleString('en-US', { maximumFractionDigits: digits });

function facts({ study, replay }: ConvertResult): string {
  const pairs = [
    ['Years', `${study.years}, from ${study.start.slice(0, 7)}`],
    ['Discount rate', `${study.discountPct} % a year`],
    [
      'Prices replayed',
      `${replay.from.slice(0, 10)} to ${replay.to.slice(0, 10)}, every ${replay.intervalMinutes} min`,
    ],
    [
      'Coverage',
      `${num(replay.coveragePct, 2)} % of ${num(replay.intervals, 0)} intervals; weather ${num(replay.weatherCoveragePct, 0)} %`,
    ],
    [
      'Price of power',
      `mean $${replay.meanUsdPerMwh.toFixed(2)}/MWh, from ${shortUsd(replay.lowestUsdPerMwh)} to ${shortUsd(replay.highestUsdPerMwh)}`,
    ],
    ['Source', escape(replay.source)],
  ];
  return `<dl class="facts">${pairs.map(([term, words]) => `<div><dt>${term}</dt><dd>${words}</dd></div>`).join('')}</dl>`;
}

const notes = ({ notes: all }: ConvertResult, loud: boolean): string => {
  const some = all.filter((note) => note.loud === loud);
  if (some.length === 0) return '';
  return `<ul class="${loud ? 'loud' : 'quiet'}">${some.map(({ text }) => `<li>${escape(text)}</li>`).join('')}</ul>`;
};

const optionOf = ({ halls: all }: ConvertResult, hallId: string, optionId: string): ConvertOption =>
  all.find(({ id }) => id === hallId)!.options.find(({ id }) => id === optionId)!;
const hallName = ({ halls: all }: ConvertResult, hallId: string): string => all.find(({ id }) => id === hallId)!.name;

function ranking(result: ConvertResult): string {
  if (result.ranking.length === 0) return '';
  const rows = result.ranking.map(({ hallId, optionId, gainUsd, paybackMonths, because }, i) => {
    const option = optionOf(result, hallId, optionId);
    return [
      String(i + 1),
      `<strong>${escape(hallName(result, hallId))}</strong>`,
      escape(option.label),
      shortUsd(gainUsd),
      percent(option.versusKeep.irrPct),
      span(paybackMonths),
      `<span class="small">${escape(because)}</span>`,
    ];
  });
  return section(
    'Which hall first',
    table(['', 'Hall', 'Best as AI', 'Gain over mining on', 'IRR', 'Payback', 'Because'], rows, 'ranking'),
  );
}

function plan(result: ConvertResult): string {
  const { plan: told, conclusion } = result;
  const rows = told.years.map(({ year, firmMw, miningMw, curtailedMw, cashUsd }) => [
    String(year),
    num(firmMw),
    num(miningMw),
    num(curtailedMw, 2),
    shortUsd(cashUsd),
  ]);
  const legend =
    '<p class="legend"><span class="key fill-mining"></span>mining today <span class="key fill-mining-new"></span>new miners <span class="key fill-work"></span>in conversion <span class="key fill-ai filling"></span>filling up, mining as ballast <span class="key fill-ai"></span>AI <span class="key fill-off"></span>off</p>';
  const how = `<p class="small">${escape(told.method)}. At most ${told.hallsAtOnce} in conversion at a time; ${told.capexBudgetUsd === null ? 'no limit to what is spent' : `${shortUsd(told.capexBudgetUsd)} to spend`}; ${num(told.connectionMw)} MW of connection, cooling of the hottest hours included. MW are means of the months, at the connection.</p>`;
  return section(
    'The plan over all halls',
    `<p>${escape(conclusion.plan)}</p>`,
    timelinePlot(result),
    legend,
    table(['Year', 'Firm MW', 'Mining MW', 'No room for, MW', 'Cash'], rows, 'numbers'),
    how,
  );
}

function sensitivity(result: ConvertResult): string {
  return result.ranking
    .map(({ hallId, optionId }, i) => {
      const curves = result.breakEven.filter((curve) => curve.hallId === hallId);
      const bars = result.tornado.find((one) => one.hallId === hallId);
      const option = optionOf(result, hallId, optionId);
      const title = `${hallName(result, hallId)} as ${option.label}: what it hangs on`;
      const body = [
        '<h3>Where AI equals mining</h3><p class="legend"><span class="stroke ai"></span>AI <span class="stroke mining dashed"></span>mining on <span class="stroke base"></span>as assumed</p>',
        `<div class="curves">${curves.map(curvePlot).join('')}</div>`,
        bars === undefined
          ? ''
          : `<h3>Gain over mining on, with one assumption at its low and its high</h3>${tornadoPlot(bars)}<p class="legend"><span class="key fill-low"></span>at low <span class="key fill-high"></span>at high</p>`,
        `<h3>Cash by year</h3>${cashPlot(option)}`,
      ];
      return i === 0
        ? section(title, ...body)
        : `<details><summary>${escape(title)}</summary>${body.join('')}</details>`;
    })
    .join('');
}

function halls(result: ConvertResult): string {
  const each = result.halls.map((hall) => {
    const order = hall.options.toSorted((a, b) => Number(b.feasible) - Number(a.feasible) || b.npvUsd - a.npvUsd);
    const rows = order.map((option) => {
      const label = `${option.id === hall.bestId ? '<strong>' : ''}${escape(option.label)}${option.id === hall.bestId ? '</strong>' : ''}${option.reasons.length === 0 ? '' : `<span class="small">${escape(option.reasons.join('; '))}</span>`}`;
      if (!option.feasible) return [label, '', '<em>not possible</em>', '', '', '', '', '', ''];
      const { npvUsd, versusKeep, equity, capexUsd, perMwYear, aiItMw, kind } = option;
      return [
        label,
        aiItMw === 0 ? '' : num(aiItMw),
        shortUsd(npvUsd),
        kind === 'keep' ? '' : shortUsd(versusKeep.npvUsd),
        percent(versusKeep.irrPct),
        kind === 'keep' || capexUsd === 0 ? '' : span(versusKeep.paybackMonths),
        capexUsd === 0 ? '' : shortUsd(capexUsd),
        `${shortUsd(perMwYear.revenueUsd)}<span class="small">${shortUsd(perMwYear.ebitdaUsd)} left</span>`,
        `${shortUsd(equity.npvUsd)}<span class="small">${percent(equity.irrPct)}</span>`,
      ];
    });
    const head = [
      'Option',
      'AI MW',
      'NPV',
      'vs as today',
      'IRR vs',
      'Payback',
      'Capex',
      '$/MW-year',
      'Equity NPV, IRR',
    ];
    const kept = optionOf(result, hall.id, hall.bestId);
    const limits = hall.options.flatMap((option) =>
      option.limits.map((limit) => [
        escape(option.label),
        limit.what,
        limit.allowsMw === null ? '–' : `${num(limit.allowsMw, 2)} MW`,
        `${escape(limit.note)}${limit.binding ? ' <strong>(binding)</strong>' : ''}`,
      ]),
    );
    return `<h3>${escape(hall.name)}</h3><p class="small">${escape(hall.today)}; ${num(hall.usableMw)} MW through the breaker${hall.joulePerTh === null ? '' : `; ${num(hall.joulePerTh)} J/TH`}; cooling: ${hall.cooling}</p>${table(head, rows, 'options')}<details><summary>Limits of the retrofit, and cash by year of ${escape(kept.label)}</summary>${limits.length === 0 ? '' : table(['Option', 'Limit', 'Allows', ''], limits)}${yearsTable(kept)}</details>`;
  });
  return section('Hall by hall', ...each);
}

function yearsTable({ years }: ConvertOption): string {
  const rows = years.map((y) => [
    String(y.year),
    ...[
      y.miningUsd,
      y.aiUsd,
      y.blockUsd,
      -y.energyUsd,
      -y.opexUsd,
      y.ebitdaUsd,
      -y.capexUsd,
      y.salvageUsd,
      y.cashUsd,
    ].map(shortUsd),
  ]);
  return table(
    ['Year', 'Mining', 'AI', 'Block', 'Energy', 'Running', 'EBITDA', 'Capex', 'Sold', 'Cash'],
    rows,
    'numbers',
  );
}

function measured({ measured: books }: ConvertResult): string {
  if (books === null) return '';
  const dollars = (value: number | null) => (value === null ? '<em>unknown</em>' : `$${value.toFixed(2)}`);
  const rows = books.lines.map(({ line, usdPerMwh, energyMwh, coveragePct, modelUsdPerMwh }) => [
    line,
    dollars(usdPerMwh),
    dollars(modelUsdPerMwh),
    energyMwh === null ? '<em>unknown</em>' : num(energyMwh, 0),
    `${num(coveragePct, 0)} %`,
  ]);
  return section(
    `This site's last ${num(books.days)} days`,
    table(['Line', 'Booked $/MWh', 'Model, year 1', 'MWh', 'Intervals known'], rows, 'numbers'),
  );
}

function published({ published: cases }: ConvertResult): string {
  const rows = cases.map((one) => [
    `${escape(one.name)}<span class="small">${escape(one.source)}</span>`,
    `<span class="small">${escape(one.inputs)}</span>`,
    shortUsd(one.publishedUsdPerMwYear),
    shortUsd(one.modelUsdPerMwYear),
    `$${num(one.modelUsdPerMwh, 0)}`,
  ]);
  return section(
    'The model against published deals',
    '<p class="small">Their inputs through the code of this study; revenue per MW of critical IT.</p>',
    table(['Deal', 'Inputs', 'Published $/MW-year', 'Model', '$/MWh'], rows),
  );
}

function assumptions({ assumptions: all, hardware }: ConvertResult): string {
  const rows = all.map(({ key, label, value, low, high, unit, basis, from, source }) => [
    `${escape(label)}<span class="small mono">${key}</span>`,
    `${num(value, 3)} ${escape(unit)}<span class="small">${num(low, 3)} to ${num(high, 3)}</span>`,
    from === 'default' ? basis : from,
    `<span class="small">${escape(source)}</span>`,
  ]);
  const machines = hardware.map(({ name, facts: told, source, caveat }) => [
    escape(name),
    `<span class="small">${escape(told)}</span>`,
    `<span class="small">${escape(source)}${caveat === null ? '' : `. <strong>${escape(caveat)}</strong>`}</span>`,
  ]);
  return section(
    'Every assumption, with its source',
    table(['Assumption', 'Value and range', 'Kind', 'Source'], rows),
    '<h3>Machines</h3>',
    table(['Machine', 'Facts', 'Source'], machines),
  );
}
