import { useState } from 'react';
import type { TenantView, UsageView } from '../../../src/model/tenants-api.ts';
import { Asked } from '../account-parts.tsx';
import { known, money, number } from '../format.ts';
import { Card, Empty, Figure } from '../parts.tsx';
import { plural } from '../verdict.ts';
import { AvailabilityLines, promisedText } from './availability.tsx';
import { useNodes, useStatements, useUsage } from './data.ts';

type Project = TenantView['projects'][number];

/** Cents count where dollars are few. */
export const dollars = (microUsd: number | null): string =>
  known(microUsd) ? money(microUsd / 1e6, Math.abs(microUsd) < 1e9 ? 2 : 0) : money(null);
/** `March 2026`. */
const monthWord = (month: string): string =>
  new Date(`${month}-15T12:00:00Z`).toLocaleDateString('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' });

function Part({ label, used, limit, unit }: { label: string; used: number; limit: number | null; unit: string }) {
  const digits = used < 100 && !Number.isInteger(used) ? 1 : 0;
  return (
    <div className="part">
      <span className="muted">{label}</span>
      <span>
        <Figure text={number(used, digits)} />
        {limit !== null && <span className="muted"> of {number(limit)}</span>} <span className="unit">{unit}</span>
      </span>
    </div>
  );
}

/** Spent solid, what runs and waits may still cost hatched, with a mark where each alarm stands. */
function BudgetBar({ project: { budget, spent, toCome } }: { project: Project }) {
  if (budget === null) return null;
  const whole = budget.usdPerMonth * 1e6;
  const share = (value: number) => Math.max(0, Math.min(100, (value / whole) * 100));
  const label = `${dollars(spent)} of ${money(budget.usdPerMonth)} spent${toCome === null ? '' : `, ${dollars(toCome)} more may come of what runs and waits`}`;
  return (
    <span className={spent >= whole ? 'budget-bar is-over' : 'budget-bar'} role="img" aria-label={label} title={label}>
      <span className="budget-spent" style={{ width: `${share(spent)}%` }} />
      <span
        className="budget-coming"
        style={{ left: `${share(spent)}%`, width: `${Math.min(100 - share(spent), share(toCome ?? 0))}%` }}
      />
      {budget.alertPct
        .filter((pct) => pct < 100)
        .map((pct) => (
          <span key={pct} className="budget-mark" style={{ left: `${pct}%` }} />
        ))}
    </span>
  );
}

function ProjectTile({ project }: { project: Project }) {
  const { id, budget, spent, toCome, gpus, quotaGpus, gpuHours, quotaGpuHours } = project;
  return (
    <li className="project">
      <div className="project-head">
        <h3>{id}</h3>
        <span className="figure project-spent">{dollars(spent)}</span>
      </div>
      <BudgetBar project={project} />
      <p className="row-detail">
        {budget === null
          ? 'No budget is set.'
          : `of ${money(budget.usdPerMonth)} this month; ${budget.onExceeded === 'refuse' ? 'no job is taken beyond it' : 'alarms at ' + budget.alertPct.join(', ') + ' %'}.`}{' '}
        {toCome === null
          ? 'What runs and waits cannot be priced now.'
          : toCome > 0
            ? `What runs and waits may cost ${dollars(toCome)} more.`
            : ''}
      </p>
      <div className="parts">
        <Part label="run or wait" used={gpus} limit={quotaGpus} unit="GPUs" />
        <Part label="used this month" used={gpuHours} limit={quotaGpuHours} unit="GPU-h" />
      </div>
    </li>
  );
}

