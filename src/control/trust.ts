import { Fault } from '../model/index.ts';

/**
 * How far a site may act. In **shadow** it plans, says what it would do, and writes to nothing: every write of control
 * goes through `mustAct` first. A person raises a site to **auto**.
 */
export type Trust = 'shadow' | 'auto';

/** @throws Fault `refused` in shadow: nothing leaves control. */
export function mustAct(trust: Trust, what: string): void {
  if (trust === 'shadow') throw new Fault('refused', `${what}: this site is in shadow and writes to nothing`);
}
