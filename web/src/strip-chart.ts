import uPlot from 'uplot';
import { price } from './format.ts';
import { STACK } from './strip-data.ts';
import type { StripColumns, StripWindow } from './strip-data.ts';

/** Colours of the page at the moment the chart is made; it is made anew when the theme changes. */
export interface Palette {
  readonly ink: string;
  readonly muted: string;
  readonly grid: string;
  readonly surface: string;
  readonly price: string;
  readonly past: Readonly<Record<(typeof STACK)[number], string>>;
  readonly ahead: Readonly<Record<(typeof STACK)[number], string>>;
}

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const get = (name: string) => style.getPropertyValue(name).trim();
  return {
    ink: get('--ink'),
    muted: get('--ink-3'),
    grid: get('--line'),
    surface: get('--surface'),
    price: get('--price'),
    past: { mining: get('--mining'), ai: get('--ai'), hpc: get('--hpc'), other: get('--other') },
    ahead: {
      mining: get('--mining-ahead'),
      ai: get('--ai-ahead'),
      hpc: get('--hpc-ahead'),
      other: get('--other-ahead'),
    },
  };
}

/** Linear up to about this price and by powers of ten beyond: an hour at $939 leaves the ordinary day readable. */
const SYMLOG_FROM = 50;
const PRICE_TICKS = [-1000, -300, -100, -30, 0, 30, 100, 300, 1000, 3000, 9000];

export interface ChartInput {
  readonly window: () => StripWindow;
  readonly limitMw: () => number;
  readonly blockMw: () => number;
  readonly palette: Palette;
  readonly onCursor: (index: number | undefined, left: number, width: number) => void;
  readonly width: number;
  readonly height: number;
}

/** Steps that hold from one x to the next and break at nulls; the last point only closes the one before. */
const steps: uPlot.Series.PathBuilder = (u, seriesIdx) => {
  const xs = u.data[0];
  const ys = u.data[seriesIdx]!;
  const scale = u.series[seriesIdx]!.scale!;
  const stroke = new Path2D();
  const fill = new Path2D();
  const base = u.valToPos(u.scales[scale]!.min ?? 0, scale, true);
  let open = false;
  let from = 0;
  let right = 0;
  for (let i = 0; i + 1 < xs.length; i++) {
    const value = ys[i];
    if (value === null || value === undefined) {
      if (open) fill.lineTo(right, base);
      open = false;
      continue;
    }
    const left = u.valToPos(xs[i]!, 'x', true);
    const y = u.valToPos(value, scale, true);
    right = u.valToPos(xs[i + 1]!, 'x', true);
    if (!open) {
      from = left;
      stroke.moveTo(left, y);
      fill.moveTo(from, base);
    }
    stroke.lineTo(left, y);
    stroke.lineTo(right, y);
    fill.lineTo(left, y);
    fill.lineTo(right, y);
    open = true;
  }
  if (open) fill.lineTo(right, base);
  return { stroke, fill };
};

/** Solid until now and lighter after it. */
function pastAndAhead(u: uPlot, now: number, past: string, ahead: string): CanvasGradient {
  const { left, width } = u.bbox;
  const gradient = u.ctx.createLinearGradient(left, 0, left + width, 0);
  const at = Math.min(1, Math.max(0, (u.valToPos(now / 1000, 'x', true) - left) / width));
  gradient.addColorStop(0, past);
  gradient.addColorStop(at, past);
  gradient.addColorStop(at, ahead);
  gradient.addColorStop(1, ahead);
  return gradient;
}

const stacked = (key: (typeof STACK)[number], { palette, window }: ChartInput): uPlot.Series => ({
  label: key,
  scale: 'mw',
  width: 0,
  paths: steps,
  points: { show: false },
  fill: (u) => pastAndAhead(u, window().now, palette.past[key], palette.ahead[key]),
});

