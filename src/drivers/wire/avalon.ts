import { run, SLEEP, type OperatingMode } from '../../model/index.ts';
import { part } from './cgminer.ts';
import { amount, fields, list, max, num, text, type Fields } from './fields.ts';

/**
 * What an Avalon says of itself: strings of `KEY[value value]` in the rows of `stats`, `estats` and `litestats`, one for
 * each machine behind the controller (captured replies of an A1246 and of an Avalon Q).
 */
export interface Module {
  get(key: string): readonly string[] | undefined;
  has(key: string): boolean;
}

/** Values by key; a text is parted where it is asked for, as a fast read wants few of them. */
type Told = Map<string, string | readonly string[]>;

/** Long lists of chips are read too, but nothing that is longer than any machine is. */
const MOST_VALUES = 2_000;

export function modulesOf(reply: Fields, command: string): readonly Module[] {
  return part(reply, command, 'STATS').flatMap((row) => {
    const chips = boardsIn(row['HBinfo']);
    const elapsed = text(row['Elapsed']) ?? num(row['Elapsed'])?.toString();
    if (elapsed !== undefined) chips.set('Elapsed', [elapsed]);
    return Object.keys(row).flatMap((key) => {
      // "MM ID0", "MM ID0:Summary", and on older controllers "MM ID1" and on.
      if (!/^MM ID\d+(:Summary)?$/.test(key)) return [];
      const told = toldIn(row[key]);
      return told.size === 0 ? [] : [moduleOf(told, chips)];
    });
  });
}

const moduleOf = (told: Told, chips: Told): Module => ({
  get(key) {
    const values = told.get(key) ?? chips.get(key);
    return typeof values === 'string' ? valuesIn(values) : values;
  },
  has: (key) => told.has(key) || chips.has(key),
});

const valuesIn = (said: string): string[] => (said.trim() === '' ? [] : said.trim().split(/\s+/, MOST_VALUES));

/**
 * Chips of board after board: `'HB0':{PVT_T0[...]} 'HB1':{PVT_T0[...]}`. Each counts its own from 0 or goes on with the
 * board's number; here they go by the board.
 */
function boardsIn(said: unknown): Told {
  const sections: readonly (readonly [string, unknown])[] =
    typeof said === 'string'
      ? [...said.matchAll(/'(HB\d+)':\{([^}]*)\}/g)].map(([, name, inner]) => [name!, inner] as const)
      : Object.entries(fields(said));
  const chips: Told = new Map();
  for (const [name, inner] of sections) {
    const board = /^HB(\d+)$/.exec(name)?.[1];
    if (board === undefined) continue;
    for (const [key, values] of toldIn(inner)) chips.set(key.replace(/\d+$/, board), values);
  }
  return chips;
}

/** A text of `KEY[...]`, or the same as an object: some captures come parsed. */
function toldIn(said: unknown): Told {
  const told: Told = new Map();
  if (typeof said === 'string') {
    for (let end = said.indexOf(']'); end >= 0; end = said.indexOf(']', end + 1)) {
      const open = said.lastIndexOf('[', end);
      const key = open < 0 ? undefined : /[A-Za-z]\w*$/.exec(said.slice(Math.max(0, open - LONGEST_KEY), open))?.[0];
      if (key !== undefined) told.set(key, said.slice(open + 1, end));
    }
    return told;
  }
  for (const [key, value] of Object.entries(fields(said))) {
    if (typeof value === 'object' && !Array.isArray(value)) {
      for (const [inner, values] of toldIn(value)) told.set(inner, values);
      continue;
    }
    const values = Array.isArray(value) ? list(value) : [value];
    told.set(
      key,
      values
        .slice(0, MOST_VALUES)
        .flatMap((one) => (typeof one === 'string' || typeof one === 'number' ? `${one}` : [])),
    );
  }
  return told;
}

const LONGEST_KEY = 32;

/** One number of a key; a percentage is read without its sign. */
export const numberIn = (module: Module, key: string, index = 0): number | undefined =>
  num(module.get(key)?.[index]?.replace(/%$/, ''));

export const textIn = (module: Module, key: string): string | undefined => {
  const words = module.get(key)?.join(' ');
  return words === undefined || words === '' || /^<.*>$/.test(words) ? undefined : words;
};

