import type { Site } from '../model/index.ts';
import type { ResponseCurves } from './response-curves.ts';
import type { createResponseWatch } from './response-watch.ts';

/** How fast a group answers, and how that is known. */
export interface AnswerTimes {
  /** From whatever asks to machines seen asleep, site seconds; undefined where nobody knows, and where machines fail to. */
  readonly sleepSeconds: number | undefined;
  /** Measured of the group, of its models and firmware elsewhere on the site, or as the site file says. */
  readonly sleepBasis: 'group' | 'kind' | 'declared' | undefined;
  /** From the word to a machine that hashes, site seconds; undefined where too few were seen. */
  readonly wakeSeconds: number | undefined;
}

/** Curves of a kind begin at a machine's acknowledgement: until then control takes so long on the wall, whatever the site's size. */
const TELL_MS = 10_000;

/**
 * What dispatch may promise of a group. What was measured goes before what was declared, also where it is worse; a group whose machines
 * were seen to fail promises nothing.
 * @param ids its machines that answer
 * @param speed site seconds to one of the wall
 */
export function answerTimes(
  group: Pick<Site['machines'][number], 'id' | 'sleepSeconds'>,
  ids: readonly string[],
  responses: Pick<ReturnType<typeof createResponseWatch>, 'mostSleepMs'>,
  curves: Pick<ResponseCurves, 'slowestMs'>,
  speed: number,
): AnswerTimes {
  const wakeMs = curves.slowestMs(ids, 'wakeMs');
  const wakeSeconds = wakeMs === undefined ? undefined : wakeMs / 1_000;
  const ownMs = responses.mostSleepMs(group.id, ids.length);
  if (ownMs !== undefined) {
    const sleepSeconds = ownMs === Infinity ? undefined : (ownMs * speed) / 1_000;
    return { sleepSeconds, sleepBasis: 'group', wakeSeconds };
  }
  const shedMs = curves.slowestMs(ids, 'shedMs');
  if (shedMs !== undefined)
    return { sleepSeconds: (shedMs + TELL_MS * speed) / 1_000, sleepBasis: 'kind', wakeSeconds };
  const { sleepSeconds } = group;
  return { sleepSeconds, sleepBasis: sleepSeconds === undefined ? undefined : 'declared', wakeSeconds };
}
