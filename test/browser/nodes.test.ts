import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  builtPages,
  CHROMIUM,
  openBrowser,
  picture,
  SCREENS,
  wideBy,
  type Opening,
  type Pages,
} from '../support/browser.ts';
import { startSmall, type RawSite, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** Roles of nodes on the page: a node of an emulated Kubernetes is moved by a person, from the card to the label it has then. */

const TIMEOUT = { timeout: 120_000 };
const OFFSET = 12_950;

interface RawCluster {
  id: string;
  classes: { id: string; gpu: string; match: object; role?: string }[];
}

/** The RTX 4090 under Kubernetes, with three roles. */
function withRoles(raw: RawSite): void {
  // In auto the plan would put the spare node to work before anybody could.
  raw.trust = 'suggest';
  const clusters = raw.clusters as unknown as RawCluster[];
  const [slurm] = clusters;
  const classes = slurm!.classes.filter(({ gpu }) => gpu === 'rtx4090');
  slurm!.classes = slurm!.classes.filter(({ gpu }) => gpu !== 'rtx4090');
  for (const one of classes) Object.assign(one, { match: { ...one.match, partition: 'labs/gpu' }, role: 'simulation' });
  Object.assign(clusters, {
    1: {
      id: 'kube',
      driver: 'kubernetes',
      hall: 'e',
      settings: { url: 'http://127.8.0.2:6444', watchS: 1 },
      classes,
      roles: [
        { id: 'simulation', partition: 'simulation' },
        { id: 'inference', partition: 'inference' },
        { id: 'spare', partition: 'spare' },
      ],
      moves: { drainMinutes: 5 },
    },
  });
}

/** As `kubectl label` would. */
async function label(node: string, role: string): Promise<void> {
  const reply = await fetch(`http://127.8.0.2:${6444 + OFFSET}/api/v1/nodes/${node}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify({ metadata: { labels: { 'busbar/role': role } } }),
  });
  expect(reply.status).toBe(200);
}

describe.skipIf(CHROMIUM === undefined)('roles of nodes (left out where CHROMIUM_PATH is not set)', () => {
  let site: Small;
  let pages: Pages;

  beforeAll(async () => {
    site = await startSmall({
      offset: OFFSET,
      from: '2026-03-23T20:01:00Z',
      speed: 20,
      pages: builtPages(),
      adjust: withRoles,
    });
    for (const [n, role] of ['simulation', 'simulation', 'spare'].entries()) await label(`rtx4090-000${n + 1}`, role);
    await until('the roles are read', () =>
      site.runtime.clusters.byId.get('kube')?.reading?.nodes.every(({ partitions }) => partitions.length === 1),
    );
    await site.runtime.store.accounts.add({ name: 'ann', role: 'operator', passwordHash: 'none', createdMs: 0 });
    pages = await openBrowser(site);
  }, 120_000);
  afterAll(async () => {
    await pages?.close();
    await site?.close();
  });

  const open = (window: Opening = {}): Promise<Page> => pages.open({ who: 'ann', ready: '#nodes', ...window });
  async function pictured(page: Page, name: string): Promise<void> {
    await page.locator('#nodes').scrollIntoViewIfNeeded();
    await picture(page, `nodes ${name}`);
  }

  test('a person moves a spare node, and the card follows it to its new role', TIMEOUT, async () => {
    const page = await open();
    const card = page.locator('#nodes');
    const row = (role: string) => card.locator('tbody tr', { hasText: role });
    expect(await row('simulation').innerText()).toMatch(/simulation\s+rtx4090\s+2\s+16/);
    expect(await row('inference').innerText()).toContain('no node');
    // What the plan would do is told, with what it earns and what it costs.
    await card.getByText(/1 rtx4090 node from spare to simulation earns? \$\d/).waitFor();
    await card.getByRole('button', { name: 'Move a node…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Move a node' });
    await dialog.getByLabel('Node').selectOption({ label: await spareIn(dialog) });
    // The emulated scheduler heeds no label: something may well run on it.
    expect(await dialog.innerText()).toMatch(/Nothing runs on it|jobs? may end within 5 min/);
    await dialog.getByLabel('To').selectOption('inference');
    await dialog.getByLabel('Why').fill('a launch');
    await pictured(page, 'dialog');
    expect(await dialog.innerText()).toContain('command line');
    await dialog.getByRole('button', { name: 'Move', exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
    await card.getByText('kube/rtx4090-0003').waitFor();
    await until('it works in its new role', async () =>
      /inference\s+rtx4090\s+1\s+8/.test(await row('inference').innerText()),
    );
    await card.getByText(/from spare to inference: done/).waitFor();
    const node = site.runtime.clusters.byId.get('kube')!.reading!.nodes.find(({ name }) => name.endsWith('3'));
    expect(node).toMatchObject({ partitions: ['inference'], reason: undefined });
    const acts = await site.runtime.store.acts(50);
    expect(acts.find(({ what }) => what === 'move node kube/rtx4090-0003 from spare to inference')).toMatchObject({
      who: 'ann',
      why: 'a launch',
    });
    expect(pages.errors).toEqual([]);
  });

  /** The spare node as the list of the dialog names it. */
  async function spareIn(dialog: ReturnType<Page['getByRole']>): Promise<string> {
    const all = await dialog.getByLabel('Node').locator('option').allInnerTexts();
    return all.find((text) => text.includes('spare'))!;
  }

  test.each(SCREENS)('fits %s', TIMEOUT, async (name, width, colorScheme) => {
    const page = await open({ viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce' });
    expect(await wideBy(page)).toBe(0);
    await pictured(page, name);
    expect(pages.errors).toEqual([]);
  });
});
