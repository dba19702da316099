import { performServerHandshake, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';

/** gRPC as its protocol page has it: unary calls over HTTP/2 without TLS, which is all a miner's API speaks. */

/** Codes of the protocol page. */
export const GRPC = {
  ok: 0,
  invalid: 3,
  notFound: 5,
  unimplemented: 12,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type GrpcAnswer =
  | { readonly message: Buffer; readonly headers?: Readonly<Record<string, string>> }
  | { readonly code: number; readonly words: string };

type Answer = (method: string, request: Buffer, headers: IncomingHttpHeaders) => GrpcAnswer;

const TYPE = 'application/grpc';
/** Before each message: whether it is compressed, and its length. */
const PREFIX = 5;
const LONGEST = 1 << 20;

/** @param answer of a call by its path, `/package.Service/Method` */
export function serveGrpc(socket: Socket, answer: Answer): void {
  const session = performServerHandshake(socket);
  session.on('error', () => socket.destroy());
  session.on('stream', (stream, headers) => {
    const parts: Buffer[] = [];
    let size = 0;
    stream.on('error', () => stream.close());
    stream.on('data', (part: Buffer) => {
      size += part.length;
      if (size > LONGEST) stream.close();
      else parts.push(part);
    });
    stream.on('end', () => respond(stream, headers, Buffer.concat(parts), answer));
  });
}

function respond(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer, answer: Answer): void {
  if (stream.destroyed) return;
  const result = resultOf(headers, body, answer);
  if ('code' in result) {
    const told = { 'grpc-status': String(result.code), 'grpc-message': encodeURIComponent(result.words) };
    stream.respond({ ':status': 200, 'content-type': TYPE, ...told }, { endStream: true });
    return;
  }
  stream.respond({ ':status': 200, 'content-type': TYPE, ...result.headers }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(GRPC.ok) }));
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(result.message.length, 1);
  stream.end(Buffer.concat([prefix, result.message]));
}

function resultOf(headers: IncomingHttpHeaders, body: Buffer, answer: Answer): GrpcAnswer {
  const isWhole = body.length >= PREFIX && body[0] === 0 && body.readUInt32BE(1) === body.length - PREFIX;
  if (!isWhole) return { code: GRPC.invalid, words: 'expected one message that is not compressed' };
  try {
    return answer(headers[':path'] ?? '', body.subarray(PREFIX), headers);
  } catch (error) {
    if (error instanceof RangeError) return { code: GRPC.invalid, words: error.message };
    throw error;
  }
}
