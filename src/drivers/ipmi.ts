import { z } from 'zod';
import {
  AFTER_OUTAGE,
  Fault,
  run,
  secretRef,
  SLEEP,
  type AfterOutage,
  type FaultKind,
  type Reading,
} from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { amount, max, num } from './wire/fields.ts';
import { parts } from './wire/parts.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(623),
  username: z
    .string()
    .regex(/^[^-\s]\S*$/, 'a user name')
    .optional(),
  password: secretRef.optional(),
  cipherSuite: z.number().int().min(0).max(17).optional().describe('absent: the one ipmitool and the BMC agree on'),
  timeoutMs: z.number().int().positive().default(15_000),
});

/**
 * A server through its BMC (IPMI 2.0 over LAN) with ipmitool, for those too old for Redfish. The password goes by the
 * environment, as arguments can be read by every user of the host.
 */
export const ipmi = defineDriver({
  name: 'ipmi',
  about: 'GPU servers through their BMC (IPMI 2.0), with ipmitool',
  serves: ['gpu-server'],
  config,
  afterOutage: { arms: () => AFTER_OUTAGE },
  recognises: () => false,
  open({ address, config: { port, username, password, cipherSuite, timeoutMs } }, io) {
    const user = username === undefined ? [] : ['-U', username];
    const suite = cipherSuite === undefined ? [] : ['-C', String(cipherSuite)];
    // Three tries of three seconds each: UDP loses packets, and a BMC is slow.
    const tries = ['-E', '-N', '3', '-R', '2'];
    const target = ['-I', 'lanplus', '-H', address, '-p', String(port), ...user, ...suite, ...tries];

    async function call(command: readonly string[], signal?: AbortSignal): Promise<string> {
      const { code, stdout, stderr } = await io.program.run({
        program: 'ipmitool',
        args: [...target, ...command],
        env: { IPMI_PASSWORD: password === undefined ? '' : io.secret(password) },
        timeoutMs,
        signal,
      });
      if (code === 0) return stdout;
      throw toFault(`${address} ipmitool ${command.join(' ')}`, `${stderr} ${stdout}`);
    }

    async function isOn(signal?: AbortSignal): Promise<boolean> {
      // Told to be wordy, it says on its error output why a session was not given; without, it never does.
      const said = await call(['-v', 'chassis', 'power', 'status'], signal);
      const state = /Chassis Power is (on|off)\b/i.exec(said)?.[1]?.toLowerCase();
      if (state === undefined) throw new Fault('garbled', `${address}: no word of its power`, { bytes: said });
      return state === 'on';
    }

    /** What the chassis says of itself: its power, and what it does when its supply comes back. */
    async function chassis(signal?: AbortSignal): Promise<{ on: boolean; afterOutage: AfterOutage | undefined }> {
      const said = await call(['-v', 'chassis', 'status'], signal);
      const state = /^System Power\s*:\s*(on|off)\b/im.exec(said)?.[1]?.toLowerCase();
      if (state === undefined) throw new Fault('garbled', `${address}: no word of its power`, { bytes: said });
      const policy = /^Power Restore Policy\s*:\s*(\S+)/im.exec(said)?.[1]?.toLowerCase();
      return { on: state === 'on', afterOutage: AFTER_OUTAGE.find((what) => POLICIES[what] === policy) };
    }

    /** DCMI is an extension that many BMCs lack: no watts then. */
    async function watts(signal?: AbortSignal): Promise<number | undefined> {
      const said = await call(['dcmi', 'power', 'reading'], signal).catch((error: unknown) => {
        if (error instanceof Fault && (error.kind === 'unsupported' || error.kind === 'refused')) return '';
        throw error;
      });
      return amount(/Instantaneous power reading:\s*(\d+)\s*Watts/i.exec(said)?.[1]);
    }

    return {
      async read(signal) {
        const on = await isOn(signal);
        const powerW = await watts(signal);
        return {
          at: io.siteNow(),
          powerW,
          powerBasis: powerW === undefined ? undefined : 'measured',
          mode: on ? run('default') : SLEEP,
        } satisfies Reading;
      },
      /** Sensors are slow: a BMC takes seconds to list them. */
      async inspect(signal) {
        const told = parts();
        const state = await told.get('power', () => chassis(signal));
        const fru = await told.get('identity', async () => fruOf(await call(['fru'], signal), address));
        const sensors = await told.get('sensors', async () => sensorsOf(await call(['sdr', 'elist'], signal), address));
        const gaps = told.gaps();
        const model = [fru?.['Product Manufacturer'], fru?.['Product Name']].filter((word) => word !== undefined);
        const fans = sensors?.fansRpm ?? [];
        return {
          at: io.siteNow(),
          mode: state === undefined ? undefined : state.on ? run('default') : SLEEP,
          afterOutage: state?.afterOutage,
          model: model.length === 0 ? undefined : model.join(' '),
          serial: fru?.['Product Serial'] ?? fru?.['Chassis Serial'] ?? fru?.['Board Serial'],
          temperatureC: sensors?.hottestC,
          fansRpm: fans.length === 0 ? undefined : fans,
          fanRpm: max(fans),
          errors: sensors === undefined || sensors.errors.length === 0 ? undefined : sensors.errors,
          gaps,
        } satisfies Reading;
      },
      /** Asks the operating system to shut down; nothing is ever forced off from here. */
      async sleep(signal) {
        if (await isOn(signal)) await call(['chassis', 'power', 'soft'], signal);
      },
      async wake(signal) {
        if (!(await isOn(signal))) await call(['chassis', 'power', 'on'], signal);
      },
      async reboot(signal) {
        if (!(await isOn(signal))) throw new Fault('refused', `${address}: it is off; wake it instead`);
        await call(['chassis', 'power', 'reset'], signal);
      },
      /** Power restore policy of the chassis (IPMI 2.0, section 28.8). */
      async setAfterOutage(what, signal) {
        if ((await chassis(signal)).afterOutage !== what) await call(['chassis', 'policy', POLICIES[what]], signal);
      },
      async locate(on, signal) {
        await isOn(signal);
        await call(['chassis', 'identify', on ? 'force' : '0'], signal);
      },
      close() {},
    };
  },
});

