import { isUtf8 } from 'node:buffer';

/**
 * JSON as firmware writes it. What is damaged and still has one meaning is read: commas too many or too few, a value
 * left out, bare `nan` and `inf`, raw control characters and quotes inside a text, lists shaped like dicts and dicts
 * shaped like lists. Anything else, and every answer that was cut off, is not: what is missing is unknown.
 */

/** Text of an answer: UTF-8, or Latin-1 where it is none (pool users with accents); no byte order mark, no NUL. */
export function textOf(bytes: Uint8Array): string {
  const isWide = bytes[0] === 0xff && bytes[1] === 0xfe;
  // cgminer ends its answers so: cut off here, it costs nothing.
  const end = bytes.at(-1) === 0 && !isWide ? bytes.length - 1 : bytes.length;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, end);
  return cleaned(buffer.toString(isWide ? 'utf16le' : isUtf8(buffer) ? 'utf8' : 'latin1'));
}

const cleaned = (text: string): string => (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text).replaceAll('\0', '');

/** @returns undefined where the text cannot be understood without guessing */
export function parseJson(raw: string): unknown {
  try {
    return JSON.parse(raw) as unknown;
  } catch {
    const text = cleaned(raw).trim();
    if (text === raw) return parseLoose(text);
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return parseLoose(text);
    }
  }
}

/** One for all: where hundreds of machines answer nonsense at once, a stack trace for each costs more than the parsing. */
const NOT_UNDERSTOOD = new Error('not understood');

interface Cursor {
  readonly text: string;
  at: number;
}

function parseLoose(text: string): unknown {
  const cursor = { text, at: 0 };
  try {
    const found = value(cursor, 0);
    skipBlank(cursor);
    return cursor.at === text.length ? found : undefined;
  } catch (error) {
    if (error === NOT_UNDERSTOOD) return undefined;
    throw error;
  }
}

/** Deeper than any miner nests; a limit so that brackets alone cannot exhaust the stack. */
const DEEPEST = 64;

const next = ({ text, at }: Cursor): string => text[at] ?? '';

/** Blanks and control characters between the parts. */
function skipBlank(cursor: Cursor): void {
  while (cursor.at < cursor.text.length && cursor.text.charCodeAt(cursor.at) <= 32) cursor.at += 1;
}

function skipCommas(cursor: Cursor): void {
  skipBlank(cursor);
  while (next(cursor) === ',') {
    cursor.at += 1;
    skipBlank(cursor);
  }
}

function value(cursor: Cursor, depth: number): unknown {
  skipBlank(cursor);
  const first = next(cursor);
  if (first === '"') return quoted(cursor);
  if (first === '{' || first === '[') return entries(cursor, depth);
  return bare(cursor);
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** A number, true, false, null; `nan` and `inf` are no value. */
function bare(cursor: Cursor): unknown {
  const word = /[^\s,:[\]{}"]*/y;
  word.lastIndex = cursor.at;
  const said = word.exec(cursor.text)![0];
  cursor.at += said.length;
  if (said === 'true' || said === 'false') return said === 'true';
  if (said === 'null' || /^[+-]?(?:nan|inf(?:inity)?)$/i.test(said)) return null;
  if (NUMBER.test(said)) return Number(said);
  throw NOT_UNDERSTOOD;
}

/** `{...}` or `[...]`: pairs make an object and values a list, whichever bracket stands around them. */
function entries(cursor: Cursor, depth: number): unknown {
  if (depth > DEEPEST) throw NOT_UNDERSTOOD;
  const opened = next(cursor);
  const close = opened === '{' ? '}' : ']';
  cursor.at += 1;
  const pairs: [string, unknown][] = [];
  const values: unknown[] = [];
  for (;;) {
    skipCommas(cursor);
    if (next(cursor) === close) break;
    const entry = value(cursor, depth + 1);
    skipBlank(cursor);
    if (next(cursor) !== ':') values.push(entry);
    else if (typeof entry === 'string') pairs.push([entry, pairedValue(cursor, depth)]);
    else throw NOT_UNDERSTOOD;
  }
  cursor.at += 1;
  if (pairs.length > 0 && values.length > 0) throw NOT_UNDERSTOOD;
  if (pairs.length > 0 || (opened === '{' && values.length === 0)) return Object.fromEntries(pairs);
  return values;
}

function pairedValue(cursor: Cursor, depth: number): unknown {
  cursor.at += 1;
  skipBlank(cursor);
  const first = next(cursor);
  return first === ',' || first === '}' || first === ']' ? null : value(cursor, depth + 1);
}

/** What may stand behind a closing quote: a comma and what a comma parts, a colon, a bracket that closes, a next key. */
const CLOSED = /\s*(?::|[\]}]|,\s*(?:["{[\]},\d-]|true|false|null|nan|inf)|"[^"]*"\s*:|$)/iy;

function quoted(cursor: Cursor): string {
  const { text } = cursor;
  let said = '';
  for (let at = cursor.at + 1; at < text.length; at += 1) {
    const letter = text[at]!;
    if (letter === '\\') {
      const escape = /\\(?:u[\da-fA-F]{4}|["\\/bfnrt])/y;
      escape.lastIndex = at;
      const found = escape.exec(text)?.[0];
      // A backslash that escapes nothing stands for itself.
      said += found === undefined ? letter : (JSON.parse(`"${found}"`) as string);
      at += (found?.length ?? 1) - 1;
    } else if (letter !== '"') said += letter;
    else {
      CLOSED.lastIndex = at + 1;
      if (CLOSED.test(text)) {
        cursor.at = at + 1;
        return said;
      }
      said += letter;
    }
  }
  throw NOT_UNDERSTOOD;
}
