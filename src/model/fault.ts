/**
 * The one error for everything the world does wrong, in closed kinds. Whether to retry depends on the kind alone.
 * Bugs of our own are plain `Error`s (assertions) and crash.
 */
export const FAULT_KINDS = ['unreachable', 'unauthorised', 'unsupported', 'refused', 'garbled', 'timeout'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export class Fault extends Error {
  readonly kind: FaultKind;
  /** The bytes that could not be understood, cut to a size fit for a log. */
  readonly bytes: string | undefined;

  constructor(kind: FaultKind, message: string, options: { cause?: unknown; bytes?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.kind = kind;
    this.bytes = options.bytes?.slice(0, 500);
  }
}

/** Worth another try by itself: the machine may answer next time. The others need a person or a different command. */
export const isTransient = (kind: FaultKind): boolean =>
  kind === 'unreachable' || kind === 'timeout' || kind === 'garbled';

/** After these nobody knows whether what was asked for was done. */
export const isUnanswered = (kind: FaultKind): boolean => isTransient(kind);

/** Narrows anything thrown to a Fault; a bug of ours is thrown on. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  throw error;
}
