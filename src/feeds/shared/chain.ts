import { Fault, HOUR, type SiteMs } from '../../model/index.ts';

/** Blocks whose fees are averaged: a day's worth at ten minutes each. */
export const FEE_BLOCKS = 144;
export const SATS_PER_BTC = 1e8;

/** What a block creates, in satoshis: 50 BTC, halved (rounding down) every 210,000 blocks, every 150 on regtest. */
export function subsidySats(height: number, halvingBlocks = 210_000): number {
  const halvings = Math.floor(height / halvingBlocks);
  return halvings >= 33 ? 0 : Math.floor(50e8 / 2 ** halvings);
}

/** Blocks come every ten minutes; three hours without one happens once in more than a thousand years. */
const STALE_MS = 3 * HOUR;

/** The network itself takes blocks dated up to two hours ahead. */
const AHEAD_MS = 3 * HOUR;

/**
 * @param what such as "the newest block"
 * @throws Fault `refused` for what is too old: the source lags; `garbled` for what is still to come
 */
export function expectFresh(what: string, atMs: number, now: SiteMs, place: string, oldestMs = STALE_MS): void {
  const age = now - atMs;
  const hours = Math.round(Math.abs(age) / HOUR);
  if (age > oldestMs)
    throw new Fault('refused', `${place}: ${what} is ${hours} hours old: the source is not in step with the world`);
  if (!(age >= -AHEAD_MS))
    throw new Fault('garbled', `${place}: ${what} is dated ${hours} hours ahead: do the clocks agree?`);
}
