import type { Overview } from '../../src/model/api.ts';
import { known } from './format.ts';

/** Parts of the power bar from left to right. `sold` is block power not used, `room` what is left of the connection. */
export type SegmentKey = 'mining' | 'ai' | 'hpc' | 'other' | 'unknown' | 'sold' | 'room';

export interface Segment {
  readonly key: SegmentKey;
  readonly watts: number;
  /** Where it begins and how wide it is, as fractions of the whole bar. */
  readonly from: number;
  readonly share: number;
}

export interface PowerBar {
  readonly segments: readonly Segment[];
  /** Watts the whole bar stands for: the limit, or the import where that is greater. */
  readonly scaleW: number;
  readonly limitAt: number;
  readonly blockAt: number;
  /** Watts machines claim beyond what the feeder meter saw; 0 where they do not. */
  readonly excessW: number;
  readonly overLimit: boolean;
  /** Lines whose draw nobody knows: their part is inside `unknown`. */
  readonly silentLines: readonly string[];
}

const LINE_KEYS = ['mining', 'ai', 'hpc'] as const;

/**
 * The bar from the grid to the lines of business. `other` is what is explained but belongs to no line (base
 * cooling, idle hosts, losses); `unknown` is import that nothing explains. Undefined while the import is unknown.
 */
export function powerBar(connection: Overview['connection'], lines: Overview['lines']): PowerBar | undefined {
  const { limitW, blockW, importW, explainedW, unknownW } = connection;
  if (!known(importW)) return undefined;
  const drawn = LINE_KEYS.map((key) => ({ key, watts: lines.find((l) => l.line === key)?.powerW ?? null }));
  const sumW = drawn.reduce((sum, { watts }) => sum + (watts ?? 0), 0);
  const otherW = known(explainedW) ? Math.max(0, explainedW - sumW) : 0;
  const unknown = known(unknownW) ? Math.max(0, unknownW) : Math.max(0, importW - sumW - otherW);
  const shownW = sumW + otherW + unknown;
  const usedW = Math.max(importW, shownW);
  const scaleW = Math.max(limitW, usedW);
  const parts: [SegmentKey, number][] = [
    ...drawn.map(({ key, watts }): [SegmentKey, number] => [key, Math.max(0, watts ?? 0)]),
    ['other', otherW],
    ['unknown', unknown],
    ['sold', Math.max(0, blockW - usedW)],
    ['room', Math.max(0, limitW - Math.max(usedW, blockW))],
  ];
  let from = 0;
  const segments: Segment[] = [];
  for (const [key, watts] of parts) {
    if (watts < 1) continue;
    segments.push({ key, watts, from, share: watts / scaleW });
    from += watts / scaleW;
  }
  return {
    segments,
    scaleW,
    limitAt: limitW / scaleW,
    blockAt: Math.min(1, blockW / scaleW),
    excessW: known(unknownW) ? Math.max(0, -unknownW) : 0,
    overLimit: importW > limitW,
    silentLines: drawn.filter(({ watts }) => !known(watts)).map(({ key }) => key),
  };
}
