import { CATALOGUE, cooledW, PLAIN_PROFILES, type Site } from '../../model/index.ts';
import type { Picture } from '../picture.ts';
import { usableConnectionW } from '../snapshot.ts';

/**
 * By how much import could go up and down by miners alone, cooling and losses with them: those that sleep and could run, within
 * the connection, and those that run and could sleep. Held cohorts count for nothing.
 */
export function availability(
  site: Site,
  picture: Picture,
  held: ReadonlySet<string>,
): { readonly upW: number | undefined; readonly downW: number } {
  const lossFactor = 1 + site.connection.lossPct / 100;
  const up = new Map<string, number>();
  const down = new Map<string, number>();
  const add = (to: Map<string, number>, hall: string, watts: number): void =>
    void to.set(hall, (to.get(hall) ?? 0) + Math.max(0, watts));
  for (const group of site.machines) {
    const model = CATALOGUE.get(group.model);
    if (model?.kind !== 'asic' || held.has(group.id)) continue;
    for (const { device, reading } of picture.groups.get(group.id)?.answering ?? []) {
      const points = reading?.points ?? group.points ?? model.points;
      const plain = points.find(({ profile }) => PLAIN_PROFILES.includes(profile)) ?? points[0];
      if (reading?.mode?.kind === 'run' && device.sleep !== undefined)
        add(down, group.hall, (reading.powerW ?? 0) - model.sleepW);
      if (reading?.mode?.kind === 'sleep' && plain !== undefined && (device.wake ?? device.setMode) !== undefined)
        add(up, group.hall, plain.powerW - (reading.powerW ?? model.sleepW));
    }
  }
  const atMeter = (by: ReadonlyMap<string, number>): number =>
    picture.halls.reduce((sum, { hall, cooling }) => sum + cooledW(cooling, by.get(hall.id) ?? 0), 0) * lossFactor;
  // Without the feeder's meter nobody knows what room there is.
  const roomW = picture.importW === undefined ? undefined : Math.max(0, usableConnectionW(site) - picture.importW);
  return { upW: roomW === undefined ? undefined : Math.min(roomW, atMeter(up)), downW: atMeter(down) };
}
