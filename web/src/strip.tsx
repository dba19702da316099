import { useEffect, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Overview } from '../../src/model/api.ts';
import { recentSamples, useIntervals, usePlan, usePrices } from './data.ts';
import { clockTime, known, power, price } from './format.ts';
import { ForecastErrors } from './forecast-errors.tsx';
import { useDark } from './hooks.ts';
import { explain } from './http.ts';
import { Card, Empty, Figure, LINE_WORDS, Skeleton, Swatch, Trouble } from './parts.tsx';
import { PlanWhy } from './plan-why.tsx';
import { chartData, chartOptions, readPalette } from './strip-chart.ts';
import { STACK, rowAt, stripColumns, stripRows, stripWindow } from './strip-data.ts';
import type { StripColumns, StripRow, StripWindow } from './strip-data.ts';

interface Hover {
  readonly index: number;
  /** Place of the cursor in the frame, and the frame's width, in CSS pixels. */
  readonly left: number;
  readonly width: number;
}

export function StripSection({ overview }: { overview: Overview }) {
  const intervals = useIntervals();
  const plan = usePlan();
  const booked = intervals.data?.intervals;
  const prices = usePrices(booked?.at(-1)?.start);
  const [hover, setHover] = useState<Hover>();
  const dark = useDark();

  const { window, rows, columns } = useMemo(() => {
    const window = stripWindow(Date.parse(overview.at), booked ?? []);
    const points = (prices.data?.points ?? [])
      .map((p) => ({ at: Date.parse(p.start), value: p.value }))
      .sort((a, b) => a.at - b.at);
    const rows = stripRows(window, booked ?? [], plan.data ?? null, recentSamples(), points);
    return { window, rows, columns: stripColumns(rows, window.to) };
  }, [overview.at, booked, plan.data, prices.data]);

  const loading = intervals.isPending || plan.isPending;
  const failed = intervals.error ?? plan.error;
  const shown = hover === undefined ? rowAt(rows, window.now - 1) : hover.index;
  const row = shown === undefined ? undefined : rows[shown];
  const bare = rows.every((r) => r.plannedMw === null && STACK.every((key) => r[key] === null));
  return (
    <Card
      id="strip"
      title="A day of power and price"
      aside={<span className="muted">{provenance(prices.data?.source)}</span>}
    >
      {loading ? (
        <Skeleton tall />
      ) : (
        <>
          {failed !== null && <Trouble {...explain(failed)} />}
          <StripLegend
            row={row}
            next={shown === undefined ? undefined : rows[shown + 1]}
            hovered={hover !== undefined}
          />
          <div className="strip-frame">
            {/* The palette is read once, so another theme makes another chart. */}
            <Chart
              key={dark ? 'dark' : 'light'}
              columns={columns}
              window={window}
              limitMw={overview.connection.limitW / 1e6}
              blockMw={overview.connection.blockW / 1e6}
              onHover={setHover}
            />
            {hover !== undefined && row !== undefined && <Tip row={row} hover={hover} />}
            {bare && (
              <div className="strip-empty">
                <Empty title="Nothing to draw yet">
                  The first plan fills the right of the strip, the first booked quarter-hour the left.
                </Empty>
              </div>
            )}
          </div>
          <p className="strip-note muted">
            Price on a bent scale: even up to about $50, by tenfold beyond, so that a spike and an ordinary hour can
            both be read. Dashed where it is a forecast.
          </p>
          <ForecastErrors />
          {plan.data !== undefined && plan.data !== null && <PlanWhy plan={plan.data} />}
        </>
      )}
    </Card>
  );
}

const provenance = (source: string | undefined): string => (source === undefined ? '' : `price: ${source}`);

const KIND_WORDS: Readonly<Record<StripRow['kind'], string>> = {
  booked: 'metered and booked',
  live: 'seen live, not booked yet',
  planned: 'planned',
  gap: 'not known',
};

const mw = (value: number | null): string => power(value === null ? null : value * 1e6);

