/**
 * The base-point interface: a small, strict Modbus TCP server (Modbus Application Protocol 1.1b3; messaging on TCP/IP 1.0b).
 * Functions 3 and 4 read, 6 and 16 write; everything else is exception 1, what is outside the map exception 2, a value or count
 * that makes no sense exception 3. The register map stands in docs/grid-events.md. Pure: bytes in, bytes out.
 */

/** What a controller told. */
export interface BasePointCommand {
  readonly basePointW: number;
  readonly enabled: boolean;
  readonly heartbeat: number;
}

/** What a controller may read; undefined: unknown. */
export interface BasePointTelemetry {
  readonly importW: number | undefined;
  readonly availableUpW: number | undefined;
  readonly availableDownW: number | undefined;
  readonly rampWPerMinute: number | undefined;
  readonly status: number;
  readonly dataAgeMs: number | undefined;
  readonly demandedMostW: number | undefined;
  readonly demandedLeastW: number | undefined;
}

/** Bits of the status register. */
export const STATUS = {
  following: 1,
  stale: 2,
  optedOut: 4,
  shadow: 8,
  offTarget: 16,
  overruled: 32,
} as const;

export const REGISTERS = {
  basePointKw: 0,
  enable: 2,
  heartbeat: 3,
  version: 100,
  status: 101,
  importKw: 102,
  availableUpKw: 104,
  availableDownKw: 106,
  rampKwPerMinute: 108,
  demandedMostKw: 110,
  demandedLeastKw: 112,
  dataAgeTenths: 114,
  heartbeatEcho: 115,
} as const;
const COMMANDS = 4;
const TELEMETRY_FROM = REGISTERS.version;
const TELEMETRY_WORDS = 16;
export const MAP_VERSION = 1;
/** What an int32 register reads that is not known, as in SunSpec. */
export const UNKNOWN_INT32 = -0x8000_0000;
export const UNKNOWN_UINT16 = 0xffff;

const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;
type Exception = typeof ILLEGAL_FUNCTION | typeof ILLEGAL_ADDRESS | typeof ILLEGAL_VALUE;

export interface Registers {
  /** Answers one request. @param pdu function code and data, without the header */
  answer(pdu: Buffer): Buffer;
}

export interface RegisterOptions {
  /** What stands in the command registers at the start; absent: zeros. A process that was away must not let go of the site. */
  readonly initial?: Pick<BasePointCommand, 'basePointW' | 'enabled'> | undefined;
  /** A base point above it, or below `leastW` where it is to be followed, is exception 3. */
  readonly mostW: number;
  readonly leastW: number;
  telemetry(): BasePointTelemetry;
  /** Called after each write that was taken. */
  told(command: BasePointCommand): void;
  /** Called after a base point that was not taken. */
  refused(why: string): void;
}

export function createRegisters({ initial, mostW, leastW, telemetry, told, refused }: RegisterOptions): Registers {
  const commands = new Uint16Array(COMMANDS);
  if (initial !== undefined) {
    const kw = Math.round(initial.basePointW / 1000);
    commands.set([kw >>> 16, kw & 0xffff, Number(initial.enabled)]);
  }

  function read(pdu: Buffer): Buffer | Exception {
    if (pdu.length !== 5) return ILLEGAL_VALUE;
    const at = pdu.readUInt16BE(1);
    const count = pdu.readUInt16BE(3);
    if (count < 1 || count > 125) return ILLEGAL_VALUE;
    const words =
      at + count <= COMMANDS
        ? commands.subarray(at, at + count)
        : at >= TELEMETRY_FROM && at + count <= TELEMETRY_FROM + TELEMETRY_WORDS
          ? wordsOf(telemetry(), commands[REGISTERS.heartbeat]!).subarray(
              at - TELEMETRY_FROM,
              at - TELEMETRY_FROM + count,
            )
          : undefined;
    if (words === undefined) return ILLEGAL_ADDRESS;
    const reply = Buffer.alloc(2 + 2 * count);
    reply[0] = pdu[0]!;
    reply[1] = 2 * count;
    words.forEach((word, i) => reply.writeUInt16BE(word, 2 + 2 * i));
    return reply;
  }

  /** All words are taken or none: half a base point is another one. */
  function write(at: number, words: readonly number[]): Exception | undefined {
    if (at + words.length > COMMANDS) return ILLEGAL_ADDRESS;
    const covers = (register: number): boolean => at <= register && register < at + words.length;
    if (covers(REGISTERS.basePointKw) !== covers(REGISTERS.basePointKw + 1)) return ILLEGAL_ADDRESS;
    const next = new Uint16Array(commands);
    next.set(words, at);
    const command = commandOf(next);
    if (next[REGISTERS.enable]! > 1) return ILLEGAL_VALUE;
    if (command.basePointW < 0 || command.basePointW > mostW || (command.enabled && command.basePointW < leastW)) {
      refused(`${command.basePointW / 1e6} MW: expected ${leastW / 1e6} to ${mostW / 1e6} MW`);
      return ILLEGAL_VALUE;
    }
    commands.set(next);
    told(command);
    return undefined;
  }

  function handle(pdu: Buffer): Buffer | Exception {
    const code = pdu[0]!;
    if (code === 3 || code === 4) return read(pdu);
    if (code === 6) {
      if (pdu.length !== 5) return ILLEGAL_VALUE;
      return write(pdu.readUInt16BE(1), [pdu.readUInt16BE(3)]) ?? pdu;
    }
    if (code === 16) {
      if (pdu.length < 6) return ILLEGAL_VALUE;
      const count = pdu.readUInt16BE(3);
      if (count < 1 || count > 123 || pdu[5] !== 2 * count || pdu.length !== 6 + 2 * count) return ILLEGAL_VALUE;
      const words = Array.from({ length: count }, (_, i) => pdu.readUInt16BE(6 + 2 * i));
      return write(pdu.readUInt16BE(1), words) ?? pdu.subarray(0, 5);
    }
    return ILLEGAL_FUNCTION;
  }

  return {
    answer(pdu) {
      const answer = handle(pdu);
      return typeof answer === 'number' ? Buffer.from([pdu[0]! | 0x80, answer]) : answer;
    },
  };
}

