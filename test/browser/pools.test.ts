import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builtPages, CHROMIUM, openBrowser, type Pages } from '../support/browser.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** Pools, PDUs and machines in depth as a phone shows them, with addresses and workers as long as they really come. */

const LIMIT = { timeout: 120_000 };
/** A pool of version 2 has its public key in its address; a worker may be a payout address of 62 letters. */
const POOLS = [
  { id: 'main', url: 'stratum+tcp://127.9.2.1:3337/u95GEReVMjK6k5YqiSFNqqTnKU4ypU2Wm8awa6tmbmDmk1bWt' },
  {
    id: 'a-pool-whose-name-is-long-as-well',
    url: 'stratum2+tcp://v2.eu-central.stratum.pool.example:3336/9awtMD5KQgvRUh2yFbjVeT7b6hjipWcAsQHd6wEhgtDT9soosna',
  },
];
const WORKER = 'bc1pexampleexampleexampleexampleexampleexampleexampleexamplexx.{machine}';

describe.skipIf(CHROMIUM === undefined)('pools and machines in depth on a phone and on a desk', () => {
  let site: Small;
  let pages: Pages;
  let page: Page;

  beforeAll(async () => {
    site = await startSmall({
      offset: 19_300,
      from: '2026-03-23T22:45:00Z',
      speed: 30,
      pages: builtPages(),
      adjust(raw) {
        raw.pools = POOLS.map((pool) => ({ ...pool, worker: WORKER }));
        raw.plant = [
          {
            id: 'pdu-1',
            name: 'The PDU at the far end of the second row of hall A, left side',
            kind: 'pdu',
            hall: 'a',
            driver: 'snmp-pdu',
            address: '127.9.4.1',
            settings: { port: 1161 },
            feeds: { group: 'a-s21', count: 4 },
          },
        ];
      },
    });
    await until('the pools of all miners', () =>
      site.runtime.fleet.machines.every(
        ({ machine, reading }) => machine.kind !== 'asic' || reading?.pools !== undefined,
      ),
    );
    await until('the PDU', () => site.runtime.devices.byId('pdu-1')?.reading);
    pages = await openBrowser(site);
    page = await pages.open({ at: site.api.signInLink(), ready: '#pools', viewport: { width: 390, height: 844 } });
  }, 300_000);
  afterAll(async () => {
    await pages?.close();
    await site?.close();
  });

  /** Pixels by which something scrolls sideways. */
  const sideways = (of: Locator): Promise<number> =>
    of.evaluate((element) => element.scrollWidth - element.clientWidth);
  /** What sticks out of a card or panel at its right. */
  const outside = (of: Locator): Promise<string[]> =>
    of.evaluate((element) => {
      const { right } = element.getBoundingClientRect();
      return [...element.querySelectorAll('*')]
        .filter((one) => one.getBoundingClientRect().right > right + 0.5)
        .map((one) => `${one.tagName} ${one.textContent?.slice(0, 40)}`);
    });
  async function open(id: string): Promise<Locator> {
    await page.locator('#machine-filter').fill(id);
    await page.locator('.machine-row', { hasText: id }).first().click();
    const panel = page.getByRole('dialog');
    await panel.getByText('Can be told').waitFor();
    return panel;
  }
  const close = () => page.keyboard.press('Escape');

  test.each([390, 1440])('nothing is wider than a page of %i px', LIMIT, async (width) => {
    await page.setViewportSize({ width, height: 844 });
    for (const id of ['pools', 'plant', 'uplinks']) {
      expect(await outside(page.locator(`#${id}`)), id).toEqual([]);
    }
    expect(await sideways(page.locator('html'))).toBe(0);
    for (const id of ['a-s21-0001', 'd-s21xp-0001', 'e-h100-0001']) {
      const panel = await open(id);
      expect(await sideways(panel), id).toBe(0);
      expect(await outside(panel), id).toEqual([]);
      await close();
    }
  });

  test('a miner says its pools with their workers, in the order it prefers them', LIMIT, async () => {
    const panel = await open('a-s21-0001');
    const rows = panel.locator('table', { hasText: 'Accepted' }).locator('tbody tr');
    expect(await rows.count()).toBe(2);
    expect(await rows.first().innerText()).toContain(`as ${WORKER.replace('{machine}', 'a-s21-0001')}`);
    expect(await panel.innerText()).toMatch(/Can be told\s+sleep, wake, mode, pools, restart, lamp/);
    await close();
  });

  test(
    'a GPU server says every card: watts, load, heat and memory, and no limit where none was told',
    LIMIT,
    async () => {
      const panel = await open('e-h100-0001');
      const rows = panel.locator('table', { hasText: 'Load, %' }).locator('tbody tr');
      expect(await rows.count()).toBe(8);
      const first = await rows.first().innerText();
      expect(first).toMatch(/\t\d+\t\d+\t\d+$/);
      expect(first).toMatch(/\d+ of \d+ GiB in use/);
      await close();
    },
  );

  test('a pool that the site cannot ask says why, and is neither alive nor dead', LIMIT, async () => {
    const text = await page.locator('#pools').innerText();
    expect(text).toContain('not asked yet');
    expect(text).toContain('only Stratum version 1 is probed');
    expect(text).toContain('60 of 60 miners told their pools');
    expect(pages.errors).toEqual([]);
  });

  test('an outlet that is off is named with what hangs on it', LIMIT, async () => {
    const { device } = site.runtime.devices.byId('pdu-1')!;
    await device.setOutlet!(2, false);
    await site.runtime.devices.readOne('pdu-1');
    await page.locator('#plant').getByText('off: 2 (a-s21-0002)').waitFor();
    expect(await page.locator('#plant').innerText()).toContain('7 of 8 outlets on');
    await device.setOutlet!(2, true);
  });
});
