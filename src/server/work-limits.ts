import { PLANNER, type Trust } from '../control/trust.ts';
import type { Site, SiteClock } from '../model/index.ts';
import type { Planned } from './bookkeeper.ts';
import { actionsFor, carryOut, stepsNow, type SiteClusters, type WorkOutcome } from './clusters.ts';
import type { Gpus } from './gpu/gpus.ts';
import type { JobCommands } from './job-commands.ts';
import type { Journal } from './journal.ts';
import type { Order } from './orders/orders.ts';
import type { WorkPicture } from './picture.ts';
import { plannedKw, type PowerBudgets } from './power-budgets.ts';
import { closedClasses, type QueueStops } from './queue-stops.ts';
import { keptOf } from './trust/kept.ts';
import type { Levels } from './trust/levels.ts';

/** What a plan means for the jobs of the clusters. */
export interface WorkLimits {
  /** Holds, requeues and releases jobs as the plan says. */
  limit(taken: Planned, why: string): Promise<void>;
}

const SECOND_MS = 1_000;

export function createWorkLimits(options: {
  site(): Site;
  readonly clock: Pick<SiteClock, 'now' | 'speed'>;
  readonly clusters: SiteClusters;
  readonly journal: Pick<Journal, 'act' | 'commands'>;
  readonly jobCommands: Pick<JobCommands, 'add'>;
  readonly gpus: Pick<Gpus, 'watch'>;
  readonly powerBudgets: Pick<PowerBudgets, 'set'>;
  readonly queueStops: Pick<QueueStops, 'set'>;
  readonly levels: Pick<Levels, 'site' | 'of'>;
  trust(): Trust;
  orders(): readonly Order[];
  work(): readonly WorkPicture[];
  askPlan(why: string): void;
}): WorkLimits {
  const { clock, journal, trust } = options;

  /** Jobs that keep a checkpoint first are put back by the plan after it. */
  function goOnAfterCheckpoints(outcomes: readonly WorkOutcome[]): void {
    const takeMs = outcomes.flatMap(({ action, fault }) =>
      action.kind === 'checkpoint' && fault === undefined ? [action.keepFirstMs ?? 0] : [],
    );
    if (takeMs.length > 0)
      setTimeout(() => options.askPlan('checkpoints are kept'), Math.max(...takeMs) / clock.speed + SECOND_MS).unref();
  }

  return {
    async limit(taken, why) {
      if (trust() === 'shadow') return;
      const isOrdered = options.orders().length > 0;
      const { movesWork } = keptOf(options.site(), options.levels, isOrdered);
      for (const cluster of options.clusters.byId.values()) {
        // Before its jobs: what is put back leaves no room that others take, and what is released may start.
        if (cluster.failure === undefined) {
          const budgetKw = movesWork ? plannedKw(cluster, options.work(), taken) : undefined;
          await options.powerBudgets.set(cluster, budgetKw, why, isOrdered);
          const closed = movesWork ? closedClasses(cluster, options.work(), taken) : new Set<string>();
          await options.queueStops.set(cluster, closed, why, isOrdered);
        }
        const wished = actionsFor(cluster, options.work(), taken, why);
        // What a person confirmed is held until a person confirms that it goes on.
        const actions = movesWork
          ? wished
          : wished.filter(({ kind, job }) => kind === 'release' && !cluster.heldAsConfirmed.has(job.id));
        const steps = stepsNow(cluster, actions, clock.now());
        if (steps.length === 0) continue;
        const id = `${taken.plan.id}-${cluster.id}`;
        const count = (kind: string) => steps.filter((step) => step.kind === kind).length;
        const what = (['hold', 'checkpoint', 'requeue', 'release'] as const)
          .flatMap((kind) => (count(kind) > 0 ? [`${kind} ${count(kind)} jobs`] : []))
          .join(', ');
        journal.act({ id, at: clock.now(), who: PLANNER, what, why });
        const sentAt = clock.now();
        const learn = options.gpus.watch(cluster.id, steps);
        const outcomes = await carryOut(trust(), cluster, steps, isOrdered, clock.now());
        learn(outcomes);
        goOnAfterCheckpoints(outcomes);
        journal.commands(options.jobCommands.add(cluster, { actId: id, who: PLANNER }, outcomes, sentAt, clock.now()));
      }
    },
  };
}
