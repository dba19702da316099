import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { studySchema } from '../../src/strategy/study.ts';
import { runStudy } from '../../src/strategy/run.ts';
import { joinSeries, readSeries } from '../../src/strategy/recordings.ts';
import { checkSiteFile } from '../../src/server/offline/check.ts';
import { readdir, readFile } from 'node:fs/promises';
import { builtPages, CHROMIUM, openBrowser, wideBy, type Opening, type Pages } from '../support/browser.ts';
import { ROOT, startSmall, type Small } from '../support/site/small.ts';

/** The page of the conversion study in a real browser. The studies are real ones, of the demo site and its week. */

const TIMEOUT = { timeout: 120_000 };

describe.skipIf(CHROMIUM === undefined)('the conversion page (left out where CHROMIUM_PATH is not set)', () => {
  let site: Small;
  let pages: Pages;
  let study: (body: unknown) => ReturnType<typeof runStudy>;

  beforeAll(async () => {
    const checked = await checkSiteFile(join(ROOT, 'examples', 'demo-40mw', 'site.yaml'));
    if (!checked.ok) throw new Error('the demo is good');
    const week = join(ROOT, 'examples', 'week-2026-03-23');
    const files = (await readdir(week)).map((name) => join(week, name));
    const series = joinSeries(
      await Promise.all(files.map(async (file) => readSeries(await readFile(file, 'utf8'), file))),
    );
    study = (body) =>
      runStudy({
        site: checked.site,
        machines: checked.machines,
        series,
        study: studySchema.parse(body),
        intervals: [],
      });
    site = await startSmall({ offset: 11_760, from: '2026-03-24T00:31:00Z', speed: 60, pages: builtPages() });
    pages = await openBrowser(site);
  }, 120_000);
  afterAll(async () => {
    await pages?.close();
    await site?.close();
  });

  async function open(window: Opening = {}) {
    const asked: { assumptions?: Record<string, number> }[] = [];
    const page = await pages.open({
      ...window,
      at: '/#/convert',
      ready: '.convert-answer h1',
      async prepare(context) {
        await context.route('**/api/v1/convert', async (route) => {
          const body = route.request().postDataJSON() as (typeof asked)[number];
          asked.push(body);
          await route.fulfill({ json: study(body) });
        });
      },
    });
    return { page, complaints: pages.complaints, asked };
  }

  test(
    'shows answer, ranking, curves, tornado, cash, plan and sources, and complains about nothing',
    TIMEOUT,
    async () => {
      const { page, complaints } = await open();
      expect(await page.locator('.convert-answer h1').innerText()).toBe(study({}).conclusion.sentence);
      expect(await page.locator('.convert-note').first().innerText()).toMatch(/7 days of prices/);
      expect(await page.locator('.ranking li').count()).toBe(4);
      expect(await page.locator('.curve canvas').count()).toBe(4);
      expect(await page.locator('.tornado li').count()).toBeGreaterThan(5);
      expect(await page.locator('.cash-chart rect').count()).toBe(10);
      expect(await page.locator('.timeline-track').count()).toBe(5);
      await page.getByRole('button', { name: /Discount rate/ }).click();
      expect(await page.locator('.assumptions .is-open p').innerText()).toContain('discountPct');
      expect(await wideBy(page)).toBe(0);
      expect(complaints).toEqual([]);
    },
  );

  test('a handle asks anew, with what was moved; "As assumed" goes back', TIMEOUT, async () => {
    const { page, asked } = await open();
    const before = await page.locator('.ranking-gain').first().innerText();
    await page.locator('input[name=gpuRentFactor]').fill('2');
    await page.locator('.convert[aria-busy=false]').waitFor();
    expect(asked.at(-1)?.assumptions).toEqual({ gpuRentFactor: 2 });
    expect(await page.locator('.ranking-gain').first().innerText()).not.toBe(before);
    await page.getByRole('button', { name: 'As assumed', exact: true }).click();
    await page.waitForFunction((text) => document.querySelector('.ranking-gain')?.textContent === text, before);
  });

  test('fits a phone, in the dark too; the way to the site and back', TIMEOUT, async () => {
    const { page, complaints } = await open({ viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
    expect(await wideBy(page)).toBe(0);
    await page.getByRole('link', { name: 'Site', exact: true }).click();
    await page.locator('#sentence').waitFor();
    await page.goBack();
    await page.locator('.convert-answer h1').waitFor();
    expect(complaints).toEqual([]);
  });
});
