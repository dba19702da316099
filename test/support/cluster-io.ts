import type { ClusterIo } from '../../src/clusters/cluster.ts';
import { Fault, siteMs, wallMs } from '../../src/model/index.ts';

const none = (): Promise<never> => Promise.reject(new Fault('unsupported', 'no program is here'));

/** A host without programs, whose clocks stand, and a store in memory. */
export function bareHost(): Omit<ClusterIo, 'http' | 'secret'> {
  const kept = new Map<string, string>();
  return {
    program: { run: none },
    processes: () => ({ start: none, look: none, signal: none, output: none, remove: none }),
    kept: {
      get: async (key) => kept.get(key),
      set: async (key, text) => void kept.set(key, text),
    },
    readFile: (path) => Promise.reject(new Fault('unreachable', `${path}: no such file or folder`)),
    siteNow: () => siteMs(1),
    wallNow: () => wallMs(1),
  };
}
