import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { createColumnHelper, tableFeatures, useTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import type { MachinePage, MachineRow } from '../../src/model/api.ts';
import { age, clockTime, hallWord, known, number } from './format.ts';
import { setFilter, useFilter } from './hooks.ts';
import type { Filter } from './hooks.ts';
import { api, explain } from './http.ts';
import { MachinePanel } from './machine-panel.tsx';
import { Card, Empty, STATES, Skeleton, StateMark, Trouble, stateWord } from './parts.tsx';
import { plural } from './verdict.ts';

const PAGE = 200;
const ROW_PX = 32;
/** Beyond so many pages the rows stand still until asked for again: a refresh would fetch them all. */
const LIVE_PAGES = 2;
const REFRESH_MS = 5000;

function useMachines({ hall, state, q }: Filter) {
  return useInfiniteQuery({
    queryKey: ['machines', hall, state, q],
    queryFn: ({ pageParam, signal }) => {
      const search = new URLSearchParams({ limit: String(PAGE) });
      for (const [key, value] of Object.entries({ hall, state, q, cursor: pageParam ?? '' }))
        if (value !== '') search.set(key, value);
      return api<MachinePage>(`/machines?${search.toString()}`, { signal });
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor,
    placeholderData: keepPreviousData,
    staleTime: REFRESH_MS,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) <= LIVE_PAGES ? REFRESH_MS : false),
  });
}

const dash = (why: string) => (
  <span className="unknown" title={`unknown: ${why}`}>
    –
  </span>
);

const features = tableFeatures({});
const helper = createColumnHelper<typeof features, MachineRow>();
const columns = helper.columns([
  helper.accessor('id', { header: 'Machine', cell: ({ row }) => <span className="mono">{row.original.id}</span> }),
  helper.accessor('state', {
    header: 'State',
    cell: ({ row: { original } }) => (
      <span className="state-cell" title={original.why ?? undefined}>
        <StateMark state={original.state} />
        {stateWord(original.state)}
        {original.why !== null && <span className="muted"> {original.why}</span>}
      </span>
    ),
  }),
  helper.accessor('model', { header: 'Model' }),
  helper.accessor('hallId', { header: 'Hall', cell: ({ row }) => hallWord(row.original.hallId) }),
  helper.accessor('mode', { header: 'Mode', cell: ({ row }) => <Mode row={row.original} /> }),
  helper.accessor('powerW', { header: 'Power, kW', cell: ({ row }) => <Watts row={row.original} /> }),
  helper.accessor('hashrateThs', { header: 'Hash, TH/s', cell: ({ row: { original } }) => <Hash row={original} /> }),
  helper.accessor('temperatureC', {
    header: 'Heat, °C',
    cell: ({ row: { original } }) =>
      known(original.temperatureC) ? number(original.temperatureC) : dash('no sensor answered'),
  }),
  helper.accessor('ageMs', {
    header: 'Answered',
    cell: ({ row: { original } }) =>
      known(original.ageMs) ? `${age(original.ageMs)} ago` : dash('it has never answered'),
  }),
  helper.accessor('address', {
    header: 'Address',
    cell: ({ row }) => <span className="mono muted">{row.original.address}</span>,
  }),
]);
const NUMERIC = new Set(['powerW', 'hashrateThs', 'temperatureC', 'ageMs']);

function Mode({ row: { mode, wanted } }: { row: MachineRow }) {
  if (mode === null && wanted === null) return dash('no mode was reported');
  return (
    <span title={wanted === null ? 'The plan wants nothing of it' : `The plan wants ${wanted}`}>
      {mode ?? dash('no mode was reported')}
      {wanted !== null && wanted !== mode && <span className="text-starting"> → {wanted}</span>}
    </span>
  );
}

function Watts({ row: { powerW, powerBasis } }: { row: MachineRow }) {
  if (!known(powerW)) return dash('the machine did not say');
  const estimated = powerBasis === 'estimated';
  return (
    <span
      title={estimated ? 'Estimated from hashrate and nameplate' : 'Measured'}
    >{`${estimated ? '≈ ' : ''}${number(powerW / 1000, 2)}`}</span>
  );
}

function Hash({ row: { hashrateThs, kind } }: { row: MachineRow }) {
  if (kind !== 'asic') return <span className="muted">not a miner</span>;
  return known(hashrateThs) ? number(hashrateThs, 1) : dash('the machine did not say');
}

