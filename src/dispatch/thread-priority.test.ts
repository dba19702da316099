import { readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';

test.runIf(process.platform === 'linux')('a thread that steps back leaves the others where they were', async () => {
  const before = getPriority();
  const module = new URL('./thread-priority.ts', import.meta.url).href;
  const code = `
    import { readFileSync } from 'node:fs';
    import { parentPort } from 'node:worker_threads';
    import { stepBack } from ${JSON.stringify(module)};
    stepBack();
    parentPort.postMessage(readFileSync('/proc/thread-self/stat', 'utf8'));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const stat = await new Promise<string>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await worker.terminate();
  /** The 19th field, counted behind the name in parentheses (proc(5)). */
  const niceIn = (text: string): number => Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16]);
  expect(niceIn(stat)).toBe(before + 5);
  expect(getPriority()).toBe(before);
  expect(niceIn(readFileSync('/proc/thread-self/stat', 'utf8'))).toBe(before);
});
