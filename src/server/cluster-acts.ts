import type { RaisedAlarm } from '../alarms/catalogue.ts';
import type { Trust } from '../control/trust.ts';
import type { Site, SiteMs } from '../model/index.ts';
import type { Store } from '../store/store.ts';
import type { SiteClusters } from './clusters.ts';
import type { Fleet } from './fleet.ts';
import type { CurtailmentOf } from './flow.ts';
import type { Gpus } from './gpu/gpus.ts';
import { createJobLimits, type JobLimits } from './gpu/job-limits.ts';
import { createJobPauses, type JobPauses } from './gpu/job-pauses.ts';
import type { Journal } from './journal.ts';
import { createNodeMoves, type NodeMoves } from './node-moves.ts';
import { createNodePower, type NodePower } from './node-power.ts';
import { createPowerBudgets, type PowerBudgets } from './power-budgets.ts';
import { createQueueStops, type QueueStops } from './queue-stops.ts';
import { createPowerSaving, type PowerSaving } from './power-saving.ts';

/** What is done to the jobs and nodes of clusters beside holding and requeuing. */
export interface ClusterActs {
  /** Nodes of clusters on their way from one role to another. */
  readonly nodeMoves: NodeMoves;
  readonly nodePower: NodePower;
  readonly powerBudgets: PowerBudgets;
  readonly powerSaving: PowerSaving;
  readonly queueStops: QueueStops;
  /** Jobs whose GPUs are slowed down by hand. */
  readonly jobLimits: JobLimits;
  readonly jobPauses: JobPauses;
}

export interface OpenClusterActs {
  readonly acts: ClusterActs;
  /** After each reading: what is seen of them, and what is over. */
  look(): void;
  /** The next step of each; a drain that keeps disruption budgets takes its time. */
  step(): Promise<void>;
  /** Puts on record what became of them. */
  record(): void;
  alarms(): RaisedAlarm[];
}

/** Opens them with what an earlier life kept. */
export async function openClusterActs(options: {
  readonly store: Pick<Store, 'getMeta' | 'setMeta'>;
  readonly fleet: Fleet;
  readonly clusters: SiteClusters;
  readonly gpus: Gpus;
  readonly journal: Journal;
  readonly curtailment: CurtailmentOf;
  site(): Site;
  trust(): Trust;
  siteNow(): SiteMs;
  askPlan(why: string): void;
}): Promise<OpenClusterActs> {
  const { store, fleet, clusters, gpus, journal, curtailment, site, trust, siteNow } = options;
  const keptAs = async (key: string) => ({
    before: await store.getMeta(key),
    keep: (text: string) => store.setMeta(key, text),
  });
  const common = { site, fleet, gpus, journal, trust, siteNow, clusters: () => clusters.byId.values() };
  const jobLimits = createJobLimits({ ...common, ...(await keptAs('job-limits')) });
  const isLimited = (clusterId: string, jobId: string): boolean => jobLimits.of(clusterId, jobId) !== undefined;
  const jobPauses = createJobPauses({ ...common, curtailment, isLimited, ...(await keptAs('job-pauses')) });
  const nodePower = createNodePower({ ...common, ...(await keptAs('node-power')) });
  const powerSaving = createPowerSaving({ ...common, clusters, nodePower });
  const powerBudgets = createPowerBudgets({ ...common, ...(await keptAs('power-budgets')) });
  const queueStops = createQueueStops({
    ...common,
    classesOf: (clusterId) => site().clusters.find(({ id }) => id === clusterId)?.classes ?? [],
  });
  const nodeMoves = createNodeMoves({
    ...common,
    clusters,
    onMoved: options.askPlan,
    ...(await keptAs('node-moves')),
  });
  return {
    acts: { nodeMoves, nodePower, powerBudgets, powerSaving, queueStops, jobLimits, jobPauses },
    look() {
      jobPauses.look();
      nodePower.look();
    },
    async step() {
      await nodeMoves.look();
      await jobLimits.look();
    },
    record() {
      for (const acts of [nodeMoves, jobLimits, jobPauses, nodePower]) journal.commands(acts.drainChanged());
    },
    alarms: () => [...powerBudgets.alarms(), ...queueStops.alarms(), ...nodeMoves.alarms()],
  };
}
