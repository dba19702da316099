import { useQuery } from '@tanstack/react-query';
import { Dialog } from 'radix-ui';
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import type { z } from 'zod';
import type { MachineRow, historyPage } from '../../src/model/api.ts';
import { age, calendarDay, clockTime, hallWord, known, number } from './format.ts';
import { useTheme } from './hooks.ts';
import { api, explain } from './http.ts';
import { MachineFacts } from './machine-facts.tsx';
import { Empty, Skeleton, StateMark, Trouble, stateWord } from './parts.tsx';

type Page = z.infer<typeof historyPage>;

const GAUGES = {
  powerW: 'Power, kW',
  hashrateThs: 'Hashrate, TH/s',
  temperatureC: 'Heat, °C',
  utilisationPct: 'GPU load, %',
} as const;
type Gauge = keyof typeof GAUGES;
const SPANS = { '6 h': 6, '1 day': 24, '7 days': 168, '90 days': 2160 } as const;
type Span = keyof typeof SPANS;

const HOUR_MS = 3_600_000;

/** One machine: what it says of itself, and what it told over time. */
export function MachinePanel({ row, at, onClose }: { row: MachineRow; at: string; onClose: () => void }) {
  const [gauge, setGauge] = useState<Gauge>('powerW');
  const [span, setSpan] = useState<Span>('1 day');
  const gauges = (Object.keys(GAUGES) as Gauge[]).filter((name) =>
    row.kind === 'asic' ? name !== 'utilisationPct' : name !== 'hashrateThs',
  );
  const facts: readonly [string, string][] = [
    ['Model', row.model],
    ['Hall', hallWord(row.hallId)],
    ['Owner', row.owner ?? 'the site'],
    ['Driver', row.driver],
    ['Address', row.address],
    ['Firmware', row.firmware ?? 'unknown'],
    [
      'Mode',
      row.wanted === null || row.wanted === row.mode
        ? (row.mode ?? 'unknown')
        : `${row.mode ?? 'unknown'}, wanted ${row.wanted}`,
    ],
    ['Power', known(row.powerW) ? `${number(row.powerW)} W, ${row.powerBasis}` : 'unknown'],
    ['Answered', known(row.ageMs) ? `${age(row.ageMs)} ago` : 'never'],
  ];
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog machine-panel">
          <Dialog.Title className="mono">{row.id}</Dialog.Title>
          <Dialog.Description asChild>
            <p className="state-cell">
              <StateMark state={row.state} /> {stateWord(row.state)}
              {row.why !== null && <span className="muted"> {row.why}</span>}
            </p>
          </Dialog.Description>
          <dl className={`facts ${row.state === 'stale' || row.state === 'unreachable' ? 'is-past' : ''}`}>
            {facts.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          <MachineFacts id={row.id} />
          <div className="panel-choices">
            <Choice label="Figure" value={gauge} options={gauges} words={GAUGES} onPick={setGauge} />
            <Choice label="Over" value={span} options={Object.keys(SPANS) as Span[]} onPick={setSpan} />
          </div>
          <History id={row.id} gauge={gauge} hours={SPANS[span]} at={at} />
          <div className="dialog-foot">
            <Dialog.Close className="button">Close</Dialog.Close>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Choice<T extends string>({
  label,
  value,
  options,
  words,
  onPick,
}: {
  label: string;
  value: T;
  options: readonly T[];
  words?: Readonly<Record<T, string>>;
  onPick: (picked: T) => void;
}) {
  return (
    <div className="choice" role="group" aria-label={label}>
      {options.map((option) => (
        <button key={option} type="button" aria-pressed={option === value} onClick={() => onPick(option)}>
          {words?.[option] ?? option}
        </button>
      ))}
    </div>
  );
}

function History({ id, gauge, hours, at }: { id: string; gauge: Gauge; hours: number; at: string }) {
  const history = useQuery({
    queryKey: ['history', id, gauge, hours],
    queryFn: ({ signal }) => {
      const from = new Date(Date.parse(at) - hours * HOUR_MS).toISOString();
      const query = new URLSearchParams({ gauge, from, to: at, points: '400' });
      return api<Page>(`/history/${encodeURIComponent(id)}?${query}`, { signal });
    },
  });
  if (history.error !== null) return <Trouble {...explain(history.error)} onRetry={() => void history.refetch()} />;
  if (history.data === undefined) return <Skeleton tall />;
  if (history.data.points.length === 0)
    return <Empty title={`It told no ${GAUGES[gauge].split(',')[0]!.toLowerCase()} in that time`} />;
  return <Chart page={history.data} gauge={gauge} />;
}

const SCALE: Readonly<Record<Gauge, number>> = { powerW: 1000, hashrateThs: 1, temperatureC: 1, utilisationPct: 1 };
const CHART_PX = 220;

/** The mean as a line, least and most as a band behind it; a gap in the readings is a gap in the line. */
function Chart({ page, gauge }: { page: Page; gauge: Gauge }) {
  const frame = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const style = getComputedStyle(element);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const hours = (Date.parse(page.to) - Date.parse(page.from)) / HOUR_MS;
    const axis = { stroke: colour('--ink-3'), grid: { stroke: colour('--line') }, ticks: { stroke: colour('--line') } };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: CHART_PX,
        legend: { show: false },
        cursor: { y: false },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
        axes: [
          { ...axis, values: (_u, splits) => splits.map((at) => momentText(at, hours)) },
          { ...axis, size: 56, label: GAUGES[gauge], labelSize: 18 },
        ],
        scales: {
          x: { range: [Date.parse(page.from) / 1000, Date.parse(page.to) / 1000] },
          y: { range: (_u, low, high) => [Math.min(0, low), Math.max(high * 1.08, 1e-9)] },
        },
        series: [
          {},
          { stroke: 'transparent', spanGaps: false },
          { stroke: 'transparent', spanGaps: false },
          { stroke: colour('--mining'), width: 1.6, spanGaps: false, points: { show: page.points.length < 40 } },
        ],
        bands: [{ series: [1, 2], fill: colour('--mining-ahead') }],
      },
      columnsOf(page, SCALE[gauge]),
      element,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: CHART_PX }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- the colours are read anew with the theme
  }, [page, gauge, theme]);
  const first = page.points[0]!;
  const last = page.points.at(-1)!;
  const figure = (value: number): string => number(value / SCALE[gauge], 1);
  return (
    <figure className="history-chart">
      <div
        ref={frame}
        role="img"
        aria-label={`${GAUGES[gauge]} from ${first.start} to ${last.start}: last ${figure(last.mean)}, least ${figure(Math.min(...page.points.map(({ min }) => min)))}, most ${figure(Math.max(...page.points.map(({ max }) => max)))}`}
      />
      <figcaption className="muted">
        Mean of every {age(page.bucketMs)}, with the least and the most behind it; times are UTC.
      </figcaption>
    </figure>
  );
}

/** As on the rest of the page: UTC, 24 hours; days where the span is of days. */
function momentText(seconds: number, hours: number): string {
  const day = calendarDay(seconds * 1000).replace(/^\w+ /, '');
  if (hours > 48) return day;
  const time = clockTime(seconds * 1000);
  return time === '00:00' ? day : time;
}

/** Buckets without a reading are nulls, so that the line breaks there. */
function columnsOf({ points, bucketMs }: Page, scale: number): uPlot.AlignedData {
  const xs: number[] = [];
  const columns: (number | null)[][] = [[], [], []];
  let before: number | undefined;
  for (const { start, mean, min, max } of points) {
    const t = Date.parse(start);
    if (before !== undefined && t - before > Math.max(3 * bucketMs, 180_000)) {
      xs.push((before + bucketMs) / 1000);
      for (const column of columns) column.push(null);
    }
    before = t;
    xs.push(t / 1000);
    [max, min, mean].forEach((value, i) => columns[i]!.push(value / scale));
  }
  return [xs, ...columns] as unknown as uPlot.AlignedData;
}