const line = (label: string, scale: string, stroke: string, width: number, dash?: number[]): uPlot.Series => ({
  label,
  scale,
  stroke,
  width,
  paths: steps,
  points: { show: false },
  ...(dash === undefined ? {} : { dash }),
});

/** The axis of a small site is in kilowatts: nobody reads 0.0036. */
const inUnit = (mw: number, limitMw: number): string => String(limitMw < 1 ? Number((mw * 1000).toPrecision(4)) : mw);

/** Lines at the limit and the block, each with its word. */
function drawMarks(u: uPlot, { palette, limitMw, blockMw }: ChartInput): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.lineWidth = ratio;
  ctx.textBaseline = 'bottom';
  ctx.textAlign = 'right';
  for (const [word, mw] of [
    ['limit', limitMw()],
    ['block', blockMw()],
  ] as const) {
    const y = Math.round(u.valToPos(mw, 'mw', true)) + 0.5;
    ctx.strokeStyle = palette.ink;
    ctx.globalAlpha = 0.55;
    ctx.setLineDash(word === 'limit' ? [] : [2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.setLineDash([]);
    haloText(
      ctx,
      `${word} ${inUnit(mw, limitMw())}`,
      bbox.left + bbox.width - 6 * ratio,
      y - 4 * ratio,
      palette.ink,
      palette.surface,
      ratio,
    );
  }
  ctx.restore();
}

function haloText(
  ctx: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  ink: string,
  halo: string,
  ratio: number,
): void {
  ctx.lineJoin = 'round';
  ctx.strokeStyle = halo;
  ctx.lineWidth = 3 * ratio;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = ink;
  ctx.fillText(text, x, y);
}

/** Fine diagonal lines over what lies ahead, so that it differs from the past without colour too. */
function drawAhead(u: uPlot, { palette, window }: ChartInput): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const left = Math.max(bbox.left, u.valToPos(window().now / 1000, 'x', true));
  const top = (u.series[STACK.length] as { _paths?: { fill?: Path2D } })._paths?.fill;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, bbox.left + bbox.width - left, bbox.height);
  ctx.clip();
  if (top !== undefined) ctx.clip(top);
  ctx.strokeStyle = palette.surface;
  ctx.globalAlpha = 0.3;
  ctx.lineWidth = ratio;
  ctx.beginPath();
  const gap = 7 * ratio;
  for (let x = left - bbox.height; x < bbox.left + bbox.width; x += gap) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

function drawNow(u: uPlot, { palette, window }: ChartInput): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const x = Math.round(u.valToPos(window().now / 1000, 'x', true)) + 0.5;
  ctx.save();
  ctx.strokeStyle = palette.ink;
  ctx.setLineDash([]);
  ctx.lineWidth = 1.5 * ratio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.font = `600 ${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textBaseline = 'bottom';
  ctx.textAlign = 'center';
  haloText(ctx, 'now', x, bbox.top - 3 * ratio, palette.ink, palette.surface, ratio);
  ctx.restore();
}

/** The highest price in sight, written at its place; the scale bends, so the figure is said. */
function drawPeak(u: uPlot, { palette }: ChartInput): void {
  let peak: { x: number; value: number } | undefined;
  for (const ys of [u.data[STACK.length + 2]!, u.data[STACK.length + 3]!]) {
    for (const [i, value] of ys.entries()) {
      if (typeof value === 'number' && value >= SYMLOG_FROM * 2 && (peak === undefined || value > peak.value)) {
        peak = { x: u.data[0][i]!, value };
      }
    }
  }
  if (peak === undefined) return;
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  // The words at the limit and the block stand at the right end.
  const x = Math.min(u.valToPos(peak.x, 'x', true), bbox.left + bbox.width - 64 * ratio);
  const y = u.valToPos(peak.value, 'price', true);
  const onRight = x > bbox.left + bbox.width - 120 * ratio;
  ctx.save();
  ctx.font = `600 ${12 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textBaseline = 'bottom';
  ctx.textAlign = onRight ? 'right' : 'left';
  haloText(
    ctx,
    price(peak.value),
    x,
    Math.max(bbox.top + 14 * ratio, y - 4 * ratio),
    palette.price,
    palette.surface,
    ratio,
  );
  ctx.restore();
}

