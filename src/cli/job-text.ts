import type * as shapes from '../model/jobs-api.ts';
import { count, table, unknownText, usd, watts } from './output.ts';

/** Jobs in words, for `busbar job`. */

const ENDED: readonly string[] = ['done', 'failed', 'cancelled'];
const percent = (value: number | null): string => (value === null ? unknownText : `${value.toFixed(0)} %`);

/** What is odd about it, in a word. */
function marks({ measured: { idleGpus, isStuck } }: shapes.ClusterJobView): string[] {
  if (isStuck === true) return ['stuck: it draws no more than idle GPUs'];
  return idleGpus !== null && idleGpus > 0 ? [`${count(idleGpus)} GPUs idle`] : [];
}

const waitText = ({ givesWay }: shapes.ClusterJobView): string[] =>
  givesWay === null ? [] : [`goes on ${givesWay.resumesAt ?? 'at a time the plan does not know'}: ${givesWay.why}`];

export function pageText({ clusters, jobs, gpuFaults, withoutJob }: shapes.JobsPage, all: boolean): string {
  if (clusters.length === 0) return 'No cluster: name one under clusters in the site file (docs/clusters.md).';
  const shown = jobs.filter(({ state }) => all || !ENDED.includes(state));
  const rows = shown.map((job) => {
    const { powerW, isEstimated, utilisationPct } = job.measured;
    const runs = job.state === 'running' || job.state === 'paused';
    return [
      `${job.cluster}/${job.id}`,
      job.name,
      job.state + (job.heldByBusbar ? ' by the plan' : ''),
      job.class,
      job.customer,
      count(job.gpus),
      runs ? (isEstimated && powerW !== null ? '~' : '') + watts(powerW) : '-',
      runs ? percent(utilisationPct) : '-',
      job.nodes.join(',') || '-',
      job.submittedAt ?? unknownText,
      [...marks(job), ...waitText(job), ...(job.why === null ? [] : [job.why])].join('; '),
    ];
  });
  const head = ['job', 'name', 'state', 'class', 'customer', 'GPUs', 'draws', 'works', 'nodes', 'submitted', ''];
  const lines = [table(head, rows, [5, 6, 7]), ...(shown.length === 0 ? ['No job runs or waits.'] : [])];
  if (shown.some(({ measured }) => measured.isEstimated))
    lines.push('~ shares a server, and nobody says which GPUs are its own: its part is by their number.');
  for (const { machine, gpu, what, since } of gpuFaults)
    lines.push(`${machine} is out of the plan since ${since}: GPU ${gpu}: ${what}`);
  for (const { cluster, machine, powerW } of withoutJob)
    lines.push(`${machine} draws ${watts(powerW)} though ${cluster} has no job on it.`);
  for (const { id, failure } of clusters) if (failure !== null) lines.push(`${id} does not answer: ${failure}`);
  const ended = jobs.length - shown.length;
  if (ended > 0) lines.push(`${count(ended)} have ended (--all shows them).`);
  return lines.join('\n');
}

const BASIS = {
  counters: 'by the counters of the GPUs',
  readings: 'summed from readings',
  both: 'counters and readings',
};

