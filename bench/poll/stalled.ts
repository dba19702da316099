/** Listens; the parent stops it, and once its queue of two is full no connect to it is answered any more. */
import { createServer } from 'node:net';

const server = createServer(() => {});
server.listen({ host: '0.0.0.0', port: 0, backlog: 1 }, () => {
  const address = server.address();
  process.send?.({ type: 'ready', port: typeof address === 'object' ? address?.port : undefined });
});
process.on('disconnect', () => process.exit(0));
