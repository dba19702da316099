import type { Driver } from '../../../drivers/driver.ts';
import { parseJson } from '../../../drivers/wire/loose-json.ts';
import type { Gap } from '../../../model/index.ts';
import { drivers } from '../../../drivers/index.ts';
import { openCapture, readCapture, type CaptureFolder } from './folder-io.ts';
import { missingOf, plainReading, readAll, weight, type FullReading } from './read-all.ts';

/** What a folder of captured answers tells when it is read as if a machine had sent them. */
export interface ReplayResult {
  readonly folder: string;
  readonly driver: string | null;
  /** How the firmware was told: by what discovery would see, by trying every driver, or by the one who asked. */
  readonly recognisedBy: 'fingerprint' | 'trial' | 'asked' | null;
  readonly modelId: string | null;
  readonly reading: Record<string, unknown> | null;
  /** Fields a machine of this kind may tell and this capture does not. */
  readonly missing: readonly string[];
  /** Answers that are there and were not understood. */
  readonly notUnderstood: readonly {
    readonly part: string;
    readonly kind: string;
    readonly message: string;
    readonly bytes: string | null;
  }[];
  /** Answers that were asked for and are not in the folder; files nobody asked for. */
  readonly notCaptured: readonly string[];
  readonly unusedFiles: readonly string[];
}

export class CaptureError extends Error {}

/** @throws CaptureError where the folder cannot be read or the driver does not exist */
export async function replayFolder(folder: string, driverName: string | undefined, now: number): Promise<ReplayResult> {
  const files = filesOf(folder);
  const asked = driverName === undefined ? undefined : drivers.find(({ name }) => name === driverName);
  if (driverName !== undefined && asked === undefined)
    throw new CaptureError(`no driver "${driverName}"; there are ${drivers.map(({ name }) => name).join(', ')}`);

  const { fingerprint } = openCapture(files, now);
  const recognising = drivers.filter((driver) => driver.recognises(fingerprint));
  const tries = asked !== undefined ? [asked] : recognising.length > 0 ? recognising : drivers.filter(readable);
  const outcomes: { full: FullReading; capture: CaptureFolder; driver: Driver }[] = [];
  for (const driver of tries) {
    // Each in a world of its own: what one driver used says nothing of another.
    const capture = openCapture(files, now);
    const settings = driver.settingsFor?.(fingerprint) ?? {};
    const full = await readAll(driver, '192.0.2.1', settings, capture.io);
    outcomes.push({ full, capture, driver });
  }
  const told = outcomes.filter(({ full }) => full.reading !== undefined);
  const best =
    told.toSorted((a, b) => worth(b.full) - worth(a.full))[0] ??
    (asked === undefined && recognising.length === 0 ? undefined : outcomes[0]);
  if (best === undefined)
    return {
      folder,
      driver: null,
      recognisedBy: null,
      modelId: null,
      reading: null,
      missing: [],
      notUnderstood: [],
      notCaptured: [],
      unusedFiles: [...files.keys()],
    };
  return toResult(folder, best, asked !== undefined ? 'asked' : recognising.length > 0 ? 'fingerprint' : 'trial');
}

function filesOf(folder: string): ReadonlyMap<string, string> {
  try {
    return readCapture(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new CaptureError(`${folder}: no such folder`, { cause: error });
    throw new CaptureError(message, { cause: error });
  }
}

/** Drivers whose protocols a folder of answers can hold. */
const readable = ({ serves }: Driver): boolean => serves.includes('asic') || serves.includes('gpu-server');

/** A driver that understands more of a capture is the likelier one; what it chokes on counts against it. */
function worth({ reading, faults }: FullReading): number {
  const garbled = [...faults.map(({ fault }) => fault.kind), ...(reading?.gaps ?? []).map(({ kind }) => kind)];
  return weight({ ...reading, gaps: undefined }) - 10 * garbled.filter((kind) => kind === 'garbled').length;
}

function toResult(
  folder: string,
  { full, capture, driver }: { full: FullReading; capture: CaptureFolder; driver: Driver },
  recognisedBy: ReplayResult['recognisedBy'],
): ReplayResult {
  const { reading, faults, modelId } = full;
  const broken = brokenFiles(capture.files);
  const inReading = (reading?.gaps ?? []).map((gap) => ({ ...gap, bytes: bytesOf(gap, capture.files) }));
  const whole = faults.map(({ part, fault }) => ({
    part,
    kind: fault.kind,
    message: fault.message,
    bytes: fault.bytes ?? null,
  }));
  const told = [...whole, ...inReading].filter(({ kind }) => kind === 'garbled');
  // A driver may do without a part and say nothing of it: that its answer was damaged is told all the same.
  const silent = [...broken]
    .filter(([, bytes]) => !told.some((entry) => entry.bytes !== null && bytes.startsWith(entry.bytes)))
    .map(([file, bytes]) => ({ part: file, kind: 'garbled', message: `${file}: not JSON`, bytes }));
  return {
    folder,
    driver: driver.name,
    recognisedBy,
    modelId: modelId ?? null,
    reading: reading === undefined ? null : plainReading({ ...reading, gaps: undefined }),
    missing: reading === undefined ? [] : missingOf(reading, driver.serves),
    // What is not there was not misunderstood.
    notUnderstood: [...whole, ...inReading, ...silent].filter(({ kind }) => kind !== 'unsupported'),
    notCaptured: [...capture.notThere].sort(),
    unusedFiles: [...capture.files.keys()].filter((file) => !capture.used.has(file)),
  };
}

/** How much of an answer that was not understood is shown, as in a fault. */
const SHOWN_BYTES = 500;

/** Answers that should be JSON and are none that could be understood without guessing. */
function brokenFiles(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const broken = [...files].filter(([, text]) => /^\s*([{[]|$)/.test(text) && parseJson(text) === undefined);
  return new Map(broken.map(([file, text]) => [file, text.slice(0, SHOWN_BYTES)]));
}

/** The bytes of the file that a gap speaks of: its message names what was asked. */
function bytesOf({ kind, message }: Gap, files: ReadonlyMap<string, string>): string | null {
  if (kind !== 'garbled') return null;
  const plain = (words: string): string => `_${words.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')}_`;
  const said = plain(message);
  const named = [...files.keys()].filter((file) => said.includes(plain(file.replace(/^(rpc|web)_/i, ''))));
  const longest = named.toSorted((a, b) => b.length - a.length)[0];
  return longest === undefined ? null : files.get(longest)!.slice(0, SHOWN_BYTES);
}
