import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type BrowserContext, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';
import { createSessions } from '../../src/server/access/sessions.ts';
import { ROOT, type Small } from './site/small.ts';

/** Where the browser is; undefined: suites that need one are left out, and say so. */
export const CHROMIUM = process.env['CHROMIUM_PATH'];

/** The built pages. @throws Error with the remedy where they are not built */
export function builtPages(): string {
  const folder = join(ROOT, 'web', 'dist');
  if (!existsSync(join(folder, 'index.html'))) throw new Error('web/dist is not built: npm run build');
  return folder;
}

/** Every width and colour that a page must fit. */
export const SCREENS = [
  ['wide and light', 1440, 'light'],
  ['wide and dark', 1440, 'dark'],
  ['narrow and light', 390, 'light'],
  ['narrow and dark', 390, 'dark'],
] as const;

/** A page to open, and the browser window around it. */
export interface Opening extends BrowserContextOptions {
  /** Account that is signed in; absent: nobody. */
  readonly who?: string;
  /** Below the address of the site, or a whole address such as a sign-in link; absent: the first page. */
  readonly at?: string;
  /** Selector of what shows that the page is there; absent: nothing is waited for. */
  readonly ready?: string;
  /** Done before the page asks for anything. */
  readonly prepare?: (context: BrowserContext) => Promise<void>;
}

/** A browser on one site. */
export interface Pages {
  /** Opens a page in place of the one before, with nothing of it kept. */
  open(opening?: Opening): Promise<Page>;
  /** Uncaught errors of the page that is open. */
  readonly errors: readonly string[];
  /** The same, and what it wrote to the console as an error or a warning, and breaches of its own policy. */
  readonly complaints: readonly string[];
  /** What it asked of anybody but its site. */
  readonly foreign: readonly string[];
  close(): Promise<void>;
}

/** @param more of the command line of Chromium */
export async function openBrowser(
  site: Pick<Small, 'url' | 'runtime'>,
  more: readonly string[] = ['--disable-gpu'],
): Promise<Pages> {
  const browser = await chromium.launch({
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
  const [errors, complaints, foreign]: string[][] = [[], [], []];
  let context: BrowserContext | undefined;

  async function follow(page: Page): Promise<void> {
    for (const list of [errors!, complaints!, foreign!]) list.length = 0;
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints!.push(message.text());
    });
    page.on('pageerror', (error) => {
      errors!.push(String(error));
      complaints!.push(String(error));
    });
    page.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol.startsWith('http') && host !== new URL(site.url).host) foreign!.push(request.url());
    });
    await page.exposeFunction('policyBroken', (what: string) => complaints!.push(`policy: ${what}`));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
        (window as unknown as { policyBroken(what: string): void }).policyBroken(`${violatedDirective} ${blockedURI}`),
      );
    });
  }

  return {
    errors: errors!,
    complaints: complaints!,
    foreign: foreign!,
    async open({ who, at = '/', ready, prepare, ...window } = {}) {
      await context?.close();
      context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...window });
      context.setDefaultTimeout(60_000);
      if (who !== undefined) {
        const { token } = await createSessions(site.runtime.store.accounts, Date.now).start(who, '127.0.0.1', 'a test');
        await context.addCookies([{ name: 'busbar_session', value: token, url: site.url }]);
      }
      await prepare?.(context);
      const page = await context.newPage();
      await follow(page);
      await page.goto(new URL(at, site.url).href);
      if (ready !== undefined) await page.locator(ready).waitFor();
      return page;
    },
    close: () => browser.close(),
  };
}

/** Pixels by which the whole page scrolls sideways. */
export const wideBy = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** A picture for people to look at, in the folder that BUSBAR_PICTURES names; without it none is taken. */
export async function picture(of: Page | Locator, name: string, isWhole = false): Promise<void> {
  const folder = process.env['BUSBAR_PICTURES'];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  await of.screenshot({ path: join(folder, `${name}.png`), ...(isWhole && { fullPage: true }) });
}
