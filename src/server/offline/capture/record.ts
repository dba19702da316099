import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Driver, DriverIo } from '../../../drivers/driver.ts';
import { drivers } from '../../../drivers/index.ts';
import { Fault } from '../../../model/index.ts';
import { look, type ProbeOptions } from '../discover/fingerprint.ts';
import { readOnly } from '../discover/read-only.ts';
import { httpName } from './names.ts';
import { readAll } from './read-all.ts';
import { replayFolder, type ReplayResult } from './replay.ts';
import { sanitiser } from './sanitise.ts';

export class RecordError extends Error {}

export interface RecordOptions extends ProbeOptions {
  readonly address: string;
  readonly driver: string | undefined;
  /** Settings as in a site file, for a machine that wants a password. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly folder: string;
  readonly io: DriverIo;
  readonly now: number;
}

export interface RecordResult {
  readonly folder: string;
  readonly driver: string | null;
  readonly files: readonly string[];
  readonly replaced: Readonly<Record<string, number>>;
  /** The capture read back, as `busbar replay` does. */
  readonly replay: ReplayResult;
}

/**
 * Asks a live machine everything its driver asks, by reading alone, and keeps the cleaned answers: one file each. A machine that no
 * driver recognises is kept as what discovery saw of it.
 * @throws RecordError where nobody answers, or the folder holds something already
 */
export async function record(options: RecordOptions): Promise<RecordResult> {
  const { address, folder } = options;
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new RecordError(`${folder}: holds something already; name a new folder`);
  const { alive, seen } = await look(address, options);
  if (!alive && options.driver === undefined)
    throw new RecordError(`${address}: nobody answers on 4028 or 80; is it on, and is the address right?`);
  const driver = driverOf(options.driver, seen);
  const answers = new Map<string, string>();
  if (driver === undefined) {
    for (const [port, text] of seen.banners) answers.set(port === 4028 ? 'version' : `port_${port}`, text);
    for (const [path, text] of seen.pages)
      answers.set(httpName({ url: `http://machine${path.replace(/^\d+/, '')}` }), text);
    if (answers.size === 0)
      throw new RecordError(`${address}: somebody is there and says nothing; ports open: ${seen.openPorts.join(', ')}`);
  }
  const { io } = recording(options, answers);
  const full =
    driver === undefined
      ? undefined
      : await readAll(driver, address, { ...driver.settingsFor?.(seen), ...options.settings }, io);
  if (answers.size === 0) throw new RecordError(full?.faults[0]?.fault.message ?? `${address}: no answer`);

  const cleaner = sanitiser(full?.reading, address);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of answers)
    writeFileSync(join(folder, `${name}.json`), cleaner.clean(text.replaceAll('\0', '').trimEnd()));
  return {
    folder,
    driver: driver?.name ?? null,
    files: [...answers.keys()],
    replaced: cleaner.counts(),
    replay: await replayFolder(folder, driver?.name, options.now),
  };
}

function driverOf(name: string | undefined, seen: Parameters<Driver['recognises']>[0]): Driver | undefined {
  if (name === undefined) return drivers.find((driver) => driver.recognises(seen));
  const driver = drivers.find((one) => one.name === name);
  if (driver === undefined)
    throw new RecordError(`no driver "${name}"; there are ${drivers.map((one) => one.name).join(', ')}`);
  return driver;
}

/** Answers that are worth nothing in a capture, or should not be in one. */
const NOT_KEPT = /login|logon|unlock|auth|token|session/i;

function recording(options: RecordOptions, answers: Map<string, string>): { io: DriverIo } {
  // Whoever names settings has the password: then it may be used. Nothing is ever written either way.
  const guarded = readOnly(options.io, { tryDefaults: Object.keys(options.settings).length > 0 });
  const keep = (name: string, text: string): void => {
    if (NOT_KEPT.test(name)) return;
    if (name.includes('+')) for (const [one, part] of partsOf(text)) answers.set(one, part);
    else answers.set(name, text);
  };
  return {
    io: {
      ...guarded,
      secret: options.io.secret,
      tcp: {
        ask: (request) =>
          guarded.tcp.ask({
            ...request,
            read(reply) {
              const framed = reply.length > 4 && reply.readUInt32LE(0) === reply.length - 4;
              keep(request.name, (framed ? reply.subarray(4) : reply).toString('utf8'));
              return request.read(reply);
            },
          }),
      },
      http: {
        async ask(request) {
          const reply = await guarded.http.ask(request);
          if (reply.status === 200) keep(httpName(request), reply.body);
          else if (reply.status >= 500) throw new Fault('refused', `${request.url}: ${reply.status}`);
          return reply;
        },
      },
    },
  };
}

/** A joined answer as the answers it is made of. One that cannot be taken apart is kept whole by its first name. */
function partsOf(text: string): [string, string][] {
  try {
    const joined = JSON.parse(text.replaceAll('\0', '')) as Record<string, unknown>;
    return Object.entries(joined).flatMap(([name, value]) =>
      Array.isArray(value) && value.length > 0 ? [[name, JSON.stringify(value[0])] as [string, string]] : [],
    );
  } catch {
    return [['joined', text]];
  }
}
