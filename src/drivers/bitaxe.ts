import { z } from 'zod';
import { Fault, run, type Reading } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, max, num, text, type Fields } from './wire/fields.ts';
import { asFields, expectOk } from './wire/http.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(80),
  timeoutMs: z.number().int().positive().default(3000),
});

/**
 * Bitaxe with AxeOS (ESP-Miner) over its REST API, `/api/system/info`. It knows no sleep: it runs, or it is unplugged.
 * Hashrate is in GH/s, power in W as its own regulator measures it.
 */
export const bitaxe = defineDriver({
  name: 'bitaxe',
  about: 'Bitaxe with AxeOS firmware (REST API on port 80)',
  serves: ['asic'],
  config,
  recognises: (seen) => /AxeOS|ESP-Miner|"ASICModel"/i.test(seen.banners.get(80) ?? ''),
  open({ address, config: { port, timeoutMs } }, io) {
    const base = `http://${address}:${port}`;
    return {
      async read(signal) {
        const url = `${base}/api/system/info`;
        const reply = expectOk(await io.http.ask({ method: 'GET', url, timeoutMs, signal }), url);
        const info = asFields(reply, url);
        if (text(info['ASICModel']) === undefined && text(info['version']) === undefined)
          throw new Fault('garbled', `${url}: neither ASICModel nor version: no AxeOS`, { bytes: reply.body });
        return toReading(io.siteNow(), info);
      },
      async reboot(signal) {
        const url = `${base}/api/system/restart`;
        const { body } = expectOk(await io.http.ask({ method: 'POST', url, timeoutMs, signal }), url);
        // "System will restart shortly.", or its JSON in later releases.
        if (!/restart/i.test(body)) throw new Fault('garbled', `${url}: no word of a restart`, { bytes: body });
      },
      close() {},
    };
  },
});

function toReading(at: Reading['at'], info: Fields): Reading {
  const ghs = amount(info['hashRate']);
  const powerW = amount(info['power']);
  const overheated = num(info['overheat_mode']) === 1;
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs: ghs === undefined ? undefined : ghs / 1000,
    mode: run('default'),
    temperatureC: max([num(info['temp']), num(info['vrTemp'])]),
    fanRpm: amount(info['fanrpm']),
    uptimeS: amount(info['uptimeSeconds']),
    model: text(info['ASICModel']),
    firmware: text(info['version']),
    mac: text(info['macAddr']),
    pool: poolOf(info),
    acceptedShares: amount(info['sharesAccepted']),
    rejectedShares: amount(info['sharesRejected']),
    errors: overheated ? ['overheated: it has throttled itself until it is set right by hand'] : [],
  };
}

/** The pool in use: the second one while the first is not reached. */
function poolOf(info: Fields): Reading['pool'] {
  const prefix = num(info['isUsingFallbackStratum']) === 1 ? 'fallbackStratum' : 'stratum';
  const host = text(info[`${prefix}URL`]);
  const port = num(info[`${prefix}Port`]);
  const worker = text(info[`${prefix}User`]);
  return host === undefined || port === undefined || worker === undefined
    ? undefined
    : { url: `stratum+tcp://${host}:${port}`, worker };
}
