import fc from 'fast-check';
import type { Exchange, Recording } from './recordings.ts';

/** What firmware writes where it has no value. */
const NOTHING = [undefined, null, '', 'nan', 'inf', 'N/A', -1, 'NaN'] as const;

type Path = readonly (string | number)[];

/** Paths of every leaf of a JSON value. */
function leaves(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, inner]) =>
    leaves(inner, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

/** A copy with one leaf replaced, or taken out where `by` is undefined. */
function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string, unknown>;
  const inner = replaced(copy[key], rest, by);
  if (inner === undefined) delete copy[key];
  else copy[key] = inner;
  return Array.isArray(value) ? Object.values(copy) : copy;
}

/** The JSON or the lines an exchange answers with; undefined where it answers with plain text or registers. */
function answerOf(exchange: Exchange): unknown {
  if ('modbus' in exchange) return undefined;
  if ('program' in exchange) return exchange.reply.lines;
  const answer = 'http' in exchange ? (exchange.reply.lines ?? exchange.reply.body) : exchange.reply;
  return typeof answer === 'object' ? answer : undefined;
}

const linesOf = (exchange: Exchange): boolean =>
  'program' in exchange || ('http' in exchange && exchange.reply.lines !== undefined);

function withAnswer(recording: Recording, index: number, answer: unknown): Recording {
  const exchanges = recording.exchanges.map((exchange, i): Exchange => {
    if (i !== index) return exchange;
    if ('tcp' in exchange) return { ...exchange, reply: answer };
    if ('modbus' in exchange) return { ...exchange, reply: answer as string };
    if ('snmp' in exchange || 'bacnet' in exchange) return { ...exchange, reply: answer as never };
    if ('program' in exchange) return { ...exchange, reply: { ...exchange.reply, lines: answer as string[] } };
    if (exchange.reply.lines === undefined) return { ...exchange, reply: { ...exchange.reply, body: answer } };
    return { ...exchange, reply: { ...exchange.reply, lines: answer as string[] } };
  });
  return { ...recording, exchanges, damaged: true };
}

/** The same recording with one value gone or written as firmware writes "none", once for each value and way. */
export function mutations(recording: Recording): { what: string; mutant: Recording }[] {
  return recording.exchanges.flatMap((exchange, index) => {
    const answer = answerOf(exchange);
    if (answer === undefined) return [];
    const isLines = linesOf(exchange);
    return leaves(answer).flatMap((path) =>
      NOTHING.map((nothing) => {
        const line = isLines ? (answer as string[])[Number(path[0])]! : '';
        const by = isLines && nothing !== undefined ? line.replace(/\S+$/, String(nothing ?? '')) : nothing;
        const mutant = withAnswer(recording, index, replaced(answer, path, by));
        return { what: `exchange ${index} ${path.join('.')} = ${String(nothing)}`, mutant };
      }),
    );
  });
}

/** The same recording with some leaf, or some answer, replaced by any JSON value, text or registers. */
export function damaged(recording: Recording): fc.Arbitrary<Recording> {
  const any = fc.oneof(
    fc.jsonValue(),
    fc.double(),
    fc.constantFrom(9.3e18, -5, 1e308, '1e999', '0x10', '__proto__', true),
  );
  return fc.nat(recording.exchanges.length - 1).chain((index) => {
    const exchange = recording.exchanges[index]!;
    const answer = answerOf(exchange);
    if ('modbus' in exchange) {
      const bytes = fc.uint8Array({ minLength: exchange.reply.length / 2, maxLength: exchange.reply.length / 2 });
      return bytes.map((words) => withAnswer(recording, index, Buffer.from(words).toString('hex')));
    }
    if (answer === undefined) return fc.string().map((text) => withAnswer(recording, index, text));
    // An empty list has no leaf: it is replaced as a whole.
    const found = leaves(answer);
    const paths = found.length === 0 ? [[]] : found;
    const isLines = linesOf(exchange);
    const value = isLines
      ? fc.oneof(
          fc.string(),
          any.map((v) => `DCGM_FI_DEV_POWER_USAGE{gpu="0"} ${JSON.stringify(v)}`),
        )
      : any;
    return fc.tuple(fc.nat(paths.length - 1), fc.nat(6), value).map(([at, up, by]) => {
      const whole = paths[at]!;
      // Now and then a whole branch is replaced; lines stay lines.
      const path = isLines ? whole : whole.slice(0, Math.max(0, whole.length - (up > 3 ? up - 3 : 0)));
      return withAnswer(recording, index, replaced(answer, path, by));
    });
  });
}
