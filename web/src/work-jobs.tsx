import type { ClusterJobView } from '../../src/model/jobs-api.ts';
import { useJobs } from './data.ts';
import { known, number, power, UNKNOWN } from './format.ts';
import { explain } from './http.ts';
import { Figure, Trouble } from './parts.tsx';
import { plural } from './verdict.ts';

const MOST = 12;

/** What is odd comes first, then what draws most. */
const rank = ({ measured: { isStuck, idleGpus, powerW } }: ClusterJobView): number =>
  (isStuck === true ? 2e9 : (idleGpus ?? 0) > 0 ? 1e9 : 0) + (powerW ?? 0);

function Mark({ state, measured: { isStuck, idleGpus } }: ClusterJobView) {
  if (state === 'paused') return <span className="muted">paused: it keeps its GPUs and does no work</span>;
  if (isStuck === true) return <span className="text-degraded">stuck: draws no more than idle GPUs</span>;
  if (known(idleGpus) && idleGpus > 0) return <span className="text-degraded">{plural(idleGpus, 'GPU')} idle</span>;
  return null;
}

function JobRow({ job }: { job: ClusterJobView }) {
  const { powerW, isEstimated, utilisationPct } = job.measured;
  const estimate = 'It shares a server and nobody says which GPUs are its own: its part is by their number';
  return (
    <tr>
      <th scope="row">
        {job.name}
        <span className="row-detail">
          {job.cluster}/{job.id}, {job.class}, {job.customer}
        </span>
      </th>
      <td className="num" data-label="GPUs">
        {number(job.gpus)}
      </td>
      <td className="num" data-label="Draws" title={isEstimated ? estimate : undefined}>
        {isEstimated && known(powerW) ? '~ ' : ''}
        <Figure text={power(powerW)} title="One of its servers tells no watts of its GPUs" />
      </td>
      <td className="num" data-label="Works">
        <Figure
          text={known(utilisationPct) ? `${number(utilisationPct)} %` : UNKNOWN}
          title="One of its servers tells no utilisation"
        />
      </td>
      <td data-label="Look at">
        <Mark {...job} />
      </td>
    </tr>
  );
}

/** Running jobs with what their GPUs are measured to draw and do. */
export function MeasuredJobs({ wanted }: { wanted: boolean }) {
  const page = useJobs(wanted);
  const running = (page.data?.jobs ?? [])
    .filter(({ state }) => state === 'running' || state === 'paused')
    .sort((a, b) => rank(b) - rank(a));
  if (page.error !== null) return <Trouble {...explain(page.error)} onRetry={() => void page.refetch()} />;
  if (running.length === 0) return null;
  return (
    <>
      <table className="list">
        <thead>
          <tr>
            <th scope="col">Running job</th>
            {['GPUs', 'Draws', 'Works'].map((word) => (
              <th key={word} scope="col" className="num">
                {word}
              </th>
            ))}
            <th scope="col">Look at</th>
          </tr>
        </thead>
        <tbody>
          {running.slice(0, MOST).map((job) => (
            <JobRow key={`${job.cluster}/${job.id}`} job={job} />
          ))}
        </tbody>
      </table>
      {running.length > MOST && (
        <p className="muted">and {number(running.length - MOST)} more: busbar job list shows them all</p>
      )}
    </>
  );
}
