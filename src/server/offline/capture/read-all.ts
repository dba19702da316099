import type { Driver, DriverIo } from '../../../drivers/driver.ts';
import {
  asFault,
  CATALOGUE,
  efficiencyJPerTh,
  type Fault,
  overSlow,
  type DeviceKind,
  type GpuServerModel,
  type Reading,
} from '../../../model/index.ts';

/** Everything a machine tells, fast and slow part in one, and what went wrong on the way. */
export interface FullReading {
  readonly driver: string;
  readonly reading: Reading | undefined;
  /** Of the catalogue, where the machine's own name of its model is one of it. */
  readonly modelId: string | undefined;
  readonly faults: readonly { readonly part: string; readonly fault: Fault }[];
}

/**
 * Asks a machine everything its driver can. A first look finds the model, so that a second one knows its nameplate.
 * @param settings as in the site file, checked by the driver's schema here
 */
export async function readAll(driver: Driver, address: string, settings: unknown, io: DriverIo): Promise<FullReading> {
  const config: unknown = driver.config.parse(settings ?? {});
  const look = async (modelId: string) => {
    const device = driver.open({ address, modelId, config }, io);
    const faults: { part: string; fault: Fault }[] = [];
    const ask = async (part: string, read: (() => Promise<Reading>) | undefined) => {
      try {
        return await read?.();
      } catch (error) {
        faults.push({ part, fault: asFault(error) });
        return undefined;
      }
    };
    try {
      const slow = await ask('inspect', device.inspect?.bind(device, undefined));
      const fast = await ask('read', () => device.read());
      return { reading: fast === undefined ? slow : overSlow(fast, slow), faults };
    } finally {
      device.close();
    }
  };
  const first = await look('unknown');
  const modelId = modelIdOf(first.reading?.model, driver.serves);
  const second = modelId === undefined ? first : await look(modelId);
  return { driver: driver.name, modelId, ...second };
}

/**
 * What a machine calls itself beside its trade name: an Avalon A1246 says `AvalonMiner 1246`, an A1566 `15-194`, an
 * Auradine Teraflux `AT2880`, a SealMiner `A2`.
 */
const MAKERS_WORDS: readonly (readonly [RegExp, string])[] = [
  [/^AvalonMiner\s+15-1[89]\d$/i, 'Avalon A1566'],
  [/^AvalonMiner\s+(?=\d{4})/i, 'Avalon A'],
  [/^AT(?=\d{4}$)/i, 'Auradine Teraflux AT'],
  [/^A(?=\d$)/i, 'SealMiner A'],
];

/** `NVIDIA GeForce RTX 4090` is the part `rtx4090`; one on a PCIe card draws half of what an SXM module does. */
function isPart(said: string, { gpuModel, name }: GpuServerModel): boolean {
  const words = said.toLowerCase().split(/[^a-z0-9]+/);
  const pairs = words.map((word, i) => `${word}${words[i + 1] ?? ''}`);
  const isOther = /pcie/i.test(said) && /SXM/.test(name);
  return !isOther && [...words, ...pairs].includes(gpuModel.replaceAll('-', ''));
}

/** `AntMiner S19k Pro`, `S19K Pro` and `antminer-s19k-pro` are one model. */
export function modelIdOf(said: string | undefined, serves: readonly DeviceKind[]): string | undefined {
  if (said === undefined) return undefined;
  const plain = (text: string) =>
    text
      .toLowerCase()
      .replaceAll('+', 'plus')
      .replaceAll(/[^a-z0-9]/g, '');
  const name = plain(MAKERS_WORDS.reduce((text, [words, ours]) => text.replace(words, ours), said));
  const candidates = [...CATALOGUE.values()].filter(({ kind }) => serves.includes(kind));
  const exact = candidates.find((model) => plain(model.name) === name || plain(model.id) === name);
  if (exact !== undefined) return exact.id;
  const [, gpus, partName] = /^(\d+)x (.+)$/.exec(said) ?? [];
  if (partName !== undefined)
    return candidates.find(
      (model) => model.kind === 'gpu-server' && model.gpus === Number(gpus) && isPart(partName, model),
    )?.id;
  // Makers add a batch or a voltage behind the name, or leave their own name out.
  return candidates
    .flatMap((model) => [plain(model.name), plain(model.name.replace(/^\S+ /, ''))].map((key) => ({ model, key })))
    .filter(
      ({ key }) =>
        key.length >= 3 &&
        (name === key || (name.startsWith(key) && !/^(pro|plus|xp|hyd|j|k|a)/.test(name.slice(key.length)))),
    )
    .sort((a, b) => b.key.length - a.key.length)[0]?.model.id;
}

/** How much a reading tells: values that are there, in depth. */
export function weight(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== 'object') return 1;
  return Object.values(value).reduce((sum: number, inner) => sum + weight(inner), 0);
}

/** The fields a reading of a miner may have; what is not among them in an answer was not told. */
const EXPECTED: Partial<Readonly<Record<DeviceKind, readonly (keyof Reading)[]>>> = {
  asic: [
    'model',
    'firmware',
    'serial',
    'mac',
    'hashrateThs',
    'powerW',
    'mode',
    'temperatureC',
    'fansRpm',
    'boards',
    'pool',
    'pools',
    'acceptedShares',
    'rejectedShares',
    'uptimeS',
    'errors',
    'points',
  ],
  'gpu-server': ['model', 'serial', 'powerW', 'mode', 'temperatureC', 'gpus'],
  meter: ['powerW', 'energyImportWh'],
  pdu: ['powerW', 'energyImportWh', 'outlets'],
  cooling: ['cooling'],
  uplink: ['link'],
};

export const missingOf = (reading: Reading, serves: readonly DeviceKind[]): string[] => {
  const expected = serves.flatMap((kind) => EXPECTED[kind] ?? []);
  return [...new Set(expected)].filter((field) => reading[field] === undefined);
};

/** The reading as it is printed: with its efficiency, and dates for times. */
export function plainReading(reading: Reading): Record<string, unknown> {
  const efficiency = efficiencyJPerTh(reading);
  const { at, inspectedAt, ...rest } = reading;
  return {
    at: new Date(at).toISOString(),
    ...(inspectedAt === undefined ? {} : { inspectedAt: new Date(inspectedAt).toISOString() }),
    ...rest,
    ...(efficiency === undefined ? {} : { efficiencyJPerTh: Math.round(efficiency * 100) / 100 }),
  };
}
