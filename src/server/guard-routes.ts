import { guardView } from '../model/guard.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

/** How the guard stands, as far as the server hears of it. */
export function guardRoutes(app: App, runtime: Runtime): void {
  app.get(
    '/api/v1/guard',
    {
      config: { needs: 'viewer' },
      schema: {
        tags: ['control'],
        summary: 'The guard: what it sees, what it sheds, and why nobody may wake',
        response: { 200: guardView },
      },
    },
    () => runtime.guard?.view() ?? NONE,
  );
}

const NONE = guardView.parse({
  state: 'none',
  pid: null,
  startedAt: null,
  heardMs: null,
  restarts: 0,
  noWakes: [],
  loads: [],
  underway: 0,
  failed: [],
  wouldShed: 0,
  stopped: null,
  path: { machines: 0, mw: 0 },
});
