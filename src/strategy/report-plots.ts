import type { ConvertResult } from '../model/convert-api.ts';
import { shortUsd } from './words.ts';

/** Plots of the report as inline SVG. Colours are classes of the page, so that light, dark and paper all read. */

export const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const WIDTH = 720;
const fix = (n: number): string => n.toFixed(1);

/** Round figures from low to high, about `count` of them. */
export function ticks(low: number, high: number, count = 5): number[] {
  const span = high - low || 1;
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw)!;
  const marks: number[] = [];
  for (let n = Math.ceil(low / step); n * step <= high + step * 1e-9; n++) marks.push(n * step);
  return marks;
}

export const text = (x: number, y: number, words: string, anchor = 'middle', name = 'tick') =>
  `<text class="${name}" x="${fix(x)}" y="${fix(y)}" text-anchor="${anchor}">${escape(words)}</text>`;
export const line = (x1: number, y1: number, x2: number, y2: number, name: string) =>
  `<line class="${name}" x1="${fix(x1)}" y1="${fix(y1)}" x2="${fix(x2)}" y2="${fix(y2)}"/>`;
export const rect = (x: number, y: number, w: number, h: number, name: string, title: string) =>
  `<rect class="${name}" x="${fix(x)}" y="${fix(y)}" width="${fix(Math.max(0, w))}" height="${fix(Math.max(0, h))}" rx="1.5"><title>${escape(title)}</title></rect>`;
export const svg = (height: number, label: string, parts: readonly string[], width = WIDTH) =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(label)}">${parts.join('')}</svg>`;

