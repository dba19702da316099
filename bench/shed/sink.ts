/** The other end of the yardstick, in a process of its own: takes every connection, reads what comes, and says nothing. */
import { createServer } from 'node:net';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.resume();
});
server.listen({ host: '0.0.0.0', port: 0, backlog: 8192 }, () => {
  const address = server.address();
  process.send?.({ type: 'ready', port: typeof address === 'object' ? address?.port : undefined });
});
process.on('disconnect', () => process.exit(0));