export function ProjectsCard({ tenant }: { tenant: TenantView }) {
  const { projects, quotaGpus, quotaGpuHours, gpus, gpuHours, commitments } = tenant;
  const limits = [
    quotaGpus === null ? '' : `${number(gpus)} of ${number(quotaGpus)} GPUs`,
    quotaGpuHours === null ? '' : `${number(gpuHours)} of ${number(quotaGpuHours)} GPU-hours`,
  ].filter((text) => text !== '');
  return (
    <Card
      id="projects"
      title={`Projects in ${monthWord(tenant.month)}`}
      aside={limits.length > 0 && <span className="muted">together {limits.join(', ')}</span>}
    >
      {projects.length === 0 ? (
        <Empty title="No project">Your account is a member of no project of {tenant.name}.</Empty>
      ) : (
        <ul className="projects">
          {projects.map((project) => (
            <ProjectTile key={project.id} project={project} />
          ))}
        </ul>
      )}
      {commitments.map(({ id, work, committedGpus, penaltyUsdPerGpuHour, availability }) => (
        <p key={id} className="row-detail">
          Signed as {id}: {plural(committedGpus, 'GPU')} of {work} are yours before anybody else’s
          {penaltyUsdPerGpuHour > 0 &&
            `, and ${money(penaltyUsdPerGpuHour, 2)} is credited for each GPU-hour not served`}
          .{promisedText(availability)}
        </p>
      ))}
    </Card>
  );
}

const daysIn = (month: string): number =>
  new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 0)).getUTCDate();

/** A bar a day of the month; days without a bar are named as such for who cannot see it. */
function DayBars({ usage: { days, month } }: { usage: UsageView }) {
  const last = daysIn(month);
  const byDay = new Map(days.map((one) => [Number(one.day.slice(8)), one]));
  const most = Math.max(1, ...days.map(({ amount }) => amount));
  const text = days.map(({ day, amount, gpuHours }) => `${day}: ${dollars(amount)}, ${number(gpuHours, 1)} GPU-hours`);
  return (
    <div className="day-bars" role="img" aria-label={`Use by day. ${text.join('. ')}`}>
      {Array.from({ length: last }, (_, i) => byDay.get(i + 1)).map((one, i) => (
        <span key={i} className="day" title={one === undefined ? `${i + 1}: nothing counted` : text[days.indexOf(one)]}>
          <span style={{ height: `${one === undefined ? 0 : Math.max(2, (one.amount / most) * 100)}%` }} />
        </span>
      ))}
      <span className="day-first muted">1</span>
      <span className="day-last muted">{last}</span>
    </div>
  );
}

const seenText = (coverage: number): string => (coverage < 0.01 ? 'under 1 %' : `${Math.floor(coverage * 100)} %`);

