import type { RaisedAlarm } from '../../alarms/catalogue.ts';
import type { Trust } from '../../control/trust.ts';
import type { SiteMs, WallMs } from '../../model/index.ts';
import type { Store } from '../../store/store.ts';
import type { SiteCluster } from '../clusters.ts';
import type { FleetMachine } from '../fleet.ts';
import type { Journal } from '../journal.ts';
import { idleAlarms } from './alarms.ts';
import { createGpuFaults, type GpuFaults } from './faults.ts';
import { createGpuTruth, type GpuTruth } from './truth.ts';

/** All that is known of the site's GPUs beyond their last reading. */
export interface Gpus {
  readonly truth: GpuTruth;
  readonly faults: GpuFaults;
  observe(member: FleetMachine): void;
  /** After each reading of the clusters. */
  look(): Promise<void>;
  alarms(): RaisedAlarm[];
  keep(): void;
}

const TRUTH_KEY = 'gpu-truth';
const FAULTS_KEY = 'gpu-faults';

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
  });
  const keepFaults = (): void => {
    const text = faults.kept();
    if (text !== undefined) store.setMeta(FAULTS_KEY, text);
  };
  return {
    truth,
    faults,
    observe(member) {
      truth.observe(member);
      faults.observe(member);
    },
    async look() {
      truth.look();
      await faults.look();
      keepFaults();
    },
    alarms: () => [...faults.alarms(), ...idleAlarms(truth, clusters())],
    keep() {
      store.setMeta(TRUTH_KEY, truth.kept());
      keepFaults();
    },
  };
}
