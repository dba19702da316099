import { asFault, type Fault } from '../model/index.ts';

/** One server of a gang of ranks, and what is done to it. Methods throw `Fault`. */
export interface GangMember {
  readonly id: string;
  apply(): Promise<void>;
  undo(): Promise<void>;
}

export interface GangOutcome {
  /** What stopped it, by server; empty: all of them are limited. */
  readonly faults: ReadonlyMap<string, Fault>;
  /** Servers that may still be limited although the gang is not: to be undone again later. */
  readonly stuck: readonly string[];
}

/**
 * Limits all ranks of a job, or none: one that is slowed down alone slows the others, and releases nothing of theirs. Where one refuses,
 * those that took it, and those that may have taken it without an answer, are set back.
 */
export async function limitGang(members: readonly GangMember[]): Promise<GangOutcome> {
  const faults = new Map<string, Fault>();
  await Promise.all(
    members.map(async ({ id, apply }) => {
      try {
        await apply();
      } catch (error) {
        faults.set(id, asFault(error));
      }
    }),
  );
  if (faults.size === 0) return { faults, stuck: [] };
  // What was refused was not done; what was not answered may have been.
  const touched = members.filter(
    ({ id }) => faults.get(id)?.kind !== 'refused' && faults.get(id)?.kind !== 'unsupported',
  );
  return { faults, stuck: await undoGang(touched) };
}

/** @returns those that could not be set back */
export async function undoGang(members: readonly GangMember[]): Promise<string[]> {
  const stuck: string[] = [];
  await Promise.all(
    members.map(async ({ id, undo }) => {
      try {
        await undo();
      } catch (error) {
        asFault(error);
        stuck.push(id);
      }
    }),
  );
  return stuck.sort();
}
