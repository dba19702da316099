import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly user: string | undefined;
  readonly token: string | undefined;
  readonly body: unknown;
}

/** What the server answers with: a status, and JSON, or text where it is a string. */
export interface Answer {
  readonly status?: number;
  readonly body: unknown;
}

/**
 * A small slurmrestd: paths and error texts of 22.05, `v0.0.38`. A wrong token is a plain-text 401, a path it does not
 * know a plain-text 404, as there.
 *
 * @param answers by `GET /nodes/` and so on, below the version; may be changed between requests
 */
export async function slurmrestd(answers: Record<string, Answer>, token: string) {
  const requests: SeenRequest[] = [];
  const server: Server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const path = url.replace('/slurm/v0.0.38', '');
      requests.push({
        method,
        path,
        user: headers['x-slurm-user-name'] as string | undefined,
        token: headers['x-slurm-user-token'] as string | undefined,
        body: text === '' ? undefined : JSON.parse(text),
      });
      const plain = (status: number, said: string) =>
        response.writeHead(status, { 'content-type': 'text/plain' }).end(said);
      if (headers['x-slurm-user-token'] !== token) return plain(401, 'Authentication failure');
      const answer = answers[`${method} ${path}`];
      if (answer === undefined) return plain(404, 'Unable find requested URL');
      if (typeof answer.body === 'string') return plain(answer.status ?? 200, answer.body);
      return response
        .writeHead(answer.status ?? 200, { 'content-type': 'application/json' })
        .end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, close };
}
