import { z } from 'zod';
import type { Command, SiteMs } from '../model/index.ts';

/** Acts on jobs and nodes that stand until they are taken back, by what they are done to. Each is kept before anything of it is sent. */
export interface KeptActs<T> {
  get(key: string): T | undefined;
  all(): readonly T[];
  /** @param stage what became of its command; absent: nothing new */
  put(one: T, stage?: Command['stage'], fault?: Command['fault']): void;
  /** It is over. */
  drop(one: T, stage?: Command['stage'], fault?: Command['fault']): void;
  /** What became of its command, and nothing else of it. */
  tell(one: T, stage: Command['stage'], fault?: Command['fault']): void;
  /** Commands that got on since the last call. */
  drainChanged(): Command[];
}

/** Of the command of an act, what does not change while it gets on. */
export type ActFacts = Pick<Command, 'id' | 'target' | 'action' | 'mode' | 'who' | 'why' | 'sentAt'>;

export function createKeptActs<T>(options: {
  /** Of one of them, as it is kept. */
  readonly shape: z.ZodType<T>;
  keyOf(one: T): string;
  factsOf(one: T): ActFacts;
  siteNow(): SiteMs;
  /** What was kept in an earlier life. */
  readonly before: string | undefined;
  /** Keeps what the next life must know; called before anything is sent. */
  keep(text: string): void;
}): KeptActs<T> {
  const { keyOf, siteNow } = options;
  const kept = options.before === undefined ? [] : z.array(options.shape).parse(JSON.parse(options.before));
  const acts = new Map(kept.map((one) => [keyOf(one), one]));
  const changed = new Map<string, Command>();
  const keep = (): void => options.keep(JSON.stringify([...acts.values()]));

  function tell(one: T, stage: Command['stage'], fault?: Command['fault']): void {
    const command = commandOf(options.factsOf(one), stage, siteNow(), fault);
    changed.set(command.id, command);
  }

  return {
    get: (key) => acts.get(key),
    all: () => [...acts.values()],
    put(one, stage, fault) {
      acts.set(keyOf(one), one);
      keep();
      if (stage !== undefined) tell(one, stage, fault);
    },
    drop(one, stage, fault) {
      acts.delete(keyOf(one));
      keep();
      if (stage !== undefined) tell(one, stage, fault);
    },
    tell,
    drainChanged() {
      const all = [...changed.values()];
      changed.clear();
      return all;
    },
  };
}

/** The command of an act, as it stands now. */
export const commandOf = (facts: ActFacts, stage: Command['stage'], now: SiteMs, fault: Command['fault']): Command => ({
  ...facts,
  batchId: facts.id,
  stage,
  attempts: 1,
  fault,
  acknowledgedAt: stage === 'sent' || stage === 'failed' ? undefined : now,
  seenInPowerAt: stage === 'seen-in-power' ? now : undefined,
  seenAtMeterAt: undefined,
});
