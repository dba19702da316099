import { asFault, type Fault } from '../model/index.ts';

/** One machine whose pools are to be written, as control is handed it. */
export interface PoolTarget {
  readonly id: string;
  /** Writes them; acknowledged is not proof. Undefined: this machine cannot be told its pools. */
  readonly write: (() => Promise<void>) | undefined;
  /** Reads them back: true where the machine now tells exactly what was written. */
  readonly seen: () => Promise<boolean | undefined>;
}

export type PoolStage = 'waiting' | 'sent' | 'acknowledged' | 'seen' | 'failed';

export interface PoolOutcome {
  readonly id: string;
  readonly stage: PoolStage;
  readonly fault: Fault | undefined;
  readonly why: string | undefined;
}

export interface PoolChangeOptions {
  /** Machines written at once: a mistake should be seen before it is everywhere. */
  readonly atOnce: number;
  /** Read back so often, with such a pause before each: a write restarts the miner. */
  readonly tries: number;
  readonly pauseMs: number;
  pause(ms: number): Promise<void>;
  onOutcome(outcome: PoolOutcome): void;
  /** Asked before each machine, the first ones too: false leaves it as it is. */
  mayGoOn(id: string): boolean;
}

/**
 * Writes pools and reads them back, machine by machine. The first ones go alone: if none of them is seen with the new pools, the
 * change stops there.
 */
export async function changePools(asked: readonly PoolTarget[], options: PoolChangeOptions): Promise<void> {
  const targets = asked.filter(({ id }) => options.mayGoOn(id));
  for (const target of asked) if (!targets.includes(target)) leave(target.id, options);
  const scouts = targets.slice(0, Math.min(3, targets.length));
  const results = await Promise.all(scouts.map((target) => changeOne(target, options)));
  const rest = targets.slice(scouts.length);
  if (rest.length > 0 && !results.includes('seen')) {
    for (const { id } of rest)
      options.onOutcome({
        id,
        stage: 'failed',
        fault: undefined,
        why: 'not begun: none of the first three was seen with the new pools',
      });
    return;
  }
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next; at < rest.length; at = next) {
      next = at + 1;
      await changeOne(rest[at]!, options);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.atOnce, rest.length) }, worker));
}

function leave(id: string, options: PoolChangeOptions): 'failed' {
  const why = 'not begun: it is in shadow, where nothing is written';
  options.onOutcome({ id, stage: 'failed', fault: undefined, why });
  return 'failed';
}

async function changeOne({ id, write, seen }: PoolTarget, options: PoolChangeOptions): Promise<PoolStage> {
  const tell = (stage: PoolStage, more: { fault?: Fault; why?: string } = {}): PoolStage => {
    options.onOutcome({ id, stage, fault: more.fault, why: more.why });
    return stage;
  };
  // Idempotent: a machine that has them already is not restarted for nothing.
  try {
    if ((await seen()) === true) return tell('seen', { why: 'it had them already' });
  } catch (error) {
    return tell('failed', { fault: asFault(error) });
  }
  if (!options.mayGoOn(id)) return leave(id, options);
  if (write === undefined) return tell('failed', { why: 'its driver cannot write pools' });
  tell('sent');
  try {
    await write();
    tell('acknowledged');
  } catch (error) {
    const fault = asFault(error);
    // Silence after a write may be the restart it asked for: the reading decides.
    if (fault.kind !== 'timeout') return tell('failed', { fault });
  }
  let last: Fault | undefined;
  for (let tries = 0; tries < options.tries; tries += 1) {
    await options.pause(options.pauseMs);
    try {
      if ((await seen()) === true) return tell('seen');
      last = undefined;
    } catch (error) {
      last = asFault(error);
    }
  }
  return tell('failed', {
    ...(last === undefined ? {} : { fault: last }),
    why: 'acknowledged, and not seen with the new pools',
  });
}
