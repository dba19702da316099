import { expect } from 'vitest';
import type { Truth } from '../../../sim/truth.ts';
import { QUARTER, quarterStart, type Interval, type Plan } from '../../../src/model/index.ts';
import { startSmall, type Small, type SmallOptions } from './small.ts';

/** Everything that is told or true while a site runs. */
export interface Watched extends Small {
  readonly plans: Plan[];
  readonly booked: Interval[];
  readonly truths: Truth[];
  readonly lookedAhead: string[];
}

const open: { stop(): Promise<void> }[] = [];
/** Ends every site that was started; for afterEach. */
export async function stopAll(): Promise<void> {
  for (const one of open.splice(0)) await one.stop();
}

/** Starts a small site and writes down what happens on it. */
export async function live(options: SmallOptions): Promise<Watched> {
  const small = await startSmall(options);
  const plans: Plan[] = [];
  const booked: Interval[] = [];
  const truths: Truth[] = [];
  const lookedAhead: string[] = [];
  small.runtime.events.on('plan', (plan) => plans.push(plan));
  small.runtime.events.on('interval', (interval) => booked.push(interval));
  const timer = setInterval(() => {
    truths.push(small.sim.truth());
    const now = small.runtime.clock.now();
    for (const { name, points } of small.runtime.markets.series.values()) {
      if (points.at(-1) !== undefined && points.at(-1)!.start > now) lookedAhead.push(name);
    }
  }, 60);
  open.push({
    async stop() {
      clearInterval(timer);
      await small.close();
    },
  });
  return { ...small, plans, booked, truths, lookedAhead };
}

/** Machines of a group by mode, as last seen. */
export const modesOf = ({ runtime }: Small, group: string) => runtime.picture().groups.get(group)?.modes ?? {};
/** The price in force. */
export const price = ({ runtime }: Small) => runtime.markets.value('priceUsdPerMwh', runtime.clock.now());

/** Nothing of the future was told, and no plan took more for known than the running quarter-hour. */
export function expectNoLookAhead(site: Watched): void {
  expect(site.lookedAhead).toEqual([]);
  for (const plan of site.plans) {
    const known = plan.steps.filter((step) => step.known);
    for (const step of known) {
      // What is known ends with the quarter-hour in which the plan was made.
      expect(step.start).toBeLessThan(quarterStart(plan.madeAt) + QUARTER);
      expect(step.priceUsdPerMwh).toBe(site.runtime.markets.value('priceUsdPerMwh', plan.madeAt));
    }
  }
}
