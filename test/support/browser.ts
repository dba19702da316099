import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { ROOT } from './site/small.ts';

/** Where the browser is; undefined: suites that need one are left out, and say so. */
export const CHROMIUM = process.env['CHROMIUM_PATH'];

/** The built pages. @throws Error with the remedy where they are not built */
export function builtPages(): string {
  const folder = join(ROOT, 'web', 'dist');
  if (!existsSync(join(folder, 'index.html'))) throw new Error('web/dist is not built: npm run build');
  return folder;
}

/** A browser that asks nobody but the page under test. */
export const launchBrowser = (more: readonly string[] = ['--disable-gpu']): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      ...more,
    ],
  });