/** What the PSU gives to the boards is the fifth number of PS; `WALLPOWER`, where it is told, is what it takes. */
export const wattsOf = (module: Module): number | undefined =>
  amount(numberIn(module, 'WALLPOWER')) ?? amount(numberIn(module, 'PS', 4));

/** Names of the work modes by the first word of `Ver`: `Q-25052801_14a19a2`, `1246-83-21072802_4ec6bb0`. */
const WORK_MODES: readonly (readonly [family: RegExp, names: readonly string[]])[] = [
  [/^Q\b/i, ['eco', 'standard', 'super']],
  [/^nano/i, ['low', 'medium', 'high']],
  [/^mini/i, ['heater', 'mining', 'night']],
];
/** Machines of the A series. */
const A_SERIES: readonly string[] = ['normal', 'high'];

export const workModesOf = (module: Module): readonly string[] =>
  WORK_MODES.find(([family]) => family.test(textIn(module, 'Ver') ?? ''))?.[1] ?? A_SERIES;

/** Home machines write `workmode,set,N`, the A series `workmode,N`. */
export const isHomeMachine = (module: Module): boolean => workModesOf(module) !== A_SERIES;

/** The word of a mode; a number that has none is told as it is. */
const modeName = (module: Module, mode: number): string => workModesOf(module)[mode] ?? `mode-${mode}`;

/** @returns undefined for a mode that this machine does not have */
export function modeNumber(module: Module, profile: string): number | undefined {
  const names = workModesOf(module);
  if (profile === 'default') return names.length === 3 ? 1 : 0;
  const found = names.indexOf(profile);
  if (found >= 0) return found;
  const bare = /^mode-(\d)$/.exec(profile)?.[1];
  return bare === undefined ? undefined : Number(bare);
}

/**
 * Asleep by `softoff`: `SYSTEMSTATU[Work: In Idle, ...]` with a reason in `SoftOFF`. Idle with none is a machine without
 * work, which runs.
 */
export function modeOf(module: Module): OperatingMode | undefined {
  const state = textIn(module, 'SYSTEMSTATU');
  const soft = numberIn(module, 'SoftOFF');
  if (state !== undefined && /in idle/i.test(state) && soft !== 0) return SLEEP;
  const mode = numberIn(module, 'WORKMODE');
  if (state === undefined || mode === undefined || mode < 0 || !Number.isInteger(mode)) return undefined;
  return run(modeName(module, mode));
}

/** A sensor that is not there reads 0. */
export function hottestOf(module: Module): number | undefined {
  const boards = (module.get('MTmax') ?? []).map(Number);
  const others = ['TMax', 'Tmax', 'Temp', 'ITemp', 'HBITemp', 'HBOTemp'].flatMap((key) => module.get(key) ?? []);
  return max([...others.map(Number), ...boards].map((value) => num(value) || undefined));
}

export const fansOf = (module: Module): (number | undefined)[] =>
  [1, 2, 3, 4, 5, 6, 7, 8].filter((n) => module.has(`Fan${n}`)).map((n) => amount(numberIn(module, `Fan${n}`)));

/** Numbers that are 0 while all is well, in words. */
const TROUBLES: readonly (readonly [key: string, words: string])[] = [
  ['ECHU', 'hash board error'],
  ['ECMM', 'control board error'],
  ['FanErr', 'a fan has failed'],
  ['PCOMM_E', 'the power supply does not answer'],
];

/** @returns undefined where it tells none of them */
export function troublesOf(module: Module): string[] | undefined {
  if (!module.has('PS') && !TROUBLES.some(([key]) => module.has(key))) return undefined;
  const errors = TROUBLES.flatMap(([key, words]) =>
    (module.get(key) ?? []).flatMap((said, i, all) => {
      const code = num(said);
      if (code === undefined || code === 0) return [];
      return [`${words}${all.length > 1 ? ` on board ${i}` : ''} (${key} ${code})`];
    }),
  );
  const supply = numberIn(module, 'PS');
  if (supply !== undefined && supply !== 0) errors.push(`power supply error (PS ${supply})`);
  return errors;
}
