/**
 * As much of BACnet/IP (ASHRAE 135, annex J and clauses 20, 21) as a small controller speaks: ReadProperty,
 * ReadPropertyMultiple, WriteProperty and Who-Is, without segments.
 */

/** Object types by their number in the standard. */
export const TYPE = {
  analogInput: 0,
  analogOutput: 1,
  analogValue: 2,
  binaryInput: 3,
  binaryOutput: 4,
  binaryValue: 5,
  device: 8,
} as const;
export const PROPERTY = { objectIdentifier: 75, objectName: 77, objectType: 79, presentValue: 85 } as const;

export type Value =
  | { readonly tag: 'null' }
  | { readonly tag: 'real' | 'unsigned' | 'enumerated'; readonly number: number }
  | { readonly tag: 'text'; readonly text: string }
  | { readonly tag: 'object'; readonly type: number; readonly instance: number };

export interface ObjectId {
  readonly type: number;
  readonly instance: number;
}

/** Error class and code: property, unknown-property and so on. */
export interface BacnetError {
  readonly error: readonly [errorClass: number, code: number];
}
export const UNKNOWN_OBJECT: BacnetError = { error: [1, 31] };
export const UNKNOWN_PROPERTY: BacnetError = { error: [2, 32] };
export const WRITE_DENIED: BacnetError = { error: [2, 40] };
export const OUT_OF_RANGE: BacnetError = { error: [2, 37] };
export const WRONG_TYPE: BacnetError = { error: [2, 9] };

export interface Controller {
  readonly instance: number;
  read(object: ObjectId, property: number): Value | BacnetError;
  /** @returns an error, or undefined where it was written */
  write(object: ObjectId, property: number, value: Value, priority: number): BacnetError | undefined;
}

const SERVICE = { readProperty: 12, readPropertyMultiple: 14, writeProperty: 15 } as const;
const WHO_IS = 8;
const UNRECOGNISED_SERVICE = 9;
const MISSING_PARAMETER = 5;

/** The answer to one packet, or undefined where none is due. */
export function answerTo(packet: Buffer, controller: Controller): Buffer | undefined {
  try {
    const apdu = apduOf(packet);
    if (apdu === undefined) return undefined;
    if (apdu[0]! >> 4 === 1) return apdu[1] === WHO_IS ? wrap(iAm(controller, apdu.subarray(2))) : undefined;
    // Only a whole request is answered: bit 3 marks a segment of one.
    if (apdu[0]! >> 4 !== 0 || (apdu[0]! & 8) !== 0) return undefined;
    return wrap(serve(apdu[2]!, apdu[3]!, apdu.subarray(4), controller));
  } catch {
    return undefined;
  }
}

function apduOf(packet: Buffer): Buffer | undefined {
  if (packet[0] !== 0x81 || packet.readUInt16BE(2) !== packet.length) return undefined;
  if (packet[1] !== 0x0a && packet[1] !== 0x0b) return undefined;
  const control = packet[5]!;
  if (packet[4] !== 1 || (control & 0x80) !== 0) return undefined;
  let at = 6;
  if ((control & 0x20) !== 0) at += 3 + packet[at + 2]!;
  if ((control & 0x08) !== 0) at += 3 + packet[at + 2]!;
  if ((control & 0x20) !== 0) at += 1;
  return packet.subarray(at);
}

function wrap(apdu: Buffer | undefined): Buffer | undefined {
  if (apdu === undefined) return undefined;
  const head = Buffer.from([0x81, 0x0a, 0, 0, 1, 0]);
  head.writeUInt16BE(6 + apdu.length, 2);
  return Buffer.concat([head, apdu]);
}

function iAm({ instance }: Controller, range: Buffer): Buffer | undefined {
  const read = reader(range);
  const low = read.context(0);
  const high = read.context(1);
  if (low !== undefined && high !== undefined && (instance < number(low) || instance > number(high))) return undefined;
  const id = encode({ tag: 'object', type: TYPE.device, instance });
  return Buffer.concat([Buffer.from([0x10, 0]), id, Buffer.from([0x22, 0x05, 0xc4, 0x91, 3, 0x21, 77])]);
}

