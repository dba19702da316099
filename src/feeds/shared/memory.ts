import { DAY, isoUtc, type Point, type Series, type SiteMs } from '../../model/index.ts';
import { bridgeGaps, newest, told } from './rows.ts';

/** What a feed keeps of a series between two reads, so that a short reply only adds. */
export interface Memory {
  /** Takes new points, ascending; a figure kept before with another value is restated. */
  add(points: readonly Point[], messages?: readonly string[]): void;
  /** What is worth saying of the last reading, such as why there was none; it takes the place of what was said before. */
  note(message: string | undefined): void;
  readonly newest: Point | undefined;
  readonly values: readonly number[];
  series(now: SiteMs): Series;
}

type Kind = Omit<Series, 'points' | 'mended' | 'whenStale'> & {
  /** `regular`: every interval is expected, and holes are bridged or named. `samples`: as it was looked at. */
  readonly pace: 'regular' | 'samples';
  /** Whether the source changing its mind about the past is worth a sentence (a price) or its nature (a weather model). */
  readonly tellRestated: boolean;
};

/** Older points, and points beyond this number, fall off the far end. */
const KEEP_MS = 60 * DAY;
const MOST_POINTS = 20_000;

export function memory(kind: Kind): Memory {
  const { pace, tellRestated, ...head } = kind;
  let kept: readonly Point[] = [];
  let whole: readonly Point[] = [];
  let said: readonly string[] = [];
  let gaps: readonly string[] = [];
  let noted: string | undefined;

  function restate(points: readonly Point[]): readonly Point[] {
    const known = new Map(kept.map((point) => [point.start, point]));
    for (const point of points) {
      const before = known.get(point.start);
      if (tellRestated && before !== undefined && before.value !== point.value)
        said = newest([
          ...said,
          `${isoUtc(point.start)}: restated by the source, ${before.value} before and ${point.value} now`,
        ]);
      if (before?.value !== point.value) known.set(point.start, point);
    }
    return [...known.values()].toSorted((a, b) => a.start - b.start);
  }

  return {
    add(points, messages = []) {
      const last = kept.at(-1)?.start ?? -Infinity;
      const merged = points.every(({ start }) => start > last) ? [...kept, ...points] : restate(points);
      const oldest = (merged.at(-1)?.start ?? 0) - KEEP_MS;
      kept = merged.filter(({ start }) => start >= oldest).slice(-MOST_POINTS);
      said = newest([...said, ...messages.filter((message) => !said.includes(message))]);
      if (pace === 'samples') whole = kept;
      else ({ points: whole, mended: gaps } = bridgeGaps(kept, head.intervalMs, head.name));
    },
    note(message) {
      noted = message;
    },
    get newest() {
      return kept.at(-1);
    },
    get values() {
      return kept.map(({ value }) => value);
    },
    series(now) {
      const mended = newest([...gaps, ...said, ...(noted === undefined ? [] : [noted])]);
      return { ...head, ...(mended.length === 0 ? {} : { mended }), points: told(head.name, whole, now) };
    },
  };
}