function UsageTable({ usage }: { usage: UsageView }) {
  return (
    <table className="list usage">
      <thead>
        <tr>
          <th scope="col">Project</th>
          {['GPU-h', '$ per GPU-h', 'Amount'].map((word) => (
            <th key={word} scope="col" className="num">
              {word}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {usage.lines.map((line) => (
          <tr key={`${line.account} ${line.workClass}`}>
            <th scope="row">
              {line.project ?? line.account}
              <span className="row-detail">
                {line.workClass}
                {line.coverage < 0.995 && `, seen ${seenText(line.coverage)} of the time`}
                {line.unpricedGpuHours > 0 && `, ${number(line.unpricedGpuHours, 1)} GPU-h not priced yet`}
              </span>
            </th>
            <td className="num" data-label="GPU-h">
              {number(line.gpuHours, 1)}
            </td>
            <td className="num" data-label="$ per GPU-h">
              <Figure text={money(line.usdPerGpuHour, 2)} title="No price is known" />
            </td>
            <td className="num" data-label="Amount">
              {dollars(line.amount)}
            </td>
          </tr>
        ))}
        {usage.availability
          .filter(({ amount }) => amount > 0)
          .map(({ contract, promisedPct, amount }) => (
            <tr key={`${contract} availability`}>
              <th scope="row">
                Credit
                <span className="row-detail">
                  {contract}, availability below {promisedPct} %
                </span>
              </th>
              <td className="num" />
              <td className="num" />
              <td className="num" data-label="Amount">
                {dollars(-amount)}
              </td>
            </tr>
          ))}
        {usage.credits.map((credit) => (
          <tr key={credit.contract}>
            <th scope="row">
              Credit
              <span className="row-detail">{credit.contract}, wanted and not served</span>
            </th>
            <td className="num" data-label="GPU-h">
              {number(credit.gpuHours, 1)}
            </td>
            <td className="num" />
            <td className="num" data-label="Amount">
              {dollars(-credit.amount)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What GPUs told while it ran, else what schedulers keep account of. */
function energyText({ energy, lines }: UsageView): string {
  const drawn = lines.filter(({ gpuKwh }) => gpuKwh !== null);
  if (drawn.length > 0) {
    const gpuKwh = drawn.reduce((all, line) => all + (line.gpuKwh ?? 0), 0);
    const hours = lines.reduce((all, { gpuHours }) => all + gpuHours, 0);
    const measuredHours = lines.reduce((all, line) => all + line.gpuHours * line.gpuEnergyCoverage, 0);
    const part = Math.floor((100 * measuredHours) / hours);
    return `Your GPUs drew ${number(gpuKwh, gpuKwh < 100 ? 1 : 0)} kWh, measured over ${part} % of their hours.`;
  }
  const measured = energy.filter(({ kwh }) => kwh !== null);
  if (measured.length === 0) return 'Energy of your jobs is not measured here.';
  const sum = (key: 'starts' | 'measuredStarts') => measured.reduce((all, one) => all + one[key], 0);
  const kwh = measured.reduce((all, one) => all + (one.kwh ?? 0), 0);
  return `${number(kwh, kwh < 100 ? 1 : 0)} kWh, measured of ${number(sum('measuredStarts'))} of ${plural(sum('starts'), 'start')} of jobs.`;
}

export function UsageCard({ tenant }: { tenant: TenantView }) {
  const query = useUsage(tenant.id, undefined);
  return (
    <Card
      id="usage"
      title="Use this month"
      aside={query.data !== undefined && <span className="figure">{dollars(query.data.total)}</span>}
    >
      <Asked query={query}>
        {(usage) =>
          usage.lines.length === 0 ? (
            <Empty title="Nothing yet">What your jobs use is counted from when they run.</Empty>
          ) : (
            <>
              <DayBars usage={usage} />
              <UsageTable usage={usage} />
              <AvailabilityLines usage={usage} />
              <p className="row-detail">{energyText(usage)}</p>
            </>
          )
        }
      </Asked>
    </Card>
  );
}

export function NodesCard({ tenant }: { tenant: TenantView }) {
  const query = useNodes(tenant.id);
  return (
    <Card id="nodes" title="Nodes your jobs run on">
      <Asked query={query}>
        {({ nodes }) =>
          nodes.length === 0 ? (
            <Empty title="None at the moment" />
          ) : (
            <ul className="plain-rows">
              {nodes.map((node) => (
                <li key={`${node.cluster} ${node.name}`}>
                  <span>
                    {node.name}
                    <span className="row-detail">
                      {node.cluster}, {node.gpuModel === null ? 'no GPU' : `${number(node.gpus)} × ${node.gpuModel}`},{' '}
                      {node.state}
                    </span>
                  </span>
                  <span className="muted">{plural(node.jobs.length, 'job')}</span>
                </li>
              ))}
            </ul>
          )
        }
      </Asked>
    </Card>
  );
}

export function StatementsCard({ tenant }: { tenant: TenantView }) {
  const query = useStatements(tenant.id);
  const [open, setOpen] = useState<string>();
  return (
    <Card id="statements" title="Statements">
      <Asked query={query}>
        {({ statements }) =>
          statements.length === 0 ? (
            <Empty title="None yet" />
          ) : (
            <ul className="plain-rows">
              {statements.map((one) => (
                <li key={one.month}>
                  <button
                    type="button"
                    className="link"
                    aria-expanded={open === one.month}
                    onClick={() => setOpen(open === one.month ? undefined : one.month)}
                  >
                    {monthWord(one.month)}
                  </button>
                  <span>
                    {one.running && <span className="muted">so far </span>}
                    <span className="figure">{dollars(one.total)}</span>
                  </span>
                  {open === one.month && <StatementLines tenant={tenant.id} month={one.month} />}
                </li>
              ))}
            </ul>
          )
        }
      </Asked>
    </Card>
  );
}

function StatementLines({ tenant, month }: { tenant: string; month: string }) {
  const query = useUsage(tenant, month);
  return (
    <div className="statement">
      <Asked query={query}>
        {(usage) => (
          <>
            <UsageTable usage={usage} />
            <AvailabilityLines usage={usage} />
          </>
        )}
      </Asked>
    </div>
  );
}
