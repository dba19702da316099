import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpPort } from '../../src/drivers/wire/http.ts';
import type { HttpPort } from '../../src/model/index.ts';
import { replyOf, type Answer } from './feed-worlds.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface TestServer {
  readonly url: string;
  readonly http: HttpPort;
  readonly asked: Asked[];
  close(): Promise<void>;
}

/** A real server on loopback, and the real transport to it. An answer of `undefined` never comes. */
export async function serve(answer: (asked: Asked) => Answer | undefined): Promise<TestServer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
      const one: Asked = {
        method: request.method!,
        path: pathname,
        query: searchParams,
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      asked.push(one);
      const given = answer(one);
      if (given === undefined) return;
      const { status, headers, body } = replyOf(given);
      response.writeHead(status, headers).end(body);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const port = httpPort();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    http: port,
    asked,
    async close() {
      await port.close();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
