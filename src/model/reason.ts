import { z } from 'zod';

/**
 * Controls, and marks that turn the direction of text round: in a terminal or a log they say something else than what stands there.
 */
const DECEIVING = /[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u;

/** Why somebody does something, for the record: one line of 3 to 500 characters; line breaks and runs of blanks become one blank. */
export const reason = z
  .string()
  .max(500, 'a reason has 500 characters at the most')
  .overwrite((text) => text.replaceAll(/\s+/g, ' ').trim())
  .min(3, 'a reason has 3 characters at least')
  .refine((text) => !DECEIVING.test(text), 'control characters and marks of direction are not allowed');
