import { pino } from 'pino';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApi, type Api } from '../../src/server/api.ts';
import { builtPages, CHROMIUM, openBrowser, picture, wideBy, type Opening, type Pages } from '../support/browser.ts';
import { freePort, startSmall, type Small } from '../support/site/small.ts';

/** Signing in and the account panel in a real browser, against a server that lets nobody read unasked. */

const TIMEOUT = { timeout: 120_000 };
const PASSWORD = 'green teapot on the roof';

describe.skipIf(CHROMIUM === undefined)('access on the page (left out where CHROMIUM_PATH is not set)', () => {
  let site: Small;
  let api: Api;
  let url: string;
  let pages: Pages;

  beforeAll(async () => {
    site = await startSmall({ offset: 11_480, from: '2026-03-24T00:31:00Z', speed: 1 });
    const address = { host: '127.0.0.1', port: await freePort(), names: [], tls: undefined, openReads: false };
    const about = { pages: builtPages(), version: '0.0.0-test', log: pino({ level: 'silent' }), tokenFile: undefined };
    api = await createApi({ runtime: site.runtime, ...address, ...about });
    url = await api.listen();
    pages = await openBrowser({ runtime: site.runtime, url });
  }, 120_000);
  afterAll(async () => {
    await pages?.close();
    await api?.close();
    await site?.close();
  });

  const open = (at: string, window: Opening = {}): Promise<Page> => pages.open({ ...window, at });
  async function signIn(page: Page, name: string, password: string): Promise<void> {
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
  }

  test('who is not signed in sees nothing of the site, and is told about the link', TIMEOUT, async () => {
    const page = await open(url);
    await page.getByRole('heading', { name: 'Sign in to Busbar' }).waitFor();
    const text = await page.locator('body').innerText();
    expect(text).toContain('Nobody has an account yet');
    expect(text).toContain('sign-in link');
    expect(text).not.toContain('Small site');
    expect(await page.locator('.top-bar').count()).toBe(0);
    await picture(page, '1-nobody');
  });

  test('the link leads to a first account; the account signs in, out and in again', TIMEOUT, async () => {
    const page = await open(api.signInLink());
    await page.locator('#sentence').waitFor();
    await page.getByRole('button', { name: 'owner admin' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Nobody has an account yet').waitFor();
    await dialog.getByRole('textbox', { name: 'Name' }).fill('alice');
    await dialog.getByRole('textbox', { name: 'Password' }).fill('short');
    expect(await dialog.getByRole('button', { name: 'Add account' }).isDisabled()).toBe(true);
    await dialog.getByRole('textbox', { name: 'Password' }).fill('password1234');
    await dialog.getByRole('button', { name: 'Add account' }).click();
    await dialog.getByText('one of the first that are tried').waitFor();
    await dialog.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await dialog.getByRole('button', { name: 'Add account' }).click();
    await dialog.getByText('last sign-in never').waitFor();
    await dialog.getByRole('textbox', { name: 'Name' }).fill('vera');
    await dialog.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await dialog.locator('.account-form').getByRole('combobox').selectOption('viewer');
    await dialog.getByRole('button', { name: 'Add account' }).click();
    await dialog.getByText('vera', { exact: true }).waitFor();
    await picture(page, '2-people');
    await dialog.getByRole('tab', { name: 'API tokens' }).click();
    expect(await dialog.getByRole('button', { name: 'Make token' }).isDisabled()).toBe(true);
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in to Busbar' }).waitFor();

    await signIn(page, 'alice', 'not the password');
    await page.getByText('The name or the password is wrong.').waitFor();
    expect(await page.getByLabel('Password').inputValue()).toBe('');
    await picture(page, '3-wrong');
    await signIn(page, 'Alice', PASSWORD);
    await page.locator('#sentence').waitFor();
    await page.getByRole('button', { name: 'alice admin' }).waitFor();
    expect(await wideBy(page)).toBe(0);
    await picture(page, '4-signed-in');
  });

  test('a token is shown once; sessions are listed; a password is changed', TIMEOUT, async () => {
    const page = await open(url, { colorScheme: 'dark' });
    await signIn(page, 'alice', PASSWORD);
    await page.getByRole('button', { name: 'alice admin' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('tab', { name: 'API tokens' }).click();
    await dialog.getByRole('textbox', { name: 'Name' }).fill('prometheus');
    await dialog.getByLabel('metrics').check();
    await dialog.getByRole('button', { name: 'Make token' }).click();
    const secret = await dialog.locator('.account-secret code').innerText();
    expect(secret).toMatch(/^bb_[0-9a-f]{12}_[\w-]{43}$/);
    await dialog.getByText('last used never').waitFor();
    await picture(page, '5-token-dark');
    expect((await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${secret}` } })).status).toBe(200);
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await dialog.getByRole('button', { name: 'Really revoke?' }).click();
    await dialog.getByText('No tokens yet').waitFor();
    expect((await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${secret}` } })).status).toBe(401);

    await dialog.getByRole('tab', { name: 'Sessions' }).click();
    await dialog.getByText('this one').waitFor();
    await picture(page, '6-sessions-dark');
    await dialog.getByRole('tab', { name: 'Password' }).click();
    await dialog.getByLabel('Password until now').fill(PASSWORD);
    await dialog.getByLabel('New password', { exact: true }).fill('seven quiet transformers');
    await dialog.getByLabel('New password once more').fill('seven quiet transformers');
    await dialog.getByRole('button', { name: 'Change password' }).click();
    await dialog.getByText('You are signed out everywhere else').waitFor();
    await picture(page, '7-password-dark');
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.reload();
    await page.locator('#sentence').waitFor();
  });

  test('a viewer sees why it may not act, on a telephone; who is disabled is shown out at once', TIMEOUT, async () => {
    const page = await open(url, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    await picture(page, '8-sign-in-390');
    expect(await wideBy(page)).toBe(0);
    await signIn(page, 'vera', PASSWORD);
    await page.locator('#sentence').waitFor();
    const hold = page.locator('#cohorts').getByRole('button', { name: 'Hold' }).first();
    expect(await hold.isDisabled()).toBe(true);
    await page.locator('#cohorts').getByText('Your role may look, not act').waitFor();
    expect(await wideBy(page)).toBe(0);
    await picture(page, '9-viewer-390');
    await page.getByRole('button', { name: 'vera viewer' }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByRole('tab', { name: 'People' }).isDisabled()).toBe(true);
    await dialog.getByRole('tab', { name: 'API tokens' }).click();
    await dialog.getByText('No tokens yet').waitFor();
    expect(await wideBy(page)).toBe(0);
    await picture(page, '10-tokens-390');
    const { pathname, search } = new URL(api.signInLink());
    const link = await fetch(`${url}${pathname}${search}`, { redirect: 'manual' });
    const headers = { cookie: link.headers.get('set-cookie')!.split(';')[0]!, 'content-type': 'application/json' };
    await fetch(`${url}/api/v1/users/vera`, { method: 'POST', headers, body: '{"disabled":true}' });
    await page.getByRole('heading', { name: 'Sign in to Busbar' }).waitFor();
    expect(await page.locator('#cohorts').count()).toBe(0);
  });
});
