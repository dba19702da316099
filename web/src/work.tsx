import type { Overview } from '../../src/model/api.ts';
import { known, money, moneyPerHour, number } from './format.ts';
import { Card, Empty, Figure, LINE_WORDS, Swatch } from './parts.tsx';
import { plural } from './verdict.ts';
import { MeasuredJobs } from './work-jobs.tsx';

type Work = Overview['work'][number];

/** Running solid, held hatched, queued outlined; a mark where the contract's promise stands. */
function GpuBar({ work, scale }: { work: Work; scale: number }) {
  const parts = [
    ['running', work.runningGpus],
    ['held', (work.heldGpus ?? 0) + (work.pausedGpus ?? 0)],
    ['queued', work.queuedGpus],
  ] as const;
  if (!known(work.runningGpus)) return <span className="muted">unknown until the scheduler answers</span>;
  const label = `${number(work.runningGpus)} running, ${number(work.queuedGpus)} queued, ${number(work.heldGpus)} held, ${number(work.pausedGpus)} paused, ${number(work.committedGpus)} committed`;
  return (
    <span className="gpu-bar" role="img" aria-label={label} title={label}>
      {parts.map(([key, n]) =>
        known(n) && n > 0 ? (
          <span key={key} className={`gpu-${key} fill-${work.line}`} style={{ width: `${(n / scale) * 100}%` }} />
        ) : null,
      )}
      {work.committedGpus > 0 && (
        <span className="gpu-committed" style={{ left: `${(work.committedGpus / scale) * 100}%` }} />
      )}
    </span>
  );
}

function WorkRow({ work, scale }: { work: Work; scale: number }) {
  const short = known(work.runningGpus) ? work.committedGpus - work.runningGpus : 0;
  const failing = short > 0 && (work.queuedGpus ?? 0) + (work.heldGpus ?? 0) + (work.pausedGpus ?? 0) > 0;
  return (
    <tr>
      <th scope="row">
        <span className="with-swatch">
          <Swatch of={work.line} />
          <span>
            {work.id}
            <span className="row-detail">
              {LINE_WORDS[work.line]}, {work.className}, {work.gpuModel}
            </span>
          </span>
        </span>
      </th>
      <td className="gpu-cell">
        <GpuBar work={work} scale={scale} />
      </td>
      <td className="num" data-label="Running">
        <Figure text={number(work.runningGpus)} title="The scheduler has not answered yet" />
      </td>
      <td className="num" data-label="Queued">
        <Figure text={number(work.queuedGpus)} title="The scheduler has not answered yet" />
      </td>
      <td className="num" data-label="Held">
        <Figure text={number(work.heldGpus)} title="The scheduler has not answered yet" />
      </td>
      <td
        className={failing ? 'num text-degraded' : 'num'}
        data-label="Committed"
        title={failing ? `${number(short)} short of what is committed` : undefined}
      >
        {work.committedGpus === 0 ? <span className="muted">none</span> : number(work.committedGpus)}
      </td>
      <td className="num" data-label="$ per GPU-h">
        <Figure text={money(work.usdPerGpuHour, 2)} title="No quote has come in yet" />
      </td>
    </tr>
  );
}

export function WorkSection({ overview: { work, leases } }: { overview: Overview }) {
  const asked = (w: Work): number => (w.runningGpus ?? 0) + (w.queuedGpus ?? 0) + (w.heldGpus ?? 0);
  const scale = Math.max(1, ...work.map((w) => Math.max(w.committedGpus, asked(w))));
  const told = work.filter((w) => known(w.runningGpus));
  const running = told.reduce((sum, w) => sum + (w.runningGpus ?? 0), 0);
  const queued = told.reduce((sum, w) => sum + (w.queuedGpus ?? 0), 0);
  return (
    <Card
      id="work"
      title="AI and HPC work"
      aside={
        <span className="muted">
          <span className="figure">{plural(running, 'GPU')}</span> running,{' '}
          <span className="figure">{number(queued)}</span> queued
        </span>
      }
    >
      {work.length === 0 ? (
        <Empty title="No cluster is connected">Classes of work stand here once the site file names a cluster.</Empty>
      ) : (
        <table className="list work">
          <thead>
            <tr>
              <th scope="col">Class of work</th>
              <th scope="col">
                <span className="gpu-key" aria-hidden="true">
                  <span className="gpu-running" /> running <span className="gpu-held" /> held{' '}
                  <span className="gpu-queued" /> queued <span className="gpu-committed-key" /> committed
                </span>
                <span className="sr-only">GPUs as a bar</span>
              </th>
              {['Running', 'Queued', 'Held', 'Committed', '$ per GPU-h'].map((word) => (
                <th key={word} scope="col" className="num">
                  {word}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {work.map((each) => (
              <WorkRow key={each.id} work={each} scale={scale} />
            ))}
          </tbody>
        </table>
      )}
      <MeasuredJobs wanted={work.length > 0} />
      {leases.map((lease) => (
        <div className="lease" key={lease.id}>
          <p>
            <strong>{lease.name}</strong>
            <span className="row-detail">{number(lease.chips)} chips, leased elsewhere: no power of this site</span>
          </p>
          <dl>
            <div>
              <dt>revenue</dt>
              <dd>
                <Figure text={moneyPerHour(lease.revenueUsdPerHour)} />
              </dd>
            </div>
            <div>
              <dt>lease</dt>
              <dd>
                <Figure text={moneyPerHour(known(lease.costUsdPerHour) ? -lease.costUsdPerHour : null)} />
              </dd>
            </div>
            <div>
              <dt>margin</dt>
              <dd>
                <Figure text={moneyPerHour(lease.revenueUsdPerHour - lease.costUsdPerHour)} />
              </dd>
            </div>
          </dl>
        </div>
      ))}
    </Card>
  );
}