function Filters({
  halls,
  filter,
  search,
  onSearch,
}: {
  halls: readonly { id: string; name: string }[];
  filter: Filter;
  search: string;
  onSearch: (q: string) => void;
}) {
  const any = filter.hall !== '' || filter.state !== '' || filter.q !== '';
  return (
    <div className="filters" role="search">
      <label>
        <span className="sr-only">Find a machine</span>
        <input
          id="machine-filter"
          type="search"
          placeholder="Find by name, model or address  /"
          value={search}
          onChange={(event) => onSearch(event.target.value)}
          onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
        />
      </label>
      <label>
        <span className="sr-only">Hall</span>
        <select value={filter.hall} onChange={(event) => setFilter({ hall: event.target.value })}>
          <option value="">All halls</option>
          {halls.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span className="sr-only">State</span>
        <select value={filter.state} onChange={(event) => setFilter({ state: event.target.value })}>
          <option value="">All states</option>
          {STATES.map(({ state, word }) => (
            <option key={state} value={state}>
              {word}
            </option>
          ))}
        </select>
      </label>
      {any && (
        <button type="button" className="button quiet" onClick={() => setFilter({ hall: '', state: '', q: '' })}>
          Clear
        </button>
      )}
    </div>
  );
}

/** Rows are drawn only where they can be seen; the next page is fetched shortly before the end comes into view. */
function Rows({ rows, at, more, onMore }: { rows: MachineRow[]; at: string; more: boolean; onMore: () => void }) {
  const frame = useRef<HTMLDivElement>(null);
  const [selected, setSelected] = useState(-1);
  const [shown, setShown] = useState<string>();
  const panel = rows.find(({ id }) => id === shown);
  const table = useTable({ features, columns, data: rows, getRowId: (row) => row.id });
  const model = table.getRowModel().rows;
  // oxlint-disable-next-line react/incompatible-library -- nothing here is memoised by a compiler
  const virtual = useVirtualizer({
    count: model.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
    getItemKey: (index) => model[index]!.id,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && last > model.length - 40) onMore();
  }, [more, last, model.length, onMore]);

  const move = (by: number) => {
    const to = Math.max(0, Math.min(model.length - 1, selected + by));
    setSelected(to);
    virtual.scrollToIndex(to);
  };
  return (
    <>
      <div
        ref={frame}
        className="machine-frame"
        role="table"
        aria-rowcount={model.length}
        aria-label="Machines"
        // A region that scrolls must be reachable by key.
        tabIndex={0}
        onKeyDown={(event) => {
          if (event.key === 'j' || event.key === 'ArrowDown') move(1);
          else if (event.key === 'k' || event.key === 'ArrowUp') move(-1);
          else if (event.key === 'Enter' && selected >= 0) setShown(model[selected]?.id);
          else return;
          event.preventDefault();
        }}
      >
        <div className="machine-row machine-head" role="row">
          {table.getFlatHeaders().map((header) => (
            <span
              key={header.id}
              role="columnheader"
              className={`col-${header.id} ${NUMERIC.has(header.id) ? 'num' : ''}`}
            >
              <table.FlexRender header={header} />
            </span>
          ))}
        </div>
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {items.map((item) => {
            const row = model[item.index]!;
            return (
              <div
                key={row.id}
                role="row"
                aria-rowindex={item.index + 2}
                className={`machine-row ${item.index === selected ? 'is-selected' : ''}`}
                style={{ transform: `translateY(${item.start}px)` }}
                onClick={() => {
                  setSelected(item.index);
                  setShown(row.id);
                }}
              >
                {row.getAllCells().map((cell) => (
                  <span
                    key={cell.id}
                    role="cell"
                    className={`col-${cell.column.id} ${NUMERIC.has(cell.column.id) ? 'num' : ''}`}
                  >
                    <table.FlexRender cell={cell} />
                  </span>
                ))}
              </div>
            );
          })}
        </div>
      </div>
      {/* Beside the frame, so that its keys are its own. */}
      {panel !== undefined && <MachinePanel row={panel} at={at} onClose={() => setShown(undefined)} />}
    </>
  );
}

export const MachinesSection = memo(function MachinesSection({
  halls,
}: {
  halls: readonly { id: string; name: string }[];
}) {
  const filter = useFilter();
  const [search, setSearch] = useState(filter.q);
  const wanted = useDeferredValue(search);
  const seen = useRef(filter.q);
  useEffect(() => {
    if (filter.q === seen.current) return;
    seen.current = filter.q;
    setSearch(filter.q);
  }, [filter.q]);
  useEffect(() => {
    const timer = setTimeout(() => {
      seen.current = wanted;
      setFilter({ q: wanted });
    }, 200);
    return () => clearTimeout(timer);
  }, [wanted]);

  const machines = useMachines(filter);
  const { fetchNextPage, isFetchingNextPage } = machines;
  const pages = machines.data?.pages;
  const rows = useMemo(() => pages?.flatMap((page) => page.machines) ?? [], [pages]);
  const first = pages?.[0];
  const onMore = useMemo(
    () => () => void (!isFetchingNextPage && fetchNextPage()),
    [fetchNextPage, isFetchingNextPage],
  );
  return (
    <Card
      id="machines"
      title="Machines"
      aside={
        first !== undefined && (
          <span className="muted" aria-live="polite">
            <span className="figure">
              {first.matching === first.total
                ? plural(first.total, 'machine')
                : `${number(first.matching)} of ${number(first.total)}`}
            </span>
            {' as of '}
            <span className="figure">{clockTime(first.at, true)}</span>
            {(pages?.length ?? 0) > LIVE_PAGES && (
              <button type="button" className="link" onClick={() => void machines.refetch()}>
                refresh
              </button>
            )}
          </span>
        )
      }
    >
      <Filters halls={halls} filter={filter} search={search} onSearch={setSearch} />
      {machines.error !== null && <Trouble {...explain(machines.error)} onRetry={() => void machines.refetch()} />}
      {machines.isPending && <Skeleton lines={8} />}
      {rows.length > 0 && first !== undefined && (
        <Rows rows={rows} at={first.at} more={machines.hasNextPage && !isFetchingNextPage} onMore={onMore} />
      )}
      {first !== undefined && rows.length === 0 && (
        <Empty title="No machine matches">Clear the filter to see all {number(first.total)}.</Empty>
      )}
    </Card>
  );
});