/** `1.5M`, `100k`, `154.2`: short enough to stand at the end of a bar. */
const figure = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toFixed(2))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toFixed(1))}k`;
  return value.toLocaleString('en-US', { maximumFractionDigits: size < 10 ? 2 : size < 100 ? 1 : 0 });
};

type Curve = ConvertResult['breakEven'][number];

/** Two present values over one input: solid is AI, dashed is mining on; a dot where they meet, a thin line where the study stands. */
export function curvePlot({ label, unit, base, x, aiNpvUsd, keepNpvUsd, crossings }: Curve): string {
  const width = 350;
  const [left, right, top, bottom] = [56, width - 10, 10, 176];
  const all = [...aiNpvUsd, ...keepNpvUsd, 0];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const [first, last] = [x[0]!, x.at(-1)!];
  const px = (value: number) => left + ((value - first) / (last - first)) * (right - left);
  const py = (value: number) => bottom - ((value - low) / (high - low || 1)) * (bottom - top);
  const path = (values: readonly number[], name: string) =>
    `<path class="${name}" d="${values.map((value, i) => `${i === 0 ? 'M' : 'L'}${fix(px(x[i]!))} ${fix(py(value))}`).join('')}"/>`;
  const at = (value: number): number => {
    const i = Math.max(
      1,
      x.findIndex((one) => one >= value),
    );
    const share = (value - x[i - 1]!) / (x[i]! - x[i - 1]!);
    return aiNpvUsd[i - 1]! + share * (aiNpvUsd[i]! - aiNpvUsd[i - 1]!);
  };
  return svg(
    212,
    `${label}: present value of AI and of mining on`,
    [
      ...ticks(low, high, 4).map(
        (value) =>
          line(left, py(value), right, py(value), value === 0 ? 'zero' : 'grid') +
          text(left - 6, py(value) + 4, shortUsd(value), 'end'),
      ),
      ...ticks(first, last, 5).map((value) => text(px(value), bottom + 16, figure(value))),
      text((left + right) / 2, bottom + 33, `${label}, ${unit}`, 'middle', 'axis'),
      line(px(base), top, px(base), bottom, 'base'),
      path(keepNpvUsd, 'line mining dashed'),
      path(aiNpvUsd, 'line ai'),
      ...crossings.map(
        (value) =>
          `<circle class="dot" cx="${fix(px(value))}" cy="${fix(py(at(value)))}" r="4"><title>equal at ${figure(value)} ${escape(unit)}</title></circle>${text(px(value), py(at(value)) - 9, figure(value), 'middle', 'mark')}`,
      ),
    ],
    width,
  );
}

export function tornadoPlot({ baseUsd, bars }: ConvertResult['tornado'][number], most = 12): string {
  const shown = bars.slice(0, most);
  const [left, right, row] = [318, WIDTH - 48, 25];
  const ends = shown.flatMap(({ atLowUsd, atHighUsd }) => [atLowUsd, atHighUsd]);
  const [low, high] = [Math.min(0, baseUsd, ...ends), Math.max(0, baseUsd, ...ends)];
  const px = (value: number) => left + ((value - low) / (high - low || 1)) * (right - left);
  const height = shown.length * row + 26;
  const rows = shown.map(({ label, unit, low: from, high: to, atLowUsd, atHighUsd }, i) => {
    const y = i * row + 6;
    const short = label.length > 45 ? `${label.slice(0, 44)}…` : label;
    const bar = (value: number, name: string, input: number) =>
      rect(
        Math.min(px(baseUsd), px(value)),
        y,
        Math.abs(px(value) - px(baseUsd)),
        14,
        name,
        `${label} at ${figure(input)} ${unit}: ${shortUsd(value)}`,
      );
    const [near, far] = atLowUsd < atHighUsd ? ([from, to] as const) : ([to, from] as const);
    return [
      text(left - 50, y + 11, short, 'end', 'row'),
      bar(atLowUsd, 'fill-low', from),
      bar(atHighUsd, 'fill-high', to),
      text(Math.min(px(atLowUsd), px(atHighUsd), px(baseUsd)) - 5, y + 11, figure(near), 'end'),
      text(Math.max(px(atLowUsd), px(atHighUsd), px(baseUsd)) + 5, y + 11, figure(far), 'start'),
    ].join('');
  });
  return svg(height, 'What each assumption does to the gain', [
    ...ticks(low, high, 5).map(
      (value) =>
        line(px(value), 0, px(value), height - 22, value === 0 ? 'zero' : 'grid') +
        text(px(value), height - 6, shortUsd(value)),
    ),
    ...rows,
    line(px(baseUsd), 0, px(baseUsd), height - 22, 'base'),
  ]);
}

type Option = ConvertResult['halls'][number]['options'][number];

/** Cash by year as bars, and what has come in so far as a line. */
export function cashPlot({ years }: Option): string {
  const [left, right, top, bottom] = [60, WIDTH - 12, 10, 190];
  let running = 0;
  const sums = years.map(({ cashUsd }) => (running += cashUsd));
  const all = [0, ...sums, ...years.map(({ cashUsd }) => cashUsd)];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const py = (value: number) => bottom - ((value - low) / (high - low || 1)) * (bottom - top);
  const slot = (right - left) / years.length;
  return svg(214, 'Cash by year and what has come in so far', [
    ...ticks(low, high, 5).map(
      (value) =>
        line(left, py(value), right, py(value), value === 0 ? 'zero' : 'grid') +
        text(left - 6, py(value) + 4, shortUsd(value), 'end'),
    ),
    ...years.map(
      ({ year, cashUsd }, i) =>
        rect(
          left + slot * (i + 0.2),
          Math.min(py(0), py(cashUsd)),
          slot * 0.6,
          Math.abs(py(cashUsd) - py(0)),
          cashUsd < 0 ? 'fill-out' : 'fill-in',
          `year ${year}: ${shortUsd(cashUsd)}`,
        ) + text(left + slot * (i + 0.5), bottom + 16, `year ${year}`),
    ),
    `<path class="line ink" d="${sums.map((value, i) => `${i === 0 ? 'M' : 'L'}${fix(left + slot * (i + 0.5))} ${fix(py(value))}`).join('')}"/>`,
    ...sums.map(
      (value, i) =>
        `<circle class="point" cx="${fix(left + slot * (i + 0.5))}" cy="${fix(py(value))}" r="2.6"><title>after year ${i + 1}: ${shortUsd(value)}</title></circle>`,
    ),
  ]);
}

/** Halls over the years: mining, in conversion, filling up, and what they are then. */
export function timelinePlot({ plan, halls, study }: ConvertResult): string {
  const [left, right, row] = [132, WIDTH - 12, 34];
  const months = study.years * 12;
  const px = (month: number) => left + (Math.min(month, months) / months) * (right - left);
  const startYear = Number(study.start.slice(0, 4));
  const startMonth = Number(study.start.slice(5, 7)) - 1;
  const height = halls.length * row + 24;
  const rows = halls.map((hall, i) => {
    const y = i * row + 4;
    const step = plan.steps.find(({ hallId }) => hallId === hall.id);
    const before = hall.gpus > 0 && hall.miningItMw === 0 ? 'fill-ai' : 'fill-mining';
    const name = text(
      left - 10,
      y + 16,
      hall.name.length > 18 ? `${hall.name.slice(0, 17)}…` : hall.name,
      'end',
      'row',
    );
    if (step === undefined)
      return (
        name +
        rect(left, y, right - left, 22, before, 'stays as it is') +
        text(left + 8, y + 15, 'as today', 'start', 'inside')
      );
    const kind = hall.options.find(({ id }) => id === step.optionId)!.kind;
    const after = kind === 'power-down' ? 'fill-off' : kind === 'refit' ? 'fill-mining-new' : 'fill-ai';
    const parts = [
      rect(left, y, px(step.startMonth) - left, 22, before, 'as today'),
      rect(
        px(step.startMonth),
        y,
        px(step.doneMonth) - px(step.startMonth),
        22,
        'fill-work',
        `in conversion, ${step.doneMonth - step.startMonth} months`,
      ),
      rect(
        px(step.doneMonth),
        y,
        px(step.rentedMonth) - px(step.doneMonth),
        22,
        `${after} filling`,
        'filling up, mining as ballast',
      ),
      rect(px(step.rentedMonth), y, right - px(step.rentedMonth), 22, after, step.label),
    ];
    return (
      name +
      parts.join('') +
      text(
        px(Math.max(step.rentedMonth, step.doneMonth)) + 8,
        y + 15,
        step.label,
        'start',
        kind === 'power-down' ? 'row' : 'inside',
      )
    );
  });
  const years = Array.from({ length: study.years + 1 }, (_, n) => n * 12 - startMonth).filter(
    (m) => m >= 0 && m <= months,
  );
  return svg(height, 'The plan over the years', [
    ...years.map(
      (month) =>
        line(px(month), 0, px(month), height - 20, 'grid') +
        text(px(month) + 3, height - 6, String(startYear + (month + startMonth) / 12), 'start'),
    ),
    ...rows,
  ]);
}
