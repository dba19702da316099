import { createServer } from 'node:net';
import { CliError } from './output.ts';

/** @throws CliError where the port cannot be opened */
export function mustBeFree(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new CliError(
          `port ${port} cannot be opened (${error.code ?? error.message})`,
          'is another Busbar running? Choose another with --port or BUSBAR_PORT',
        ),
      ),
    );
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()));
  });
}
