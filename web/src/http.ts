import type { Problem } from '../../src/model/api.ts';

/** An answer that is not the one hoped for: a problem the server described (RFC 9457), or no answer at all. */
export class ApiError extends Error {
  readonly title: string;
  readonly detail: string;
  /** 0 when the server did not answer. */
  readonly status: number;
  /** What is wrong with which field of what was sent. */
  readonly errors: NonNullable<Problem['errors']>;

  constructor(title: string, detail: string, status: number, errors: Problem['errors'] = []) {
    super(`${title}: ${detail}`);
    this.title = title;
    this.detail = detail;
    this.status = status;
    this.errors = errors;
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => undefined)) as Partial<Problem> | undefined;
  return new ApiError(
    body?.title ?? `HTTP ${response.status}`,
    body?.detail ?? (response.statusText || 'The server gave no reason.'),
    response.status,
    body?.errors,
  );
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** JSON of the API under /api/v1; throws `ApiError` and nothing else but an abort. */
export async function api<T>(path: string, { method = 'GET', body, signal }: Ask = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers:
        body === undefined
          ? { accept: 'application/json' }
          : { accept: 'application/json', 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiError('Busbar does not answer', 'No connection to the server of this page.', 0);
  }
  if (!response.ok) throw await problemOf(response);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

/** Title and detail of anything thrown, for a message on the page. */
export const explain = (error: unknown): { title: string; detail: string } =>
  error instanceof ApiError ? error : { title: 'Something went wrong on this page', detail: String(error) };
