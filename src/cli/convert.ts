import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ConvertResult } from '../model/convert-api.ts';
import {
  ConvertError,
  convertOffline,
  formatProblem,
  monthsText,
  reportHtml,
  shortUsd,
  type ConvertFiles,
} from '../server/offline/convert.ts';
import { CliError, print, printJson, stageLine, table, wrap } from './output.ts';

interface Options extends Omit<ConvertFiles, 'site' | 'onStage'> {
  readonly json?: boolean;
  readonly report?: string;
  readonly assumptions?: boolean;
}

export function convertVerb(program: Command): void {
  program
    .command('convert')
    .description('which hall goes from mining to AI first, and what that earns')
    .argument('<site.yaml>', 'the site file')
    .option('--study <study.yaml>', 'what to assume and to ask; everything has a default')
    .option(
      '--prices <csv or folder>',
      'recorded prices to replay (.csv, .csv.gz); absent: recorded feeds of the site file',
    )
    .option('--from <day>', 'first day replayed, UTC')
    .option('--to <day>', 'day after the last one replayed, UTC')
    .option('--report <out.html>', 'write a report, one file')
    .option('--assumptions', 'print every assumption with its source')
    .option('--json', 'the result as POST /api/v1/convert gives it')
    .action(async (site: string, options: Options) => {
      const line = stageLine(options.json !== true);
      const outcome = await convertOffline({ site, ...options, onStage: line.show })
        .catch((error: unknown) => {
          if (error instanceof ConvertError) throw new CliError(error.message);
          throw error;
        })
        .finally(() => line.clear());
      if (!outcome.ok) {
        process.exitCode = 1;
        if (options.json === true)
          return printJson({ ok: false, problems: outcome.problems.map((p) => ({ ...p, found: p.found ?? null })) });
        for (const problem of outcome.problems) print(formatProblem(problem));
        return undefined;
      }
      const { result } = outcome;
      if (options.report !== undefined) await writeFile(options.report, reportHtml(result));
      if (options.json === true) return printJson(result);
      print(options.assumptions === true ? assumptionsText(result) : convertText(result));
      if (options.report !== undefined) print(`\nreport written to ${options.report}`);
      return undefined;
    });
}

/** `3M`, `100k`, `154.2`. */
const brief = (value: number): string =>
  Math.abs(value) >= 1e6
    ? `${Number((value / 1e6).toFixed(2))}M`
    : Math.abs(value) >= 1e4
      ? `${Math.round(value / 1e3)}k`
      : String(Number(value.toFixed(2)));
const percent = (value: number | null): string => (value === null ? '-' : `${value.toFixed(1)} %`);
const span = (months: number | null): string => (months === null ? 'never' : monthsText(months));

