import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { builtPages, CHROMIUM, openBrowser, picture, SCREENS, wideBy, type Pages } from '../support/browser.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** Customers on the page: an admin adds one and changes another, from the dialog to the site file and back to the row. */

const TIMEOUT = { timeout: 120_000 };

describe.skipIf(CHROMIUM === undefined)('customers on the page (left out where CHROMIUM_PATH is not set)', () => {
  let site: Small;
  let pages: Pages;

  beforeAll(async () => {
    site = await startSmall({
      offset: 14_620,
      from: '2026-03-23T20:01:00Z',
      speed: 1,
      pages: builtPages(),
      adjust: (raw) => {
        raw.tenants = [
          {
            id: 'brown',
            name: 'Brown Labs',
            projects: [{ id: 'all', account: 'brown' }],
            runAs: [{ cluster: 'slurm', user: 'brown', token: { env: 'BROWN_JWT' } }],
          },
        ];
      },
    });
    for (const [name, role] of [
      ['ada', 'admin'],
      ['ann', 'operator'],
    ] as const)
      await site.runtime.store.accounts.add({ name, role, passwordHash: 'none', createdMs: 0 });
    pages = await openBrowser(site);
  }, 120_000);
  afterAll(async () => {
    await pages?.close();
    await site?.close();
  });

  const tenants = () => site.runtime.site.tenants;
  const inFile = () =>
    (parse(readFileSync(join(site.folder, 'site.yaml'), 'utf8')) as { tenants: { id: string }[] }).tenants;
  const dialogOf = async (page: Page, button: string, title: string) => {
    await page.locator('#tenants').getByRole('button', { name: button }).click();
    return page.getByRole('dialog', { name: title });
  };

  test('an operator sees customers and changes none', TIMEOUT, async () => {
    const page = await pages.open({ who: 'ann', ready: '#tenants' });
    const add = page.locator('#tenants').getByRole('button', { name: 'Add a customer…' });
    expect([await add.isDisabled(), await add.getAttribute('title')]).toEqual([true, 'It takes the role admin']);
  });

  test('a customer is added: faults at their fields, a preview, then the site file and the row', TIMEOUT, async () => {
    const page = await pages.open({ who: 'ada', ready: '#tenants' });
    const dialog = await dialogOf(page, 'Add a customer…', 'Add a customer');
    const add = dialog.getByRole('button', { name: 'Add', exact: true });
    const preview = dialog.getByRole('button', { name: 'Preview' });
    await dialog.getByLabel('Id').fill('brown');
    await dialog.getByText('is a customer already').waitFor();
    await dialog.getByLabel('Id').fill('acme');
    await dialog.getByLabel('Name', { exact: true }).fill('Acme Research');
    await dialog.getByLabel('Project', { exact: true }).fill('vision');
    await dialog.getByLabel('Account', { exact: true }).fill('brown');
    await dialog.getByLabel('GPUs at once').first().fill('many');
    expect(await preview.isDisabled()).toBe(true);
    await dialog.getByLabel('Why').fill('signed on Monday');
    await preview.click();
    const fault = (label: string) =>
      dialog.locator('.tenant-field', { hasText: label }).locator('.field-fault').first();
    expect(await fault('GPUs at once').innerText()).toMatch(/expected number/i);
    await dialog.getByLabel('GPUs at once').first().fill('16');
    await preview.click();
    expect(await fault('Account').innerText()).toMatch(/account of project "all" of tenant "brown"/);
    await picture(page, 'tenants fault');
    await dialog.getByLabel('Account', { exact: true }).fill('acme-vision');
    await dialog.getByLabel('Members').fill('ann, abe');
    await dialog.getByLabel('Budget').fill('900');
    expect(await add.isDisabled()).toBe(true);
    await preview.click();
    const changes = dialog.getByRole('region', { name: 'What it would change' });
    await changes.waitFor();
    expect(await changes.innerText()).toMatch(/1 change of the site file:\s+tenants\[acme\]: added/);
    expect(await dialog.locator('.field-fault').count()).toBe(0);
    expect(tenants().map(({ id }) => id)).toEqual(['brown']);
    await picture(page, 'tenants preview');
    await add.click();
    await dialog.waitFor({ state: 'detached' });
    await page.locator('#tenants tbody tr', { hasText: 'Acme Research' }).waitFor();
    expect(tenants().at(-1)).toMatchObject({
      id: 'acme',
      quota: { gpus: 16 },
      projects: [
        {
          id: 'vision',
          account: 'acme-vision',
          members: ['ann', 'abe'],
          budget: { usdPerMonth: 900, alertPct: [50, 80, 100], onExceeded: 'alert' },
        },
      ],
    });
    expect(inFile().map(({ id }) => id)).toEqual(['brown', 'acme']);
    const acts = await until('its act', async () =>
      (await site.runtime.store.acts(20)).filter(({ what }) => what.includes('tenants[acme]')),
    );
    expect(acts).toMatchObject([{ who: 'ada', why: 'signed on Monday' }]);
    expect(pages.errors).toEqual([]);
  });

  test('a customer is changed, and keeps as whom its jobs run', TIMEOUT, async () => {
    const page = await pages.open({ who: 'ada', ready: '#tenants' });
    const dialog = await dialogOf(page, 'Change Brown Labs', 'Change Brown Labs');
    await dialog.getByRole('button', { name: 'Another project' }).click();
    const second = dialog.getByRole('group', { name: 'Project 2' });
    await second.getByLabel('Project', { exact: true }).fill('fluids');
    await second.getByLabel('Account', { exact: true }).fill('brown-fluids');
    await second.getByLabel('GPU-hours/month').fill('400');
    await dialog.getByLabel('Why').fill('a second group');
    await dialog.getByRole('button', { name: 'Preview' }).click();
    await dialog.getByText(/tenants\[brown\]\.projects\[fluids\]: added/).waitFor();
    await dialog.getByRole('button', { name: 'Change', exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.locator('#tenants').getByText('all, fluids').waitFor();
    const brown = tenants().find(({ id }) => id === 'brown')!;
    expect(brown.projects.map(({ id }) => id)).toEqual(['all', 'fluids']);
    expect(brown.runAs).toMatchObject([{ user: 'brown', token: { env: 'BROWN_JWT' } }]);
  });

  test.each(SCREENS)('fits %s', TIMEOUT, async (name, width, colorScheme) => {
    const window = { viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce' } as const;
    const page = await pages.open({ who: 'ada', ready: '#tenants', ...window });
    await page.locator('#tenants').scrollIntoViewIfNeeded();
    expect(await wideBy(page)).toBe(0);
    await picture(page.locator('#tenants'), `tenants card ${name}`);
    const dialog = await dialogOf(page, 'Change Brown Labs', 'Change Brown Labs');
    expect(await dialog.evaluate((one) => one.scrollWidth - one.clientWidth)).toBe(0);
    await picture(page, `tenants dialog ${name}`);
    expect(pages.errors).toEqual([]);
  });
});
