import type { Role } from '../../../src/model/api.ts';
import type { Small } from './small.ts';
import { createSessions } from '../../../src/server/access/sessions.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Adds an account and asks as it, by a session of its own. Paths begin after `/api/v1`. */
export async function askAs(
  { runtime, api, port }: Pick<Small, 'runtime' | 'api' | 'port'>,
  name: string,
  role: Role,
  tenant?: string,
): Promise<(method: string, path: string, body?: object) => Promise<Answer>> {
  await runtime.store.accounts.add({ name, role, tenant, passwordHash: 'no password opens this', createdMs: 0 });
  const { token } = await createSessions(runtime.store.accounts, Date.now).start(name, '127.0.0.1', 'a test');
  return async (method, path, body) => {
    const reply = await api.server.inject({
      method: method as 'GET',
      url: `/api/v1${path}`,
      headers: { host: `127.0.0.1:${port}`, authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { payload: body }),
    });
    return { status: reply.statusCode, body: reply.body === '' ? undefined : (JSON.parse(reply.body) as unknown) };
  };
}
