/** As much of the wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding) as a miner's API wants. */

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = Math.max(0, Math.floor(value));
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}

const key = (field: number, wire: number): Buffer => varint(field * 8 + wire);
const NOTHING = Buffer.alloc(0);

/** A whole number, an enum, or a truth; 0 is what an absent one means, so it is left out. */
export function int(field: number, value: number | boolean): Buffer {
  const n = Number(value);
  return n === 0 ? NOTHING : Buffer.concat([key(field, WIRE.varint), varint(n)]);
}

export function double(field: number, value: number): Buffer {
  if (value === 0) return NOTHING;
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, WIRE.fixed64), bytes]);
}

const bytesOf = (field: number, body: Buffer): Buffer =>
  Buffer.concat([key(field, WIRE.bytes), varint(body.length), body]);

export const str = (field: number, value: string): Buffer =>
  value === '' ? NOTHING : bytesOf(field, Buffer.from(value));

/** A message inside another; there even where it is empty. */
export const message = (field: number, ...parts: readonly Buffer[]): Buffer => bytesOf(field, Buffer.concat(parts));

/** What a message holds, by field number: numbers as they are, everything that has a length as its bytes. */
export type Decoded = ReadonlyMap<number, readonly (number | Buffer)[]>;

/** @throws RangeError where it ends too early or holds what is not known */
export function decode(body: Buffer): Decoded {
  const found = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const take = (length: number): Buffer => {
    if (at + length > body.length) throw new RangeError('a message that ends too early');
    at += length;
    return body.subarray(at - length, at);
  };
  const next = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = take(1)[0]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < body.length) {
    const head = next();
    const wire = head % 8;
    const value =
      wire === WIRE.varint
        ? next()
        : wire === WIRE.fixed64
          ? take(8).readDoubleLE()
          : wire === WIRE.fixed32
            ? take(4).readFloatLE()
            : wire === WIRE.bytes
              ? take(next())
              : undefined;
    if (value === undefined) throw new RangeError(`wire type ${wire}`);
    const field = Math.floor(head / 8);
    found.set(field, [...(found.get(field) ?? []), value]);
  }
  return found;
}

/** Messages under a field; none where it is not there. */
export const messagesAt = (of: Decoded, field: number): readonly Decoded[] =>
  (of.get(field) ?? []).flatMap((value) => (typeof value === 'number' ? [] : [decode(value)]));

export const textAt = (of: Decoded, field: number): string => {
  const value = of.get(field)?.at(-1);
  return value instanceof Buffer ? value.toString('utf8') : '';
};

export const numberAt = (of: Decoded, field: number): number => {
  const value = of.get(field)?.at(-1);
  return typeof value === 'number' ? value : 0;
};
