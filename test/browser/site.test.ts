import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builtPages, CHROMIUM, openBrowser, wideBy, type Pages } from '../support/browser.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** A site in shadow as its people see it: what is not written, what came over the uplinks, one machine over time. */

const LIMIT_MS = 120_000;

describe.skipIf(CHROMIUM === undefined)('the page of a site in shadow', () => {
  let site: Small;
  let pages: Pages;
  let page: Page;

  beforeAll(async () => {
    site = await startSmall({
      offset: 19_200,
      from: '2026-03-23T22:45:00Z',
      speed: 60,
      trust: 'shadow',
      pages: builtPages(),
    });
    pages = await openBrowser(site, ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader']);
    await until('a plan', () => site.runtime.plan());
    page = await pages.open({ at: site.api.signInLink(), viewport: { width: 1280, height: 900 } });
  }, LIMIT_MS);
  afterAll(async () => {
    await pages?.close();
    await site?.close();
  });

  test('says that nothing is written, and why this site cannot be raised', { timeout: LIMIT_MS }, async () => {
    const note = page.getByRole('region', { name: 'The site is in shadow' });
    await note.waitFor();
    expect(await note.innerText()).toContain('In shadow: Busbar plans, and writes to nothing');
    const raise = note.getByRole('button', { name: 'Raise to auto…' });
    expect(await raise.isDisabled()).toBe(true);
    expect(await raise.getAttribute('title')).toContain('The site file says trust: shadow');
    expect(await page.locator('#sentence').innerText()).toContain('In shadow, writing to nothing');
    expect(await page.getByText('Looking on').isVisible()).toBe(true);
  });

  test('shows every uplink with its load', { timeout: LIMIT_MS }, async () => {
    const card = page.locator('#uplinks');
    await card.waitFor();
    expect(await card.locator('tbody tr').count()).toBe(3);
    await until('a rate', async () => /[\d.]+\s*Mbit\/s/.test(await card.innerText()));
    expect(await card.innerText()).toContain('Dark fibre of hall E');
  });

  test('opens a machine, with its facts and its power over time', { timeout: LIMIT_MS }, async () => {
    await page.locator('#machine-filter').fill('a-s21-0003');
    const row = page.locator('.machine-row', { hasText: 'a-s21-0003' });
    await row.click();
    const panel = page.getByRole('dialog');
    await panel.waitFor();
    expect(await panel.innerText()).toContain('Antminer S21');
    await panel.locator('canvas').waitFor();
    const about = await panel.getByRole('img', { name: /Power, kW from/ }).getAttribute('aria-label');
    expect(about).toMatch(/last [\d.]+, least [\d.]+, most [\d.]+/);
    await panel.getByRole('button', { name: 'Hashrate, TH/s' }).click();
    await panel.getByRole('img', { name: /Hashrate, TH\/s from/ }).waitFor();
    await page.keyboard.press('Escape');
    expect(await panel.count()).toBe(0);
  });

  test('names its feeds, and what happens when one falls silent', { timeout: LIMIT_MS }, async () => {
    await page.locator('.feed-list summary').first().click();
    expect(await page.locator('.feed-list').innerText()).toContain('When silent: a value holds for two intervals');
  });

  test('has no error of its own, and fits a phone', { timeout: LIMIT_MS }, async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await wideBy(page)).toBe(0);
    expect(pages.errors).toEqual([]);
  });
});
