import type { DriverIo, Fingerprint } from '../../../drivers/driver.ts';
import { drivers } from '../../../drivers/index.ts';
import { readAll } from '../capture/read-all.ts';
import { readOnly } from './read-only.ts';

/** A machine that a driver recognised, and what it told of itself without a password. */
export interface FoundMachine {
  readonly address: string;
  readonly driver: string;
  readonly kind: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** As the machine names it, and the catalogue's id where it knows it. */
  readonly model: string | null;
  readonly modelId: string | null;
  readonly firmware: string | null;
  readonly serial: string | null;
  readonly mac: string | null;
  readonly hashrateThs: number | null;
  readonly powerW: number | null;
  readonly pool: string | null;
  readonly worker: string | null;
  /** Why some of it is not known. */
  readonly notes: readonly string[];
}

/** Something is there that no driver recognises: enough to write one from. */
export interface Unrecognised {
  readonly address: string;
  readonly openPorts: readonly number[];
  readonly answers: readonly { readonly from: string; readonly text: string; readonly base64: string }[];
}

/** A machine that lets anybody in who knows what every one of its kind was shipped with. */
export interface SecurityFinding {
  readonly address: string;
  readonly driver: string;
  readonly finding: string;
}

export interface Examined {
  readonly machine?: FoundMachine;
  readonly unrecognised?: Unrecognised;
  readonly finding?: SecurityFinding;
}

/** @param io the real world; it is narrowed to reading here */
export async function examine(
  address: string,
  seen: Fingerprint,
  io: DriverIo,
  tryDefaults: boolean,
): Promise<Examined> {
  const driver = drivers.find((candidate) => candidate.recognises(seen));
  if (driver === undefined) return seen.openPorts.length === 0 ? {} : { unrecognised: toUnrecognised(address, seen) };
  const settings = driver.settingsFor?.(seen) ?? {};
  let deniedDefaults = false;
  let usedDefaults = false;
  const guarded = readOnly(io, { tryDefaults });
  const watched: DriverIo = {
    ...guarded,
    http: {
      async ask(request) {
        const reply = await guarded.http.ask(request);
        const secured =
          request.digest !== undefined || Object.keys(request.headers ?? {}).some((h) => /^authorization$/i.test(h));
        if (secured || request.method === 'POST') {
          if (reply.status === 401 || reply.status === 403) deniedDefaults = true;
          else if (reply.status < 300) usedDefaults = true;
        }
        return reply;
      },
    },
  };
  const { reading, faults, modelId } = await readAll(driver, address, settings, watched);
  const gaps = reading?.gaps ?? [];
  const notes = [
    ...faults.map(({ part, fault }) => `${part}: ${fault.message}`),
    ...gaps.map(({ part, message }) => `${part}: ${message}`),
  ];
  const machine: FoundMachine = {
    address,
    driver: driver.name,
    kind: driver.serves[0] ?? 'asic',
    settings,
    model: reading?.model ?? null,
    modelId: modelId ?? null,
    firmware: reading?.firmware ?? null,
    serial: reading?.serial ?? null,
    mac: reading?.mac?.toLowerCase() ?? null,
    hashrateThs: reading?.hashrateThs ?? null,
    powerW: reading?.powerW ?? null,
    pool: reading?.pool?.url ?? null,
    worker: reading?.pool?.worker ?? null,
    notes: [...new Set(notes)],
  };
  if (tryDefaults && usedDefaults && !deniedDefaults && driver.factory !== undefined)
    return {
      machine,
      finding: {
        address,
        driver: driver.name,
        finding: `lets in "${driver.factory.username}" with the factory password: change it, and name the new one in the site file`,
      },
    };
  return { machine };
}

/** Kept of each answer: what tells a firmware stands at its beginning. */
const KEPT_BYTES = 2_048;

function toUnrecognised(address: string, { openPorts, banners, pages }: Fingerprint): Unrecognised {
  const answers = [...[...banners].map(([port, text]) => [`port ${port}`, text] as const), ...pages].map(
    ([from, text]) => ({
      from,
      text: text.slice(0, KEPT_BYTES),
      base64: Buffer.from(text.slice(0, KEPT_BYTES)).toString('base64'),
    }),
  );
  return { address, openPorts, answers };
}
