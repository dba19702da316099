import { isSupplied } from './servers.ts';
import { rewire, type Endpoint, type World } from './world.ts';

/** What is armed on machines and outlets, obeyed when their supply comes back. */

export const outletKey = (pdu: number, outlet: number): string => `${pdu}/${outlet}`;

/** Outlets of the bare device; a larger one where more machines hang on it. */
const OUTLETS = 8;

/** What hangs on each outlet of a PDU, from outlet 1; undefined where nothing does. */
export function loadsOf(world: World, pdu: Endpoint): (Endpoint | undefined)[] {
  const feeds = world.site.plant.find(({ id }) => id === pdu.id)?.feeds;
  const count = Math.max(OUTLETS, feeds?.count ?? 0);
  const group = world.endpoints.filter(({ groupId }) => groupId === feeds?.group);
  return Array.from({ length: count }, (_, i) =>
    feeds !== undefined && i < feeds.count ? group[feeds.first - 1 + i] : undefined,
  );
}

/** Before each step: PDUs and servers whose supply has come back since the last one do as they are set. */
export function restoreSupply(world: World, live: readonly boolean[]): void {
  const { state, servers } = world;
  live.forEach((isLive, hall) => {
    if (!isLive) state.darkHalls.add(hall);
    else if (state.darkHalls.delete(hall)) restoreOutlets(world, hall);
  });
  for (let n = 0; n < servers.count; n += 1) {
    if (!live[servers.hall[n]!]! || !isSupplied(servers, n, world)) state.darkServers.add(n);
    else if (state.darkServers.delete(n)) {
      const what = state.restores.get(n) ?? 'last-state';
      if (what === 'stay-off') state.serversOff.add(n);
      else if (what === 'start') state.serversOff.delete(n);
    }
  }
}

/** An APC knows no last state: an outlet is turned on after its delay, or never. */
function restoreOutlets(world: World, hall: number): void {
  const pdus = world.endpoints.filter((endpoint) => endpoint.kind === 'pdu' && endpoint.hall === hall);
  if (pdus.length === 0) return;
  for (const pdu of pdus)
    loadsOf(world, pdu).forEach((load, i) => {
      if (load === undefined) return;
      if ((world.state.outletSeconds.get(outletKey(pdu.number, i + 1)) ?? 0) < 0) world.state.off.add(load.number);
      else world.state.off.delete(load.number);
    });
  rewire(world);
}
