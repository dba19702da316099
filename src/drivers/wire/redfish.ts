import { Fault, type GpuReading, type Reading } from '../../model/index.ts';
import { amount, fields, list, max, num, text, type Fields } from './fields.ts';

/** What Redfish resources say (DMTF DSP2046, schema guide), as parts of a reading. Nothing is asked here. */

/** Where a resource lies; BMCs write links as `{"@odata.id": "/redfish/v1/..."}`. */
export function linkOf(value: unknown): string | undefined {
  const link = text(fields(value)['@odata.id']);
  return link !== undefined && link.startsWith('/redfish/') ? link : undefined;
}

/** @throws Fault garbled where a collection is none */
export function membersOf(collection: Fields, where: string): string[] {
  if (!Array.isArray(collection['Members'])) throw new Fault('garbled', `${where}: no collection of members`);
  return collection['Members'].flatMap((member) => linkOf(member) ?? []);
}

const isThere = (sensor: Fields): boolean => {
  const state = text(fields(sensor['Status'])['State']);
  return state === undefined || state === 'Enabled';
};

/** Of `Power`: `PowerControl[].PowerConsumedWatts`, the whole chassis first; of `EnvironmentMetrics`: `PowerWatts`. */
export function powerOf(resource: Fields): number | undefined {
  const metric = amount(fields(resource['PowerWatts'])['Reading']);
  if (metric !== undefined) return metric;
  for (const control of list(resource['PowerControl'])) {
    const watts = amount(fields(control)['PowerConsumedWatts']);
    if (watts !== undefined) return watts;
  }
  return undefined;
}

/** Hottest sensor, of `Thermal` or of `ThermalMetrics`. */
export function hottestOf(resource: Fields): number | undefined {
  const sensors = list(resource['Temperatures']).map(fields).filter(isThere);
  const metrics = list(resource['TemperatureReadingsCelsius']).map(fields);
  return max([
    ...sensors.map((sensor) => num(sensor['ReadingCelsius'])),
    ...metrics.map((metric) => num(metric['Reading'])),
  ]);
}

export function fansOf(resource: Fields): Pick<Reading, 'fansRpm' | 'fanRpm'> {
  const fans = list(resource['Fans'])
    .map(fields)
    .filter(isThere)
    // Some tell per cent in the same field.
    .map((fan) => (fan['ReadingUnits'] === 'RPM' ? amount(fan['Reading']) : undefined));
  if (fans.every((rpm) => rpm === undefined)) return {};
  return { fansRpm: fans, fanRpm: max(fans) };
}

/** Sensors and supplies that say they are not well. */
export function troublesOf(resource: Fields): string[] {
  return ['Temperatures', 'Fans', 'PowerSupplies', 'PowerControl'].flatMap((key) =>
    list(resource[key]).flatMap((one) => {
      const health = text(fields(fields(one)['Status'])['Health']);
      if (health !== 'Warning' && health !== 'Critical') return [];
      return [`${text(fields(one)['Name']) ?? key}: ${health.toLowerCase()}`];
    }),
  );
}

export interface GpuMetrics {
  readonly uri: string;
  readonly index: number;
  readonly etag: string | undefined;
  readonly limitW: number | undefined;
  readonly leastW: number | undefined;
  readonly mostW: number | undefined;
  readonly reading: GpuReading;
}

/** `EnvironmentMetrics` of one GPU. An H100's is named GPU_SXM_1 and counts from 1, a B200's GPU_0. */
export function gpuMetrics(uri: string, index: number, resource: Fields): GpuMetrics {
  const limit = fields(resource['PowerLimitWatts']);
  const kwh = amount(fields(resource['EnergykWh'])['Reading']);
  const joules = amount(fields(resource['EnergyJoules'])['Reading']);
  const limitW = amount(limit['SetPoint']);
  return {
    uri,
    index,
    etag: text(resource['@odata.etag']),
    limitW,
    leastW: amount(limit['AllowableMin']),
    mostW: amount(limit['AllowableMax']),
    reading: {
      index,
      powerW: amount(fields(resource['PowerWatts'])['Reading']),
      energyMj: joules !== undefined ? joules * 1000 : kwh === undefined ? undefined : kwh * 3.6e9,
      utilisationPct: undefined,
      temperatureC: num(fields(resource['TemperatureCelsius'])['Reading']),
      powerLimitW: limitW,
    },
  };
}
