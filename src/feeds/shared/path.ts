import { Fault } from '../../model/index.ts';
import { short } from './web.ts';

/**
 * A path into JSON: names with dots between, `[2]` for the third of a list, `[-1]` for its last:
 * `data.prices[0].usd`. Nothing else: no wildcards, no filters. An empty path is the value itself.
 */
export const PATH = /^(?:[^.[\]\s]+|\[-?\d+\])(?:\.[^.[\]]+|\[-?\d+\])*$/;

const stepsOf = (path: string): (string | number)[] =>
  [...path.matchAll(/\[(-?\d+)\]|[^.[\]]+/g)].map(([step, index]) => (index === undefined ? step : Number(index)));

/** @throws Fault `garbled` that says how far the path led and what was found there. */
export function at(value: unknown, path: string, where: string): unknown {
  let here = value;
  let walked = '';
  for (const step of stepsOf(path)) {
    const next = stepInto(here, step);
    if (next === undefined)
      throw new Fault(
        'garbled',
        `${where}: found no ${JSON.stringify(path)}: ${walked || 'the reply'} is ${short(here)}`,
      );
    here = next;
    walked += typeof step === 'number' ? `[${step}]` : `${walked === '' ? '' : '.'}${step}`;
  }
  return here;
}

function stepInto(here: unknown, step: string | number): unknown {
  if (typeof step === 'number') return Array.isArray(here) ? here.at(step) : undefined;
  if (typeof here !== 'object' || here === null || Array.isArray(here) || !Object.hasOwn(here, step)) return undefined;
  return (here as Record<string, unknown>)[step];
}
