import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ConvertResult } from '../../../src/model/convert-api.ts';
import { compact, shortMoney } from './figures.ts';

type Curve = ConvertResult['breakEven'][number];

/** Present value of AI (solid) and of mining on (dashed) over one input; dotted where the study stands, a dot where they meet. */
export function CurveChart({ curve }: { curve: Curve }) {
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = frame.current!;
    const data: uPlot.AlignedData = [curve.x, [...curve.aiNpvUsd], [...curve.keepNpvUsd]];
    const made = new uPlot(options(curve, element), data, element);
    const resize = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: element.clientHeight }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
    };
  }, [curve]);
  const meet = curve.crossings.map((x) => `${compact(x)} ${curve.unit}`).join(' and ');
  return (
    <figure className="curve">
      <div
        ref={frame}
        className="curve-chart"
        role="img"
        aria-label={`${curve.label}: ${meet === '' ? 'AI and mining meet nowhere in this range' : `AI equals mining at ${meet}`}`}
      />
      <figcaption>
        <span>
          {curve.label}, {curve.unit}
        </span>
        <strong>{meet === '' ? 'no break-even here' : `equal at ${curve.crossings.map(compact).join(', ')}`}</strong>
      </figcaption>
    </figure>
  );
}

function options(curve: Curve, element: HTMLElement): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const font = `11px ${style.fontFamily}`;
  const axis = (values: (value: number) => string, size: number): uPlot.Axis => ({
    stroke: colour('--ink-3'),
    font,
    size,
    gap: 4,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    values: (_, splits) => splits.map(values),
  });
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false } },
    axes: [
      { ...axis(compact, 26), space: 46 },
      { ...axis(shortMoney, 58), space: 34 },
    ],
    series: [
      {},
      { stroke: colour('--ai'), width: 2, points: { show: false } },
      { stroke: colour('--mining'), width: 2, dash: [6, 4], points: { show: false } },
    ],
    hooks: { draw: [(u) => drawMarks(u, curve, colour('--ink'), colour('--surface'))] },
  };
}

function drawMarks(u: uPlot, { base, crossings }: Curve, ink: string, surface: string): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.lineWidth = ratio;
  ctx.setLineDash([ratio, 3 * ratio]);
  const x = u.valToPos(base, 'x', true);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.lineWidth = 2 * ratio;
  ctx.fillStyle = surface;
  for (const crossing of crossings) {
    const at = valueAt(u, crossing);
    if (at === undefined) continue;
    ctx.beginPath();
    ctx.arc(u.valToPos(crossing, 'x', true), u.valToPos(at, 'y', true), 4 * ratio, 0, 2 * Math.PI);
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

/** Height of the AI line between its points. */
function valueAt(u: uPlot, x: number): number | undefined {
  const xs = u.data[0];
  const ys = u.data[1]!;
  const i = xs.findIndex((one) => one >= x);
  const [left, right] = [ys[i - 1], ys[i]];
  if (i < 1 || left === null || left === undefined || right === null || right === undefined) return ys[0] ?? undefined;
  return left + ((right - left) * (x - xs[i - 1]!)) / (xs[i]! - xs[i - 1]!);
}
