import type { Reading } from '../../src/model/index.ts';

/** What is wrong with a reading of such a driver, in words; an empty list where nothing is. */
export function faultsOf(reading: Reading, driver: string): string[] {
  const faults: string[] = [];
  const walk = (value: unknown, path: string): void => {
    if (typeof value === 'number' && !Number.isFinite(value)) faults.push(`${path} is ${value}`);
    else if (value === null) faults.push(`${path} is null`);
    else if (value === '' && !path.endsWith('worker')) faults.push(`${path} is an empty text`);
    else if (typeof value === 'object')
      for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`);
  };
  walk(reading, '');
  const { hashrateThs, uptimeS, acceptedShares, rejectedShares, energyImportWh, energyExportWh } = reading;
  // A meter's power is below zero where the site feeds in.
  const powerW = driver === 'modbus-meter' ? undefined : reading.powerW;
  const amounts = { powerW, hashrateThs, uptimeS, acceptedShares, rejectedShares, energyImportWh, energyExportWh };
  for (const [name, value] of Object.entries(amounts)) if (value !== undefined && value < 0) faults.push(`${name} < 0`);
  for (const gpu of reading.gpus ?? [])
    for (const [name, value] of Object.entries(gpu))
      if (name !== 'temperatureC' && typeof value === 'number' && value < 0)
        faults.push(`gpu ${gpu.index} ${name} < 0`);
  for (const { profile, powerW: watts, hashrateThs: ths } of reading.points ?? [])
    if (watts < 0 || ths < 0) faults.push(`point ${profile} < 0`);
  if ((reading.powerW === undefined) !== (reading.powerBasis === undefined))
    faults.push('power and its basis disagree');
  if (reading.points?.length === 0 || reading.gpus?.length === 0) faults.push('an empty list for one that is missing');
  return faults;
}

/** Paths of a reading whose value is zero: the ones that could be a missing value in disguise. */
export function zerosOf(value: unknown, path = ''): string[] {
  if (value === 0) return [path];
  if (typeof value !== 'object' || value === null) return [];
  // Places in a list are numbered from 0: no figure.
  return Object.entries(value).flatMap(([key, inner]) => (key === 'index' ? [] : zerosOf(inner, `${path}/${key}`)));
}
