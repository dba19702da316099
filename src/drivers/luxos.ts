import { z } from 'zod';
import { Fault, modeKey, run, SLEEP, type ModePoint, type OperatingMode, type Reading } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { askCgminer, expectSuccess, part, requirePart } from './wire/cgminer.ts';
import { amount, fields, max, num, text, type Fields } from './wire/fields.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(4028),
  timeoutMs: z.number().int().positive().default(3000),
});

/** What changes slowly, read once and again when the profile is one we do not know. */
interface Identity {
  readonly model: string | undefined;
  readonly firmware: string | undefined;
  readonly points: readonly ModePoint[];
}

/**
 * LuxOS over the cgminer API (docs.luxor.tech). Reads are open; a write needs a session from `logon`, of which the
 * machine grants one at a time, so it is given back at once. Sleep survives a reboot.
 */
export const luxos = defineDriver({
  name: 'luxos',
  about: 'Antminers with LuxOS firmware (cgminer API on 4028)',
  serves: ['asic'],
  config,
  recognises: (seen) => /LUXminer/i.test(seen.banners.get(4028) ?? ''),
  open({ address, config: { port, timeoutMs } }, io) {
    const target = { host: address, port, timeoutMs };
    const ask = (command: string, parameter?: string, signal?: AbortSignal) =>
      askCgminer(io.tcp, target, command, parameter, signal);
    let identity: Identity | undefined;

    async function identify(signal?: AbortSignal): Promise<Identity> {
      const version = part(await ask('version', undefined, signal), 'version', 'VERSION')[0] ?? {};
      const points = part(await ask('profiles', undefined, signal), 'profiles', 'PROFILES').flatMap(toPoint);
      return { model: text(version['Type']), firmware: text(version['LUXminer']), points };
    }

    async function inSession(write: (session: string) => Promise<void>, signal?: AbortSignal): Promise<void> {
      const logon = await ask('logon', undefined, signal);
      expectSuccess(logon, `${address} logon`);
      const session = text(part(logon, 'logon', 'SESSION')[0]?.['SessionID']);
      if (session === undefined) throw new Fault('garbled', `${address}: logon without a session id`);
      try {
        await write(session);
      } finally {
        // The session ends by itself after a minute; failing to end it now must not hide how the write went.
        await ask('logoff', session).catch(() => {});
      }
    }

    async function write(command: string, argument: string, signal?: AbortSignal): Promise<void> {
      await inSession(async (session) => {
        const reply = await ask(command, `${session},${argument}`, signal);
        expectSuccess(reply, `${address} ${command} ${argument}`);
      }, signal);
    }

    const wake = (signal?: AbortSignal) => write('curtail', 'wakeup', signal);

    return {
      async read(signal) {
        const reply = await ask('summary+power+config+temps', undefined, signal);
        const summary = requirePart(reply, 'summary', 'SUMMARY', 'Elapsed', `${address} summary`);
        const config_ = part(reply, 'config', 'CONFIG')[0] ?? {};
        const mode = toMode(config_);
        const profile = mode?.kind === 'run' ? mode.profile : undefined;
        const unknownProfile = profile !== undefined && identity?.points.every((p) => p.profile !== profile);
        if (identity === undefined || unknownProfile === true) identity = await identify(signal);
        return toReading(io.siteNow(), reply, summary, mode, config_, identity);
      },
      sleep: (signal) => write('curtail', 'sleep', signal),
      wake,
      async setMode(profile, signal) {
        const config_ = part(await ask('config', undefined, signal), 'config', 'CONFIG')[0] ?? {};
        if (text(config_['Profile']) !== profile) await write('profileset', profile, signal);
        // A profile set on a sleeping machine takes effect when it wakes.
        const mode = toMode(config_);
        if (mode !== undefined && modeKey(mode) === 'sleep') await wake(signal);
      },
      reboot: (signal) =>
        inSession(async (session) => {
          expectSuccess(await ask('rebootdevice', session, signal), `${address} rebootdevice`);
        }, signal),
      close() {},
    };
  },
});

function toMode(config_: Fields): OperatingMode | undefined {
  const curtail = text(config_['CurtailMode']);
  if (curtail === undefined) return undefined;
  if (/sleep/i.test(curtail)) return SLEEP;
  const profile = text(config_['Profile']);
  return profile === undefined ? undefined : run(profile);
}

function toPoint(entry: Fields): ModePoint[] {
  const profile = text(entry['Profile Name']);
  const powerW = amount(entry['Watts']);
  const hashrateThs = amount(entry['Hashrate']);
  if (profile === undefined || powerW === undefined || hashrateThs === undefined) return [];
  return [{ profile, powerW, hashrateThs }];
}

function toReading(
  at: Reading['at'],
  reply: Fields,
  summary: Fields,
  mode: OperatingMode | undefined,
  config_: Fields,
  identity: Identity,
): Reading {
  const ghs = amount(summary['GHS 5s']) ?? amount(summary['GHS av']);
  const powerW = amount(part(reply, 'power', 'POWER')[0]?.['Watts']);
  return {
    at,
    powerW,
    powerBasis: powerW === undefined ? undefined : 'measured',
    hashrateThs: ghs === undefined ? undefined : ghs / 1000,
    mode,
    temperatureC: max(part(reply, 'temps', 'TEMPS').flatMap(boardTemperatures)),
    uptimeS: amount(summary['Elapsed']),
    acceptedShares: amount(summary['Accepted']),
    rejectedShares: amount(summary['Rejected']),
    model: text(config_['Model']) ?? identity.model,
    firmware: identity.firmware,
    serial: text(config_['SerialNumber']),
    mac: text(config_['MACAddr']),
    points: identity.points.length === 0 ? undefined : identity.points,
  };
}

function boardTemperatures(board: Fields): (number | undefined)[] {
  // A sensor that is not there reads 0 on this firmware.
  return ['TopLeft', 'TopRight', 'BottomLeft', 'BottomRight'].map((at) => num(fields(board)[at]) || undefined);
}
