import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import type { Problem } from '../model/api.ts';
import { Fault } from '../model/index.ts';
import { StoreFailure } from '../store/queue.ts';

/** An error that is the caller's, as RFC 9457 problem details. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly title: string;
  /** What is wrong with which field of what was sent, as `body.projects.0.account`. */
  readonly errors: Problem['errors'];
  constructor(status: number, title: string, detail: string, errors?: Problem['errors']) {
    super(detail);
    this.status = status;
    this.title = title;
    this.errors = errors;
  }
}

/** A site file that is not followed: every mistake with its place. */
export class SiteFileProblem extends Error {
  readonly problems: readonly SiteFileMistake[];
  constructor(problems: readonly SiteFileMistake[]) {
    super('the site file has mistakes and is not followed; the site runs on as it was');
    this.problems = problems;
  }
}

interface SiteFileMistake {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request is not what was expected',
  401: 'Sign in first',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  413: 'Too large',
  415: 'Not JSON',
  429: 'Too many requests',
  500: 'Busbar has a bug here',
};

/** To a customer: whose token it is, and where it lies, is the site's to know. */
const NOT_TAKEN = 'it does not take the credentials that the site has for this; whoever runs the site can mend it';

/**
 * What a cluster cannot or will not do is the caller's to know; what it does not answer is nobody's fault here.
 * @param silent said in place of a fault that names addresses of the site
 */
export async function orProblem<T>(act: () => T | Promise<T>, silent?: string): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { kind, message } = error;
    if (kind === 'refused') throw new ApiProblem(409, 'Refused', message);
    if (kind === 'unsupported') throw new ApiProblem(409, 'Not on this cluster', message);
    if (kind === 'unauthorised')
      throw new ApiProblem(502, 'The cluster does not know who asks', silent === undefined ? message : NOT_TAKEN);
    throw new ApiProblem(502, 'The cluster does not answer', silent ?? message);
  }
}

export function problemOf(error: unknown, request: FastifyRequest): Problem {
  const instance = request.url.split('?')[0] ?? request.url;
  if (error instanceof ApiProblem) {
    const { title, status, message: detail, errors } = error;
    return { type: 'about:blank', title, status, detail, instance, ...(errors !== undefined && { errors }) };
  }
  if (error instanceof SiteFileProblem) {
    const errors = error.problems.map(({ file, line, column, path, message }) => ({
      path: `${file}:${line}:${column} ${path}`.trim(),
      message,
    }));
    return {
      type: 'about:blank',
      title: 'The site file has mistakes',
      status: 422,
      detail: error.message,
      instance,
      errors,
    };
  }
  if (error instanceof StoreFailure) {
    const detail = `nothing was changed: the store cannot be written or read (${error.message})`;
    return { type: 'about:blank', title: 'The store does not answer', status: 503, detail, instance };
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map((issue) => ({
      path: `${error.validationContext ?? ''}${issue.instancePath.replaceAll('/', '.')}`,
      message: issue.message ?? 'not valid',
    }));
    const detail = errors.map((one) => `${one.path}: ${one.message}`).join('; ');
    return { type: 'about:blank', title: TITLES[400]!, status: 400, detail, instance, errors };
  }
  const { statusCode, message } = error as FastifyError;
  const status = statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : 500;
  // What broke inside is for the log; it may hold what a caller must not see.
  const detail = status === 500 ? 'The log of the server has the details.' : message;
  return { type: 'about:blank', title: TITLES[status] ?? 'Error', status, detail, instance };
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply.code(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem));
}
