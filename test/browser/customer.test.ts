import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builtPages, CHROMIUM, openBrowser, picture, wideBy, type Pages } from '../support/browser.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** The page as a customer sees it: what is its own, and nothing of the site. BUSBAR_PICTURES names a folder for pictures of it. */

const LIMIT_MS = 120_000;

describe.skipIf(CHROMIUM === undefined)('the page of a customer', () => {
  let site: Small;
  let pages: Pages;
  let page: Page;
  const asked: string[] = [];

  beforeAll(async () => {
    site = await startSmall({
      offset: 12_750,
      from: '2026-03-23T20:01:00Z',
      speed: 120,
      pages: builtPages(),
      adjust: (raw) => {
        const budget = { usdPerMonth: 40 };
        raw.tenants = [
          {
            id: 'acme',
            name: 'Acme Research',
            projects: [
              { id: 'training', account: 'heron-lab', budget, quota: { gpus: 24 } },
              { id: 'simulation', account: 'delta-bio', quota: { gpus: 64, gpuHoursPerMonth: 4_000 } },
            ],
          },
          { id: 'brown', name: 'Brown Labs', projects: [{ id: 'all', account: 'brown' }] },
        ];
      },
    });
    const { accounts } = site.runtime.store;
    const made = { passwordHash: 'no password opens this', createdMs: 0 };
    await accounts.add({ name: 'ann', role: 'customer', tenant: 'acme', ...made });
    pages = await openBrowser(site);
    await until('something was counted', () => site.runtime.customers.book.months().length > 0);
    page = await pages.open({ who: 'ann', ready: '#jobs', viewport: { width: 1360, height: 1000 } });
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  }, LIMIT_MS);
  afterAll(async () => {
    await pages?.close();
    await site?.close();
  });

  test('shows its projects, jobs, use, nodes and statements', { timeout: LIMIT_MS }, async () => {
    expect(await page.locator('.site-name').innerText()).toBe('Acme Research');
    expect(await page.getByText('EMULATED SITE').isVisible()).toBe(true);
    expect(await page.locator('.project').count()).toBe(2);
    await page.locator('.budget-bar').waitFor();
    await until('jobs', async () => (await page.locator('#jobs tbody tr').count()) > 0);
    await until('use', async () => /\$\d/.test(await page.locator('#usage .card-aside').innerText()), 30_000);
    await page.locator('#nodes li').first().waitFor();
    await page.getByRole('button', { name: 'March 2026' }).click();
    await page.locator('.statement tbody tr').first().waitFor();
    const submit = page.getByRole('button', { name: 'Submit a job…' });
    expect(await submit.isDisabled()).toBe(true);
    expect(await submit.getAttribute('title')).toMatch(/as which user your jobs run/);
  });

  test('asks for nothing of the site, and shows no address', { timeout: LIMIT_MS }, async () => {
    await until('it asked again', () => asked.length > 6);
    const strange = asked.filter((path) => !/^\/api\/v1\/(tenants|jobs|session)(\/|$)/.test(path));
    expect(strange).toEqual([]);
    expect(await page.locator('main').innerText()).not.toMatch(/127\.\d+\.\d+\.\d+|Orders|Cohorts/);
  });

  test('fits, in light and in dark, wide and narrow, without an error of its own', { timeout: LIMIT_MS }, async () => {
    for (const colorScheme of ['light', 'dark'] as const)
      for (const width of [1360, 390]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 1000 });
        expect(await wideBy(page), `${width} ${colorScheme}`).toBe(0);
        await picture(page, `customer-${width}-${colorScheme}`, true);
      }
    expect(pages.errors).toEqual([]);
  });
});
