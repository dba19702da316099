import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fault, type FaultKind } from '../model/index.ts';
import { limitGang } from './gang.ts';

const KINDS = [undefined, 'refused', 'unsupported', 'timeout', 'unreachable', 'unauthorised', 'garbled'] as const;

/** A server that fails as it is told: after a `timeout` it has done it all the same. */
function server(id: string, fails: FaultKind | undefined, undoFails: boolean) {
  const state = { isLimited: false };
  return {
    id,
    state,
    async apply() {
      if (fails === undefined || fails === 'timeout') state.isLimited = true;
      if (fails !== undefined) throw new Fault(fails, id);
    },
    async undo() {
      if (undoFails) throw new Fault('unreachable', id);
      state.isLimited = false;
    },
  };
}

test('whatever fails: all servers of a gang are limited or none is, but for those that are named', async () => {
  const one = fc.record({ fails: fc.constantFrom(...KINDS), undoFails: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 6 }), async (all) => {
      const servers = all.map(({ fails, undoFails }, i) => server(`s${i}`, fails, undoFails));
      const { faults, stuck } = await limitGang(servers);
      const limited = servers.filter(({ state }) => state.isLimited).map(({ id }) => id);
      if (faults.size === 0) expect(limited).toHaveLength(servers.length);
      else for (const id of limited) expect(stuck).toContain(id);
      expect([...faults.keys()].sort()).toEqual(
        servers.filter((_, i) => all[i]!.fails !== undefined).map(({ id }) => id),
      );
    }),
  );
});