function convertText(result: ConvertResult): string {
  const { conclusion, replay, study, notes, plan } = result;
  const halls = result.halls.map((hall) => {
    const order = hall.options.filter(({ feasible }) => feasible).toSorted((a, b) => b.npvUsd - a.npvUsd);
    const out = hall.options
      .filter(({ feasible }) => !feasible)
      .map(({ label, reasons }) => `${label} (${reasons[0] ?? 'no room'})`);
    const rows = order.map((option) => {
      return [
        option.label,
        option.aiItMw === 0 ? '' : option.aiItMw.toFixed(1),
        shortUsd(option.npvUsd),
        option.kind === 'keep' ? '' : shortUsd(option.versusKeep.npvUsd),
        option.capexUsd === 0 ? '' : shortUsd(option.capexUsd),
        option.kind === 'keep' || option.capexUsd === 0 ? '' : span(option.versusKeep.paybackMonths),
        `${shortUsd(option.perMwYear.revenueUsd)} / ${shortUsd(option.perMwYear.ebitdaUsd)}`,
      ];
    });
    const head = ['option', 'AI MW', 'NPV', 'vs keep', 'capex', 'payback', '$/MW-yr: in / margin'];
    return [
      wrap(`${hall.name}: ${hall.today}; ${hall.usableMw.toFixed(1)} MW`),
      table(head, rows, [1, 2, 3, 4]),
      ...(out.length === 0 ? [] : [wrap(`not possible: ${out.join('; ')}`)]),
    ].join('\n');
  });
  const ranking = result.ranking.map(({ hallId, optionId, gainUsd, because }, i) => {
    const hall = result.halls.find(({ id }) => id === hallId)!;
    const option = hall.options.find(({ id }) => id === optionId)!;
    return wrap(
      `${i + 1}. ${hall.name}, ${option.label}: ${shortUsd(gainUsd)} against mining on, IRR ${percent(option.versusKeep.irrPct)}; ${because}`,
      '   ',
    ).slice(3);
  });
  const breakEven = result.breakEven
    .filter(({ hallId }) => hallId === result.ranking[0]?.hallId)
    .map(({ label, unit, base, crossings }) => [
      label,
      base.toFixed(2),
      crossings.length === 0 ? 'nowhere in the range looked at' : crossings.map((x) => x.toFixed(2)).join(' and '),
      unit,
    ]);
  const first = result.tornado.find(({ hallId }) => hallId === result.ranking[0]?.hallId);
  const tornado = (first?.bars ?? [])
    .slice(0, 8)
    .map(({ label, low, high, atLowUsd, atHighUsd, unit }) => [
      label.length > 42 ? `${label.slice(0, 41)}.` : label,
      `${brief(low)} .. ${brief(high)}`,
      unit,
      `${shortUsd(atLowUsd)} .. ${shortUsd(atHighUsd)}`,
    ]);
  return [
    wrap(conclusion.sentence),
    wrap(conclusion.because),
    wrap(conclusion.hangsOn),
    '',
    wrap(
      `${study.site}, ${study.years} years from ${study.start} at ${study.discountPct} % a year; replayed ${replay.intervals.toLocaleString('en-US')} intervals of ${replay.intervalMinutes} min, ${replay.from.slice(0, 10)} to ${replay.to.slice(0, 10)}, coverage ${replay.coveragePct.toFixed(1)} %, mean $${replay.meanUsdPerMwh.toFixed(2)}/MWh (${replay.lowestUsdPerMwh.toFixed(2)} to ${replay.highestUsdPerMwh.toFixed(2)})`,
    ),
    ...notes.filter(({ loud }) => loud).map(({ text }) => wrap(`NOTE: ${text}`)),
    '',
    halls.join('\n\n'),
    ...(ranking.length === 0 ? [] : ['', 'Which hall first', ...ranking]),
    ...(breakEven.length === 0
      ? []
      : [
          '',
          `AI equals mining (${result.ranking[0]!.hallId})`,
          table(['input', 'taken', 'break-even', ''], breakEven, [1]),
        ]),
    ...(tornado.length === 0
      ? []
      : ['', 'What the gain hangs on', table(['input', 'range', '', 'gain at low .. high'], tornado)]),
    '',
    wrap(
      `${conclusion.plan} (${plan.method}; at most ${plan.hallsAtOnce} ${plan.hallsAtOnce === 1 ? 'hall' : 'halls'} in conversion at a time, ${plan.capexBudgetUsd === null ? 'no limit to what is spent' : `${shortUsd(plan.capexBudgetUsd)} to spend`}, ${plan.connectionMw.toFixed(1)} MW of connection)`,
    ),
    '',
    ...notes.filter(({ loud }) => !loud).map(({ text }) => wrap(text)),
    'every assumption with its source: --assumptions; all figures: --json or --report out.html',
  ].join('\n');
}

function assumptionsText({ assumptions, hardware }: ConvertResult): string {
  const groups = Map.groupBy(assumptions, ({ group }) => group);
  const told = [...groups].flatMap(([group, members]) => [
    '',
    group.toUpperCase(),
    ...members.flatMap(({ key, label, value, low, high, unit, basis, from, source }) => [
      `${key}: ${label}`,
      `    ${value} ${unit} (${low} to ${high}), ${from === 'default' ? basis : `${from}, ${basis}`}`,
      wrap(source, '    '),
    ]),
  ]);
  const machines = hardware.flatMap(({ id, name, facts, source, caveat }) => [
    `${id}: ${name}, ${facts}`,
    wrap(caveat === null ? source : `${source}. Caveat: ${caveat}`, '    '),
  ]);
  return [
    'Override any of these in the study file under "assumptions", "parts" and "asics".',
    ...told,
    '',
    'MACHINES',
    ...machines,
  ].join('\n');
}
