import { InvalidArgumentError } from 'commander';

/** Parses an option that wants a number within bounds, both included. */
export const number =
  (least: number, most: number) =>
  (text: string): number => {
    const n = Number(text);
    if (!Number.isFinite(n) || n < least || n > most)
      throw new InvalidArgumentError(`expected a number from ${least} to ${most}`);
    return n;
  };