/** Everything that is known of one job. */
export function jobText(job: shapes.ClusterJobView): string {
  const { powerW, isEstimated, utilisationPct, energyWh, energyBasis, energyCoveragePct, floorW, flexibleW } =
    job.measured;
  const energy =
    energyWh === null
      ? unknownText
      : `${(energyWh / 1000).toFixed(2)} kWh, ${BASIS[energyBasis!]}, of ${percent(energyCoveragePct)} of its running time`;
  const lines: [string, string][] = [
    ['job', `${job.cluster}/${job.id} ${job.name}`],
    ['state', job.state + (job.heldByBusbar ? ' by the plan' : '')],
    ['class', `${job.class}, for ${job.customer}`],
    ['GPUs', `${count(job.gpus)} of ${job.gpuModel}`],
    ['nodes', job.nodes.join(', ') || '-'],
    ['submitted', job.submittedAt ?? unknownText],
    ['started', job.startedAt ?? '-'],
    ['draws', watts(powerW) + (isEstimated ? ', estimated: it shares a server by number of GPUs' : '')],
    ['draws idle', floorW === null ? 'unknown: these servers were not seen idle yet' : watts(floorW)],
    ['would release', flexibleW === null ? unknownText : watts(flexibleW)],
    ['works', percent(utilisationPct)],
    ['energy', energy],
    ['put back', `${count(job.requeues)} times`],
  ];
  for (const mark of marks(job)) lines.push(['look at it', mark]);
  if (job.limit !== null) {
    const { kind, value, releasedW, since, who, why } = job.limit;
    const what = kind === 'cap-power' ? `power to ${value} %` : `clocks to ${value} MHz`;
    lines.push(['limited', `${what} since ${since} by ${who}: ${why}`]);
    lines.push(['releases', releasedW === null ? 'not seen yet' : watts(releasedW)]);
  }
  if (job.pause !== null) {
    const { releasedW, since, who, why } = job.pause;
    lines.push(['paused', `since ${since} by ${who}: ${why}`]);
    lines.push(['releases', releasedW === null ? 'not seen yet, or not measured' : watts(releasedW)]);
  }
  if (job.givesWay !== null) {
    lines.push(['gives way', `since ${job.givesWay.since}: ${job.givesWay.why}`]);
    lines.push(['goes on', job.givesWay.resumesAt ?? 'unknown: the plan has no room for it as far as it looks']);
  }
  if (job.why !== null) lines.push(['why', job.why]);
  return lines.map(([what, told]) => `${what.padEnd(14)}${told}`).join('\n');
}

const LOST = { checkpoint: 'since its checkpoint', interval: 'one interval of checkpoints', start: 'since its start' };
const WATTS = { learned: 'learned', measured: 'measured', swept: 'by its sweep' };

const rungRow = (one: shapes.LadderPage['rungs'][number]): string[] => [
  one.kind,
  one.subject,
  one.name,
  one.class ?? '-',
  count(one.gpus),
  one.watts === null ? 'unmeasured' : `${watts(one.watts)} ${WATTS[one.wattsBasis!]}`,
  one.seconds === null ? 'unmeasured' : `${one.seconds.toFixed(0)} s`,
  usd(one.usd),
  one.lostBasis === null ? '' : `${((one.lostSeconds ?? 0) / 60).toFixed(0)} min lost, ${LOST[one.lostBasis]}`,
];

const RUNG_HEAD = ['rung', 'of', 'name', 'class', 'GPUs', 'releases', 'within', 'costs', ''];

export function ladderText({ wantedW, hours, releasedW, chosen, rungs }: shapes.LadderPage): string {
  const byHand = rungs.filter(({ by }) => by === 'person');
  const unmeasured = rungs.filter((one) => one.by === 'busbar' && (one.watts === null || one.usd === null)).length;
  const lines =
    chosen.length === 0
      ? ['Nothing that is measured and priced can give way.']
      : [
          `For ${watts(wantedW)} over ${hours} h would give way, in this order:`,
          table(RUNG_HEAD, chosen.map(rungRow), [4, 7]),
          `${watts(releasedW)} released${releasedW < wantedW ? ': there is no more' : ''}.`,
        ];
  if (unmeasured > 0)
    lines.push(`${count(unmeasured)} more are not counted on: their watts were not measured, or they have no price.`);
  const kinds = [...new Set(byHand.map(({ kind }) => kind))];
  if (kinds.length > 0) lines.push(`By hand only: ${kinds.join(', ')} (${count(byHand.length)}; --json lists them).`);
  lines.push('No scheduler here takes GPUs from a job that runs on: shrinking is left out.');
  return lines.join('\n');
}
