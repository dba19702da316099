import { useQuery } from '@tanstack/react-query';
import type { MachineDetail } from '../../src/model/machines-api.ts';
import { age, known, number } from './format.ts';
import { api } from './http.ts';
import { Boards, Gpus, Pools, Tpus } from './machine-tables.tsx';
import { ToneMark } from './parts.tsx';

/** What the methods of a driver are called here. */
const TOLD: Readonly<Record<string, string>> = {
  sleep: 'sleep',
  wake: 'wake',
  setMode: 'mode',
  setPowerLimit: 'watts',
  setClockLimit: 'clocks',
  setPools: 'pools',
  setAfterOutage: 'after an outage',
  reboot: 'restart',
  locate: 'lamp',
};

/** `4,526 to 4,646 rpm, 4 fans`: nobody compares eight figures. One that does not tell is counted and not shown as 0. */
function fansText(fans: readonly (number | null)[]): string {
  const told = fans.filter(known);
  const silent = fans.length - told.length;
  const [least, most] = [Math.min(...told), Math.max(...told)];
  const speed = told.length === 0 ? 'unknown' : `${least === most ? '' : `${number(least)} to `}${number(most)} rpm`;
  return `${speed}, ${fans.length} fans${silent > 0 && told.length > 0 ? `, ${silent} not told` : ''}`;
}

const OUTAGE: Readonly<Record<string, string>> = {
  'stay-off': 'stays off',
  'last-state': 'does what it did',
  start: 'starts',
};

/** `stays off, armed`; what cannot be armed and tells nothing is unknown, and said to be. */
function outageText({ is, wanted, state, why }: MachineDetail['afterOutage']): string {
  const does = is === null ? 'unknown' : (OUTAGE[is] ?? is);
  if (state === 'armed') return `${does}, armed`;
  if (state === 'not-asked') return `${does}, as it is set`;
  return `${does}, ${state === 'cannot' && wanted === null ? 'cannot be armed' : `not armed: ${why ?? 'unknown'}`}`;
}

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
    ['Fans', detail.fansRpm === null ? null : fansText(detail.fansRpm)],
    ['Running for', known(detail.uptimeS) ? age(detail.uptimeS * 1000) : null],
    ['After an outage', outageText(detail.afterOutage)],
    ['Read in depth', known(detail.inspectedAgeMs) ? `${age(detail.inspectedAgeMs)} ago` : null],
    [
      'Can be told',
      detail.can.length === 0 ? 'nothing' : detail.can.map((method) => TOLD[method] ?? method).join(', '),
    ],
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
      {detail.gpus !== null && <Gpus gpus={detail.gpus} />}
      {detail.tpus !== null && <Tpus tpus={detail.tpus} />}
      {detail.gaps.length > 0 && (
        <p className="row-detail">Not told: {detail.gaps.map(({ part, kind }) => `${part} (${kind})`).join(', ')}</p>
      )}
    </>
  );
}
