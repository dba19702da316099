import { useQuery } from '@tanstack/react-query';
import type { MachineDetail } from '../../src/model/machines-api.ts';
import { age, known, number } from './format.ts';
import { api } from './http.ts';
import { ToneMark } from './parts.tsx';

/** What one machine told in its slow read: identity, boards, pools, errors. */
export function MachineFacts({ id }: { id: string }) {
  const { data: detail } = useQuery({
    queryKey: ['machine', id],
    queryFn: ({ signal }) => api<MachineDetail>(`/machines/${encodeURIComponent(id)}`, { signal }),
    staleTime: 0,
    refetchInterval: 10_000,
  });
  if (detail === undefined) return null;
  const facts: readonly (readonly [string, string | null])[] = [
    ['Serial', detail.serial],
    ['MAC', detail.mac],
    ['Efficiency', known(detail.efficiencyJPerTh) ? `${number(detail.efficiencyJPerTh, 1)} J/TH` : null],
    ['Power limit', known(detail.powerLimitW) ? `${number(detail.powerLimitW)} W` : null],
    ['Fans', detail.fansRpm === null ? null : `${detail.fansRpm.map((rpm) => number(rpm)).join(', ')} rpm`],
    ['Running for', known(detail.uptimeS) ? age(detail.uptimeS * 1000) : null],
    ['Identity read', known(detail.inspectedAgeMs) ? `${age(detail.inspectedAgeMs)} ago` : null],
  ];
  const told = facts.filter(([, value]) => value !== null);
  return (
    <>
      {detail.stranger !== null && (
        <p className="card-note">
          <ToneMark tone="fault" /> Not on the list of pools: {detail.stranger}
        </p>
      )}
      {detail.moved !== null && (
        <p className="card-note">
          <ToneMark tone="warn" /> Answers as {detail.moved.is} and was {detail.moved.was}
          {detail.moved.nowAt !== null && `, which now stands at ${detail.moved.nowAt}`}
        </p>
      )}
      {(detail.errors ?? []).map((error) => (
        <p key={error} className="card-note">
          <ToneMark tone="warn" /> {error}
        </p>
      ))}
      {told.length > 0 && (
        <dl className="facts">
          {told.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {detail.boards !== null && <Boards boards={detail.boards} />}
      {detail.pools !== null && <Pools pools={detail.pools} />}
      {detail.gaps.length > 0 && (
        <p className="row-detail">Not told: {detail.gaps.map(({ part, kind }) => `${part} (${kind})`).join(', ')}</p>
      )}
    </>
  );
}

function Boards({ boards }: { boards: NonNullable<MachineDetail['boards']> }) {
  return (
    <table className="price-table panel-table">
      <thead>
        <tr>
          <th scope="col">Board</th>
          <th scope="col" className="num">
            TH/s
          </th>
          <th scope="col" className="num">
            °C
          </th>
          <th scope="col" className="num">
            Chips
          </th>
        </tr>
      </thead>
      <tbody>
        {boards.map((board) => (
          <tr key={board.index}>
            <th scope="row" title={board.serial ?? undefined}>
              {board.index}
            </th>
            <td className="num">{number(board.hashrateThs, 1)}</td>
            <td className="num">{number(board.temperatureC)}</td>
            <td className="num">{number(board.chips)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Pools({ pools }: { pools: NonNullable<MachineDetail['pools']> }) {
  return (
    <table className="price-table panel-table">
      <thead>
        <tr>
          <th scope="col">Pool</th>
          <th scope="col">Worker</th>
          <th scope="col" className="num">
            Accepted
          </th>
          <th scope="col" className="num">
            Rejected
          </th>
        </tr>
      </thead>
      <tbody>
        {pools.map((pool, i) => (
          <tr key={`${pool.url} ${i}`}>
            <th scope="row">
              {pool.url.replace(/^stratum\+tcp:\/\//, '')}
              {pool.active === true && <span className="row-detail">in use</span>}
            </th>
            <td>{pool.worker === '' ? 'unknown' : pool.worker}</td>
            <td className="num">{number(pool.acceptedShares)}</td>
            <td className="num">{number(pool.rejectedShares)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
