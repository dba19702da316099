/**
 * Listens on every address; the parent stops it, and once its queue is full no connect to it is answered any more: addresses where
 * nobody is. Beside it, machines may listen on the same port at addresses of their own.
 *
 *   node stalled.ts PORT...   (0: any)
 */
import { createServer } from 'node:net';

const ports = process.argv.slice(2).map(Number);
const open = await Promise.all(
  ports.map(
    (port) =>
      new Promise<number>((resolve) => {
        const server = createServer(() => {});
        server.listen({ host: '0.0.0.0', port, backlog: 1, reusePort: true }, () => {
          const address = server.address();
          resolve(typeof address === 'object' && address !== null ? address.port : 0);
        });
      }),
  ),
);
process.send?.({ type: 'ready', port: open[0], ports: open });
process.on('disconnect', () => process.exit(0));
