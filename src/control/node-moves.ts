import { Fault, holdsGpus, type ClusterNode, type ClusterReading, type Job, type SiteMs } from '../model/index.ts';

/**
 * A node's way from one role to another: nothing new starts on it, what runs ends or gives way, its partition changes, it is looked at,
 * and it starts jobs again. What goes wrong on the way leads back to the role it came from.
 */
export const MOVE_STAGES = [
  'asked',
  'draining',
  'verifying',
  'returning',
  'going-back',
  'done',
  'failed',
  'cancelled',
] as const;
export type MoveStage = (typeof MOVE_STAGES)[number];

export interface NodeMove {
  readonly id: string;
  readonly clusterId: string;
  readonly node: string;
  readonly from: string;
  readonly to: string;
  readonly who: string;
  readonly why: string;
  readonly askedAt: SiteMs;
  readonly stage: MoveStage;
  readonly stageAt: SiteMs;
  /** GPUs it had when it was asked for: one that comes back with fewer is not put to work. */
  readonly gpus: number;
  /** Jobs that were put back in the queue for it. */
  readonly requeued: readonly string[];
  /** What it waits for or ended with, in words. */
  readonly told: string | undefined;
  /** Why it goes back to the role it came from. */
  readonly failure: string | undefined;
  /** Somebody knows that it failed. */
  readonly isSeen?: boolean | undefined;
}

/** What a move does to a cluster. Methods throw `Fault`, also where trust forbids the act. */
export interface MoverPort {
  readonly reading: ClusterReading | undefined;
  /** Whether a job may be put back in the queue. */
  mayInterrupt(job: Job): boolean;
  drain(node: string, why: string): Promise<void>;
  resume(node: string): Promise<void>;
  moveNode(node: string, fromRole: string, toRole: string): Promise<void>;
  isIn(node: ClusterNode, role: string): boolean;
  /** Keeps a checkpoint where the cluster can ask for one, then puts the job back in the queue. */
  requeue(job: Job): Promise<void>;
  readonly drainMs: number;
}

/** First words of the reason by which a node tells that Busbar took it out. */
const OURS = /^busbar:/;
/** A node that was moved must show it and answer within this. */
const VERIFY_MS = 10 * 60_000;

export const isUnderWay = ({ stage }: NodeMove): boolean =>
  stage !== 'done' && stage !== 'failed' && stage !== 'cancelled';

/** The next stage of a move, or the move as it is where there is nothing to do yet. Throws nothing: a scheduler that is silent is asked again. */
export async function advance(move: NodeMove, port: MoverPort, now: SiteMs): Promise<NodeMove> {
  const { reading } = port;
  // Only what was read after the last step shows what that step did.
  if (reading === undefined || (move.stage !== 'asked' && reading.at <= move.stageAt)) return move;
  const node = reading.nodes.find(({ name }) => name === move.node);
  if (node === undefined) return waiting(move, `the scheduler knows no node ${move.node}`);
  try {
    return await STEPS[move.stage](move, node, port, now);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.kind === 'timeout' || error.kind === 'unreachable') return waiting(move, error.message);
    return fails(move, now, error.message);
  }
}

type Step = (move: NodeMove, node: ClusterNode, port: MoverPort, now: SiteMs) => Promise<NodeMove>;

