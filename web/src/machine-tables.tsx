import type { ReactNode } from 'react';
import type { MachineDetail } from '../../src/model/machines-api.ts';
import { known, number, UNKNOWN, type Maybe } from './format.ts';

/** What a machine told of its parts, a table each. A part that it did not tell has none. */

type Part<K extends 'boards' | 'pools' | 'gpus' | 'tpus'> = NonNullable<MachineDetail[K]>[number];

function PartTable({ columns, children }: { columns: readonly string[]; children: ReactNode }) {
  return (
    <table className="price-table panel-table">
      <thead>
        <tr>
          {columns.map((column, i) => (
            <th key={column} scope="col" className={i === 0 ? '' : 'num'}>
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

/** A figure of a part; a quiet word where it is unknown. */
function Cell({ value, decimals = 0 }: { value: Maybe; decimals?: number }) {
  const text = number(value, decimals);
  return <td className="num">{text === UNKNOWN ? <span className="unknown">{UNKNOWN}</span> : text}</td>;
}

export function Boards({ boards }: { boards: readonly Part<'boards'>[] }) {
  return (
    <PartTable columns={['Board', 'TH/s', '°C', 'Chips']}>
      {boards.map((board) => (
        <tr key={board.index}>
          <th scope="row" title={board.serial ?? undefined}>
            {board.index}
          </th>
          <Cell value={board.hashrateThs} decimals={1} />
          <Cell value={board.temperatureC} />
          <Cell value={board.chips} />
        </tr>
      ))}
    </PartTable>
  );
}

/** The worker stands below its pool: both are long, and a phone is narrow. */
export function Pools({ pools }: { pools: readonly Part<'pools'>[] }) {
  return (
    <PartTable columns={['Pool', 'Accepted', 'Rejected']}>
      {pools.map((pool, i) => (
        <tr key={`${pool.url} ${i}`}>
          <th scope="row">
            {pool.url.replace(/^stratum\+tcp:\/\//, '')}
            <span className="row-detail">
              as {pool.worker === '' ? UNKNOWN : pool.worker}
              {pool.active === true && ', in use'}
              {pool.alive === false && ', not reached'}
            </span>
          </th>
          <Cell value={pool.acceptedShares} />
          <Cell value={pool.rejectedShares} />
        </tr>
      ))}
    </PartTable>
  );
}

/** Card memory is told in bytes and sold in GiB. */
const gib = (bytes: Maybe): string => (known(bytes) ? number(bytes / 2 ** 30) : UNKNOWN);
const memory = ({ memoryUsedBytes: used, memoryTotalBytes: total }: Part<'gpus'> | Part<'tpus'>): string | undefined =>
  known(used) ? `${gib(used)}${known(total) ? ` of ${gib(total)}` : ''} GiB in use` : undefined;

export function Gpus({ gpus }: { gpus: readonly Part<'gpus'>[] }) {
  // Not every exporter tells the limit; eight times unknown says no more than none.
  const limited = gpus.some(({ powerLimitW }) => known(powerLimitW));
  return (
    <PartTable columns={['GPU', 'W', ...(limited ? ['of W'] : []), 'Load, %', '°C']}>
      {gpus.map((gpu) => (
        <tr key={gpu.index}>
          <th scope="row" title={gpu.name ?? undefined}>
            {gpu.index}
            <span className="row-detail">
              {[
                memory(gpu),
                gpu.job === null ? undefined : `job ${gpu.job}`,
                // 0 says that there was no error yet.
                known(gpu.xid) && gpu.xid !== 0 ? `last error Xid ${gpu.xid}` : undefined,
              ]
                .filter((text) => text !== undefined)
                .join(', ')}
            </span>
          </th>
          <Cell value={gpu.powerW} />
          {limited && <Cell value={gpu.powerLimitW} />}
          <Cell value={gpu.utilisationPct} />
          <Cell value={gpu.temperatureC} />
        </tr>
      ))}
    </PartTable>
  );
}

export function Tpus({ tpus }: { tpus: readonly Part<'tpus'>[] }) {
  return (
    <PartTable columns={['TPU', 'Duty cycle, %']}>
      {tpus.map((tpu) => (
        <tr key={tpu.index}>
          <th scope="row">
            {tpu.index}
            <span className="row-detail">{[tpu.model ?? undefined, memory(tpu)].filter(Boolean).join(', ')}</span>
          </th>
          <Cell value={tpu.dutyCyclePct} />
        </tr>
      ))}
    </PartTable>
  );
}