function commandOf(words: Uint16Array): BasePointCommand {
  const kw = (words[0]! << 16) | words[1]!;
  return { basePointW: kw * 1000, enabled: words[REGISTERS.enable] === 1, heartbeat: words[REGISTERS.heartbeat]! };
}

function wordsOf(told: BasePointTelemetry, heartbeat: number): Uint16Array {
  const words = new Uint16Array(TELEMETRY_WORDS);
  const put = (register: number, value: number): void => void (words[register - TELEMETRY_FROM] = value);
  const putKw = (register: number, watts: number | undefined): void => {
    const known = watts !== undefined && Number.isFinite(watts);
    const kw = known ? Math.max(-0x7fff_ffff, Math.min(0x7fff_ffff, Math.round(watts / 1000))) : UNKNOWN_INT32;
    put(register, kw >>> 16);
    put(register + 1, kw & 0xffff);
  };
  put(REGISTERS.version, MAP_VERSION);
  put(REGISTERS.status, told.status);
  putKw(REGISTERS.importKw, told.importW);
  putKw(REGISTERS.availableUpKw, told.availableUpW);
  putKw(REGISTERS.availableDownKw, told.availableDownW);
  putKw(REGISTERS.rampKwPerMinute, told.rampWPerMinute);
  putKw(REGISTERS.demandedMostKw, told.demandedMostW);
  putKw(REGISTERS.demandedLeastKw, told.demandedLeastW);
  const tenths = told.dataAgeMs === undefined ? UNKNOWN_UINT16 : Math.round(told.dataAgeMs / 100);
  put(REGISTERS.dataAgeTenths, Math.min(UNKNOWN_UINT16, tenths));
  put(REGISTERS.heartbeatEcho, heartbeat);
  return words;
}

const HEADER = 7;
/** Longest frame there is: header and 253 bytes. */
const MOST_FRAME = 260;

export interface Answered {
  readonly replies: readonly Buffer[];
  /** The beginning of a frame that is not whole yet. */
  readonly rest: Buffer;
  /** What came is no Modbus: the connection is of no use any more. */
  readonly broken: boolean;
}

/** Answers every whole frame of what came. A frame for another unit is met with silence. */
export function answerFrames(received: Buffer, unitId: number, registers: Registers): Answered {
  const replies: Buffer[] = [];
  let rest = received;
  while (rest.length >= HEADER) {
    const length = 6 + rest.readUInt16BE(4);
    if (rest.readUInt16BE(2) !== 0 || length <= HEADER || length > MOST_FRAME) return { replies, rest, broken: true };
    if (rest.length < length) break;
    const frame = rest.subarray(0, length);
    rest = rest.subarray(length);
    if (frame[6] !== unitId) continue;
    const pdu = registers.answer(frame.subarray(HEADER));
    const header = Buffer.from(frame.subarray(0, HEADER));
    header.writeUInt16BE(pdu.length + 1, 4);
    replies.push(Buffer.concat([header, pdu]));
  }
  return { replies, rest, broken: false };
}
