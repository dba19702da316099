import type { PlanView } from '../../src/model/api.ts';
import { price } from './format.ts';

type Why = NonNullable<PlanView['why']>;

/** Changes and limits are a few; those beyond are told by the command line. */
const MOST_TOLD = 6;

/** Why the step that runs is as it is: changes, limits that bind, and the price at which each cohort would change its mind. */
export function PlanWhy({ plan: { why, proposals = [] } }: { plan: PlanView }) {
  if (why === null)
    return (
      <p className="strip-note muted">Why it is so is unknown: this plan is no solution that the optimiser proved.</p>
    );
  return (
    <details className="plan-why">
      <summary>Why this plan</summary>
      <div className="plan-why-parts">
        <Sentences title="What changes now" lines={why.changes} none="Nothing." />
        <Sentences
          title="Limits that bind"
          lines={why.limits.map(({ sentence }) => sentence)}
          none="None: price and hash value alone decide."
        />
        {proposals.length > 0 && (
          <Sentences title="Proposed, for a person to carry out" lines={proposals} none="Nothing." />
        )}
        {why.cohorts.length > 0 && <Switches cohorts={why.cohorts} />}
      </div>
    </details>
  );
}

function Sentences({ title, lines, none }: { title: string; lines: readonly string[]; none: string }) {
  return (
    <section>
      <h3>{title}</h3>
      {lines.length === 0 ? (
        <p className="muted">{none}</p>
      ) : (
        <ul>
          {lines.slice(0, MOST_TOLD).map((line) => (
            <li key={line}>{line}</li>
          ))}
          {lines.length > MOST_TOLD && <li className="muted">and {lines.length - MOST_TOLD} more</li>}
        </ul>
      )}
    </section>
  );
}

function Switches({ cohorts }: { cohorts: Why['cohorts'] }) {
  return (
    <section>
      <h3>Prices that change a mind</h3>
      <table className="price-table">
        <thead className="sr-only">
          <tr>
            <th>Cohort and its mode</th>
            <th>Prices it changes at</th>
          </tr>
        </thead>
        <tbody>
          {cohorts.map((one) => (
            <tr key={one.cohort}>
              <th scope="row">
                {one.cohort}
                <span className="row-detail">{one.mode}</span>
              </th>
              <td className="num">
                {one.leavesAboveUsdPerMwh !== null && (
                  <span>
                    <span className="row-detail">{one.below} above</span> {price(one.leavesAboveUsdPerMwh)}
                  </span>
                )}
                {one.leavesBelowUsdPerMwh !== null && (
                  <span>
                    <span className="row-detail">{one.above} below</span> {price(one.leavesBelowUsdPerMwh)}
                  </span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