const STEPS: Readonly<Record<MoveStage, Step>> = {
  async asked(move, node, port, now) {
    if (node.state === 'down') return fails(move, now, `${node.name} is down`);
    if (node.state === 'drained' && !OURS.test(node.reason ?? ''))
      return fails(move, now, `${node.name} was taken out by somebody else (${node.reason ?? 'no reason given'})`);
    if (!port.isIn(node, move.from)) return fails(move, now, `${node.name} is not used for ${move.from}`);
    await port.drain(node.name, `moves from ${move.from} to ${move.to}`);
    return at(move, 'draining', now, undefined);
  },
  async draining(move, node, port, now) {
    if (node.state !== 'drained' && node.state !== 'down')
      return at(move, 'cancelled', now, `somebody gave ${node.name} back while its jobs ended`);
    const running = port.reading!.jobs.filter((job) => holdsGpus(job) && job.nodes.includes(node.name));
    if (running.length === 0) {
      await port.moveNode(node.name, move.from, move.to);
      return at(move, 'verifying', now, undefined);
    }
    const late = now - move.stageAt >= port.drainMs;
    const asked = new Set(move.requeued);
    const giveWay = late ? running.filter((job) => port.mayInterrupt(job) && !asked.has(job.id)) : [];
    for (const job of giveWay) await port.requeue(job);
    return {
      ...waiting(move, `${running.length} job${running.length === 1 ? '' : 's'} still on it`),
      requeued: [...move.requeued, ...giveWay.map(({ id }) => id)],
    };
  },
  async verifying(move, node, port, now) {
    const faults = [
      node.state === 'down' ? 'it is down' : '',
      port.isIn(node, move.from) ? `it is still used for ${move.from}` : '',
      port.isIn(node, move.to) ? '' : `it is not used for ${move.to}`,
      node.gpus < move.gpus ? `it has ${node.gpus} GPUs of ${move.gpus}` : '',
    ].filter((text) => text !== '');
    if (faults.length > 0)
      return now - move.stageAt < VERIFY_MS ? waiting(move, faults.join(', ')) : goesBack(move, now, faults.join(', '));
    await port.resume(node.name);
    return at(move, 'returning', now, undefined);
  },
  async returning(move, node, _port, now) {
    if (node.state !== 'drained' && node.state !== 'down') return at(move, 'done', now, undefined);
    return now - move.stageAt < VERIFY_MS
      ? waiting(move, 'it does not start jobs yet')
      : fails(move, now, `${node.name} was moved and given back, and is ${node.state}: ${node.reason ?? 'no reason'}`);
  },
  async 'going-back'(move, node, port, now) {
    if (!port.isIn(node, move.from) || port.isIn(node, move.to)) {
      await port.moveNode(node.name, move.to, move.from);
      return waiting(move, `goes back to ${move.from}`);
    }
    // One that is down or lacks GPUs stays out: somebody has to look at it.
    if (node.state !== 'down' && node.gpus >= move.gpus) await port.resume(node.name);
    return at(move, 'failed', now, move.failure);
  },
  done: async (move) => move,
  failed: async (move) => move,
  cancelled: async (move) => move,
};

/** A person takes it back: the node starts jobs again in the role it came from. */
export async function cancel(move: NodeMove, port: MoverPort, now: SiteMs): Promise<NodeMove> {
  if (move.stage === 'asked' || move.stage === 'draining') {
    // A drain that was asked for may have begun without an answer.
    const node = port.reading?.nodes.find(({ name }) => name === move.node);
    if (move.stage === 'draining' || (node?.state === 'drained' && OURS.test(node.reason ?? '')))
      await port.resume(move.node);
    return at(move, 'cancelled', now, undefined);
  }
  throw new Fault('refused', `${move.node} has been moved already: move it back`);
}

const at = (move: NodeMove, stage: MoveStage, stageAt: SiteMs, told: string | undefined): NodeMove => ({
  ...move,
  stage,
  stageAt,
  told,
});
const waiting = (move: NodeMove, told: string): NodeMove => ({ ...move, told });
const goesBack = (move: NodeMove, now: SiteMs, failure: string): NodeMove => ({
  ...at(move, 'going-back', now, failure),
  failure,
});

/** What was refused before the node was touched has nothing to go back from. */
function fails(move: NodeMove, now: SiteMs, failure: string): NodeMove {
  const isUntouched = move.stage === 'asked' || move.stage === 'going-back' || move.stage === 'returning';
  return isUntouched ? { ...at(move, 'failed', now, failure), failure } : goesBack(move, now, failure);
}