function priceRange(u: uPlot): [number, number] {
  let low = 0;
  let high = 100;
  for (const ys of [u.data[STACK.length + 2]!, u.data[STACK.length + 3]!]) {
    for (const value of ys) {
      if (typeof value !== 'number') continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return [low < 0 ? low * 1.3 : 0, high * 1.5];
}

const hourMinute = (seconds: number) => new Date(seconds * 1000).toISOString().slice(11, 16);

export function chartOptions(input: ChartInput): uPlot.Options {
  const { palette, window, limitMw, width, height } = input;
  const axis: uPlot.Axis = {
    stroke: palette.muted,
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    ticks: { show: false },
    grid: { stroke: palette.grid, width: 1 },
  };
  return {
    width,
    height,
    padding: [18, 0, 0, 0],
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: true, range: () => [window().from / 1000, window().to / 1000] },
      mw: { range: () => [0, limitMw() * 1.1] },
      price: { distr: 4, asinh: SYMLOG_FROM, range: priceRange },
    },
    axes: [
      {
        ...axis,
        space: 56,
        values: (_u, splits) => splits.map(hourMinute),
        splits: (u) => hourSplits(u, window()),
        size: 26,
      },
      { ...axis, scale: 'mw', size: 34, values: (_u, splits) => splits.map((mw) => inUnit(mw, limitMw())) },
      {
        ...axis,
        scale: 'price',
        side: 1,
        size: 46,
        stroke: palette.price,
        grid: { show: false },
        splits: (u) => priceTicks(u),
        filter: (_u, splits) => splits,
        values: (_u, splits) => splits.map((v) => price(v).replace('.00', '')),
      },
    ],
    series: [
      {},
      ...STACK.toReversed().map((key) => stacked(key, input)),
      line('planned', 'mw', palette.ink, 1.5),
      line('price', 'price', palette.price, 2),
      line('price-forecast', 'price', palette.price, 2, [5, 4]),
    ],
    hooks: {
      drawSeries: [(u, index) => index === STACK.length && drawAhead(u, input)],
      draw: [
        (u) => {
          drawMarks(u, input);
          drawNow(u, input);
          drawPeak(u, input);
        },
      ],
      setCursor: [
        (u) => input.onCursor(cursorIndex(u), (u.cursor.left ?? 0) + u.bbox.left / devicePixelRatio, u.width),
      ],
    },
  };
}

/** Index of the step under the cursor: the last one that began at or left of it. */
function cursorIndex(u: uPlot): number | undefined {
  const left = u.cursor.left ?? -1;
  if (left < 0) return undefined;
  const t = u.posToVal(left, 'x');
  const next = u.data[0].findIndex((x) => x > t);
  return next <= 0 ? undefined : next - 1;
}

function hourSplits(u: uPlot, { from, to }: StripWindow): number[] {
  const hours = u.width < 520 ? 6 : u.width < 900 ? 3 : 2;
  const every = hours * 3600;
  const splits: number[] = [];
  for (let t = Math.ceil(from / 1000 / every) * every; t <= to / 1000; t += every) splits.push(t);
  return splits;
}

function priceTicks(u: uPlot): number[] {
  const { min = 0, max = 100 } = u.scales['price']!;
  return PRICE_TICKS.filter((v) => v >= min && v <= max);
}

/** Columns in the order of the series: the top of the stack first, so that each lower one is painted over it. */
export const chartData = ({ x, tops, planned, priceKnown, priceForecast }: StripColumns): uPlot.AlignedData => [
  x,
  ...STACK.toReversed().map((key) => tops[key]),
  planned,
  priceKnown,
  priceForecast,
];
