import type { RaisedAlarm } from '../../alarms/catalogue.ts';
import type { Trust } from '../../control/trust.ts';
import type { SiteMs, WallMs } from '../../model/index.ts';
import type { Store } from '../../store/store.ts';
import type { WorkAction } from '../../control/work.ts';
import type { SiteCluster, WorkOutcome } from '../clusters.ts';
import type { FleetMachine } from '../fleet.ts';
import type { Journal } from '../journal.ts';
import { idleAlarms } from './alarms.ts';
import { createGpuFaults, type GpuFaults } from './faults.ts';
import { createRungEffects, type RungEffects } from './rung-effects.ts';
import { createGpuTruth, type GpuTruth } from './truth.ts';

/** All that is known of the site's GPUs beyond their last reading. */
export interface Gpus {
  readonly truth: GpuTruth;
  readonly faults: GpuFaults;
  readonly effects: RungEffects;
  observe(member: FleetMachine): void;
  /** After each reading of the clusters. */
  look(): void;
  /** Before jobs are put back: what comes of it in watts is then learned from those that were. */
  watch(clusterId: string, actions: readonly WorkAction[]): (done: readonly WorkOutcome[]) => void;
  alarms(): RaisedAlarm[];
  keep(): void;
}

const TRUTH_KEY = 'gpu-truth';
const FAULTS_KEY = 'gpu-faults';
const EFFECTS_KEY = 'rung-effects';

export async function openGpus(
  store: Pick<Store, 'getMeta' | 'setMeta'>,
  options: {
    clusters(): Iterable<SiteCluster>;
    siteNow(): SiteMs;
    wallNow(): WallMs;
    staleMs(): number;
    trust(): Trust;
    recordAct: Journal['act'];
    askPlan(why: string): void;
  },
): Promise<Gpus> {
  const { clusters, recordAct, ...common } = options;
  const truth = createGpuTruth({ ...common, clusters, before: await store.getMeta(TRUTH_KEY) });
  const faults = createGpuFaults({
    ...common,
    clusters,
    journal: { act: recordAct },
    before: await store.getMeta(FAULTS_KEY),
    keep: (text) => store.setMeta(FAULTS_KEY, text),
  });
  const effects = createRungEffects(truth, () => options.siteNow(), await store.getMeta(EFFECTS_KEY));
  return {
    truth,
    faults,
    effects,
    observe(member) {
      truth.observe(member);
      faults.observe(member);
    },
    look() {
      truth.look();
      effects.look();
    },
    watch(clusterId, actions) {
      const before = new Map(
        actions.flatMap(({ kind, job }) => {
          const of = kind === 'requeue' ? truth.gpusOf(clusterId, job) : undefined;
          return of === undefined ? [] : [[job.id, of] as const];
        }),
      );
      return (done) => {
        for (const { action, fault } of done) {
          const of = before.get(action.job.id);
          if (fault === undefined && action.kind === 'requeue' && of !== undefined)
            effects.begin(action.keepFirstMs === undefined ? 'requeue' : 'checkpoint-requeue', action.job, of);
        }
      };
    },
    alarms: () => [...faults.alarms(), ...idleAlarms(truth, clusters())],
    keep() {
      store.setMeta(TRUTH_KEY, truth.kept());
      const learned = effects.kept();
      if (learned !== undefined) store.setMeta(EFFECTS_KEY, learned);
    },
  };
}
