import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forecastScores } from '../../src/model/api.ts';
import { builtPages, CHROMIUM, openBrowser, picture, wideBy, type Opening, type Pages } from '../support/browser.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** The built page in a real browser, against a small site that lives. */

const TIMEOUT = { timeout: 120_000 };

describe.skipIf(CHROMIUM === undefined)('the page (left out where CHROMIUM_PATH is not set)', () => {
  let site: Small;
  let pages: Pages;

  beforeAll(async () => {
    site = await startSmall({ offset: 11_320, from: '2026-03-24T00:31:00Z', speed: 60, pages: builtPages() });
    // Before it there is nothing to tell, and a browser writes every 404 down as an error.
    await until('a first plan', () => site.runtime.plan());
    await until('something in Activity', async () => (await site.runtime.store.acts(1)).length > 0);
    pages = await openBrowser(site);
  }, 120_000);
  afterAll(async () => {
    await pages?.close();
    await site?.close();
  });

  async function open(window: Opening = {}) {
    const page = await pages.open({ ready: '#sentence', ...window });
    return { page, complaints: pages.complaints, foreign: pages.foreign };
  }

  const clock = (page: Page) => page.locator('.site-clock time').getAttribute('datetime');

  test(
    'shows sentence, power bar, strip, machines, alarms and activity, and complains about nothing',
    TIMEOUT,
    async () => {
      const { page, complaints, foreign } = await open();
      expect(await page.locator('#sentence').innerText()).toMatch(/of 400 kW/);
      await page.locator('.power-bar').waitFor();
      await page.locator('#strip canvas').first().waitFor();
      expect(await page.locator('.power-bar').getAttribute('aria-label')).toMatch(/W/);
      await page.locator('#machines').getByText('a-s21-0001').first().waitFor();
      await page.locator('#activity').getByText('by planner').first().waitFor();
      expect(await page.locator('#alarms').innerText()).toMatch(/Alarms/);
      expect(await page.locator('#cohorts').innerText()).toContain('d-s21xp');
      expect(await page.locator('#work').innerText()).toContain('h100-reserved');
      expect(await page.title()).toMatch(/Busbar$/);
      expect(await page.locator('.top-bar').innerText()).toMatch(/emulated/i);
      expect(await wideBy(page)).toBe(0);
      expect(complaints).toEqual([]);
      expect(foreign).toEqual([]);
    },
  );

  test.each([
    ['wide and light', 1440, 'light'],
    ['narrow and dark', 390, 'dark'],
  ] as const)('tells why the plan is as it is, %s', TIMEOUT, async (name, width, colorScheme) => {
    const { page, complaints } = await open({ viewport: { width, height: 900 }, colorScheme });
    const why = page.locator('.plan-why', { hasText: 'Why this plan' });
    await why.getByText('Why this plan').click();
    expect(await why.innerText()).toMatch(/What changes now[^]+Limits that bind[^]+Prices that change a mind/);
    const { cohorts } = site.runtime.plan()!.why!;
    expect(cohorts.length).toBeGreaterThan(0);
    for (const { cohort } of cohorts) await why.getByRole('rowheader', { name: cohort }).waitFor();
    expect(await wideBy(page)).toBe(0);
    expect(complaints).toEqual([]);
    await picture(page.locator('#strip'), `why ${name}`);
  });

  test.each([
    ['wide and dark', 1440, 'dark'],
    ['narrow and light', 390, 'light'],
  ] as const)('tells how far forecasts were off, %s', TIMEOUT, async (name, width, colorScheme) => {
    const { page, complaints } = await open({ viewport: { width, height: 900 }, colorScheme });
    const errors = page.locator('.plan-why', { hasText: 'How far forecasts were off' });
    await errors.getByText('How far forecasts were off').click();
    const scores = await page.evaluate(async () => (await (await fetch('/api/v1/forecast-scores')).json()) as object);
    const { scores: told } = forecastScores.parse(scores);
    const [first] = told.filter(({ what }) => what === 'priceUsdPerMwh');
    expect(first).toBeDefined();
    const row = errors.getByRole('row', { name: /Price of power/ });
    await row.waitFor();
    expect(await row.innerText()).toMatch(/\$\/MWh[^]*\d/);
    expect(await wideBy(page)).toBe(0);
    expect(complaints).toEqual([]);
    await picture(page.locator('#strip'), `errors ${name}`);
  });

  test('moves with the site, without a reload', TIMEOUT, async () => {
    const { page } = await open();
    await page.evaluate(() => Object.assign(window, { sameDocument: true }));
    const first = await clock(page);
    const later = await until('a later clock', async () => {
      const now = await clock(page);
      return now !== null && Date.parse(now) > Date.parse(first!) + 120_000 && now;
    });
    expect(later).not.toBe(first);
    site.sim.inject({ target: 'meter-a', fault: 'silent' });
    try {
      await page.locator('#alarms').getByText('Meter does not answer').first().waitFor();
    } finally {
      site.sim.inject({ target: 'meter-a', fault: 'clear' });
    }
    await page.locator('#alarms').getByText('Meter does not answer').first().waitFor({ state: 'detached' });
    expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true);
  });

  test('a person signs in by the link, holds a cohort with a reason, and finds it in Activity', TIMEOUT, async () => {
    const stranger = await open();
    const row = (page: Page) => page.locator('#cohorts tr', { hasText: 'd-s21xp' });
    expect(await row(stranger.page).getByRole('button', { name: 'Hold' }).isDisabled()).toBe(true);
    expect(await stranger.page.locator('#cohorts').innerText()).toContain('Sign in with the link');
    const { page, complaints } = await open({ at: site.api.signInLink() });
    expect(new URL(page.url()).search).toBe('');
    await row(page).getByRole('button', { name: 'Hold' }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByRole('button', { name: 'Hold' }).isDisabled()).toBe(true);
    await dialog.getByLabel('Why').fill('pump 2 is being changed');
    await dialog.getByRole('button', { name: 'Hold' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.locator('#activity').getByText('pump 2 is being changed').waitFor();
    await page.locator('#activity').getByText('by owner').first().waitFor();
    await row(page).getByRole('button', { name: 'Release' }).click();
    await dialog.getByLabel('Why').fill('pump 2 runs again');
    await dialog.getByRole('button', { name: 'Release' }).click();
    await page.locator('#activity').getByText('pump 2 runs again').waitFor();
    await row(page).getByRole('button', { name: 'Hold' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('follows the system to dark and light, and a choice outlives a reload', TIMEOUT, async () => {
    const background = (page: Page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const { page, complaints } = await open({ colorScheme: 'dark' });
    const dark = await background(page);
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await until('the light page', async () => {
      const now = await background(page);
      return now !== dark && now;
    });
    await page.getByRole('radio', { name: 'Dark' }).click();
    await until('dark by choice', async () => (await background(page)) === dark);
    await page.reload();
    await page.locator('#sentence').waitFor();
    expect(await background(page)).toBe(dark);
    expect(light).not.toBe(dark);
    expect(complaints).toEqual([]);
  });

  test('a telephone 390 px wide scrolls only down', TIMEOUT, async () => {
    const { page } = await open({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    await page.locator('#machines').getByText('a-s21-0001').first().waitFor();
    expect(await wideBy(page)).toBe(0);
    expect(await page.evaluate(() => document.documentElement.clientWidth)).toBe(390);
  });

  test('a lost stream is said, and the page comes back with the server', TIMEOUT, async () => {
    const { page } = await open();
    await site.api.close();
    const banner = page.getByText('The live stream is lost.');
    await banner.waitFor();
    expect(await page.locator('.banner').innerText()).toMatch(/Figures are as of \d\d:\d\d:\d\d UTC/);
    const frozen = await clock(page);
    // Pressed while the server is away: once it is back the page may be quicker than the mouse.
    await Promise.all([
      page.waitForRequest(/\/api\/v1\/events/u),
      page.getByRole('button', { name: 'Try now' }).click(),
    ]);
    await site.reopen();
    await banner.waitFor({ state: 'detached' });
    await until('a moving clock', async () => (await clock(page)) !== frozen);
  });
});
