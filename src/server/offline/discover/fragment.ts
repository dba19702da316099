import { stringify } from 'yaml';
import { CATALOGUE } from '../../../model/index.ts';
import type { FoundMachine } from './found.ts';
import { toAddress, toNumber } from './targets.ts';

/** One group of a site file: machines of one driver, model and settings. */
export interface FragmentGroup {
  readonly id: string;
  readonly kind: string;
  readonly model: string;
  readonly driver: string;
  readonly hall: string;
  readonly addresses: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface Fragment {
  readonly groups: readonly FragmentGroup[];
  /** Machines of a model the catalogue does not know, or that was not told: a person names it before they go in. */
  readonly unknownModels: readonly {
    readonly driver: string;
    readonly model: string | null;
    readonly addresses: string;
  }[];
}

interface Kind {
  readonly first: FoundMachine;
  readonly addresses: string;
}

export function fragmentOf(machines: readonly FoundMachine[], hall: string): Fragment {
  const isKnown = ({ modelId }: FoundMachine) => modelId !== null && CATALOGUE.has(modelId);
  const used = new Map<string, number>();
  const groups = kindsOf(machines.filter(isKnown)).map(({ first, addresses }): FragmentGroup => {
    const model = first.modelId ?? first.driver;
    const number = (used.get(model) ?? 0) + 1;
    used.set(model, number);
    const { kind, driver, settings } = first;
    const id = number === 1 ? model : `${model}-${number}`;
    return { id, kind, model, driver, hall, addresses, ...(Object.keys(settings).length === 0 ? {} : { settings }) };
  });
  const unknownModels = kindsOf(machines.filter((machine) => !isKnown(machine))).map(({ first, addresses }) => ({
    driver: first.driver,
    model: first.model,
    addresses,
  }));
  return { groups, unknownModels };
}

/** Machines that could stand in one group of a site file, with their addresses as ranges. */
function kindsOf(machines: readonly FoundMachine[]): Kind[] {
  const kinds = new Map<string, { first: FoundMachine; runs: { from: number; to: number }[] }>();
  for (const machine of machines.toSorted((a, b) => toNumber(a.address) - toNumber(b.address))) {
    const key = JSON.stringify([machine.driver, machine.modelId ?? machine.model, machine.settings]);
    const { runs } = kinds.get(key) ?? kinds.set(key, { first: machine, runs: [] }).get(key)!;
    const at = toNumber(machine.address);
    const run = runs.at(-1);
    if (run !== undefined && run.to === at - 1) run.to = at;
    else runs.push({ from: at, to: at });
  }
  return [...kinds.values()].map(({ first, runs }) => ({
    first,
    addresses: runs
      .map(({ from, to }) => (from === to ? toAddress(from) : `${toAddress(from)}-${toAddress(to)}`))
      .join(', '),
  }));
}

/** The fragment as it is pasted into a site file. */
export function fragmentYaml({ groups, unknownModels }: Fragment): string {
  const known = groups.length === 0 ? '' : stringify({ machines: groups }, { lineWidth: 0 });
  if (unknownModels.length === 0) return known === '' ? '# no machine was found\n' : known;
  const rest = unknownModels.map(
    ({ driver, model, addresses }) =>
      `#   ${driver}, ${model ?? 'model not told (its page wants a password)'}: ${addresses}\n`,
  );
  return `${known}# Found too, of a model that was not told or that the catalogue does not know: name it and add a group\n${rest.join('')}`;
}
