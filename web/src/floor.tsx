import type { Overview } from '../../src/model/api.ts';
import { hashrate, number, hallWord } from './format.ts';
import { showMachines } from './hooks.ts';
import { Card, Empty, STATES, StateMark } from './parts.tsx';
import type { MachineState } from './parts.tsx';

/** A smaller share of a hall would be a speck, not a bar. */
const SHOWN_SHARE = 0.03;

/** One count of the matrix; pressing it shows those machines. */
function Cell({
  state,
  n,
  of,
  hall,
  label,
}: {
  state: MachineState;
  n: number;
  of: number;
  hall: string;
  label: string;
}) {
  if (n === 0) return <td className="cell none">·</td>;
  return (
    <td className={`cell cell-${state}`}>
      <button type="button" onClick={() => showMachines({ hall, state })} title={label} aria-label={label}>
        <span className="figure">{number(n)}</span>
        <span className="cell-bar" aria-hidden="true">
          <span className={`bg-${state}`} style={{ width: `${n / of < SHOWN_SHARE ? 0 : (n / of) * 100}%` }} />
        </span>
      </button>
    </td>
  );
}

export function FloorSection({ overview: { halls, machines, hashrateThs } }: { overview: Overview }) {
  const silent = machines.total - machines.answering;
  return (
    <Card
      id="floor"
      title="Machines by hall and state"
      aside={
        <span className="muted" title={`Hashrate of ${number(hashrateThs.of)} of ${number(hashrateThs.total)} miners`}>
          <span className="figure">{number(machines.answering)}</span> of{' '}
          <span className="figure">{number(machines.total)}</span> answer
          {silent > 0 && ', the rest are silent'}; <span className="figure">{hashrate(hashrateThs.value)}</span>
        </span>
      }
    >
      {machines.total === 0 ? (
        <Empty title="No machines">The site file names no machine yet.</Empty>
      ) : (
        <div className="matrix-scroll">
          <table className="matrix">
            <thead>
              <tr>
                <th scope="col">State</th>
                {halls.map((hall) => (
                  <th key={hall.id} scope="col" title={hall.name}>
                    <span className="wide">{hall.name}</span>
                    <span className="narrow">{hallWord(hall.id)}</span>
                  </th>
                ))}
                <th scope="col">All</th>
              </tr>
            </thead>
            <tbody>
              {STATES.map(({ state, word, about }) => (
                <tr key={state}>
                  <th scope="row" title={`${word}: ${about}`}>
                    <StateMark state={state} />
                    {word}
                  </th>
                  {halls.map((hall) => (
                    <Cell
                      key={hall.id}
                      state={state}
                      n={hall.byState[state]}
                      of={hall.machines}
                      hall={hall.id}
                      label={`${number(hall.byState[state])} ${word.toLowerCase()} in ${hall.name}`}
                    />
                  ))}
                  <Cell
                    state={state}
                    n={machines.byState[state]}
                    of={machines.total}
                    hall=""
                    label={`${number(machines.byState[state])} ${word.toLowerCase()} at the site`}
                  />
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