function StripLegend({
  row,
  next,
  hovered,
}: {
  row: StripRow | undefined;
  next: StripRow | undefined;
  hovered: boolean;
}) {
  const span =
    row === undefined ? '' : `${clockTime(row.start)}${next === undefined ? '' : `–${clockTime(next.start)}`}`;
  return (
    <dl className="strip-legend">
      <div className="strip-legend-time">
        <dt>{hovered ? span : 'now'}</dt>
        <dd>{row === undefined ? '' : KIND_WORDS[row.kind]}</dd>
      </div>
      {STACK.map((key) => (
        <div key={key}>
          <dt>
            <Swatch of={key} />
            {LINE_WORDS[key]}
          </dt>
          <dd>
            <Quiet text={mw(row?.[key] ?? null)} />
          </dd>
        </div>
      ))}
      <div>
        <dt>
          <span className="key-planned" aria-hidden="true" />
          Planned
        </dt>
        <dd>
          <Quiet text={mw(row?.plannedMw ?? null)} />
        </dd>
      </div>
      <div>
        <dt>
          <span className="key-price" aria-hidden="true" />
          Price
        </dt>
        <dd>
          <Quiet text={price(row?.price)} unit="/MWh" />
        </dd>
      </div>
    </dl>
  );
}

/** In a dense legend a dash stands for unknown; its title says so. */
function Quiet({ text, unit = '' }: { text: string; unit?: string }) {
  if (text === 'unknown')
    return (
      <span className="unknown" title="unknown">
        –
      </span>
    );
  return <Figure text={text} unit={unit} />;
}

const TIP_GAP_PX = 14;

function Tip({ row, hover: { left, width } }: { row: StripRow; hover: Hover }) {
  const total = known(row.importMw) ? row.importMw : row.kind === 'planned' ? row.plannedMw : null;
  return (
    <div
      className="strip-tip"
      style={left > width * 0.6 ? { right: width - left + TIP_GAP_PX } : { left: left + TIP_GAP_PX }}
      aria-hidden="true"
    >
      <p className="strip-tip-time">{clockTime(row.start)} UTC</p>
      <p>
        {row.kind === 'planned' ? 'Import planned' : 'Import'} <Quiet text={mw(total)} />
      </p>
      {row.kind === 'booked' && known(row.importMw) && known(row.plannedMw) && (
        <p>
          Against plan{' '}
          <Figure text={`${row.importMw >= row.plannedMw ? '+' : ''}${mw(row.importMw - row.plannedMw)}`} />
        </p>
      )}
      <p>
        Price{row.priceKnown ? '' : ', forecast'} <Quiet text={price(row.price)} unit="/MWh" />
      </p>
    </div>
  );
}

function Chart({
  columns,
  window,
  limitMw,
  blockMw,
  onHover,
}: {
  columns: StripColumns;
  window: StripWindow;
  limitMw: number;
  blockMw: number;
  onHover: (hover: Hover | undefined) => void;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const latest = useRef({ columns, window, limitMw, blockMw });

  useEffect(() => {
    latest.current = { columns, window, limitMw, blockMw };
    plot.current?.setData(chartData(columns));
  }, [columns, window, limitMw, blockMw]);

  useEffect(() => {
    const element = frame.current!;
    const made = new uPlot(
      chartOptions({
        window: () => latest.current.window,
        limitMw: () => latest.current.limitMw,
        blockMw: () => latest.current.blockMw,
        palette: readPalette(element),
        onCursor: (index, left, width) => onHover(index === undefined ? undefined : { index, left, width }),
        width: element.clientWidth,
        height: element.clientHeight,
      }),
      chartData(latest.current.columns),
      element,
    );
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: element.clientHeight }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [onHover]);

  return (
    <div
      ref={frame}
      className="strip-chart"
      role="img"
      aria-label="Power by line of business over a day, booked and planned, with the price; the legend above gives the figures"
    />
  );
}