/** What ipmitool calls each, as it is told and as it tells. */
const POLICIES: Readonly<Record<AfterOutage, string>> = {
  'stay-off': 'always-off',
  'last-state': 'previous',
  start: 'always-on',
};

/** What ipmitool says on its way out, whatever the reason; its exit code is always 1. */
const SAYINGS: readonly (readonly [RegExp, FaultKind, string])[] = [
  [
    /RAKP 2 HMAC is invalid|password|unauthorized name|insufficient privilege|privilege level/i,
    'unauthorised',
    'check user, password and role',
  ],
  [
    /Address lookup|No route|refused|Unable to establish|session/i,
    'unreachable',
    'no session: check address, port, and that IPMI over LAN is on',
  ],
  [
    /Invalid command|not supported|illegal|not present|Unspecified error.*DCMI/i,
    'unsupported',
    'this BMC has no such command',
  ],
];

function toFault(where: string, said: string): Fault {
  const words = said.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
  const found = SAYINGS.find(([saying]) => saying.test(words));
  return new Fault(found?.[1] ?? 'refused', `${where}: ${words}${found === undefined ? '' : `; ${found[2]}`}`);
}

/** `Product Serial         : S12345` of the first unit that tells a thing. */
function fruOf(said: string, address: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [, key, value] of said.matchAll(/^ ?((?:Product|Board|Chassis) [A-Za-z ]+?)\s*: (\S.*?)\s*$/gm))
    found[key!] ??= value!;
  if (Object.keys(found).length === 0) throw new Fault('garbled', `${address}: no inventory`, { bytes: said });
  return found;
}

interface Sensors {
  readonly hottestC: number | undefined;
  readonly fansRpm: readonly number[];
  readonly errors: readonly string[];
}

/** `Inlet Temp       | 01h | ok  |  7.1 | 24 degrees C`, one line a sensor; `ns` has no reading. */
function sensorsOf(said: string, address: string): Sensors {
  const rows = said.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    return cells.length === 5 ? [{ name: cells[0]!, status: cells[2]!, value: cells[4]! }] : [];
  });
  if (rows.length === 0) throw new Fault('garbled', `${address}: no list of sensors`, { bytes: said });
  const live = rows.filter(({ status }) => status !== 'ns');
  const read = (unit: string) =>
    live.flatMap(({ value }) => num(new RegExp(`^(-?[\\d.]+) ${unit}$`).exec(value)?.[1]) ?? []);
  return {
    hottestC: max(read('degrees C')),
    fansRpm: read('RPM'),
    // cr, nr, lcr and the like: critical and worse.
    errors: live
      .filter(({ status }) => /^[lu]?(cr|nr)$/.test(status))
      .map(({ name, value }) => `${name}: critical (${value})`),
  };
}
