import { Fault, type Trust } from '../model/index.ts';

export type { Trust };

/**
 * Every write of control goes through here first.
 * @param isConfirmed a person confirmed or ordered it: what is in suggest does that, and nothing else
 * @throws Fault `refused` in shadow, and in suggest where no person said so: nothing leaves control
 */
export function mustAct(trust: Trust, what: string, isConfirmed = false): void {
  if (mayAct(trust, isConfirmed)) return;
  throw new Fault(
    'refused',
    `${what}: ${trust === 'shadow' ? 'in shadow nothing is written' : 'no person confirmed it'}`,
  );
}

export const mayAct = (trust: Trust, isConfirmed = false): boolean =>
  trust === 'auto' || (trust === 'suggest' && isConfirmed);

/** Whose name stands beside what a plan does: it may only in auto. */
export const PLANNER = 'planner';
