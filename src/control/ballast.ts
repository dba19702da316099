import { MINUTE, type SiteMs } from '../model/index.ts';

/**
 * Ballast: miners move against what the load of AI and HPC swings between two plans, so that the feeder keeps its band. Judged by one-minute
 * averages, as the operators of the grid judge it; a single second's spike moves nobody.
 */
export interface BallastLaw {
  /** A plan was made for the load as it is now: from here on swings are counted, and what was moved is the plan's again. */
  rebase(): void;
  /**
   * A second's load of AI and HPC, watts at the machines' side of the feeder; undefined where it is not known: then nobody moves.
   * @returns watts that miners must draw more (or less, negative) than the plan has them draw, once it is another than before
   */
  look(at: SiteMs, loadW: number | undefined): number | undefined;
  /** How far the load is from what the plan was made for, watts by the last minute; undefined while it is not known. */
  swingW(): number | undefined;
}

/** Fewer seconds of a minute than this say nothing of it. */
const LEAST_SHARE = 0.5;

export function createBallastLaw(bandW: number): BallastLaw {
  let seen: { readonly at: SiteMs; readonly loadW: number }[] = [];
  let baseW: number | undefined;
  let movedW = 0;

  function meanW(): number | undefined {
    const [first, last] = [seen[0], seen.at(-1)];
    if (first === undefined || last!.at - first.at < LEAST_SHARE * MINUTE) return undefined;
    return seen.reduce((sum, { loadW }) => sum + loadW, 0) / seen.length;
  }

  const swingW = (): number | undefined => {
    const mean = meanW();
    return mean === undefined || baseW === undefined ? undefined : mean - baseW;
  };

  return {
    rebase() {
      baseW = meanW();
      movedW = 0;
    },
    look(at, loadW) {
      // A gap ends the minute: what was before it says nothing of now.
      if (loadW === undefined) seen = [];
      else seen = [...seen.filter((one) => at - one.at < MINUTE), { at, loadW }];
      baseW ??= meanW();
      const swing = swingW();
      if (swing === undefined || Math.abs(swing + movedW) <= bandW) return undefined;
      // The whole of it, not what is beyond the band alone: on the edge of the band every watt more would move somebody.
      movedW = -swing;
      return movedW;
    },
    swingW,
  };
}

/** A miner that may move. */
export interface Movable {
  readonly id: string;
  /** As the plan has it. */
  readonly mode: string;
  /** Watts it draws in that mode, and asleep; and the mode and watts it would run in. */
  readonly powerW: number;
  readonly sleepW: number;
  readonly up: { readonly mode: string; readonly powerW: number } | undefined;
}

/**
 * Which of them move, and how: those that draw most first, so that few do; never further than asked by more than one of them.
 * @param byW more (positive) or less than the plan
 */
export function chooseMoves(movables: readonly Movable[], byW: number): ReadonlyMap<string, string> {
  const chosen = new Map<string, string>();
  const stepOf = (one: Movable): number => (byW < 0 ? one.powerW - one.sleepW : (one.up?.powerW ?? 0) - one.powerW);
  let restW = Math.abs(byW);
  const inOrder = movables.filter((one) => stepOf(one) > 0).sort((a, b) => stepOf(b) - stepOf(a));
  for (const one of inOrder) {
    const stepW = stepOf(one);
    // Half of one is nearer to what is asked than none.
    if (stepW / 2 > restW) continue;
    chosen.set(one.id, byW < 0 ? 'sleep' : one.up!.mode);
    restW -= stepW;
  }
  return chosen;
}
