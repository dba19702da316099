import { isAbsolute } from 'node:path';
import { z } from 'zod';
import * as shapes from '../model/api.ts';
import { isoUtc } from '../model/index.ts';
import { actorOf, personOf } from './access/policy.ts';
import { Busy, type Job } from './backup.ts';
import { ApiProblem } from './problems.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

/** Copies of the running site, and taking one over. Folders are those of the server's machine. */
export function backupRoutes(app: App, runtime: Runtime): void {
  app.post(
    '/api/v1/backups',
    {
      config: { needs: 'admin' },
      schema: {
        tags: ['backup'],
        summary: 'Begin a backup of ledger, history, site file and encrypted secrets, while the site runs on',
        body: shapes.backupRequest,
        response: { 202: shapes.jobStarted },
      },
    },
    (request, reply) => {
      const { to, keep, why = 'asked for' } = request.body;
      mustBeAbsolute(to);
      const job = begun(() => runtime.jobs.backUp({ to, keep, who: actorOf(personOf(request)), why }));
      void reply.code(202);
      return { id: job.id };
    },
  );

  app.get(
    '/api/v1/backups/:id',
    {
      config: { needs: 'admin' },
      schema: {
        tags: ['backup'],
        summary: 'How far a backup or restore is',
        params: z.object({ id: z.string() }),
        response: { 200: shapes.jobView },
      },
    },
    ({ params: { id } }) => {
      const job = runtime.jobs.get(id);
      if (job === undefined) throw new ApiProblem(404, 'Not found', `no backup or restore "${id}" in this run`);
      return viewOf(job);
    },
  );

  app.post(
    '/api/v1/restore',
    {
      // Accounts and tokens are in a backup: who restores one chooses who may sign in.
      config: { needs: 'admin', credentials: true },
      schema: {
        tags: ['backup'],
        summary: 'Verify a backup and take it over: the server starts again, machines keep running',
        body: shapes.restoreRequest,
        response: { 202: shapes.jobStarted },
      },
    },
    (request, reply) => {
      const { path, why, onlyLook } = request.body;
      mustBeAbsolute(path);
      const job = begun(() => runtime.jobs.restore({ path, why, onlyLook, who: actorOf(personOf(request)) }));
      void reply.code(202);
      return { id: job.id };
    },
  );
}

function begun(begin: () => Job): Job {
  try {
    return begin();
  } catch (error) {
    const title = error instanceof Busy ? 'Busy' : 'Cannot be restored';
    throw new ApiProblem(409, title, error instanceof Error ? error.message : String(error));
  }
}

function mustBeAbsolute(path: string | undefined): void {
  if (path !== undefined && !isAbsolute(path))
    throw new ApiProblem(
      400,
      'The request is not what was expected',
      `"${path}" is no whole path of the server's machine`,
    );
}

const viewOf = ({ id, kind, who, startedMs, state, doneBytes, totalBytes, path, error }: Job): shapes.JobView => ({
  id,
  kind,
  who,
  startedAt: isoUtc(startedMs),
  state,
  doneBytes,
  totalBytes: totalBytes === 0 ? null : totalBytes,
  path: path ?? null,
  error: error ?? null,
});
