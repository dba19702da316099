import { request } from 'undici';
import type { z } from 'zod';
import { problem } from '../model/api.ts';
import { CliError } from './output.ts';

export const defaultServer = (): string =>
  process.env['BUSBAR_URL'] ?? `http://127.0.0.1:${process.env['BUSBAR_PORT'] ?? '7400'}`;

/** Asks the server, and holds its answer against the shape both sides share. */
export async function ask<S extends z.ZodType>(server: string, path: string, shape: S): Promise<z.output<S>> {
  let status: number;
  let body: unknown;
  try {
    const reply = await request(new URL(path, server), { headersTimeout: 15_000, bodyTimeout: 15_000 });
    status = reply.statusCode;
    body = await reply.body.json();
  } catch (error) {
    const why = (error as { code?: string }).code ?? String(error);
    throw new CliError(
      `no Busbar at ${server} (${why})`,
      'start one with "busbar demo", or name another with --server or BUSBAR_URL',
    );
  }
  if (status >= 400) {
    const told = problem.safeParse(body);
    throw new CliError(told.success ? `${told.data.title}: ${told.data.detail}` : `${path}: status ${status}`);
  }
  const parsed = shape.safeParse(body);
  if (!parsed.success) {
    throw new CliError(
      `${server} does not speak this version's API (${parsed.error.issues[0]?.path.join('.')})`,
      'is it a Busbar of another version?',
    );
  }
  return parsed.data;
}
