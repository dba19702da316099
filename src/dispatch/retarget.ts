import { SECOND, type Series, type SiteMs, valueAt } from '../model/index.ts';

/** Blocks of one difficulty. */
const EPOCH_BLOCKS = 2016;
const BLOCK_MS = 600 * SECOND;
/** A day of blocks: fewer say more of luck than of hashrate. */
const ENOUGH_BLOCKS = 146;
/** The protocol changes difficulty at most fourfold either way. */
const LEAST_RATIO = 0.25;
const MOST_RATIO = 4;

export interface Retarget {
  readonly at: number;
  /** New difficulty over the present one. */
  readonly ratio: number;
}

/**
 * When difficulty changes next and by how much: by the mean spacing of the blocks seen of this epoch, `600 s / spacing`
 * within the protocol's bounds. Where only the end of the epoch was seen, the rest counts as no different. Until 146 of its blocks
 * were seen, and where heights are stale, nothing is known of it: undefined.
 * @param heights height of the newest block, as it was looked at; none later than `at`
 */
export function nextRetarget(heights: Series, at: SiteMs): Retarget | undefined {
  const newest = heights.points.at(-1);
  if (newest === undefined || valueAt(heights, at)!.stale) return undefined;
  const epochBegins = newest.value - (newest.value % EPOCH_BLOCKS);
  // The newest height stands for longer the later it is looked at again: spacing is measured between two arrivals.
  const arrivals = heights.points.filter(
    ({ value }, i) => value >= epochBegins && heights.points[i - 1]?.value !== value,
  );
  // The first height ever seen was there before it was looked at.
  const [first, last] = [arrivals[arrivals[0] === heights.points[0] ? 1 : 0], arrivals.at(-1)];
  if (first === undefined || last === undefined || last.value - first.value < ENOUGH_BLOCKS) return undefined;
  const spacingMs = (last.start - first.start) / (last.value - first.value);
  const left = epochBegins + EPOCH_BLOCKS - last.value;
  return {
    at: Math.max(at, last.start + left * spacingMs),
    ratio: Math.min(MOST_RATIO, Math.max(LEAST_RATIO, BLOCK_MS / spacingMs)),
  };
}
