import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { actorOf } from './access/policy.ts';
import { ApiProblem } from './problems.ts';
import type { Runtime } from './runtime.ts';

/**
 * A refusal of what somebody asked for is on record as well: who tried, what, and why not. Whoever is not signed in goes to the
 * log alone: a name they have not, and they must not be able to fill the ledger.
 */
export function refusalsOnRecord(runtime: Pick<Runtime, 'journal' | 'clock'>, what: string) {
  return async (request: FastifyRequest, _reply: FastifyReply, error: Error): Promise<void> => {
    if (!(error instanceof ApiProblem) || error.status === 429) return;
    const person = request.signed?.person;
    if (person === undefined) {
      request.log.warn({ from: request.ip, status: error.status }, `refused: ${what}`);
      return;
    }
    runtime.journal.act({
      id: `refused-${randomUUID()}`,
      at: runtime.clock.now(),
      who: actorOf(person),
      what: `refused: ${what}`,
      why: error.message,
    });
  };
}
