import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rehearsedMachines, rehearsedSite, type Machine, type Site } from '../../src/model/index.ts';
import { parseSite } from '../../src/server/registry.ts';

/** One firmware of the site: its model, its driver, and what the driver is told. */
interface Kind {
  readonly id: string;
  readonly model: string;
  readonly driver: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Every firmware that can sleep, two to a hall. */
const KINDS: readonly Kind[] = [
  { id: 's21-stock', model: 'antminer-s21', driver: 'antminer-stock' },
  { id: 's19k-luxos', model: 'antminer-s19k-pro', driver: 'luxos' },
  { id: 's21-braiins', model: 'antminer-s21', driver: 'braiins', settings: { api: 'rest' } },
  { id: 's19-braiins-old', model: 'antminer-s19-xp', driver: 'braiins', settings: { api: 'graphql' } },
  { id: 's21pro-vnish', model: 'antminer-s21-pro', driver: 'vnish' },
  { id: 's19j-epic', model: 'antminer-s19j-pro', driver: 'epic' },
  { id: 'm50s', model: 'whatsminer-m50s', driver: 'whatsminer-v2' },
  { id: 'm60s', model: 'whatsminer-m60s', driver: 'whatsminer-v3' },
  { id: 'a1566', model: 'avalon-a1566', driver: 'avalon' },
  { id: 'at2880', model: 'auradine-at2880', driver: 'auradine' },
  { id: 'sealminer', model: 'sealminer-a2', driver: 'sealminer' },
  { id: 'rig', model: 'proto-rig', driver: 'proto-rig' },
];
const KINDS_PER_HALL = 2;
const HALLS = KINDS.length / KINDS_PER_HALL;
/** Ample: nothing but the order keeps a machine from running. */
const HALL_MW = 40;

/** Addresses 10.N.x.1-250 of the nth kind. */
function rangesOf(net: number, count: number): string {
  const parts: string[] = [];
  for (let from = 0; from < count; from += 250) {
    const block = `10.${net}.${from / 250}`;
    parts.push(`${block}.1-${block}.${Math.min(250, count - from)}`);
  }
  return parts.join(',');
}

/** A site of so many miners, all of whom it pays to run; its file lies in `folder` for the emulator. */
export function writeShedSite(folder: string, machines: number): { file: string; site: Site; machines: Machine[] } {
  const meter = (id: string, last: number, measures: unknown) => ({
    id,
    driver: 'modbus-meter',
    address: `10.9.0.${last}`,
    measures,
    settings: { map: 'schneider-iem3000' },
  });
  const hallOf = (kind: number) => `h${Math.floor(kind / KINDS_PER_HALL)}`;
  const halls = Array.from({ length: HALLS }, (_, n) => `h${n}`);
  const raw = {
    name: 'Shed benchmark (emulated)',
    trust: 'auto',
    connection: { limitMw: HALL_MW * HALLS, lossPct: 1 },
    tariff: { kind: 'fixed', usdPerMwh: 1 },
    halls: halls.map((id) => ({
      id,
      name: id,
      breakerMw: HALL_MW,
      wakesPerMinute: 100_000,
      cooling: { kind: 'air', baseKw: 20, marginal: [{ wetBulbC: 10, marginalW: 0.05 }] },
    })),
    meters: [meter('feeder', 1, 'connection'), ...halls.map((hall, n) => meter(`meter-${hall}`, 11 + n, { hall }))],
    machines: KINDS.map(({ id, model, driver, settings = {} }, n) => {
      const count = Math.floor(machines / KINDS.length) + (n < machines % KINDS.length ? 1 : 0);
      return { id, kind: 'asic', model, driver, hall: hallOf(n), addresses: rangesOf(100 + n, count), settings };
    }),
    feeds: [
      {
        id: 'week',
        feed: 'recorded',
        settings: { folder: join(import.meta.dirname, '..', '..', 'examples', 'week-2026-03-23') },
      },
    ],
  };
  const file = join(folder, 'site.yaml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(raw));
  const parsed = parseSite(raw);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return { file, site: rehearsedSite(parsed.site, undefined), machines: rehearsedMachines(parsed.machines) };
}
