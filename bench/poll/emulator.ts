/**
 * Machines for the poll benchmark, in a process of their own: one listener answers for every address of 127.0.0.0/8, the second
 * number of the address says of which family. Far less than the emulated site does, so that it costs little beside the reader.
 */
import { createServer, type Socket } from 'node:net';
import { FIRST_NET, SILENT_NET } from './addresses.ts';
import { families, type FamilyAnswer } from './families.ts';

const answers = families().map(({ answers: all }) => all.map(prepared));

interface Prepared {
  readonly key: string;
  readonly bytes: Buffer;
}

function prepared(answer: FamilyAnswer): Prepared {
  if (answer.kind === 'rpc') {
    const text = Buffer.from(answer.text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return {
      key: JSON.stringify(answer.ask),
      bytes: answer.framed ? Buffer.concat([length, text]) : Buffer.concat([text, Buffer.from([0])]),
    };
  }
  const { method, path, status, text } = answer;
  const head = `HTTP/1.1 ${status} OK\r\ncontent-type: application/json\r\nserver: lighttpd/1.4.32\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n`;
  return { key: `${method} ${path}`, bytes: Buffer.from(head + text) };
}

/** What the first machine of each family was asked, as it came. */
let heard: string[] = [];

/**
 * Between two connections it does not go to sleep: waking it is work of the kernel that counts as the client's, on a virtual machine as
 * much as the connect itself, and the faster of two clients would be spared it.
 */
const AWAKE_MS = 50;
let askedAt = 0;
let isAwake = false;
function stayAwake(): void {
  isAwake = performance.now() - askedAt < AWAKE_MS;
  if (isAwake) setImmediate(stayAwake);
}

function serve(socket: Socket): void {
  askedAt = performance.now();
  if (!isAwake) stayAwake();
  const [, net = '0', , host = '0'] = (socket.localAddress ?? '').split('.');
  socket.on('error', () => socket.destroy());
  if (Number(net) >= SILENT_NET) return void socket.resume();
  const known = answers[Number(net) - FIRST_NET] ?? [];
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const key = keyOf(text);
    if (key === undefined) return;
    if (host === '1') heard.push(Buffer.from(text, 'latin1').toString('base64'));
    const answer = known.find((one) => one.key === key) ?? known.find((one) => key.startsWith(one.key));
    if (answer === undefined) console.error(`not in the recording: ${net} ${key}`);
    socket.end(answer?.bytes ?? '');
  });
}

/** The command or the request line, as soon as the request is whole. */
function keyOf(text: string): string | undefined {
  if (/^[A-Z]+ \//.test(text)) {
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const length = Number(/^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1] ?? 0);
    return text.length >= end + 4 + length ? text.slice(0, text.indexOf(' HTTP/')) : undefined;
  }
  const start = text.indexOf('{');
  return start >= 0 && text.endsWith('}') ? text.slice(start) : undefined;
}

const server = createServer({ noDelay: true }, serve);
server.listen({ host: '0.0.0.0', port: Number(process.argv[2] ?? 0), backlog: 8192 }, () => {
  const address = server.address();
  process.send?.({ type: 'ready', port: typeof address === 'object' ? address?.port : undefined });
});
process.on('message', (message: { type: string }) => {
  if (message.type === 'forget') heard = [];
  if (message.type === 'heard') process.send?.({ type: 'heard', heard });
  if (message.type === 'cpu') process.send?.({ type: 'cpu', cpu: process.cpuUsage() });
});
process.on('disconnect', () => process.exit(0));
