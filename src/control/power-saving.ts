import { HOUR, MINUTE, type SiteMs } from '../model/index.ts';

/** Idle nodes that cost more than their return would: which are switched off, and which of those on again. */

export interface SavingTerms {
  /** From the word until a node that was off starts jobs. */
  readonly bootMinutes: number;
  /** What switching one node off and on costs: wear, and the risk that it does not come back. */
  readonly wakeCostUsd: number;
  /** Idle nodes of a part that stay on, whatever they cost. */
  readonly spareNodes: number;
  /** For which a node stays as it is before it is switched again. */
  readonly dwellMinutes: number;
}

export interface SavingNode {
  readonly name: string;
  readonly gpus: number;
  /** What it would release; undefined where nobody measured it: it then stays on. */
  readonly floorW: number | undefined;
  /** `idle`: on, and nothing on it; `off`: switched off by a plan; `other`: at work, drained, somebody else's. */
  readonly state: 'idle' | 'off' | 'other';
  /** Since when it is on or off; undefined: longer than anybody knows. */
  readonly since: SiteMs | undefined;
}

/** Nodes that serve the same work: one GPU model of one role. */
export interface SavingPart {
  readonly nodes: readonly SavingNode[];
  /** GPUs of nodes at work: those of their jobs, and what a scheduler could still put beside them counts as none. */
  readonly usedGpus: number;
  /** Of jobs that wait for this part and that no plan holds. */
  readonly waitingGpus: number;
}

export interface SavingStep {
  readonly start: SiteMs;
  readonly durationMs: number;
  readonly priceUsdPerMwh: number;
  /** GPUs of the part that the plan has at work. */
  readonly gpus: number;
}

export interface Saving {
  readonly off: readonly string[];
  readonly on: readonly string[];
}

/**
 * A node is switched off where for long enough nobody needs it, by the plan and by the jobs that wait, and its floor at the planned prices costs
 * more than its return. It is switched on at once where jobs wait for it, and ahead of the plan needing it. What is needed comes before what is
 * saved: a node in doubt is on.
 * @param steps of the plan, from now on, in order
 */
export function savingOf(part: SavingPart, steps: readonly SavingStep[], terms: SavingTerms, now: SiteMs): Saving {
  const isSettled = ({ since }: SavingNode): boolean =>
    since === undefined || now - since >= terms.dwellMinutes * MINUTE;
  const byName = (a: SavingNode, b: SavingNode): number => a.name.localeCompare(b.name);
  const idle = part.nodes.filter(({ state }) => state === 'idle').sort(byName);
  const off = part.nodes.filter(({ state }) => state === 'off').sort(byName);
  const gpusOf = (nodes: readonly SavingNode[]): number => nodes.reduce((sum, { gpus }) => sum + gpus, 0);
  // Jobs that run and jobs that wait are there, whatever the plan thought; a plan may want more of them.
  const nowGpus = part.usedGpus + part.waitingGpus;
  const onGpus = part.usedGpus + gpusOf(idle);

  const soon = now + (terms.bootMinutes + LEAD_MINUTES) * MINUTE;
  const soonGpus = Math.max(nowGpus, ...steps.filter(({ start }) => start <= soon).map(({ gpus }) => gpus));
  const on: string[] = [];
  let comingGpus = 0;
  for (const node of off) {
    const short = soonGpus + spareGpus(part, terms) - (onGpus + comingGpus);
    const isAwaited = nowGpus > onGpus + comingGpus;
    if (short <= 0 || !(isAwaited || isSettled(node))) continue;
    on.push(node.name);
    comingGpus += node.gpus;
  }
  if (on.length > 0 || steps.length === 0) return { on, off: [] };

  const saved: string[] = [];
  let leftGpus = onGpus;
  for (const node of idle) {
    if (node.floorW === undefined || !isSettled(node)) continue;
    const without = leftGpus - node.gpus;
    if (Math.max(nowGpus, soonGpus) + spareGpus(part, terms) > without) continue;
    const free = steps.slice(0, firstNeed(steps, without - spareGpus(part, terms)));
    const usd = free.reduce((sum, one) => sum + costUsd(node.floorW!, one, now), 0);
    const end = free.at(-1);
    const freeMs = end === undefined ? 0 : end.start + end.durationMs - now;
    // It draws all of its floor and more while it boots, and stays off for its dwell: a shorter rest saves nothing.
    if (freeMs < (terms.dwellMinutes + terms.bootMinutes) * MINUTE || usd <= terms.wakeCostUsd) continue;
    saved.push(node.name);
    leftGpus = without;
  }
  return { on, off: saved };
}

/** Before a node is needed it is told to come so much earlier than it takes. */
const LEAD_MINUTES = 10;

const spareGpus = ({ nodes }: SavingPart, { spareNodes }: SavingTerms): number =>
  spareNodes * Math.max(0, ...nodes.map(({ gpus }) => gpus));

/** The first step that wants more GPUs than so many; the number of steps where none does. */
function firstNeed(steps: readonly SavingStep[], gpus: number): number {
  const found = steps.findIndex((one) => one.gpus > gpus);
  return found === -1 ? steps.length : found;
}

const costUsd = (watts: number, { start, durationMs, priceUsdPerMwh }: SavingStep, now: SiteMs): number =>
  ((watts / 1e6) * Math.max(0, priceUsdPerMwh) * Math.max(0, start + durationMs - Math.max(start, now))) / HOUR;
