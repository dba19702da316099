import { asFault, Fault, type Gap, type Reading } from '../../model/index.ts';

/**
 * Collects a reading from several answers: a part that fails is written down as a gap and the others still stand.
 * Only where nothing at all was answered does the first failure speak for the machine.
 */
export interface Parts {
  /** The answer of one part, or undefined and a gap. */
  get<T>(part: string, ask: () => Promise<T>): Promise<T | undefined>;
  /** The same for what not every version has, or tells to everybody: that is no gap, an answer not understood is. */
  extra<T>(part: string, ask: () => Promise<T>): Promise<T | undefined>;
  /** @returns the gaps, or undefined where there is none. @throws the first fault where every part failed */
  gaps(): readonly Gap[] | undefined;
}

export function parts(): Parts {
  const gaps: Gap[] = [];
  let first: unknown;
  let answered = 0;
  const add = (part: string, { kind, message }: Fault): void => void gaps.push({ part, kind, message });
  return {
    async get(part, ask) {
      try {
        const value = await ask();
        answered += 1;
        return value;
      } catch (error) {
        first ??= error;
        add(part, asFault(error));
        return undefined;
      }
    },
    async extra(part, ask) {
      try {
        return await ask();
      } catch (error) {
        const fault = asFault(error);
        if (fault.kind === 'garbled') add(part, fault);
        return undefined;
      }
    },
    gaps() {
      if (answered === 0 && first !== undefined) throw first as Error;
      return gaps.length === 0 ? undefined : gaps;
    },
  };
}

/**
 * A reading that tells something.
 * @throws Fault garbled where every answer came and none held a value: some other machine speaks there
 */
export function expectTold(reading: Reading, where: string): Reading {
  const { at: _at, gaps: _gaps, ...told } = reading;
  const says = (value: unknown) => value !== undefined && !(Array.isArray(value) && value.length === 0);
  if (Object.values(told).some(says)) return reading;
  throw new Fault('garbled', `${where}: answers that hold nothing this firmware tells`);
}

/**
 * A part of a reading that other parts do not need: a fault of it leaves it undefined.
 * @throws what is no fault of the world
 */
export async function optional<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