function serve(invoke: number, service: number, body: Buffer, controller: Controller): Buffer {
  const read = reader(body);
  const ack = (parts: readonly Buffer[]) => Buffer.concat([Buffer.from([0x30, invoke, service]), ...parts]);
  const failed = ({ error }: BacnetError) => Buffer.from([0x50, invoke, service, 0x91, error[0], 0x91, error[1]]);
  switch (service) {
    case SERVICE.readProperty: {
      const [object, property] = [read.context(0), read.context(1)];
      if (object === undefined || property === undefined) return Buffer.from([0x60, invoke, MISSING_PARAMETER]);
      const value = controller.read(idOf(object), number(property));
      if ('error' in value) return failed(value);
      return ack([contextual(0, object), contextual(1, property), OPEN(3), encode(value), CLOSE(3)]);
    }
    case SERVICE.readPropertyMultiple:
      return ack(readMany(read, controller));
    case SERVICE.writeProperty: {
      const [object, property] = [read.context(0), read.context(1)];
      read.context(2);
      if (object === undefined || property === undefined || !read.opening(3))
        return Buffer.from([0x60, invoke, MISSING_PARAMETER]);
      const value = read.application();
      if (value === undefined || !read.closing(3)) return failed(WRONG_TYPE);
      const priority = read.context(4);
      const error = controller.write(
        idOf(object),
        number(property),
        value,
        priority === undefined ? 16 : number(priority),
      );
      return error === undefined ? Buffer.from([0x20, invoke, service]) : failed(error);
    }
    default:
      return Buffer.from([0x60, invoke, UNRECOGNISED_SERVICE]);
  }
}

function readMany(read: Reader, controller: Controller): Buffer[] {
  const parts: Buffer[] = [];
  for (let object = read.context(0); object !== undefined; object = read.context(0)) {
    if (!read.opening(1)) throw new Error('no list of properties');
    parts.push(contextual(0, object), OPEN(1));
    for (let property = read.context(0); property !== undefined; property = read.context(0)) {
      read.context(1);
      const value = controller.read(idOf(object), number(property));
      parts.push(contextual(2, property));
      if ('error' in value) {
        const [errorClass, code] = value.error;
        parts.push(OPEN(5), Buffer.from([0x91, errorClass, 0x91, code]), CLOSE(5));
      } else parts.push(OPEN(4), encode(value), CLOSE(4));
    }
    if (!read.closing(1)) throw new Error('a list of properties without an end');
    parts.push(CLOSE(1));
  }
  return parts;
}

interface Reader {
  /** Bytes of a context tag, or undefined where another stands there. */
  context(tag: number): Buffer | undefined;
  opening(tag: number): boolean;
  closing(tag: number): boolean;
  application(): Value | undefined;
}

function reader(body: Buffer): Reader {
  let at = 0;
  const mark = (tag: number, kind: number): boolean => {
    if (body[at] !== (tag << 4) + kind) return false;
    at += 1;
    return true;
  };
  const take = (length: number): Buffer => {
    if (at + length > body.length) throw new RangeError('the packet ends too early');
    at += length;
    return body.subarray(at - length, at);
  };
  return {
    context(tag) {
      const head = body[at];
      const length = (head ?? 0) & 7;
      if (head === undefined || head >> 4 !== tag || (head & 8) === 0 || length > 4) return undefined;
      at += 1;
      return take(length);
    },
    opening: (tag) => mark(tag, 0x0e),
    closing: (tag) => mark(tag, 0x0f),
    application() {
      const head = take(1)[0]!;
      if ((head & 8) !== 0) return undefined;
      const length = head & 7;
      if (head === 0) return { tag: 'null' };
      if (head === 0x44) return { tag: 'real', number: take(4).readFloatBE(0) };
      if (head >> 4 === 2 && length <= 4) return { tag: 'unsigned', number: number(take(length)) };
      if (head >> 4 === 9 && length <= 4) return { tag: 'enumerated', number: number(take(length)) };
      return undefined;
    },
  };
}

const OPEN = (tag: number): Buffer => Buffer.from([(tag << 4) + 0x0e]);
const CLOSE = (tag: number): Buffer => Buffer.from([(tag << 4) + 0x0f]);
const contextual = (tag: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(tag << 4) + 8 + bytes.length]), bytes]);
const number = (bytes: Buffer): number => (bytes.length === 0 ? 0 : bytes.readUIntBE(0, bytes.length));

function idOf(bytes: Buffer): ObjectId {
  const id = bytes.readUInt32BE(0);
  return { type: id >>> 22, instance: id & 0x3f_ff_ff };
}

function encode(value: Value): Buffer {
  switch (value.tag) {
    case 'null':
      return Buffer.from([0]);
    case 'real': {
      const bytes = Buffer.from([0x44, 0, 0, 0, 0]);
      bytes.writeFloatBE(value.number, 1);
      return bytes;
    }
    case 'unsigned':
      return Buffer.from([0x22, value.number >> 8, value.number & 0xff]);
    case 'enumerated':
      return Buffer.from([0x91, value.number]);
    case 'text': {
      const text = Buffer.from(value.text, 'utf8').subarray(0, 250);
      return Buffer.concat([Buffer.from([0x75, text.length + 1, 0]), text]);
    }
    default: {
      const bytes = Buffer.from([0xc4, 0, 0, 0, 0]);
      bytes.writeUInt32BE(value.type * 2 ** 22 + value.instance, 1);
      return bytes;
    }
  }
}
