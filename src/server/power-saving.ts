import { mayAct, PLANNER, type Trust } from '../control/trust.ts';
import { savingOf, type SavingNode, type SavingPart, type SavingStep } from '../control/power-saving.ts';
import {
  asFault,
  holdsGpus,
  isOfClass,
  roleOf,
  type ClusterConfig,
  type ClusterNode,
  type Plan,
  type Site,
  type SiteMs,
} from '../model/index.ts';
import type { SiteCluster } from './clusters.ts';
import type { Fleet } from './fleet.ts';
import type { Gpus } from './gpu/gpus.ts';
import type { NodePower } from './node-power.ts';

/** Idle nodes that a plan has no work for, off and on again, where the site file asks for it (`powerSaving` of a cluster). */
export interface PowerSaving {
  /** After each plan. A site in auto does it; any other only tells. */
  plan(plan: Plan): Promise<void>;
  /** What the last plan would switch, and nobody has. */
  proposals(): readonly SavingProposal[];
}

export interface SavingProposal {
  readonly clusterId: string;
  readonly node: string;
  readonly to: 'off' | 'on';
  readonly why: string;
}

/** Of one cluster at one plan: a mistake must not darken a hall. */
const MOST_OFF_AT_ONCE = 8;

export function createPowerSaving(options: {
  site(): Site;
  readonly fleet: Pick<Fleet, 'machines'>;
  readonly clusters: {
    readonly byId: ReadonlyMap<string, Pick<SiteCluster, 'id' | 'handle' | 'reading' | 'failure' | 'movingTo'>>;
  };
  readonly gpus: Pick<Gpus, 'truth' | 'effects'>;
  readonly nodePower: Pick<NodePower, 'of' | 'off' | 'on' | 'list'>;
  trust(): Trust;
  siteNow(): SiteMs;
}): PowerSaving {
  const { gpus, nodePower, siteNow } = options;
  /** When a node was last seen off, or would not go: it is on since. */
  const offAt = new Map<string, SiteMs>();
  let told: readonly SavingProposal[] = [];

  function stateOf(
    config: ClusterConfig,
    cluster: Pick<SiteCluster, 'reading' | 'movingTo'>,
    node: ClusterNode,
  ): SavingNode {
    const key = `${config.id}/${node.name}`;
    const record = nodePower.of(config.id, node.name);
    const member = options.fleet.machines.find(({ machine }) => machine.address === node.address);
    const isTenants = options
      .site()
      .machines.some(({ id, managedBy }) => managedBy === 'tenant' && id === member?.machine.groupId);
    if (record !== undefined || node.isOff) offAt.set(key, siteNow());
    const { name, gpus: count } = node;
    // One that comes counts as there, and is not switched before it is.
    if (record?.stage === 'coming') return { name, gpus: count, floorW: undefined, state: 'idle', since: siteNow() };
    if (record !== undefined)
      return {
        name,
        gpus: count,
        floorW: undefined,
        state: record.who === PLANNER ? 'off' : 'other',
        since: record.at,
      };
    const isIdle =
      node.state === 'idle' &&
      !node.isOff &&
      node.gpusUsed === 0 &&
      node.isFaulty !== true &&
      !isTenants &&
      !cluster.movingTo.has(name) &&
      !cluster.reading!.jobs.some((job) => holdsGpus(job) && job.nodes.includes(name));
    const learned = node.gpuModel === undefined ? undefined : gpus.effects.of('power-off', node.gpuModel);
    const each = learned?.wattsPerGpu ?? (member && gpus.truth.floorW(member.machine.id));
    const floorW = each === undefined ? undefined : each * count;
    return { name, gpus: count, floorW, state: isIdle ? 'idle' : 'other', since: offAt.get(key) };
  }

  /** Nodes that serve the same work, with what the plan has at work on them. A plan that does not know all of their work has no steps. */
  function partsOf(config: ClusterConfig, cluster: Pick<SiteCluster, 'reading' | 'movingTo'>, plan: Plan) {
    const { nodes, jobs } = cluster.reading!;
    const roleIn = (node: ClusterNode) => config.roles?.find(({ partition }) => node.partitions.includes(partition));
    const groups = Map.groupBy(
      nodes.filter(({ gpuModel, gpus: count }) => gpuModel !== undefined && count > 0),
      (node) => `${node.gpuModel} ${roleIn(node)?.id ?? ''}`,
    );
    return [...groups.values()].map((members): { readonly part: SavingPart; readonly steps: readonly SavingStep[] } => {
      const role = roleIn(members[0]!);
      const classes = config.classes.filter(
        (one) => one.gpu === members[0]!.gpuModel && roleOf(config, one)?.id === role?.id,
      );
      const states = members.map((node) => stateOf(config, cluster, node));
      const idle = new Set(states.flatMap(({ name, state }) => (state === 'other' ? [] : [name])));
      const isKnown = classes.every(({ id }) => plan.steps[0]?.work[id] !== undefined);
      return {
        part: {
          nodes: states,
          usedGpus: members.reduce((sum, { name, gpusUsed }) => (idle.has(name) ? sum : sum + gpusUsed), 0),
          waitingGpus: jobs.reduce(
            (sum, job) =>
              job.state === 'pending' && classes.some((one) => isOfClass(job, one)) ? sum + job.gpus : sum,
            0,
          ),
        },
        steps: !isKnown
          ? []
          : plan.steps.map(({ start, durationMs, priceUsdPerMwh, work }) => ({
              start,
              durationMs,
              priceUsdPerMwh,
              gpus: classes.reduce((sum, { id }) => sum + (work[id] ?? 0), 0),
            })),
      };
    });
  }

  function wantedOf(config: ClusterConfig, plan: Plan): SavingProposal[] {
    const cluster = options.clusters.byId.get(config.id);
    if (cluster?.reading === undefined || cluster.failure !== undefined) return [];
    const { powerDown, powerUp } = cluster.handle;
    if (powerDown === undefined || powerUp === undefined) return [];
    const tell = (node: string, to: 'off' | 'on', why: string) => ({ clusterId: config.id, node, to, why });
    const { powerSaving } = config;
    // What a plan switched off comes back when the site file asks for no saving any more.
    if (powerSaving === undefined)
      return nodePower
        .list()
        .filter((one) => one.clusterId === config.id && one.who === PLANNER && one.stage === 'off')
        .map(({ node }) => tell(node, 'on', 'the site file asks for no power saving'));
    const found = partsOf(config, cluster, plan).map(({ part, steps }) =>
      savingOf(part, steps, powerSaving, siteNow()),
    );
    return [
      ...found.flatMap(({ on }) => on.map((name) => tell(name, 'on', 'jobs wait for it, or the plan needs it soon'))),
      ...found
        .flatMap(({ off }) => off)
        .slice(0, MOST_OFF_AT_ONCE)
        .map((name) => tell(name, 'off', 'nobody needs it by the plan, and idle it costs more than its return')),
    ];
  }

  return {
    async plan(plan) {
      const wanted = options.site().clusters.flatMap((config) => wantedOf(config, plan));
      told = wanted;
      if (!mayAct(options.trust())) return;
      told = [];
      for (const { clusterId, node, to, why } of wanted) {
        try {
          await nodePower[to]({ clusterId, node, who: PLANNER, why });
        } catch (error) {
          // It stays as it is, which its command says; one that did not go is left alone for its dwell, one that did not come is not.
          asFault(error);
          if (to === 'off') offAt.set(`${clusterId}/${node}`, siteNow());
        }
      }
    },
    proposals: () => told,
  };
}
