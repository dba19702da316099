import { randomUUID } from 'node:crypto';
import type { Runtime } from '../runtime.ts';

/** Writes down who did what to access, and why. Never a password, never a token's secret, never a name that was mistyped. */
export type Audit = (who: string, what: string, why: string) => void;

export function createAudit(runtime: Pick<Runtime, 'store' | 'clock' | 'events'>): Audit {
  return (who, what, why) => {
    const act = { id: `access-${randomUUID()}`, at: runtime.clock.now(), who, what, why };
    runtime.store.recordAct(act);
    runtime.events.emit('activity', { ...act, byStage: {} });
  };
}
