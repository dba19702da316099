import { efficiencyJPerTh } from '../model/index.ts';
import type { MachineDetail, PlantPage } from '../model/machines-api.ts';
import { addressesOf, isoUtc, machineId } from '../model/index.ts';
import type { Device } from '../drivers/driver.ts';
import type { FleetMachine } from './fleet.ts';
import type { SiteDevice } from './plant-devices.ts';
import type { Runtime } from './runtime.ts';
import { machineRow } from './view.ts';

const orNull = <T>(value: T | undefined): T | null => value ?? null;

/** What a device can be told: the methods it has. */
const TOLD = [
  'sleep',
  'wake',
  'setMode',
  'setPowerLimit',
  'setClockLimit',
  'setPools',
  'setAfterOutage',
  'reboot',
  'locate',
] as const;
const abilities = (device: Device): string[] => TOLD.filter((method) => device[method] !== undefined);

/** Everything known of one machine. */
export function machineDetail(runtime: Runtime, member: FleetMachine): MachineDetail {
  const { machine, reading, device } = member;
  const moved = runtime.identities.changed().get(machine.id);
  const at = runtime.clock.now();
  return {
    ...machineRow(runtime, member),
    serial: orNull(reading?.serial),
    mac: orNull(reading?.mac),
    hostname: orNull(reading?.hostname),
    saysModel: orNull(reading?.model),
    uptimeS: orNull(reading?.uptimeS),
    efficiencyJPerTh: reading === undefined ? null : orNull(efficiencyJPerTh(reading)),
    powerLimitW: orNull(reading?.powerLimitW),
    fansRpm: orNull(reading?.fansRpm?.map(orNull)),
    boards: orNull(
      reading?.boards?.map(({ index, hashrateThs, temperatureC, chips, powerW, serial }) => ({
        index,
        hashrateThs: orNull(hashrateThs),
        temperatureC: orNull(temperatureC),
        chips: orNull(chips),
        powerW: orNull(powerW),
        serial: orNull(serial),
      })),
    ),
    pools: orNull(
      reading?.pools?.map(({ url, worker, active, alive, acceptedShares, rejectedShares }) => ({
        url,
        worker,
        active: orNull(active),
        alive: orNull(alive),
        acceptedShares: orNull(acceptedShares),
        rejectedShares: orNull(rejectedShares),
      })),
    ),
    acceptedShares: orNull(reading?.acceptedShares),
    rejectedShares: orNull(reading?.rejectedShares),
    errors: reading?.errors === undefined ? null : [...reading.errors],
    points: reading?.points === undefined ? null : reading.points.map((point) => ({ ...point })),
    gpus: orNull(
      reading?.gpus?.map((gpu) => ({
        index: gpu.index,
        name: orNull(gpu.name),
        powerW: orNull(gpu.powerW),
        powerLimitW: orNull(gpu.powerLimitW),
        utilisationPct: orNull(gpu.utilisationPct),
        temperatureC: orNull(gpu.temperatureC),
        memoryUsedBytes: orNull(gpu.memoryUsedBytes),
        memoryTotalBytes: orNull(gpu.memoryTotalBytes),
        xid: orNull(gpu.xid),
        job: orNull(gpu.job),
      })),
    ),
    tpus: orNull(
      reading?.tpus?.map(({ index, model, dutyCyclePct, memoryUsedBytes, memoryTotalBytes }) => ({
        index,
        model: orNull(model),
        dutyCyclePct: orNull(dutyCyclePct),
        memoryUsedBytes: orNull(memoryUsedBytes),
        memoryTotalBytes: orNull(memoryTotalBytes),
      })),
    ),
    gaps: (reading?.gaps ?? []).map(({ part, kind, message }) => ({ part, kind, message })),
    inspectedAgeMs: reading?.inspectedAt === undefined ? null : at - reading.inspectedAt,
    stranger: orNull(runtime.pools.strangers().get(machine.id)),
    moved: moved === undefined ? null : { was: moved.was, is: moved.is, nowAt: orNull(moved.nowAt) },
    can: abilities(device),
  };
}

/** PDUs and cooling plant with what hangs on each outlet. */
export function plantPage(runtime: Runtime): PlantPage {
  return { at: isoUtc(runtime.clock.now()), devices: runtime.devices.list.map((one) => deviceView(runtime, one)) };
}

function deviceView(runtime: Runtime, one: SiteDevice): PlantPage['devices'][number] {
  const { entry, reading, readWall, fault } = one;
  const { feeds } = entry;
  const group = runtime.site.machines.find(({ id }) => id === feeds?.group);
  const most = group === undefined ? 0 : addressesOf(group.addresses).length;
  const onOutlet = (outlet: number): string | null => {
    if (feeds === undefined || outlet > feeds.count) return null;
    const index = feeds.first - 1 + outlet - 1;
    return index < most ? machineId(feeds.group, index) : null;
  };
  const cooling = reading?.cooling;
  return {
    id: entry.id,
    kind: entry.kind,
    name: orNull(entry.name),
    hallId: entry.hall,
    address: entry.address,
    driver: entry.driver,
    ageMs: readWall === undefined ? null : Math.round((runtime.picture().wall - readWall) * runtime.clock.speed),
    fault: fault === undefined ? null : fault.message,
    powerW: orNull(reading?.powerW),
    energyWh: orNull(reading?.energyImportWh),
    outlets: orNull(
      reading?.outlets?.map(({ index, name, on, powerW }) => ({
        index,
        name: orNull(name),
        on: orNull(on),
        powerW: orNull(powerW),
        feeds: onOutlet(index),
        afterOutage: runtime.afterOutages.outlet(one, index),
      })),
    ),
    cooling:
      cooling === undefined
        ? null
        : {
            running: orNull(cooling.running),
            supplyC: orNull(cooling.supplyC),
            returnC: orNull(cooling.returnC),
            setPointC: orNull(cooling.setPointC),
            flowLpm: orNull(cooling.flowLpm),
            pressureKpa: orNull(cooling.pressureKpa),
            fanPct: orNull(cooling.fanPct),
            pumpPct: orNull(cooling.pumpPct),
          },
  };
}
